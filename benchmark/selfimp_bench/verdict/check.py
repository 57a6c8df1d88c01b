"""The verdict as a pure function: claims, what a run measured, and the published tables give findings."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.claim_readings import every_reading, readings
from selfimp_bench.manifest.model import Cell, Claim, DatasetRef, OrderClaim, TrendClaim, ValueClaim, ValuePoint
from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.measurement import Measurement, ProblemValue, Split
from selfimp_bench.verdict.findings import Finding, Findings, Kind, PointFinding, combine_several, named_part
from selfimp_bench.verdict.paired import CellValues, judge_order, judge_trend
from selfimp_bench.verdict.single_run import judge_published_point
from selfimp_bench.verdict.value import Divergence, PointCase, judge_point, value_finding


@dataclass(frozen=True, kw_only=True)
class ClaimFlaw:
    """A claim that cannot be judged, or a figure that cannot be drawn, with these tables; ``where`` in the manifest."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


Divergences = Callable[[str, Cell], Divergence | None]
"""What a rerun may change of a model's cell; None where nothing was seen to change."""


def nothing_diverges(_model: str, _cell: Cell) -> None:
    """Of a run without a probe."""


def check(
    *,
    claims: Sequence[Claim],
    models: Sequence[str],
    datasets: Mapping[Split, DatasetRef],
    measurements: Sequence[Measurement],
    problem_values: Sequence[ProblemValue],
    tables: Sequence[ReferenceTable],
    divergences: Divergences = nothing_diverges,
) -> Findings:
    """Every claim judged for every model it speaks of.

    An order or a trend is judged for each of ``models`` (the manifest's ids); a value for the models of its rows.
    What the run did not measure is NOT_MEASURED, never left out. ``datasets`` are those of the run's profile; the order
    of measurements and values does not matter. A ``table`` is found by the name the claim gives.
    Raises InputError, with all of them, for claims that cannot be judged (``find_claim_flaws``).
    """
    flaws = find_claim_flaws(claims, tables)
    if flaws:
        raise InputError("\n".join(map(str, flaws)))
    evidence = _index(measurements, problem_values, divergences)
    findings: list[Finding] = []
    for claim in claims:
        judged = {read.name: _judge(read.claim, models, datasets, evidence, tables) for read in readings(claim)}
        findings += judged[""] if claim.several is None else _several(claim.several, judged)
    return Findings(schema=1, findings=tuple(findings))


def _judge(
    claim: Claim,
    models: Sequence[str],
    datasets: Mapping[Split, DatasetRef],
    evidence: "_Evidence",
    tables: Sequence[ReferenceTable],
) -> list[Finding]:
    if claim.value is not None:
        return _judge_value(claim, claim.value, datasets, evidence, tables)
    if claim.order is not None:
        return [_judge_order(claim, claim.order, model, evidence) for model in models]
    assert claim.trend is not None  # find_claim_flaws has refused claims without a form
    return [_judge_trend(claim, claim.trend, model, evidence) for model in models]


def _several(several: Literal["any_of", "all_of"], judged: Mapping[str, Sequence[Finding]]) -> list[Finding]:
    """The findings of every reading or part, by its name, as one for each model: points and terms of all are kept."""
    found: dict[str, dict[str, Finding]] = defaultdict(dict)
    for name, findings in judged.items():
        for finding in findings:
            found[finding.model][name] = finding
    return [
        replace(
            next(iter(named.values())),
            kind=Kind.ANY_OF if several == "any_of" else Kind.ALL_OF,
            verdict=combine_several(several, [each.verdict for each in named.values()]),
            reason="; ".join(
                f"{named_part(several, name)}: {each.verdict}, {each.reason}" for name, each in named.items()
            ),
            points=tuple(point for each in named.values() for point in each.points),
            interval=None,
            terms=tuple(
                replace(term, name=f"{name}: {term.name}") for name, each in named.items() for term in each.terms
            ),
            problems_to_decide=None,
        )
        for named in found.values()
    ]


def find_claim_flaws(claims: Sequence[Claim], tables: Sequence[ReferenceTable]) -> tuple[ClaimFlaw, ...]:
    """Everything that keeps these claims from being judged: missing tables and rows, rows without a spread."""
    return tuple(
        flaw
        for index, claim in enumerate(claims)
        for number, read in enumerate(readings(claim))
        for flaw in _claim_flaws(
            f"$.claims[{index}]{'' if claim.several is None else f'.{claim.several}[{number}]'}", read.claim, tables
        )
    )


def _claim_flaws(where: str, claim: Claim, tables: Sequence[ReferenceTable]) -> Iterator[ClaimFlaw]:
    if [claim.value, claim.order, claim.trend].count(None) != 2:
        yield ClaimFlaw(where=where, message=f"claim '{claim.id}' must be exactly one of value, order and trend")
    if claim.trend is not None and len(set(claim.trend.iterations)) < max(2, len(claim.trend.iterations)):
        message = f"a trend needs at least two iterations, all different, found {list(claim.trend.iterations)}"
        yield ClaimFlaw(where=f"{where}.trend.iterations", message=message)
    if claim.value is None:
        return
    table = next((table for table in tables if table.name == claim.value.table), None)
    if table is None:
        known = ", ".join(table.name for table in tables) or "none"
        message = f"reference table {claim.value.table} was not given; tables: {known}"
        yield ClaimFlaw(where=f"{where}.value.table", message=message)
        return
    if not claim.value.points:
        yield ClaimFlaw(where=f"{where}.value.points", message="a value claim needs at least one point")
    for index, point in enumerate(claim.value.points):
        if problem := _point_flaw(claim.value, point, table, tables):
            yield ClaimFlaw(where=f"{where}.value.points[{index}].reference", message=problem)


