"""Worlds: what the true mean of every cell that a study's claims speak of might be.

One is as the paper publishes it; in the others something that the paper says is false: the run never improves, its
numbers are another model's, they come in another order. What a claim is worth shows in what becomes of it there.

    published    the published numbers
    N above, N below      every cell N points off (1 point: a hundredth of the unit; to the other side at the end of a
                 metric's range)
    frozen       every iteration is the first that is published
    flat         the same, but other problems are solved at every iteration; of numbers without iterations every model
                 has the mean over the models
    no gap       a verifier that knows nothing: gaps are 0, and filtered accuracies the accuracy
    another model         every model has the numbers of the next one of its experiment
    reversed     the last iteration's numbers at the first, and so on; of numbers without iterations over the models
    shuffled     the same, in a fixed order that is neither
    zero, one    every share is 0, or 1; gaps are 0 in both
    percent      a hundredth of every share: percent taken for percent of percent

A cell that no number is published of gets one from its neighbours, which is said (``Publication.assumed``): of pass@k
and pass@N the number at another k, as if every problem were solved with one chance; else that of the same cell of
another model of the experiment; else that at another iteration. Cells without such neighbours are in no world, and what
is claimed of them is NOT_MEASURED there. What holds by the definition of a metric holds in every world: pass@k of one
sample set does not fall with k.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from selfimp_bench.manifest.claim_readings import every_reading
from selfimp_bench.manifest.model import Cell, Claim
from selfimp_bench.manifest.reference_table import ReferenceTable
from selfimp_bench.manifest.suite_model import Suite, readings
from selfimp_bench.verdict.check import find_row
from selfimp_bench.verdict.comparisons import Place, expand
from selfimp_bench.verdict.evidence import Key
from selfimp_bench.verdict.paper_numbers import PublishedNumbers, Row, agreed
from selfimp_bench.verdict.units import PER_WHOLE

POINTS: Final = (1, 2, 3, 5, 10)
"""How far off the biased worlds are, in points."""
PUBLISHED, FROZEN, FLAT, NO_GAP, ANOTHER, REVERSED, SHUFFLED, ZERO, ONE, PERCENT = (
    "published", "frozen", "flat", "no gap", "another model", "reversed", "shuffled", "zero", "one", "percent",
)  # fmt: skip

_GAPS = ("gap.", "relative-gap.", "aggregate-relative-gap.", "step-gap.")
_SIGNED = (*_GAPS, "gap-correlation.", "score-correlation.", "gap-accuracy-correlation.", "group-disparity")
_OF_ANSWERS = ("group-disparity", "gap-correlation.", "score-correlation.", "gap-accuracy-correlation.")
"""Undefined where every answer is wrong, or every one right."""
_FILTERED = "filtered-accuracy."
_SAMPLED = re.compile(r"((?:is-)?pass@)(\d+)(.*)")


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """The claims of one experiment, and the models that they are about."""

    experiment: str
    models: tuple[str, ...]
    claims: tuple[Claim, ...]


@dataclass(frozen=True, kw_only=True)
class PublishedMean:
    """Where a cell's published number lies, in the measurement's unit (a share, not percent).

    low, high: from the lowest to the highest that its rows leave. runs: how many runs it is the mean of; sd: their
    standard deviation, None of one run.
    """

    low: float
    high: float
    runs: int
    sd: float | None = None

    @property
    def middle(self) -> float:
        """Half way."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, kw_only=True)
class Publication:
    """The numbers of the cells that the claims need.

    assumed: the cells of ``numbers`` that none is published of. missing: those that have none at all.
    """

    numbers: Mapping[Key, PublishedMean]
    assumed: frozenset[Key]
    missing: tuple[Key, ...]


@dataclass(frozen=True, kw_only=True)
class World:
    """The true mean of every cell on the test problems, in the measurement's unit.

    points: of a biased world, how far off it is. other_problems: iterations solve different problems, and differ on
    those of the test set by what their choice is worth.
    of: by cell, the cell whose published number its mean is, where that, too, is only one run's draw of the truth; the
    means of a world without are the truth itself.
    """

    name: str
    means: Mapping[Key, float]
    points: int | None = None
    other_problems: bool = False
    of: Mapping[Key, Key] | None = None


