"""The files of a checkpoint, proved where they are read: those that a training wrote, or those of the base model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from selfimp_bench.canonical import file_sha256
from selfimp_bench.errors import InputError

MODEL: Final = "model.json"


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """The sha256 of every file of the base model that a run reads."""

    model: str
    files: Mapping[str, str]


def read_model_files(path: Path) -> ModelFiles:
    """What a model step wrote. Raises InputError for what it did not write."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ModelFiles)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); delete {path.parent} to have the step done again"
        ) from None


def prove(folder: Path, files: Mapping[str, str], *, advice: str) -> None:
    """Raises InputError for the first of these files, by their sha256, that is missing or of another content.

    A large file is hashed once by a process (``file_sha256``).
    """
    for name, sha256 in files.items():
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path}: is missing; {advice}")
        if (found := file_sha256(path)) != sha256:
            raise InputError(f"{path}: was changed: it has the sha256 {found}, and had {sha256}; {advice}")
