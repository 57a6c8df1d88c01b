"""A target: something that reads files, and files to begin with."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True, kw_only=True)
class Seed:
    """A file to begin with: its name, which a reader may look at, its form (``edits``) and its content."""

    name: str
    form: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Target:
    """Something that reads files.

    read: reads one file; raises InputError where it refuses it, AssertionError where it accepts nonsense.
    share: of all inputs.
    """

    name: str
    seeds: Sequence[Seed]
    read: Callable[[Path], None]
    share: float


def seed(path: Path, form: str) -> Seed:
    return Seed(name=path.name, form=form, content=path.read_bytes())


def twice_refused(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a key twice in one object"
    return dict(pairs)


def json_lines(path: Path) -> list[dict[str, Any]]:
    """The rows as another reader of JSON sees them."""
    text = path.read_bytes().decode("utf-8")
    return [json.loads(line, object_pairs_hook=twice_refused) for line in text.split("\n") if line.strip()]


def as_lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), sink)
    return sink.getvalue()