def publication(experiments: Sequence[Claimed], across: Suite | None, tables: Sequence[ReferenceTable]) -> Publication:
    """What is published of every cell that a claim needs, from the rows that value claims name for it, else from the
    tables of ``across``.

    ``tables``: those of all claims, with the tables of rows in conflict with theirs.
    """
    named = {table.name: table for table in tables}
    rows: dict[Key, list[Row]] = defaultdict(list)
    for each in experiments:
        for key, row in _rows(each, tables):
            rows[key].append(row)
    numbers = {key: _number(found, named) for key, found in rows.items()}
    needed = dict.fromkeys(key for each in experiments for key in _cells(each))
    if across is not None:
        by_place = PublishedNumbers(across.published, tables)
        for place in _places(across):
            key = (place.experiment, place.model, place.cell)
            needed[key] = None
            found = None if key in numbers else by_place.of_place(place)
            if found is not None:
                numbers[key] = PublishedMean(low=float(found.low), high=float(found.high), runs=1)
    assumed = _assumed(numbers, [key for key in needed if key not in numbers])
    return Publication(
        numbers={**numbers, **assumed},
        assumed=frozenset(assumed),
        missing=tuple(key for key in needed if key not in numbers and key not in assumed),
    )


def _rows(claimed: Claimed, tables: Sequence[ReferenceTable]) -> Iterator[tuple[Key, Row]]:
    named = {table.name: table for table in tables}
    for claim in every_reading(claimed.claims):
        for point in () if claim.value is None else claim.value.points:
            assert claim.value is not None
            row = find_row(claim.value.table, point.reference, tables)
            if row is not None:
                cell = Cell(metric=point.metric, split=point.split, iteration=point.iteration)
                yield (claimed.experiment, row.model, cell), Row(table=named[claim.value.table], row=row)


def _number(rows: Sequence[Row], tables: Mapping[str, ReferenceTable]) -> PublishedMean:
    found, row = agreed(rows, tables), rows[0].row
    sd = None if row.sd is None else float(row.sd / PER_WHOLE.get(row.unit, Decimal(1)))
    return PublishedMean(low=float(found.low), high=float(found.high), runs=row.runs or 1, sd=sd)


def _cells(claimed: Claimed) -> Iterator[Key]:
    """Those of orders and trends; those of values are what their rows are about."""
    for claim in every_reading(claimed.claims):
        cells: list[Cell] = []
        if claim.order is not None:
            cells = list(claim.order.cells)
        if claim.trend is not None:
            trend = claim.trend
            cells = [Cell(metric=trend.metric, split=trend.split, iteration=each) for each in trend.iterations]
        yield from ((claimed.experiment, model, cell) for model in claimed.models for cell in cells)


def _places(suite: Suite) -> Iterator[Place]:
    for claim in suite.claims:
        for reading in readings(claim):
            for group in expand(suite, claim, reading):
                yield from group.places


def _assumed(numbers: Mapping[Key, PublishedMean], wanted: Sequence[Key]) -> dict[Key, PublishedMean]:
    """Numbers of cells that none is published of, in the order of this module's docstring."""
    found: dict[Key, PublishedMean] = {}
    for kin_of, neighbour in (
        (_of_the_same_samples, _at_other_k),
        (_of_any_model, _of_other_model),
        (_of_any_iteration, _at_other_iteration),
    ):
        kin: dict[tuple[object, ...], dict[Key, PublishedMean]] = defaultdict(dict)
        for key, known in {**numbers, **found}.items():
            kin[kin_of(key)][key] = known
        for key in wanted:
            number = None if key in found else neighbour(key, kin[kin_of(key)])
            if number is not None:
                found[key] = number
    return found


