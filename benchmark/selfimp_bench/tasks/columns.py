"""Reading the columns of a data set's row, so that an unexpected layout is told by row and column."""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from selfimp_bench.errors import InputError
from selfimp_bench.plain_json import shortened

Row = Mapping[str, Any]
"""A row as JSON or Parquet gives it: a data set's own names, nested lists and mappings, null for nothing."""

LONGEST_SHOWN: Final = 80
_REMEDY: Final = "use the data set at the revision the manifest pins, or a mirror in the same layout"


def text(row: Row, row_name: str, *names: str) -> str:
    """The text of the first of these columns that is there. Raises InputError if none is, or if it is no text."""
    value = _first(row, row_name, names)
    if not isinstance(value, str) or not value.strip():
        refuse(row_name, _found(row, names), value, "a text that is not blank")
    return value


def texts(row: Row, row_name: str, *names: str) -> tuple[str, ...]:
    """The list of texts of the first of these columns that is there; InputError if none is, or if it is none."""
    value = _first(row, row_name, names)
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        refuse(row_name, _found(row, names), value, "a list of texts")
    return tuple(value)


def identity(row: Row, row_name: str, name: str) -> str:
    """The data set's own id of a row (a text or a whole number); ``row_name`` where it gives none."""
    value = row.get(name)
    if value is None:
        return row_name
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        refuse(row_name, name, value, "an id")
    return str(value)


def refuse(row_name: str, column: str, found: object, expected: str) -> NoReturn:
    """Raise the InputError of a column that cannot be read."""
    shown = repr(found)
    shown = shown if len(shown) <= LONGEST_SHOWN else shown[:LONGEST_SHOWN] + "…"
    raise InputError(f"row {shortened(row_name)}, column {column!r}: found {shown}; expected {expected}: {_REMEDY}")


def _first(row: Row, row_name: str, names: tuple[str, ...]) -> Any:
    name = _found(row, names)
    if name not in row:
        there = ", ".join(map(str, row)) or "none"
        wanted = " or ".join(map(repr, names))
        raise InputError(f"row {shortened(row_name)}: no column {wanted} (it has {shortened(there, 400)}): {_REMEDY}")
    return row[name]


def _found(row: Row, names: tuple[str, ...]) -> str:
    return next((name for name in names if name in row), names[0])
