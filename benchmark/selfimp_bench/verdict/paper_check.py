"""A paper held against its own numbers: which of its claims its tables and figures support, and which they contradict.

Every published number is an interval (its rounding or reading error, all sides of a conflict); a comparison of two is
decided only where the intervals are apart. What a paper contradicts is information about the paper, not a flaw.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal

from selfimp_bench.manifest.claim_readings import every_reading
from selfimp_bench.manifest.claim_readings import readings as claim_readings
from selfimp_bench.manifest.model import Cell, Claim, OrderClaim, TrendClaim, ValueClaim
from selfimp_bench.manifest.reference_table import ReferenceTable
from selfimp_bench.manifest.suite_model import Equals, Reading, Suite, SuiteClaim, readings
from selfimp_bench.verdict.check import find_row
from selfimp_bench.verdict.comparisons import Amount, Comparison, Group, Place, Truth, expand, hold, in_words, needed
from selfimp_bench.verdict.findings import named_part, show
from selfimp_bench.verdict.paper_numbers import PublishedNumbers, Range, Row, agreed, greatest, row_range

_LOCATORS = 4
"""Rows named in a sentence; ``rows`` has them all."""


class Outcome(StrEnum):
    """What a paper's numbers say of its claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    WITHIN_READING_ERROR = "within reading error"
    NO_NUMBERS = "no numbers published"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A claim in one group: ``detail`` says the numbers, ``rows`` where they stand."""

    group: str
    truth: Truth
    detail: str
    rows: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SelfJudgement:
    """A claim against the paper's own numbers. ``reason`` counts the groups; ``cases`` are all of them."""

    claim: str
    statement: str
    source: str
    outcome: Outcome
    reason: str
    cases: tuple[Case, ...]


def suite_self_judgement(suite: Suite, tables: Sequence[ReferenceTable]) -> tuple[SelfJudgement, ...]:
    """Every claim of a suite against the published numbers. ``tables`` are those of ``suite.published``, at least."""
    numbers = PublishedNumbers(suite.published, tables)
    return tuple(_of_suite_claim(suite, claim, numbers, tables) for claim in suite.claims)


def suite_tables(suite: Suite) -> tuple[str, ...]:
    """The tables that a suite's claims need, each once."""
    equals = [each.equals.table for claim in suite.claims for each in readings(claim) if each.equals is not None]
    return tuple(dict.fromkeys((*suite.published.tables, *equals)))


