"""The verdict as a pure function: claims, what a run measured, and the published tables give findings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.claim_readings import every_reading, readings
from selfimp_bench.manifest.model import Cell, Claim, OrderClaim, TrendClaim, ValueClaim, ValuePoint
from selfimp_bench.manifest.priors import Priors
from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.verdict.bench import Bench, Detail, Divergences, Question, Values, nothing_diverges
from selfimp_bench.verdict.contrast import contrast
from selfimp_bench.verdict.evidence import Evidence
from selfimp_bench.verdict.families import slope_weights
from selfimp_bench.verdict.findings import Findings, Kind, describe, show
from selfimp_bench.verdict.logic import Judged, Leaf, Node, all_of, any_of, judge
from selfimp_bench.verdict.value import Published
from selfimp_bench.verdict.words import Subject, finding


@dataclass(frozen=True, kw_only=True)
class ClaimFlaw:
    """A claim that cannot be judged, or a figure that cannot be drawn, with these tables; ``where`` in the manifest."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class OwnClaim:
    """A claim of one experiment about one of its models, as a tree."""

    claim: Claim
    model: str
    node: Node[Question]

    @property
    def kind(self) -> Kind:
        """What it asserts."""
        several = {"any_of": Kind.ANY_OF, "all_of": Kind.ALL_OF}
        forms = {Kind.VALUE: self.claim.value, Kind.ORDER: self.claim.order, Kind.TREND: self.claim.trend}
        own = next((kind for kind, form in forms.items() if form is not None), None)
        return several.get(self.claim.several or "", Kind.ALL_OF) if own is None else own


def trees(
    claims: Sequence[Claim], models: Sequence[str], tables: Sequence[ReferenceTable], experiment: str
) -> tuple[OwnClaim, ...]:
    """Every claim for every model that it speaks of, in the order of the claims and of the models.

    An order or a trend is about each of ``models``; a value about the models of its rows. A table is found by the name
    that the claim gives. Raises InputError, with all of them, for claims that cannot be judged (``find_claim_flaws``).
    """
    flaws = find_claim_flaws(claims, tables)
    if flaws:
        raise InputError("\n".join(map(str, flaws)))
    return tuple(one for claim in claims for one in _of_claim(claim, models, tables, experiment))


def judge_own(
    claims: Sequence[OwnClaim], evidence: Evidence, priors: Priors, divergences: Divergences = nothing_diverges
) -> tuple[Judged[Question, Detail], ...]:
    """Every tree on what the run measured; what it did not measure is NOT_MEASURED, never left out."""
    bench = Bench(evidence, priors, divergences)
    return tuple(judge(each.node, bench.ask) for each in claims)


def check(
    *,
    experiment: str,
    claims: Sequence[Claim],
    models: Sequence[str],
    evidence: Evidence,
    tables: Sequence[ReferenceTable],
    priors: Priors,
    divergences: Divergences = nothing_diverges,
) -> Findings:
    """Every claim of an experiment judged for every model it speaks of, on the evidence of its run.

    Raises InputError, with all of them, for claims that cannot be judged (``find_claim_flaws``).
    """
    made = trees(claims, models, tables, experiment)
    judged = judge_own(made, evidence, priors, divergences)
    return Findings(
        schema=2,
        findings=tuple(finding(subject(each), found, priors) for each, found in zip(made, judged, strict=True)),
    )


def subject(own: OwnClaim) -> Subject:
    """What a finding about it is about."""
    claim = own.claim
    return Subject(claim=claim.id, model=own.model, statement=claim.statement, source=claim.source, kind=own.kind)


def _of_claim(
    claim: Claim, models: Sequence[str], tables: Sequence[ReferenceTable], experiment: str
) -> Iterator[OwnClaim]:
    found: dict[str, list[Node[Question]]] = {}
    for read in readings(claim):
        for model, node in _of_form(read.claim, read.name, models, tables, experiment):
            found.setdefault(model, []).append(node)
    together = all_of if claim.several == "all_of" else any_of
    for model, parts in found.items():
        yield OwnClaim(claim=claim, model=model, node=together(claim.id, parts))


def _of_form(
    claim: Claim, name: str, models: Sequence[str], tables: Sequence[ReferenceTable], experiment: str
) -> Iterator[tuple[str, Node[Question]]]:
    if claim.value is not None:
        yield from _values(claim.value, name, tables, experiment)
    for model in models if claim.order is not None or claim.trend is not None else ():
        asked = None
        if claim.order is not None:
            asked = _order(claim.order, experiment, model)
        elif claim.trend is not None:
            asked = _trend(claim.trend, experiment, model)
        assert asked is not None  # find_claim_flaws has refused claims without a form
        yield model, Leaf(name=name, question=asked)


def _order(order: OrderClaim, experiment: str, model: str) -> Question:
    """Greater, less the factor times lesser, above the bound."""
    name, terms = describe(order.greater), [((experiment, model, order.greater), 1.0)]
    if order.lesser is not None:
        times = 1.0 if order.times is None else order.times
        name += f" less {'' if times == 1 else f'{show(times)} times '}{describe(order.lesser)}"
        terms.append(((experiment, model, order.lesser), -times))
    return contrast(name, terms, order.bound or 0.0)


