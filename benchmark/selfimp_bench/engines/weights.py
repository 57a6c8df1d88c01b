"""The weights of a model folder: one safetensors file, or the shards that an index names. Nothing else counts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from selfimp_bench.canonical import digest
from selfimp_bench.errors import InputError

WEIGHTS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The files that hold a model's weights, in order of their names; other safetensors files beside them are not read.

    Raises InputError where there are none, or the index is none, names other files, or one that is not there.
    """
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    if not (folder / INDEX).is_file():
        raise InputError(
            f"{folder / WEIGHTS} not found, nor {INDEX}; expected a Hugging Face model folder with its weights as "
            "safetensors: one file, or shards and their index; convert the weights first"
        )
    names = named_in(folder / INDEX)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder}: {', '.join(missing)} not found, which {INDEX} names ({len(names)} shards in all); copy or "
            "fetch the model again"
        )
    return tuple(folder / name for name in names)


def named_in(index: Path) -> tuple[str, ...]:
    """The files that an index of shards names, in order. Raises InputError where it is none."""
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise InputError(f"{index}: no index of safetensors shards (no weight_map); copy the model again") from None
    if not names or not all(isinstance(name, str) and name.endswith(".safetensors") for name in names):
        raise InputError(f"{index} names weights that are not safetensors: {', '.join(map(str, names)) or 'none'}")
    if outside := [name for name in names if Path(name).name != name]:
        raise InputError(f"{index} names files outside of its folder: {', '.join(outside)}; copy the model again")
    return tuple(names)


def weights_digest(hashes: Mapping[str, str]) -> str:
    """The digest that a manifest pins, of the sha256 of every weight file by its name: that of the one file, or of
    several the sha256 of their canonical JSON, ``{"model-00001-of-00002.safetensors":"<sha256>",...}``."""
    return next(iter(hashes.values())) if len(hashes) == 1 else digest(dict(hashes))
