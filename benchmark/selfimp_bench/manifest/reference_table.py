"""Reference tables: published numbers (or our own replicated ones) as CSV, digits kept as printed.

A table is read strictly: every problem is found at once, with file, line and column, before anything is compared.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, lru_cache
from pathlib import Path

from selfimp_bench.errors import Flaw, InputError
from selfimp_bench.manifest.table_text import (
    Field,
    Record,
    error_rule,
    flaw_in,
    number_rule,
    optional_number_rule,
    optional_text_rule,
    read_records,
    text_rule,
)

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
    def series(self) -> tuple[str, ...]:
        """Equal for rows that differ at most in their place on the axis."""
        return self.model, self.dataset, self.method, self.metric, self.unit

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

    @cached_property
    def _by_id(self) -> Mapping[str, Reference]:
        return {row.id: row for row in self.rows}

    @cached_property
    def _by_series(self) -> Mapping[tuple[str, ...], list[Reference]]:
        found: dict[tuple[str, ...], list[Reference]] = {}
        for row in self.rows:
            found.setdefault(row.series, []).append(row)
        return found

    def find(self, name: str) -> Reference | None:
        """The row of this id."""
        return self._by_id.get(name)

    def series_of(self, row: Reference) -> Sequence[Reference]:
        """The rows that differ from this one at most in their place on the axis, itself among them."""
        return self._by_series[row.series]

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


@dataclass(frozen=True, kw_only=True)
class _CrossReference:
    """Row ``id`` says at ``field`` that it conflicts with row ``other_id`` of ``table`` in the same folder."""

    id: str
    table: str
    other_id: str
    field: Field


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
            yield flaw_in(str(path), each.field, "conflicts_with", message)


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
    read = read_records(file, raw, REQUIRED, OPTIONAL, _RULES)
    flaws = list(read.flaws)
    if read.is_whole:
        flaws += (flaw for record in read.records for flaw in _spread_flaws(file, record))
        flaws += _identity_flaws(file, read.records)
    if flaws:
        return _refused(*flaws)
    rows = tuple(_reference(record) for record in read.records)
    return _Parsed(rows=rows, flaws=(), cross_references=tuple(_cross_references(read.records)))


def _refused(*flaws: Flaw) -> _Parsed:
    return _Parsed(rows=(), flaws=tuple(sorted(flaws)))


def _cross_references(records: Sequence[Record]) -> Iterator[_CrossReference]:
    for record in records:
        field = record["conflicts_with"]
        for table, mark, name in (part.partition(_IN_TABLE) for part in _ids(field.text)):
            if mark:
                yield _CrossReference(id=record["id"].text, table=table, other_id=name, field=field)


def _spread_flaws(file: str, record: Record) -> Iterator[Flaw]:
    """A standard deviation means nothing without the number of runs behind it, nor they without it."""
    for name, other in (("sd", "runs"), ("runs", "sd")):
        if name in record and record[name].text and not (other in record and record[other].text):
            yield flaw_in(file, record[name], name, f"given without {other}; give both or neither")


def _identity_flaws(file: str, records: Sequence[Record]) -> Iterator[Flaw]:
    conflicts: dict[str, tuple[str, ...]] = {}
    first_line: dict[str, int] = {}
    for record in records:
        name = record["id"].text
        if name in first_line:
            yield flaw_in(file, record["id"], "id", f"'{name}' is already the id of line {first_line[name]}")
        else:
            first_line[name] = record["id"].line
            conflicts[name] = _ids(record["conflicts_with"].text)
    for record in records:
        name, field = record["id"].text, record["conflicts_with"]
        for other in filter(None, _ids(field.text)):
            if _IN_TABLE in other:
                continue  # find_flaws looks it up, where the other table is
            if other == name:
                yield flaw_in(file, field, "conflicts_with", f"'{name}' cannot conflict with itself")
            elif other not in conflicts:
                yield flaw_in(file, field, "conflicts_with", f"no row has the id '{other}'")
            elif name not in conflicts[other]:
                message = f"'{other}' does not name '{name}' in return; a conflict is written on both rows"
                yield flaw_in(file, field, "conflicts_with", message)


def _ids(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";")) if text else ()


_COUNT = re.compile(r"[0-9]{1,18}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_IN_TABLE = "#"
_ID = re.compile(r"[^\s;#]+")
_CONFLICT = re.compile(r"([^\s;#/\\\x00]+\.csv#)?[^\s;#]+")


def _id_rule(text: str) -> str | None:
    return None if _ID.fullmatch(text) else f"must be one word without ';' or '#', found '{text}'"


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
    "model": text_rule,
    "dataset": text_rule,
    "method": optional_text_rule,
    "metric": text_rule,
    "x": optional_number_rule,
    "printed": number_rule,
    "unit": text_rule,
    "read_error": error_rule,
    "source": text_rule,
    "conflicts_with": _ids_rule,
    "sd": error_rule,
    "runs": _count_rule(2, "one run has no spread"),
    "problems": _count_rule(1, "a mean over no problems is undefined"),
    "digest": _digest_rule,
}


def _reference(record: Record) -> Reference:
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
