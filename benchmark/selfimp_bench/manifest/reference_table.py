"""Reference tables: published numbers (or our own replicated ones) as CSV, digits kept as printed.

A table is read strictly: every problem is found at once, with file, line and column, before anything is compared.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from selfimp_bench.errors import Flaw, InputError

REQUIRED = (
    "id", "model", "dataset", "method", "metric", "x", "printed", "unit", "read_error", "source", "conflicts_with",
)  # fmt: skip
OPTIONAL = ("sd", "runs", "problems", "digest")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One number of a table.

    printed: the digits as printed, in ``unit``; x: the place on the table's axis, if it has one.
    read_error: how far off a number read from a figure may be; None where it was printed as text.
    conflicts_with: rows where the same source gives another number for the same thing: ``id`` in this table,
        ``table.csv#id`` in another table of its folder.
    sd, runs: sample standard deviation over ``runs`` seeds, whose mean is ``printed``; both or neither.
    problems, digest: how many problems every run had, and the digest of their data set.
    """

    id: str
    model: str
    dataset: str
    method: str
    metric: str
    x: Decimal | None
    printed: str
    unit: str
    read_error: Decimal | None
    source: str
    conflicts_with: tuple[str, ...]
    sd: Decimal | None = None
    runs: int | None = None
    problems: int | None = None
    digest: str | None = None

    @property
    def value(self) -> Decimal:
        """The printed number, exactly."""
        return Decimal(self.printed)

    @property
    def rounding_error(self) -> Decimal:
        """Half a unit of the last printed digit: 0.05 for ``77.5``."""
        _, _, fraction = self.printed.partition(".")
        return Decimal(5).scaleb(-len(fraction) - 1)

    @property
    def own_error(self) -> Decimal:
        """How far the number may be from the one its authors had: the larger of rounding and reading error."""
        return max(self.rounding_error, self.read_error or Decimal(0))


@dataclass(frozen=True, kw_only=True)
class ReferenceTable:
    """The rows of one file. ``name`` is what claims call it (a claim's ``table``)."""

    name: str
    rows: tuple[Reference, ...]

    def find(self, name: str) -> Reference | None:
        """The row of this id."""
        return next((row for row in self.rows if row.id == name), None)

    def neighbours(self, row: Reference) -> tuple[tuple[str, str], ...]:
        """(table, id) of every row that ``row`` says it conflicts with; tables as claims would name them."""
        folder, slash, _ = self.name.rpartition("/")
        found = []
        for other in row.conflicts_with:
            table, mark, name = other.partition(_IN_TABLE)
            found.append((f"{folder}{slash}{table}", name) if mark else (self.name, other))
        return tuple(found)


class TableError(InputError):
    """A reference table that cannot be used; ``flaws`` holds everything wrong with it."""

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        super().__init__("\n".join(map(str, flaws)))
        self.flaws = tuple(flaws)


class _Field(NamedTuple):
    text: str
    line: int
    column: int


@dataclass(frozen=True, kw_only=True)
class _CrossReference:
    """Row ``id`` says at ``field`` that it conflicts with row ``other_id`` of ``table`` in the same folder."""

    id: str
    table: str
    other_id: str
    field: _Field


@dataclass(frozen=True, kw_only=True)
class _Parsed:
    rows: tuple[Reference, ...]
    flaws: tuple[Flaw, ...]
    cross_references: tuple[_CrossReference, ...] = ()


def read_table(path: Path, name: str) -> ReferenceTable:
    """The table at ``path``, called ``name`` by the claims. Raises TableError with every flaw.

    Conflicts with rows of other tables are not looked up (``find_flaws`` does), for a run keeps copies of the tables
    that its claims name without the rest of their folder.
    """
    parsed = _parse(path)
    if parsed.flaws:
        raise TableError(parsed.flaws)
    return ReferenceTable(name=name, rows=parsed.rows)


def find_flaws(path: Path) -> tuple[Flaw, ...]:
    """Everything wrong with the table at ``path``, by line and column; empty when it can be used.

    A conflict with a row of another table is looked up there.
    """
    parsed = _parse(path)
    return tuple(sorted((*parsed.flaws, *_cross_reference_flaws(path, parsed.cross_references))))


def _cross_reference_flaws(path: Path, references: Sequence[_CrossReference]) -> Iterator[Flaw]:
    others = {name: _parse(path.parent / name) for name in sorted({each.table for each in references})}
    for each in references:
        if message := _cross_reference_problem(each, path.name, others[each.table]):
            yield _flaw(str(path), each.field, "conflicts_with", message)


def _cross_reference_problem(reference: _CrossReference, own_table: str, other: _Parsed) -> str | None:
    if reference.table == own_table:
        return f"a row of this table is named by its id alone: '{reference.other_id}'"
    if other.flaws:
        return f"{reference.table} cannot be used: {other.flaws[0].message}"
    rows = {row.id: row for row in other.rows}
    if reference.other_id not in rows:
        return f"no row of {reference.table} has the id '{reference.other_id}'"
    if f"{own_table}#{reference.id}" not in rows[reference.other_id].conflicts_with:
        place = f"'{reference.other_id}' of {reference.table}"
        return f"{place} does not name '{own_table}#{reference.id}' in return; a conflict is written on both rows"
    return None


