"""Files that a crash of the machine leaves whole: pushed to the disk before the rename that declares them finished."""

import os
import re
import uuid
from pathlib import Path
from typing import Final

_HALF_WRITTEN: Final = re.compile(r"\..+\.[0-9a-f]{8}")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader or a crash sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        temporary.write_bytes(content)
        put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def is_half_written(path: Path) -> bool:
    """Whether a file is one that is being written atomically, or was when its writer was killed: of no meaning yet."""
    return _HALF_WRITTEN.fullmatch(path.name) is not None


def put_in_place(made: Path, target: Path) -> None:
    """Rename a finished file or folder to what it is called from now on, its content on the disk before the name is."""
    for path in (*made.rglob("*"), made) if made.is_dir() else (made,):
        _flush(path)
    made.replace(target)
    _flush(target.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