def _of_the_same_samples(key: Key) -> tuple[object, ...]:
    """Equal for what is measured of one model's samples at one iteration; the next two are alike."""
    experiment, model, cell = key
    return experiment, model, cell.split, cell.iteration


def _of_any_model(key: Key) -> tuple[object, ...]:
    experiment, _, cell = key
    return experiment, cell


def _of_any_iteration(key: Key) -> tuple[object, ...]:
    experiment, model, cell = key
    return experiment, model, cell.metric, cell.split


def _at_other_k(key: Key, known: Mapping[Key, PublishedMean]) -> PublishedMean | None:
    """1 - (1 - p)^k, with the p of the nearest k. known: of the same samples."""
    match = _sampled(key[2].metric)
    if match is None:
        return None
    others = [
        (abs(math.log(int(other[2]) / int(match[2]))), int(other[2]), known[each])
        for each in known
        if (other := _sampled(each[2].metric)) is not None and (other[1], other[3]) == (match[1], match[3])
    ]
    if not others:
        return None
    _, size, number = min(others, key=lambda one: one[:2])
    low, high = (1 - (1 - each) ** (int(match[2]) / size) for each in (number.low, number.high))
    return PublishedMean(low=low, high=high, runs=number.runs)


def _of_other_model(_key: Key, known: Mapping[Key, PublishedMean]) -> PublishedMean | None:
    """That of the first. known: of any model."""
    return next(iter(known.values()), None)


def _at_other_iteration(key: Key, known: Mapping[Key, PublishedMean]) -> PublishedMean | None:
    """That of the nearest iteration, the earlier of two. known: of any iteration."""
    at = key[2].iteration
    others = [(abs(each[2].iteration - at), each[2].iteration, number) for each, number in known.items()]
    return min(others, key=lambda one: one[:2])[2] if others else None


def _sampled(metric: str) -> re.Match[str] | None:
    """The parts of the name of a pass@k of samples; greedy pass@1 is none."""
    greedy = metric == "pass@1" or metric.startswith("pass@1.")
    return None if greedy else _SAMPLED.fullmatch(metric)


# ---- the worlds ----


def worlds(found: Publication) -> tuple[World, ...]:
    """Every world that differs from the published one, which is the first, in the order of this module's docstring."""
    means = {key: each.middle for key, each in found.numbers.items()}
    made = [World(name=PUBLISHED, means=means, of={key: key for key in means}), *_biased(means)]
    first = {key: series[0][1] for series in _series(means) for _, key in series}
    made.append(World(name=FROZEN, means={key: means[first[key]] for key in means}, of=first))
    made.append(World(name=FLAT, means=_flat(means, first), other_problems=True))
    made.append(World(name=NO_GAP, means=_without_gaps(means)))
    made.append(World(name=ANOTHER, means=_another(means)))
    made.append(World(name=REVERSED, means=_in_order(means, lambda values: values[::-1])))
    made.append(World(name=SHUFFLED, means=_in_order(means, _shuffled)))
    made += [World(name=name, means=_constant(means, value)) for name, value in ((ZERO, 0.0), (ONE, 1.0))]
    made.append(World(name=PERCENT, means={key: _hundredth(key, value) for key, value in means.items()}))
    ordered = [replace(world, means=_sampled_in_order(world.means)) for world in made]
    return tuple(world for world in ordered if world.name == PUBLISHED or world.means != ordered[0].means)


def _biased(means: Mapping[Key, float]) -> Iterator[World]:
    for points in POINTS:
        for word, sign in (("above", 1), ("below", -1)):
            shifted = {key: _shifted(key[2].metric, value, sign * points / 100) for key, value in means.items()}
            yield World(name=f"{points} {word}", means=shifted, points=points)


def _shifted(metric: str, value: float, by: float) -> float:
    low = -1.0 if metric.startswith(_SIGNED) else 0.0
    return value + by if low <= value + by <= 1.0 else value - by


Series = list[tuple[int, Key]]
"""The keys of one measurement of one model, by iteration."""


