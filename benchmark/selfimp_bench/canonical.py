"""One byte form for any value, so that equal values have equal digests."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

NOT_IDENTITY: Final = ("source", "assumed", "architecture", "characters", "prompt_tokens")
"""Keys that are no part of what a step is: remarks on where a value is from, and what only a forecast reads."""


def canonical_bytes(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, UTF-8; dataclasses, enums and tuples become plain data first.

    Raises ValueError for NaN and infinities.
    """
    plain = msgspec.to_builtins(value, str_keys=True)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(value: Any) -> str:
    """sha256 (64 hex digits) of ``canonical_bytes(value)``."""
    return hashlib.sha256(canonical_bytes(value)).hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 (64 hex digits) of a file's bytes, read in pieces.

    One of more than ``LARGE`` bytes is read once by a process, as long as the file system says that nobody wrote to it.
    """
    with path.open("rb") as stream:
        seen = _state(stream)
        if seen in _HASHED:
            return _HASHED[seen]
        found = hashlib.file_digest(stream, "sha256").hexdigest()
        if seen[2] > LARGE and _state(stream) == seen:
            _HASHED[seen] = found
    return found


LARGE: Final = 32 * 2**20
"""Bytes of a file that takes time to hash; up to that a look at it hashes it every time."""

_HASHED: dict[tuple[int, ...], str] = {}


def _state(stream: BinaryIO) -> tuple[int, ...]:
    found = os.fstat(stream.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def derive_seed(*parts: str | int) -> int:
    """A seed in 0 .. 2**63 - 1 from its parts alone: the first 63 bits of their digest.

    Order, batch, shard count and resume are no parts, so they cannot change the request a sample gets.
    """
    return int(digest(list(parts))[:16], 16) >> 1


def pretty_json(value: Any) -> bytes:
    """Indented JSON with sorted keys, UTF-8, ending in a newline: the form of every JSON file a person may read."""
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=2) + b"\n"
