"""Comparing what was recorded with what was computed again: tables by rows, JSON by values."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from selfimp_bench.plural import plural
from selfimp_bench.runs.verifying.found import Found, moved

CLOSE: Final = 1e-9
"""Numbers that differ by less, absolutely or relatively, are equal: another machine's libraries sum in another order
and move the last bits (1e-16); the least that a problem can move a share is far more."""

_NAMES: Final = frozenset(
    ("problem_id", "sample_index", "repeat", "round", "side", "model", "metric", "split", "iteration", "replicate")
)
"""The columns that name a row, in whatever table."""

_SHOWN: Final = 3
"""Differing rows of a table that are shown; of measurements all are."""


def same(recorded: object, recomputed: object) -> bool:
    """Whether two plain values are equal, numbers up to ``CLOSE``."""
    if isinstance(recorded, float) or isinstance(recomputed, float):
        numbers = (recorded, recomputed)
        if any(isinstance(each, bool) or not isinstance(each, int | float) for each in numbers):
            return False
        return math.isclose(recorded, recomputed, rel_tol=CLOSE, abs_tol=CLOSE)  # type: ignore[arg-type]
    if isinstance(recorded, dict) and isinstance(recomputed, dict):
        return recorded.keys() == recomputed.keys() and all(same(recorded[key], recomputed[key]) for key in recorded)
    if isinstance(recorded, list) and isinstance(recomputed, list):
        pairs = zip(recorded, recomputed, strict=False)
        return len(recorded) == len(recomputed) and all(same(*pair) for pair in pairs)
    return type(recorded) is type(recomputed) and recorded == recomputed


def compare_files(found: Found, what: str, where: str, recorded: Path, recomputed: Path) -> None:
    """Compare two files of one name: tables, JSON, or bytes."""
    if recorded.suffix == ".parquet":
        compare_tables(found, what, where, recorded, recomputed)
    elif recorded.suffix == ".json":
        compare_json(found, what, where, recorded.read_bytes(), recomputed.read_bytes())
    elif recorded.read_bytes() != recomputed.read_bytes():
        found.differs(what, where, "other bytes", "other bytes")


def compare_json(found: Found, what: str, where: str, recorded: bytes, recomputed: bytes) -> None:
    """Compare two JSON documents, and name every value that differs. Raises ValueError for what is no JSON."""
    for place, one, other in _differing(json.loads(recorded), json.loads(recomputed), "$"):
        found.differs(what, f"{where} {place}", one, other, moved(one, other))


def _differing(recorded: Any, recomputed: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    if same(recorded, recomputed):
        return
    if isinstance(recorded, dict) and isinstance(recomputed, dict):
        for key in sorted({*recorded, *recomputed}):
            yield from _differing(recorded.get(key), recomputed.get(key), f"{place}.{key}")
    elif isinstance(recorded, list) and isinstance(recomputed, list) and len(recorded) == len(recomputed):
        for index, pair in enumerate(zip(recorded, recomputed, strict=True)):
            yield from _differing(*pair, f"{place}[{index}]")
    else:
        yield place, recorded, recomputed


def compare_tables(
    found: Found,
    what: str,
    where: str,
    recorded: Path,
    recomputed: Path,
    *,
    shown: int = _SHOWN,
) -> None:
    """Compare two tables row by row: how many differ, and the first of them."""
    one, other = pq.read_table(recorded), pq.read_table(recomputed)
    if one.schema.names != other.schema.names:
        found.differs(what, where, f"columns {one.schema.names}", f"columns {other.schema.names}")
        return
    if one.num_rows != other.num_rows:
        found.differs(
            what,
            where,
            plural(one.num_rows, "row"),
            plural(other.num_rows, "row"),
            f"{other.num_rows - one.num_rows:+d} rows",
        )
        return
    differing = (
        [] if one.equals(other) else sorted({row for name in one.schema.names for row in _rows(one, other, name)})
    )
    for row in differing[:shown]:
        before, after = one.slice(row, 1).to_pylist()[0], other.slice(row, 1).to_pylist()[0]
        name = " ".join(str(before[column]) for column in one.schema.names if column in _NAMES)
        for column in one.schema.names:
            if not same(before[column], after[column]):
                change = moved(before[column], after[column])
                found.differs(what, f"{where}: {name}: {column}", before[column], after[column], change)
    if len(differing) > shown:
        found.differs(what, where, (rows := plural(one.num_rows, "row")), "see above", f"{len(differing):,} of {rows}")


def _rows(one: pa.Table, other: pa.Table, name: str) -> Iterator[int]:
    """The rows whose values in a column differ."""
    before, after = one[name], other[name]
    if before.equals(after):
        return
    for row, (left, right) in enumerate(zip(before.to_pylist(), after.to_pylist(), strict=True)):
        if not same(left, right):
            yield row