def _series(means: Mapping[Key, float]) -> Iterable[Series]:
    found: dict[tuple[str, str, str, str], Series] = defaultdict(list)
    for key in means:
        experiment, model, cell = key
        found[experiment, model, cell.metric, cell.split].append((cell.iteration, key))
    return [sorted(each, key=lambda one: one[0]) for each in found.values()]


def _across_models(means: Mapping[Key, float]) -> Iterable[list[Key]]:
    """The keys of one cell of one experiment, over its models."""
    found: dict[tuple[str, Cell], list[Key]] = defaultdict(list)
    for key in means:
        found[key[0], key[2]].append(key)
    return found.values()


Change = Callable[[list[float]], list[float]]


def _by_series(means: Mapping[Key, float], change: Change) -> dict[Key, float]:
    changed: dict[Key, float] = {}
    for series in _series(means):
        keys = [key for _, key in series]
        changed.update(zip(keys, change([means[key] for key in keys]), strict=True))
    return {key: changed[key] for key in means}


def _in_order(means: Mapping[Key, float], change: Change) -> dict[Key, float]:
    """Changed over iterations, and where there is only one over the models."""
    changed = _by_series(means, change)
    alone = {key for series in _series(means) if len(series) == 1 for _, key in series}
    for keys in _across_models(means):
        if all(key in alone for key in keys):
            changed.update(zip(keys, change([means[key] for key in keys]), strict=True))
    return changed


def _flat(means: Mapping[Key, float], first: Mapping[Key, Key]) -> dict[Key, float]:
    changed = {key: means[first[key]] for key in means}
    alone = {key for series in _series(means) if len(series) == 1 for _, key in series}
    for keys in _across_models(means):
        if all(key in alone for key in keys):
            changed.update(dict.fromkeys(keys, sum(means[key] for key in keys) / len(keys)))
    return changed


def _shuffled(values: list[float]) -> list[float]:
    """3 1 5 2 4 of five: neither the order nor its reverse, and no value where it was but in series of two."""
    count = len(values)
    order = [*range(count // 2, count), *range(count // 2)]
    order = [*order[::2], *order[1::2]]
    return [values[each] for each in order]


def _without_gaps(means: Mapping[Key, float]) -> dict[Key, float]:
    def without(key: Key, value: float) -> float:
        experiment, model, cell = key
        if cell.metric.startswith(_GAPS):
            return 0.0
        accuracy = (experiment, model, replace(cell, metric="accuracy"))
        return means.get(accuracy, value) if cell.metric.startswith(_FILTERED) else value

    return {key: without(key, value) for key, value in means.items()}


def _another(means: Mapping[Key, float]) -> dict[Key, float]:
    changed: dict[Key, float] = {}
    for keys in _across_models(means):
        changed.update({key: means[keys[(place + 1) % len(keys)]] for place, key in enumerate(keys)})
    return {key: changed[key] for key in means}


def _constant(means: Mapping[Key, float], value: float) -> dict[Key, float]:
    kept = [key for key in means if not key[2].metric.startswith(_OF_ANSWERS)]
    return {key: 0.0 if key[2].metric.startswith(_GAPS) else value for key in kept}


def _hundredth(key: Key, value: float) -> float:
    return value if key[2].metric.startswith(_OF_ANSWERS[1:]) else value / 100


def _sampled_in_order(means: Mapping[Key, float]) -> dict[Key, float]:
    """pass@k, and pass@N of one improvement set, at least that of every smaller k."""
    sets: dict[tuple[str, str, str, int, str, str], list[tuple[int, Key]]] = defaultdict(list)
    for key in means:
        experiment, model, cell = key
        match = _sampled(cell.metric)
        if match is not None:
            place = (experiment, model, cell.split, cell.iteration, match[1], match[3])
            sets[place].append((int(match[2]), key))
    changed = dict(means)
    for members in sets.values():
        least = float("-inf")
        for _, key in sorted(members, key=lambda one: one[0]):
            least = changed[key] = max(least, changed[key])
    return changed
