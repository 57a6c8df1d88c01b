"""One byte form for any value, so that equal values have equal digests."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec


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
    """sha256 (64 hex digits) of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def derive_seed(*parts: str | int) -> int:
    """A seed in 0 .. 2**63 - 1 from its parts alone: the first 63 bits of their digest.

    Order, batch, shard count and resume are no parts, so they cannot change the request a sample gets.
    """
    return int(digest(list(parts))[:16], 16) >> 1
