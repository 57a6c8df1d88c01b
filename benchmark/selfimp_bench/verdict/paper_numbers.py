"""What a paper's own numbers say of a cell: an interval, from all rows about it, with every row's error.

Rows that agree (whose intervals meet) leave what they have in common. Rows in conflict (linked, or apart) leave all
from the lowest to the highest: none is picked in silence. Everything is in the unit of the measurements: a share.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.manifest.suite_model import Published
from selfimp_bench.verdict.comparisons import Amount, Line, Place
from selfimp_bench.verdict.families import Bounds, fit_bounds
from selfimp_bench.verdict.units import PER_WHOLE


@dataclass(frozen=True, kw_only=True)
class Range:
    """Where a published number lies, and the rows that say so (``table#id``)."""

    low: Decimal
    high: Decimal
    rows: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row and the table it stands in."""

    table: ReferenceTable
    row: Reference

    @property
    def place(self) -> str:
        """``table#id``."""
        return f"{self.table.name}#{self.row.id}"


def row_range(found: Row) -> Range:
    """What one row says, with its own error."""
    scale = PER_WHOLE.get(found.row.unit, Decimal(1))
    low, high = found.row.value - found.row.own_error, found.row.value + found.row.own_error
    return Range(low=low / scale, high=high / scale, rows=(found.place,))


def agreed(rows: Sequence[Row], tables: Mapping[str, ReferenceTable]) -> Range:
    """What rows about one number say together, with those that they say they conflict with. Raises for no rows."""
    linked = [
        Row(table=tables[name], row=other)
        for found in rows
        for name, identifier in found.table.neighbours(found.row)
        if name in tables and (other := tables[name].find(identifier)) is not None
    ]
    ranges = [row_range(found) for found in (*rows, *linked)]
    places = tuple(dict.fromkeys(place for each in ranges for place in each.rows))
    low, high = max(each.low for each in ranges), min(each.high for each in ranges)
    if linked or low > high:
        low, high = min(each.low for each in ranges), max(each.high for each in ranges)
    return Range(low=low, high=high, rows=places)


class PublishedNumbers:
    """The rows of the tables by what they are about."""

    def __init__(self, published: Published, tables: Sequence[ReferenceTable]) -> None:
        self._tables = {table.name: table for table in tables}
        self._published = published
        self._rows: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
        for name in published.tables:
            for row in self._tables[name].rows:
                found = Row(table=self._tables[name], row=row)
                self._rows[row.dataset, row.model, row.metric].append(found)

    def of_place(self, place: Place) -> Range | None:
        """What is published of one cell; None for nothing."""
        rows = self._rows_at(place, place.cell.iteration)
        return agreed(rows, self._tables) if rows else None

    def rows_at(self, place: Place, iteration: int) -> tuple[Reference, ...]:
        """The rows about a place's measurement at an iteration."""
        return tuple(found.row for found in self._rows_at(place, iteration))

    def _rows_at(self, place: Place, iteration: int) -> list[Row]:
        renamed = {each.measured: each.published for each in self._published.renamed}
        metric = renamed.get(place.cell.metric, place.cell.metric)
        return [
            found
            for found in self._rows.get((place.dataset, place.model, metric), ())
            if found.row.method in ("", place.method) and found.row.x == iteration
        ]

    def of_amount(self, amount: Amount) -> Range | None:
        """What is published of an amount, from its cells and from rows of its greatest value; None for nothing."""
        if amount.line is not None:
            found = [self.of_place(place) for place in amount.series]
            ranges = [each for each in found if each is not None]
            return _fitted(amount.line, ranges) if len(ranges) == len(found) else None
        highest = self._highest(amount)
        if highest is None or amount.minus is None:
            return highest
        minus = self.of_place(amount.minus)
        if minus is None:
            return None
        low, high = highest.low - minus.high, highest.high - minus.low
        return Range(low=low, high=high, rows=(*highest.rows, *minus.rows))

    def _highest(self, amount: Amount) -> Range | None:
        best = self._best_rows(amount)
        if best:
            return agreed(best, self._tables)
        found = [self.of_place(place) for place in amount.series]
        ranges = [each for each in found if each is not None]
        return greatest(ranges) if len(ranges) == len(found) else None

    def _best_rows(self, amount: Amount) -> list[Row]:
        place = amount.series[0]
        iterations = tuple(each.cell.iteration for each in amount.series)
        wanted = [
            each.published
            for each in self._published.best
            if each.measured == place.cell.metric and each.iterations == iterations
        ]
        return [
            found
            for metric in wanted
            for found in self._rows.get((place.dataset, place.model, metric), ())
            if found.row.method == place.method
        ]


def _fitted(line: Line, ranges: Sequence[Range]) -> Range:
    bounds = [Bounds(low=float(each.low), high=float(each.high)) for each in ranges]
    found = fit_bounds(line.fit, line.decades, bounds)
    rows = tuple(place for each in ranges for place in each.rows)
    return Range(low=Decimal(repr(found.low)), high=Decimal(repr(found.high)), rows=rows)


def greatest(ranges: Sequence[Range]) -> Range:
    """Where the greatest of several numbers lies, and the rows that may hold it. Raises ValueError for none."""
    low, high = max(each.low for each in ranges), max(each.high for each in ranges)
    rows = tuple(place for each in ranges if each.high >= low for place in each.rows)
    return Range(low=low, high=high, rows=rows)