def _point_flaw(
    value: ValueClaim, point: ValuePoint, table: ReferenceTable, tables: Sequence[ReferenceTable]
) -> str | None:
    row = table.find(point.reference)
    if row is None:
        near = get_close_matches(point.reference, [row.id for row in table.rows], n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        return f"{table.name} has no row '{point.reference}'{hint}"
    of_one_run = value.rule == "published-value"
    if not of_one_run and (row.sd is None or row.runs is None):
        return (
            f"{table.name}: row '{row.id}' has no sd and runs; a prediction interval needs the spread over at least "
            "two reference runs (rule published-value is for numbers from one run)"
        )
    if row.metric != point.metric and not (of_one_run and point.metric.startswith(f"{row.metric}.")):
        return f"{table.name}: row '{row.id}' is about {row.metric}, but the point is about {point.metric}"
    if of_one_run and row.x is not None and row.x != point.iteration:
        return f"{table.name}: row '{row.id}' is about x = {row.x}, but the point is about iteration {point.iteration}"
    for name, other in table.neighbours(row) if of_one_run else ():
        if find_row(name, other, tables) is None:
            return f"{table.name}: row '{row.id}' conflicts with row '{other}' of {name}, which is not there"
    return None


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """What the run measured, by (model, cell)."""

    measurements: dict[tuple[str, Cell], list[Measurement]]
    values: dict[tuple[str, Cell], list[ProblemValue]]
    divergences: Divergences

    def of_cell(self, model: str, cell: Cell) -> CellValues:
        return CellValues(cell=cell, values=tuple(self.values.get((model, cell), ())))


def _index(
    measurements: Sequence[Measurement], problem_values: Sequence[ProblemValue], divergences: Divergences
) -> _Evidence:
    by_cell: dict[tuple[str, Cell], list[Measurement]] = defaultdict(list)
    for each in sorted(measurements, key=lambda each: each.replicate):
        by_cell[each.model, Cell(metric=each.metric, split=each.split, iteration=each.iteration)].append(each)
    values: dict[tuple[str, Cell], list[ProblemValue]] = defaultdict(list)
    for value in problem_values:
        values[value.model, Cell(metric=value.metric, split=value.split, iteration=value.iteration)].append(value)
    return _Evidence(measurements=dict(by_cell), values=dict(values), divergences=divergences)


def _judge_value(
    claim: Claim,
    value: ValueClaim,
    datasets: Mapping[Split, DatasetRef],
    evidence: _Evidence,
    tables: Sequence[ReferenceTable],
) -> list[Finding]:
    table = next(table for table in tables if table.name == value.table)
    cases: dict[str, list[PointCase]] = {}
    for point in value.points:
        row = table.find(point.reference)
        assert row is not None  # find_claim_flaws has refused such claims
        conflicting = tuple(filter(None, (find_row(*place, tables) for place in table.neighbours(row))))
        cell = Cell(metric=point.metric, split=point.split, iteration=point.iteration)
        found = tuple(evidence.measurements.get((row.model, cell), ()))
        digest = datasets[point.split].digest if point.split in datasets else None
        case = PointCase(
            point=point,
            table=table.name,
            row=row,
            measurements=found,
            digest=digest,
            conflicting=conflicting,
            divergence=evidence.divergences(row.model, cell),
        )
        cases.setdefault(row.model, []).append(case)
    return [
        value_finding(
            claim=claim,
            model=model,
            confidence=value.confidence,
            family=len(value.points),
            points=tuple(_judge_point(case, value) for case in of_model),
        )
        for model, of_model in cases.items()
    ]


def _judge_point(case: PointCase, value: ValueClaim) -> PointFinding:
    family = len(value.points)
    if value.single_run is not None:
        return judge_published_point(case, value.single_run, confidence=value.confidence, family=family)
    return judge_point(case, confidence=value.confidence, family=family)


def find_row(table: str, name: str, tables: Sequence[ReferenceTable]) -> Reference | None:
    """The row of this id in the table of this name."""
    return next((each.find(name) for each in tables if each.name == table), None)


def tables_of(claims: Sequence[Claim], read: Callable[[str], ReferenceTable]) -> tuple[ReferenceTable, ...]:
    """The tables that the claims name, and those with rows in conflict with theirs, each read once, by name.

    Raises whatever ``read`` raises for a table that is not there.
    """
    forms = list(every_reading(claims))
    named = {claim.value.table for claim in forms if claim.value is not None}
    tables = {name: read(name) for name in sorted(named)}
    for claim in forms:
        if claim.value is None or claim.value.rule != "published-value":
            continue
        table = tables[claim.value.table]
        rows = [row for point in claim.value.points if (row := table.find(point.reference)) is not None]
        for name in sorted({name for row in rows for name, _ in table.neighbours(row)} - tables.keys()):
            tables[name] = read(name)
    return tuple(tables[name] for name in sorted(tables))


def _judge_order(claim: Claim, order: OrderClaim, model: str, evidence: _Evidence) -> Finding:
    greater, lesser = evidence.of_cell(model, order.greater), evidence.of_cell(model, order.lesser)
    return judge_order(claim=claim, order=order, model=model, greater=greater, lesser=lesser)


def _judge_trend(claim: Claim, trend: TrendClaim, model: str, evidence: _Evidence) -> Finding:
    cells = [
        evidence.of_cell(model, Cell(metric=trend.metric, split=trend.split, iteration=iteration))
        for iteration in trend.iterations
    ]
    return judge_trend(claim=claim, trend=trend, model=model, cells=cells)