def _trend(trend: TrendClaim, experiment: str, model: str) -> Question:
    """The least-squares slope over the iterations; of a fall its negative, so that the claimed side is above 0."""
    sign = 1.0 if trend.direction == "up" else -1.0
    span = ", ".join(map(str, trend.iterations))
    name = f"slope of {trend.metric} on {trend.split} per iteration over {span}"
    terms = [
        ((experiment, model, Cell(metric=trend.metric, split=trend.split, iteration=iteration)), sign * float(weight))
        for iteration, weight in zip(trend.iterations, slope_weights(trend.iterations), strict=True)
    ]
    return contrast(name if sign > 0 else f"fall, the {name} taken negative", terms)


def _values(
    value: ValueClaim, name: str, tables: Sequence[ReferenceTable], experiment: str
) -> Iterator[tuple[str, Node[Question]]]:
    table = next(table for table in tables if table.name == value.table)
    points: dict[str, list[tuple[Cell, Published]]] = {}
    for point in value.points:
        row = table.find(point.reference)
        assert row is not None  # find_claim_flaws has refused such claims
        number = Published(
            table=table.name,
            row=row,
            conflicting=_in_conflict(table, row, tables),
            earlier=_start(table, row, tables) if value.against == "frozen" else None,
            problems=value.problems,
        )
        cell = Cell(metric=point.metric, split=point.split, iteration=point.iteration)
        points.setdefault(row.model, []).append((cell, number))
    for model, of_model in points.items():
        asked = Values(
            experiment=experiment,
            model=model,
            cells=tuple(cell for cell, _ in of_model),
            numbers=tuple(number for _, number in of_model),
            against=value.against,
            points=len(of_model),
        )
        yield model, Leaf(name=name, question=asked)


def _in_conflict(table: ReferenceTable, row: Reference, tables: Sequence[ReferenceTable]) -> tuple[Reference, ...]:
    found = tuple(filter(None, (find_row(*place, tables) for place in table.neighbours(row))))
    for other in found:
        if other.unit != row.unit:
            raise InputError(
                f"{table.name}: row '{row.id}' is in {row.unit}, but row '{other.id}', which it conflicts with, in "
                f"{other.unit}; only numbers in one unit can be in conflict"
            )
    return found


def _start(table: ReferenceTable, row: Reference, tables: Sequence[ReferenceTable]) -> Reference | None:
    """What a model that stays as it was would have: of numbers in conflict the one nearest to the row's.

    A run is to be told from all of them, and so from the nearest.
    """
    earlier = _earlier(row, table)
    if earlier is None:
        return None
    among = (earlier, *_in_conflict(table, earlier, tables))
    return min(among, key=lambda each: abs(each.value - row.value) - each.own_error)


def _earlier(row: Reference, table: ReferenceTable) -> Reference | None:
    """The table's row of the first iteration of the same series; None for that one itself."""
    series = [each for each in table.series_of(row) if each.x is not None and row.x is not None and each.x < row.x]
    return min(series, key=lambda each: each.x or 0, default=None)


def find_claim_flaws(claims: Sequence[Claim], tables: Sequence[ReferenceTable]) -> tuple[ClaimFlaw, ...]:
    """Everything that keeps these claims from being judged: missing tables and rows, nothing that would refute them."""
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
    flawed = False
    for index, point in enumerate(claim.value.points):
        if problem := _point_flaw(point, table, tables):
            flawed = True
            yield ClaimFlaw(where=f"{where}.value.points[{index}].reference", message=problem)
    if not flawed and (lacking := _against_flaw(claim.value, table)) is not None:
        yield ClaimFlaw(where=f"{where}.value", message=lacking)


def _against_flaw(value: ValueClaim, table: ReferenceTable) -> str | None:
    rows = [row for point in value.points if (row := table.find(point.reference)) is not None]
    if value.against == "frozen" and rows and all(_earlier(row, table) is None for row in rows):
        return (
            f"is against a model that stays as it was, but {table.name} has no number of an earlier iteration for any "
            "of its points; say 'against: none' or {apart: X}"
        )
    return None


def _point_flaw(point: ValuePoint, table: ReferenceTable, tables: Sequence[ReferenceTable]) -> str | None:
    row = table.find(point.reference)
    if row is None:
        near = get_close_matches(point.reference, [row.id for row in table.rows], n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        return f"{table.name} has no row '{point.reference}'{hint}"
    if row.metric != point.metric and not point.metric.startswith(f"{row.metric}."):
        return f"{table.name}: row '{row.id}' is about {row.metric}, but the point is about {point.metric}"
    if row.x is not None and row.x != point.iteration:
        return f"{table.name}: row '{row.id}' is about x = {row.x}, but the point is about iteration {point.iteration}"
    for name, other in table.neighbours(row):
        if find_row(name, other, tables) is None:
            return f"{table.name}: row '{row.id}' conflicts with row '{other}' of {name}, which is not there"
    return None


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
        if claim.value is None:
            continue
        table = tables[claim.value.table]
        rows = [row for point in claim.value.points if (row := table.find(point.reference)) is not None]
        if claim.value.against == "frozen":
            rows += [row for each in rows if (row := _earlier(each, table)) is not None]
        for name in sorted({name for row in rows for name, _ in table.neighbours(row)} - tables.keys()):
            tables[name] = read(name)
    return tuple(tables[name] for name in sorted(tables))
