"""Edits of Parquet files: their rows as data, and their columns: names, types, twice, none."""

import io
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

TYPES: Final = (
    *(pa.large_string(), pa.binary(), pa.string(), pa.int8(), pa.int32(), pa.int64(), pa.uint64()),
    *(pa.float16(), pa.float64(), pa.bool_(), pa.null(), pa.decimal128(38, 0), pa.list_(pa.string())),
    *(pa.dictionary(pa.int32(), pa.string()), pa.map_(pa.string(), pa.string()), pa.struct([("a", pa.string())])),
    *(pa.timestamp("ns"), pa.timestamp("us", "Mars/Olympus"), pa.date64(), pa.time64("ns"), pa.duration("s")),
)
"""What a column is made, where its values can be."""
VALUES: Final = (
    *(2**63 - 1, -(2**63), 2**31, -1, 0.0, float("nan"), float("-inf"), b"\xff\xfe", b"text", True, Decimal(10) ** 30),
    *(
        date(1, 1, 1),
        datetime(9999, 12, 31, 23, 59, 59, 999999),
        [None],
        [["x"]],
        {"a": None},
        {},
        [],
        "",
        "\x00",
        None,
    ),
)


def edited_table(content: bytes, where: int, what: int, inner: Callable[[Any, int, int], Any]) -> bytes | None:
    """One edit; None where it cannot be made. inner: edits plain data."""
    try:
        table = pq.read_table(io.BytesIO(content))
        kind, rest = what % 8, what // 8
        if kind <= 2:
            return _written(pa.Table.from_pylist(inner(table.to_pylist(), where, rest)))
        return _written(_columnwise(table, where, kind, rest))
    except Exception:  # of what cannot be a table there are too many kinds
        return None


def _written(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _columnwise(table: pa.Table, where: int, kind: int, rest: int) -> pa.Table:
    at = where % table.num_columns
    name, column = table.column_names[at], table.column(at)
    if kind == 3:
        return table.set_column(at, name, column.cast(TYPES[rest % len(TYPES)]))
    if kind == 4:
        return table.set_column(at, name, pa.array([VALUES[rest % len(VALUES)]] * table.num_rows))
    if kind == 5:
        return table.rename_columns(
            [each if i != at else _NAMES[rest % len(_NAMES)] for i, each in enumerate(table.column_names)]
        )
    if kind == 6:  # a name twice
        return table.append_column(name, table.column(rest % table.num_columns))
    if rest % 3 == 0:
        return table.remove_column(at)
    if rest % 3 == 1:
        return table.slice(0, rest % (table.num_rows + 1))
    return pa.concat_tables([table] * (2 + rest % 3))


_NAMES: Final = (
    "",
    "completion",
    "problem_id",
    "custom_id",
    "doc",
    "resps",
    "x" * 10_000,
    "\x00",
    "a.b",
    "😀",
    "\u202e",
)