def self_judgement(
    claims: Sequence[Claim], models: Sequence[str], tables: Sequence[ReferenceTable]
) -> tuple[SelfJudgement, ...]:
    """Every claim of a manifest against the published numbers, for each model.

    The numbers of orders and trends are the rows that the manifest's value claims name for their cells.
    """
    index = _Cells(claims, tables)
    return tuple(_of_claim(claim, models, index) for claim in claims)


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What one reading of a claim comes to: ``reason`` counts its groups."""

    outcome: Outcome
    reason: str


def _outcome(claim: SuiteClaim | None, cases: Sequence[Case]) -> _Outcome:
    """What the groups come to for a suite's claim, or (None) for a manifest's, which holds for all its models.

    Groups without numbers are set aside, but no claim is contradicted that could still hold with them.
    """

    def need(count: int) -> int:
        return count if claim is None else needed(claim, count)

    known = [case.truth for case in cases if case.truth is not Truth.UNKNOWN]
    yes, no = known.count(Truth.YES), known.count(Truth.NO)
    outcome = Outcome.NO_NUMBERS
    if no > len(cases) - need(len(cases)):
        outcome = Outcome.CONTRADICTED
    elif known and yes >= need(len(known)):
        outcome = Outcome.SUPPORTED
    elif Truth.OPEN in known:
        outcome = Outcome.WITHIN_READING_ERROR
    return _Outcome(outcome=outcome, reason=_count("all" if claim is None else in_words(claim), cases, yes, no))


def _judgement(claim: Claim | SuiteClaim, found: _Outcome, cases: Sequence[Case]) -> SelfJudgement:
    return SelfJudgement(
        claim=claim.id,
        statement=claim.statement,
        source=claim.source,
        outcome=found.outcome,
        reason=found.reason,
        cases=tuple(cases),
    )


def _count(holds: str, cases: Sequence[Case], yes: int, no: int) -> str:
    unknown = sum(case.truth is Truth.UNKNOWN for case in cases)
    undecided = len(cases) - yes - no - unknown
    missing = f", {unknown} without numbers" if unknown else ""
    return f"claimed of {holds} {len(cases)}: {yes} yes, {no} no, {undecided} within reading error{missing}"


_TOGETHER: Final = {
    "any_of": (Outcome.SUPPORTED, Outcome.WITHIN_READING_ERROR, Outcome.NO_NUMBERS, Outcome.CONTRADICTED),
    "all_of": (Outcome.CONTRADICTED, Outcome.WITHIN_READING_ERROR, Outcome.NO_NUMBERS, Outcome.SUPPORTED),
}


def _together(several: Literal["any_of", "all_of"] | None, named: Mapping[str, _Outcome]) -> _Outcome:
    """Readings together are supported if one is, and contradicted if all are; parts the other way round."""
    if several is None:
        return named[""]
    found = {each.outcome for each in named.values()}
    outcome = next(each for each in _TOGETHER[several] if each in found)
    reasons = [f"{named_part(several, name)}: {each.outcome}, {each.reason}" for name, each in named.items()]
    return _Outcome(outcome=outcome, reason="; ".join(reasons))


# ---- suites ----


def _of_suite_claim(
    suite: Suite, claim: SuiteClaim, numbers: PublishedNumbers, tables: Sequence[ReferenceTable]
) -> SelfJudgement:
    cases: list[Case] = []
    outcomes: dict[str, _Outcome] = {}
    for reading in readings(claim):
        found = [_case(reading, group, numbers, tables) for group in expand(suite, claim, reading)]
        outcomes[reading.name] = _outcome(claim, found)
        cases += [replace(case, group=f"{reading.name}: {case.group}") for case in found] if reading.name else found
    return _judgement(claim, _together(claim.several, outcomes), cases)


def _case(reading: Reading, group: Group, numbers: PublishedNumbers, tables: Sequence[ReferenceTable]) -> Case:
    if reading.equals is not None and group.amount is not None:
        return _equals(reading.equals, group, group.amount, numbers, tables)
    found = {each: _compare(each, numbers.of_amount) for each in group.comparisons}
    truth = hold(group.clauses, lambda each: found[each].truth)
    cases = [case for case in found.values() if truth is not Truth.NO or case.truth is not Truth.UNKNOWN]
    return Case(
        group=group.name,
        truth=truth,
        detail="; ".join(case.detail for case in _telling(cases, truth)),
        rows=tuple(dict.fromkeys(row for case in cases for row in case.rows)),
    )


def _telling(cases: Sequence[Case], truth: Truth) -> Sequence[Case]:
    """Of many comparisons those that make the outcome; all of few, since a condition matters too."""
    if len(cases) <= 3:
        return cases
    return [case for case in cases if case.truth is truth]


def _compare(comparison: Comparison, of_amount: Callable[[Amount], Range | None]) -> Case:
    found = {each: of_amount(each) for each in (*comparison.greater, *comparison.lesser)}
    missing = [amount.name for amount, published in found.items() if published is None]
    if missing:
        detail = f"nothing published for {', '.join(missing)}"
        return Case(group="", truth=Truth.UNKNOWN, detail=detail, rows=())

    def side(amounts: Sequence[Amount]) -> Range:
        bound = Decimal(repr(comparison.bound))
        known = [published for each in amounts if (published := found[each]) is not None]
        return greatest(known) if known else Range(low=bound, high=bound, rows=())

    def said(amounts: Sequence[Amount], published: Range) -> str:
        return " ".join(filter(None, (" or ".join(each.name for each in amounts), _shown(published))))

    high, low = side(comparison.greater), side(comparison.lesser)
    times = "" if comparison.times == 1 else f"{show(comparison.times)} times "
    detail = f"{said(comparison.greater, high)} against {times}{said(comparison.lesser, low)}"
    if not comparison.greater:
        detail = f"{said(comparison.lesser, low)} against {said((), high)}"
    factor = Decimal(repr(comparison.times)) if comparison.lesser else Decimal(1)
    margin = Decimal(repr(comparison.margin))
    scaled = Range(low=factor * low.low - margin, high=factor * low.high - margin, rows=low.rows)
    return Case(group="", truth=_above(high, scaled), detail=detail, rows=(*high.rows, *low.rows))


def _above(high: Range, low: Range) -> Truth:
    if high.low > low.high:
        return Truth.YES
    return Truth.NO if high.high < low.low else Truth.OPEN


def _equals(
    equals: Equals, group: Group, amount: Amount, numbers: PublishedNumbers, tables: Sequence[ReferenceTable]
) -> Case:
    """Whether the number that a sentence gives is the one that the other rows give for the quantity."""
    table = next(each for each in tables if each.name == equals.table)
    row = table.find(equals.reference)
    found = numbers.of_amount(amount)
    if row is None or found is None:
        missing = equals.reference if row is None else amount.name
        return Case(group=group.name, truth=Truth.UNKNOWN, detail=f"nothing published for {missing}", rows=())
    said = row_range(Row(table=table, row=row))
    apart = said.low > found.high or found.low > said.high
    detail = f"{amount.name} {_shown(found)} against {_shown(said)} as said"
    rows = (*said.rows, *found.rows)
    return Case(group=group.name, truth=Truth.NO if apart else Truth.YES, detail=detail, rows=rows)


def _shown(found: Range) -> str:
    interval = show(found.low) if found.low == found.high else f"{show(found.low)} to {show(found.high)}"
    if not found.rows:
        return interval
    more = f" and {len(found.rows) - _LOCATORS} more" if len(found.rows) > _LOCATORS else ""
    return f"{interval} ({', '.join(place.rpartition('/')[2] for place in found.rows[:_LOCATORS])}{more})"


# ---- manifests ----


class _Cells:
    """The rows of a manifest's value claims, by model and cell."""

    def __init__(self, claims: Sequence[Claim], tables: Sequence[ReferenceTable]) -> None:
        self.tables = {table.name: table for table in tables}
        self._rows: dict[tuple[str, Cell], list[Row]] = {}
        for claim in every_reading(claims):
            for cell, found in self.points(claim.value) if claim.value is not None else ():
                self._rows.setdefault((found.row.model, cell), []).append(found)

    def points(self, value: ValueClaim) -> Sequence[tuple[Cell, Row]]:
        """The points of a value claim, with their rows where they are there."""
        found = []
        for point in value.points:
            row = find_row(value.table, point.reference, list(self.tables.values()))
            cell = Cell(metric=point.metric, split=point.split, iteration=point.iteration)
            if row is not None:
                found.append((cell, Row(table=self.tables[value.table], row=row)))
        return found

    def of_amount(self, amount: Amount) -> Range | None:
        """What is published of an amount of one cell."""
        (place,) = amount.series
        rows = self._rows.get((place.model, place.cell))
        return agreed(rows, self.tables) if rows else None


