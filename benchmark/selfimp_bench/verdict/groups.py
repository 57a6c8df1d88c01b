"""A suite's claims as trees over contrasts, judged on runs.

The greatest of some quantities is above the greatest of others where one of the first is above all of the second, so
that no maximum of noisy numbers is ever taken: a winner is tested against every other one, and pays for having been
picked (Bonferroni over those it could have been). A condition holds by implication: it fails, or what follows holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.priors import Priors
from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.manifest.suite_model import FORMS, Equals, Fit, Reading, Suite, SuiteClaim, readings
from selfimp_bench.verdict.bench import Bench, Bent, Curve, Detail, Equal, Question
from selfimp_bench.verdict.comparisons import (
    Amount,
    Clause,
    Comparison,
    Group,
    Place,
    amount_name,
    expand,
    needed,
)
from selfimp_bench.verdict.contrast import contrast
from selfimp_bench.verdict.evidence import Evidence, Key
from selfimp_bench.verdict.families import slope_weights
from selfimp_bench.verdict.findings import Findings, Kind, show
from selfimp_bench.verdict.logic import AtLeast, Judged, Leaf, Node, Not, all_of, any_of, judge
from selfimp_bench.verdict.paper_numbers import PublishedNumbers
from selfimp_bench.verdict.value import Published
from selfimp_bench.verdict.words import Subject, finding

ALL_MODELS = "all"
"""The ``model`` of a finding that speaks of several."""


@dataclass(frozen=True, kw_only=True)
class AcrossClaim:
    """A claim of a suite as a tree; ``models`` are those that it speaks of."""

    claim: SuiteClaim
    models: frozenset[str]
    node: Node[Question]

    @property
    def kind(self) -> Kind:
        """What it asserts."""
        if self.claim.several is not None:
            return Kind.ANY_OF if self.claim.several == "any_of" else Kind.ALL_OF
        return Kind(next(name for name in FORMS if getattr(self.claim, name) is not None))


def trees(suite: Suite, tables: Sequence[ReferenceTable]) -> tuple[AcrossClaim, ...]:
    """Every claim of a suite as a tree, in order. ``tables``: the published ones and those of its ``equals``."""
    numbers = PublishedNumbers(suite.published, tables)
    named = {table.name: table for table in tables}
    return tuple(_tree(suite, claim, numbers, named) for claim in suite.claims)


def judge_across(
    claims: Sequence[AcrossClaim], evidence: Evidence, priors: Priors
) -> tuple[Judged[Question, Detail], ...]:
    """Every claim's tree on what the experiments' runs measured; a missing experiment's claims are NOT_MEASURED."""
    bench = Bench(evidence, priors)
    return tuple(judge(each.node, bench.ask) for each in claims)


def judge_suite(suite: Suite, evidence: Evidence, tables: Sequence[ReferenceTable], priors: Priors) -> Findings:
    """Every claim of the suite on the runs of its experiments, in the order of the claims."""
    claims = trees(suite, tables)
    judged = judge_across(claims, evidence, priors)
    return Findings(
        schema=2,
        findings=tuple(finding(_subject(each), found, priors) for each, found in zip(claims, judged, strict=True)),
    )


def _subject(across: AcrossClaim) -> Subject:
    claim = across.claim
    return Subject(
        claim=claim.id,
        model=next(iter(across.models)) if len(across.models) == 1 else ALL_MODELS,
        statement=claim.statement,
        source=claim.source,
        kind=across.kind,
    )


def _tree(suite: Suite, claim: SuiteClaim, numbers: PublishedNumbers, tables: dict[str, ReferenceTable]) -> AcrossClaim:
    parts: list[Node[Question]] = []
    models: set[str] = set()
    for reading in readings(claim):
        groups = expand(suite, claim, reading)
        models |= {place.model for group in groups for place in group.places}
        nodes = tuple(_group(reading, group, numbers, tables) for group in groups)
        parts.append(AtLeast(name=reading.name, needed=needed(claim, len(nodes)), parts=nodes))
    together = all_of if claim.several == "all_of" else any_of
    return AcrossClaim(claim=claim, models=frozenset(models), node=together(claim.id, parts))


def _group(
    reading: Reading, group: Group, numbers: PublishedNumbers, tables: dict[str, ReferenceTable]
) -> Node[Question]:
    if reading.equals is not None and group.amount is not None:
        return Leaf(name=group.name, question=_equal(reading.equals, group.amount, numbers, tables))
    return AtLeast(name=group.name, needed=len(group.clauses), parts=tuple(_clause(clause) for clause in group.clauses))


def _clause(clause: Clause) -> Node[Question]:
    then = above(clause.then)
    if clause.condition is None:
        return then
    condition = above(clause.condition)
    fails: Node[Question] = Not(name=f"not: {condition.name}", part=condition) if clause.wanted else condition
    return AtLeast(name=f"{fails.name}, or {then.name}", needed=1, parts=(fails, then))


