"""Which files of a hub repository are wanted: weights, configuration and tokenizer, or the rows of one split.

Never pickled weights, never Python files: both can run code of their author's on reading.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Final

from selfimp_bench.engines.hub.hub import HubFile, Listing, Source
from selfimp_bench.engines.open import WITH_ENGINES
from selfimp_bench.engines.weights import INDEX, WEIGHTS
from selfimp_bench.errors import InputError

CARD: Final = "README.md"
ROWS: Final = (".parquet", ".jsonl")
_SETTINGS: Final = (".json", ".jinja")
_MODULE: Final = re.compile(r"\d+_[A-Za-z0-9]+/(config\.json|model\.safetensors)")


def model_files(source: Source, listing: Listing, index: bytes | None) -> tuple[HubFile, ...]:
    """What a causal language model is loaded from. ``index`` is the content of ``INDEX`` where it is listed.

    Raises InputError for a repository without safetensors weights, configuration or tokenizer in their usual places.
    """
    for name in ("config.json", "tokenizer.json"):
        if listing.find(name) is None:
            raise InputError(f"{source}: there is no {name}; expected a transformers model with a fast tokenizer")
    weights = (WEIGHTS,) if index is None else _shards(source, index)
    settings = [file.path for file in listing.files if "/" not in file.path and file.path.endswith(_SETTINGS)]
    return _found(source, listing, (*settings, *weights))


def encoder_files(source: Source, listing: Listing) -> tuple[HubFile, ...]:
    """What a sentence encoder is loaded from: a model's files, its vocabulary, and its modules' folders."""
    root = (*_SETTINGS, ".txt")
    wanted = [
        file.path
        for file in listing.files
        if _MODULE.fullmatch(file.path) or ("/" not in file.path and file.path.endswith(root))
    ]
    return _found(source, listing, (*wanted, WEIGHTS))


def split_files(source: Source, listing: Listing, card: bytes | None) -> tuple[HubFile, ...]:
    """The files that hold the pinned split of the pinned configurations, in the order of their rows.

    The `datasets` library decides, from the card (the content of ``CARD``) and the files' names alone.
    Raises InputError when the repository has no such configuration or split as Parquet or JSON Lines.
    """
    wanted = source.wanted
    found: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        skeleton = Path(folder) / "repository"
        for file in listing.files:
            if file.path.endswith(ROWS):
                (skeleton / file.path).parent.mkdir(parents=True, exist_ok=True)
                (skeleton / file.path).touch()
        if not skeleton.is_dir():
            held = ", ".join(sorted(file.path for file in listing.files)[:8])
            raise InputError(f"{source}: no Parquet or JSON Lines file in it (it holds {held}); {_OWN_COPY}")
        if card is not None:
            (skeleton / CARD).write_bytes(card)
        for config in wanted.configs or (None,):
            found.extend(_resolved(source, skeleton, config))
    return _found(source, listing, tuple(found))


_OWN_COPY: Final = "give another repository of the same rows with --mirror, or a copy of your own with `path`"


def _resolved(source: Source, skeleton: Path, config: str | None) -> list[str]:
    try:
        import datasets
    except ImportError:
        raise InputError(f"{source}: datasets, which finds its files, is not installed; {WITH_ENGINES}") from None
    wanted = source.wanted
    try:
        builder = datasets.load_dataset_builder(str(skeleton), config, cache_dir=str(skeleton.parent / "cache"))
        by_split = {str(split): list(paths) for split, paths in (builder.config.data_files or {}).items()}
    except Exception as error:  # the library's own have no common base; all mean what the repository holds
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{source}: configuration {config!r} is not to be had ({reason}); {_OWN_COPY}") from None
    if wanted.split not in by_split:
        raise InputError(
            f"{source}: configuration {config!r} has no split {wanted.split!r}; it has {', '.join(by_split) or 'none'}"
        )
    root = skeleton.resolve()
    return [Path(path).resolve().relative_to(root).as_posix() for path in by_split[wanted.split]]


def _shards(source: Source, index: bytes) -> tuple[str, ...]:
    try:
        names = tuple(sorted(set(json.loads(index)["weight_map"].values())))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise InputError(f"{source}: {INDEX} is no index of safetensors shards (no weight_map)") from None
    if not names or not all(isinstance(name, str) and name.endswith(".safetensors") for name in names):
        raise InputError(f"{source}: {INDEX} names weights that are not safetensors: {', '.join(map(str, names))}")
    return names


def _found(source: Source, listing: Listing, names: tuple[str, ...]) -> tuple[HubFile, ...]:
    by_path = {file.path: file for file in listing.files}
    missing = [name for name in names if name not in by_path]
    if missing:
        held = [path for path in by_path if path.endswith((".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack"))]
        instead = f"; it has {', '.join(held)}, which are not read: they can run code" if held else ""
        raise InputError(f"{source}: {', '.join(missing)} is not there{instead}; expected weights as safetensors")
    return tuple(by_path[name] for name in dict.fromkeys(names))