def _of_claim(claim: Claim, models: Sequence[str], index: _Cells) -> SelfJudgement:
    cases: list[Case] = []
    outcomes: dict[str, _Outcome] = {}
    for read in claim_readings(claim):
        found = _cases(read.claim, models, index)
        outcomes[read.name] = _outcome(None, found)
        cases += [replace(case, group=f"{read.name}: {case.group}") for case in found] if read.name else found
    return _judgement(claim, _together(claim.several, outcomes), cases)


def _cases(claim: Claim, models: Sequence[str], index: _Cells) -> list[Case]:
    if claim.value is not None:
        return [_agrees(cell, found, index) for cell, found in index.points(claim.value)]
    if claim.order is not None:
        return [_order(model, claim.order, index) for model in models]
    assert claim.trend is not None
    return [_trend(model, claim.trend, index) for model in models]


def _agrees(cell: Cell, found: Row, index: _Cells) -> Case:
    """A published number is supported by itself, unless the paper gives another one for the same thing."""
    own, all_rows = row_range(found), agreed([found], index.tables)
    truth = Truth.YES if own.low <= all_rows.low and all_rows.high <= own.high else Truth.NO
    detail = f"{_shown(own)}, and in conflict with it {_shown(all_rows)}" if truth is Truth.NO else _shown(own)
    return Case(group=f"{found.row.model}, {_cell(cell)}", truth=truth, detail=detail, rows=all_rows.rows)


def _order(model: str, order: OrderClaim, index: _Cells) -> Case:
    lesser = () if order.lesser is None else (_single(model, order.lesser),)
    bound = order.bound or 0.0
    comparison = Comparison(
        greater=(_single(model, order.greater),),
        lesser=lesser,
        bound=bound,
        times=order.times or 1.0,
        margin=-bound if lesser else 0.0,
    )
    case = _compare(comparison, index.of_amount)
    return Case(group=model, truth=case.truth, detail=case.detail, rows=case.rows)


def _trend(model: str, trend: TrendClaim, index: _Cells) -> Case:
    """The least-squares slope of intervals: weights sum to 0, so each end takes the low or the high of every term."""
    cells = [Cell(metric=trend.metric, split=trend.split, iteration=each) for each in trend.iterations]
    found = [(cell.iteration, index.of_amount(_single(model, cell))) for cell in cells]
    ranges = [(iteration, each) for iteration, each in found if each is not None]
    if len(ranges) < len(found):
        return Case(group=model, truth=Truth.UNKNOWN, detail="not published at every iteration", rows=())
    weights = [len(ranges) * x - sum(trend.iterations) for x in trend.iterations]
    spread = sum(weight * x for weight, x in zip(weights, trend.iterations, strict=True))
    pairs = [(weight, each) for weight, (_, each) in zip(weights, ranges, strict=True)]
    low = sum((w * (each.low if w > 0 else each.high) for w, each in pairs), Decimal(0)) / spread
    high = sum((w * (each.high if w > 0 else each.low) for w, each in pairs), Decimal(0)) / spread
    zero = Range(low=Decimal(0), high=Decimal(0), rows=())
    slope = Range(low=low, high=high, rows=tuple(row for _, each in ranges for row in each.rows))
    truth = _above(slope, zero) if trend.direction == "up" else _above(zero, slope)
    return Case(group=model, truth=truth, detail=f"slope {_shown(slope)} an iteration", rows=slope.rows)


def _single(model: str, cell: Cell) -> Amount:
    place = Place(experiment="", dataset="", method="", model=model, cell=cell)
    return Amount(name=_cell(cell), series=(place,), minus=None)


def _cell(cell: Cell) -> str:
    return f"{cell.metric} {cell.split} t={cell.iteration}"