def above(comparison: Comparison) -> Node[Question]:
    """That one of the greater quantities is above all of the lesser ones, or either of the two a bound."""
    if any(_is_bent(each) for each in (*comparison.greater, *comparison.lesser)):
        return _bent(comparison)
    bound, times = comparison.bound, comparison.times
    greater = [one for each in comparison.greater for one in _sums(each)]
    lesser = [one for each in comparison.lesser for one in _sums(each)]
    if not lesser:
        parts = [_leaf(f"{one.name} above {show(bound)}", one.terms, bound) for one in greater]
        return any_of(" or ".join(part.name for part in parts), parts)
    if not greater:
        parts = [_leaf(f"{one.name} below {show(bound)}", _times(one.terms, -1), -bound, turned=True) for one in lesser]
        return all_of(" and ".join(part.name for part in parts), parts)
    factor = "" if times == 1 else f"{show(times)} times "
    found = []
    for one in greater:
        each = [
            _leaf(
                f"{one.name} less {factor}{other.name}",
                [*one.terms, *_times(other.terms, -times)],
                -comparison.margin,
            )
            for other in lesser
        ]
        found.append(all_of(f"{one.name} is above all others", each))
    return any_of(f"{' or '.join(one.name for one in greater)} is above all others", found)


@dataclass(frozen=True, kw_only=True)
class _Sum:
    """A weighted sum of cells, in words and in terms."""

    name: str
    terms: list[tuple[Key, float]]


def _sums(amount: Amount) -> list[_Sum]:
    """What the greatest of a series is one of; a line's mean or slope is one sum of all."""
    minus = [] if amount.minus is None else [(_key(amount.minus), -1.0)]
    if amount.line is not None:
        count = len(amount.series)
        weights = [1 / count] * count if amount.line.fit is Fit.MEAN else slope_weights(amount.line.decades).tolist()
        terms = [(_key(place), float(weight)) for place, weight in zip(amount.series, weights, strict=True)]
        return [_Sum(name=amount.name, terms=terms)]
    return [
        _Sum(
            name=amount_name(place, str(place.cell.iteration), amount.minus),
            terms=[(_key(place), 1.0), *minus],
        )
        for place in amount.series
    ]


def _times(terms: Sequence[tuple[Key, float]], factor: float) -> list[tuple[Key, float]]:
    return [(key, factor * weight) for key, weight in terms]


def _leaf(name: str, terms: Sequence[tuple[Key, float]], bound: float, *, turned: bool = False) -> Node[Question]:
    return Leaf(name=name, question=contrast(name, terms, bound, turned=turned))


def _key(place: Place) -> Key:
    return place.experiment, place.model, place.cell


def _is_bent(amount: Amount) -> bool:
    return amount.line is not None and amount.line.fit in (Fit.KENDALL, Fit.R_SQUARED)


def _bent(comparison: Comparison) -> Node[Question]:
    """Of numbers that are no weighted sums there is one on each side: the loader gives a fit no series."""
    curves = []
    for amounts, factor in ((comparison.greater, 1.0), (comparison.lesser, -comparison.times)):
        for amount in amounts:
            assert amount.line is not None
            keys = tuple(_key(place) for place in amount.series)
            curves.append(Curve(fit=amount.line.fit, decades=amount.line.decades, keys=keys, factor=factor))
    bound, name = comparison.bound, " less ".join(each.name for each in (*comparison.greater, *comparison.lesser))
    if not comparison.lesser:
        name = f"{name} above {show(bound)}"
    if not comparison.greater:
        name, bound = f"{name} below {show(bound)}", -bound
    question = Bent(name=name, curves=tuple(curves), bound=bound, turned=not comparison.greater)
    return Leaf(name=name, question=question)


def _equal(equals: Equals, amount: Amount, numbers: PublishedNumbers, tables: dict[str, ReferenceTable]) -> Equal:
    table = tables[equals.table]
    row = table.find(equals.reference)
    if row is None:
        raise InputError(f"{table.name} has no row '{equals.reference}', which a claim across experiments names")
    neighbours = [tables[name].find(other) for name, other in table.neighbours(row) if name in tables]
    return Equal(
        name=amount.name,
        series=tuple(contrast(one.name, one.terms) for one in _sums(amount)),
        number=Published(
            table=table.name,
            row=row,
            conflicting=tuple(each for each in neighbours if each is not None and each.unit == row.unit),
            earlier=_first(amount, row, numbers),
        ),
        against=equals.against,
    )


def _first(amount: Amount, row: Reference, numbers: PublishedNumbers) -> Reference | None:
    """What a model that stays as it was would have: of several published numbers of it the nearest to the row's."""
    first = min(amount.series, key=lambda place: place.cell.iteration)
    found = [each for each in numbers.rows_at(first, min(1, first.cell.iteration)) if each.unit == row.unit]
    return min(found, key=lambda each: abs(each.value - row.value) - each.own_error, default=None)