def _parse(path: Path) -> _Parsed:
    file = str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        return _refused(Flaw(file=file, line=1, column=1, where="$", message=f"cannot be read: {error.strerror}"))
    return _parse_content(file, raw)


@lru_cache(maxsize=128)
def _parse_content(file: str, raw: bytes) -> _Parsed:
    """A table by its name and content, parsed once: many claims and figures ask for the same few."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the table as UTF-8"
        return _refused(Flaw(file=file, line=line, column=column, where="$", message=message))
    if text.startswith("\ufeff"):
        message = "starts with a byte order mark; save the table as UTF-8 without one"
        return _refused(Flaw(file=file, line=1, column=1, where="$", message=message))
    flaws: list[Flaw] = []
    rows = list(_split(text, file, flaws))
    if not rows:
        message = f"the table is empty; its first line must name the columns {', '.join(REQUIRED)}"
        return _refused(*flaws, Flaw(file=file, line=1, column=1, where="$", message=message))
    flaws += _header_flaws(file, rows[0])
    if flaws:
        return _refused(*flaws)
    return _read_rows(file, rows)


def _refused(*flaws: Flaw) -> _Parsed:
    return _Parsed(rows=(), flaws=tuple(sorted(flaws)))


_LINE_END = re.compile(r"\r\n|\n|\r")
_FIELD = re.compile(r'(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^",\r\n]*))(?P<end>,|\r\n|\n|\r|\Z)')


def _split(text: str, file: str, flaws: list[Flaw]) -> Iterator[tuple[_Field, ...]]:
    """The fields of every line (RFC 4180), with their places, which the csv module does not give."""
    starts = [0, *(match.end() for match in _LINE_END.finditer(text))]
    fields: list[_Field] = []
    position = 0
    while position < len(text) or fields:
        line = bisect_right(starts, position)
        column = position - starts[line - 1] + 1
        match = _FIELD.match(text, position)
        if match is None:
            message = 'a quote inside a field, after it or never closed; quote the whole field, "" for a quote in it'
            flaws.append(Flaw(file=file, line=line, column=column, where="$", message=message))
            return
        quoted = match["quoted"]
        content = match["plain"] if quoted is None else quoted.replace('""', '"')
        fields.append(_Field(text=content, line=line, column=column))
        position = match.end()
        if match["end"] != ",":
            yield tuple(fields)
            fields = []


def _flaw(file: str, field: _Field, column: str, message: str) -> Flaw:
    return Flaw(file=file, line=field.line, column=field.column, where=f"$.{column}", message=message)


def _header_flaws(file: str, header: tuple[_Field, ...]) -> Iterator[Flaw]:
    names = [field.text for field in header]
    for field, name in zip(header, names, strict=True):
        if name not in (*REQUIRED, *OPTIONAL):
            known = ", ".join((*REQUIRED, *OPTIONAL))
            yield _flaw(file, field, name, f"unknown column; the columns are {known}")
    for name, count in Counter(names).items():
        if count > 1:
            yield _flaw(file, header[len(names) - 1 - names[::-1].index(name)], name, "the column is there twice")
    for name in REQUIRED:
        if name not in names:
            yield _flaw(file, header[0], name, "the column is missing")


def _read_rows(file: str, rows: Sequence[tuple[_Field, ...]]) -> _Parsed:
    names = [field.text for field in rows[0]]
    flaws: list[Flaw] = []
    records: list[dict[str, _Field]] = []
    for row in rows[1:]:
        if len(row) == len(names):
            records.append(dict(zip(names, row, strict=True)))
        else:
            found = "an empty line" if len(row) == 1 and not row[0].text else f"{len(row)} fields"
            message = f"{found}; expected {len(names)} fields, as in the first line"
            flaws.append(Flaw(file=file, line=row[0].line, column=row[0].column, where="$", message=message))
    for record in records:
        for name, field in record.items():
            if problem := _RULES[name](field.text):
                flaws.append(_flaw(file, field, name, problem))
        flaws += _spread_flaws(file, record)
    flaws += _identity_flaws(file, records)
    if not rows[1:]:
        flaws.append(Flaw(file=file, line=1, column=1, where="$", message="the table has no rows under its first line"))
    if flaws:
        return _refused(*flaws)
    rows_read = tuple(_reference(record) for record in records)
    return _Parsed(rows=rows_read, flaws=(), cross_references=tuple(_cross_references(records)))


def _cross_references(records: Sequence[dict[str, _Field]]) -> Iterator[_CrossReference]:
    for record in records:
        field = record["conflicts_with"]
        for table, mark, name in (part.partition(_IN_TABLE) for part in _ids(field.text)):
            if mark:
                yield _CrossReference(id=record["id"].text, table=table, other_id=name, field=field)


def _spread_flaws(file: str, record: dict[str, _Field]) -> Iterator[Flaw]:
    """A standard deviation means nothing without the number of runs behind it, nor they without it."""
    for name, other in (("sd", "runs"), ("runs", "sd")):
        if name in record and record[name].text and not (other in record and record[other].text):
            yield _flaw(file, record[name], name, f"given without {other}; give both or neither")


def _identity_flaws(file: str, records: Sequence[dict[str, _Field]]) -> Iterator[Flaw]:
    conflicts: dict[str, tuple[str, ...]] = {}
    first_line: dict[str, int] = {}
    for record in records:
        name = record["id"].text
        if name in first_line:
            yield _flaw(file, record["id"], "id", f"'{name}' is already the id of line {first_line[name]}")
        else:
            first_line[name] = record["id"].line
            conflicts[name] = _ids(record["conflicts_with"].text)
    for record in records:
        name, field = record["id"].text, record["conflicts_with"]
        for other in filter(None, _ids(field.text)):
            if _IN_TABLE in other:
                continue  # find_flaws looks it up, where the other table is
            if other == name:
                yield _flaw(file, field, "conflicts_with", f"'{name}' cannot conflict with itself")
            elif other not in conflicts:
                yield _flaw(file, field, "conflicts_with", f"no row has the id '{other}'")
            elif name not in conflicts[other]:
                message = f"'{other}' does not name '{name}' in return; a conflict is written on both rows"
                yield _flaw(file, field, "conflicts_with", message)


def _ids(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";")) if text else ()


_DECIMAL = re.compile(r"-?([0-9]+(\.[0-9]+)?|\.[0-9]+)")
_COUNT = re.compile(r"[0-9]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_IN_TABLE = "#"
_ID = re.compile(r"[^\s;#]+")
_CONFLICT = re.compile(r"([^\s;#/\\\x00]+\.csv#)?[^\s;#]+")


def _text_rule(text: str) -> str | None:
    if not text:
        return "must not be empty"
    return "must not begin or end with a space" if text != text.strip() else None


def _optional_text_rule(text: str) -> str | None:
    return _text_rule(text) if text else None


def _id_rule(text: str) -> str | None:
    return None if _ID.fullmatch(text) else f"must be one word without ';' or '#', found '{text}'"


def _number_rule(text: str) -> str | None:
    return None if _DECIMAL.fullmatch(text) else f"must be a plain decimal number such as 77.5, found '{text}'"


def _optional_number_rule(text: str) -> str | None:
    return _number_rule(text) if text else None


def _error_rule(text: str) -> str | None:
    if text and _DECIMAL.fullmatch(text) and Decimal(text) < 0:
        return f"must not be negative, found {text}"
    return _optional_number_rule(text)


def _count_rule(minimum: int, why: str) -> Callable[[str], str | None]:
    def rule(text: str) -> str | None:
        if not text or (_COUNT.fullmatch(text) and int(text) >= minimum):
            return None
        return f"must be a whole number from {minimum} ({why}), found '{text}'"

    return rule


def _digest_rule(text: str) -> str | None:
    return None if not text or _SHA256.fullmatch(text) else f"must be a sha256 in 64 small hex digits, found '{text}'"


def _ids_rule(text: str) -> str | None:
    if all(_CONFLICT.fullmatch(part) for part in _ids(text)):
        return None
    return f"must be row ids (id, or table.csv#id in another table) with ';' between them, found '{text}'"


_RULES: dict[str, Callable[[str], str | None]] = {
    "id": _id_rule,
    "model": _text_rule,
    "dataset": _text_rule,
    "method": _optional_text_rule,
    "metric": _text_rule,
    "x": _optional_number_rule,
    "printed": _number_rule,
    "unit": _text_rule,
    "read_error": _error_rule,
    "source": _text_rule,
    "conflicts_with": _ids_rule,
    "sd": _error_rule,
    "runs": _count_rule(2, "one run has no spread"),
    "problems": _count_rule(1, "a mean over no problems is undefined"),
    "digest": _digest_rule,
}


def _reference(record: dict[str, _Field]) -> Reference:
    """A row whose every field has passed its rule."""
    texts = {name: field.text for name, field in record.items()}
    return Reference(
        id=texts["id"],
        model=texts["model"],
        dataset=texts["dataset"],
        method=texts["method"],
        metric=texts["metric"],
        x=_decimal(texts["x"]),
        printed=texts["printed"],
        unit=texts["unit"],
        read_error=_decimal(texts["read_error"]),
        source=texts["source"],
        conflicts_with=_ids(texts["conflicts_with"]),
        sd=_decimal(texts.get("sd", "")),
        runs=_whole(texts.get("runs", "")),
        problems=_whole(texts.get("problems", "")),
        digest=texts.get("digest") or None,
    )


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def _whole(text: str) -> int | None:
    return int(text) if text else None
