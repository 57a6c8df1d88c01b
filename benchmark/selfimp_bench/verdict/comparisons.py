"""What a reading of a suite's claim asserts, taken apart into comparisons, and put together in three-valued logic.

Every form is made of ``Comparison``s: the greatest of some quantities is above the greatest of others, or either of the
two is a bound. A comparison is yes, no or open (its interval holds zero), or unknown (a number is missing)::

    above      greater > times lesser + bound               peak       max(at) > max(other iterations) - margin
    best       max(winners) > max(the rest)           monotone   every step > 0, all of them
    within     quantity > low, and high > quantity
    rule       condition > threshold: max(above) > max(the rest of among); else max(below) > max(the rest)

Where the numbers come from (a table, a run) is not known here.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import pairwise, product

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Cell
from selfimp_bench.manifest.suite_model import Axis, Fit, Monotone, Peak, Quantity, Reading, Suite, SuiteClaim, Within
from selfimp_bench.measurement import Split

Labels = Mapping[str, str | int]

ALONE = "the claim"
"""The name of a group without labels."""


class Truth(StrEnum):
    """Whether an assertion holds. OPEN: the numbers do not decide. UNKNOWN: there are none."""

    YES = "yes"
    NO = "no"
    OPEN = "open"
    UNKNOWN = "unknown"


class NoMember(InputError):
    """A claim about a combination of data set, method and model that no experiment of the suite has."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A cell of one experiment and model; dataset and method as the reference tables call them."""

    experiment: str
    dataset: str
    method: str
    model: str
    cell: Cell


@dataclass(frozen=True, kw_only=True)
class Line:
    """What is fitted through the values of a series: ``decades`` are log10 of the training FLOPs, in its order."""

    fit: Fit
    decades: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Amount:
    """The greatest value over the places of ``series``, less that of ``minus``; or what ``line`` asks of them."""

    name: str
    series: tuple[Place, ...]
    minus: Place | None
    line: Line | None = None

    @property
    def places(self) -> tuple[Place, ...]:
        """Every place whose value it needs."""
        return self.series if self.minus is None else (*self.series, self.minus)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The greatest of ``greater`` is above ``times`` the greatest of ``lesser``; an empty side stands for ``bound``.

    margin: by how much it may be below all the same.
    """

    greater: tuple[Amount, ...]
    lesser: tuple[Amount, ...]
    bound: float = 0.0
    times: float = 1.0
    margin: float = 0.0

    @property
    def places(self) -> tuple[Place, ...]:
        """Every place whose value it needs, each once."""
        return tuple(dict.fromkeys(place for each in (*self.greater, *self.lesser) for place in each.places))


@dataclass(frozen=True, kw_only=True)
class Clause:
    """``then`` holds; under a condition, only where the condition comes out as ``wanted``."""

    then: Comparison
    condition: Comparison | None = None
    wanted: bool = True


@dataclass(frozen=True, kw_only=True)
class Group:
    """A claim about one combination of labels: all its clauses hold. ``amount`` is that of ``equals``, without any."""

    labels: Labels
    clauses: tuple[Clause, ...]
    amount: Amount | None = None

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every comparison of the group, conditions first, each once."""
        conditions = [clause.condition for clause in self.clauses if clause.condition is not None]
        return tuple(dict.fromkeys((*conditions, *(clause.then for clause in self.clauses))))

    @property
    def places(self) -> tuple[Place, ...]:
        """Every place that the group is about, each once."""
        own = () if self.amount is None else self.amount.places
        return tuple(dict.fromkeys((*own, *(place for each in self.comparisons for place in each.places))))

    @property
    def name(self) -> str:
        """The labels in words."""
        return ", ".join(map(str, self.labels.values())) or ALONE


def expand(suite: Suite, claim: SuiteClaim, reading: Reading) -> tuple[Group, ...]:
    """The groups of a claim in one of its readings.

    Raises NoMember for labels that are no experiment of the suite.
    """
    return tuple(_group(suite, reading, labels) for labels in groups(claim))


def groups(claim: SuiteClaim) -> Iterator[Labels]:
    """The labels of every group, in the order of ``over``."""
    axes = {} if claim.over is None else {field.name: getattr(claim.over, field.name) for field in fields(claim.over)}
    given = {name: values for name, values in axes.items() if values is not None}
    for combination in product(*given.values()):
        yield dict(zip(given, combination, strict=True))


def hold(clauses: Sequence[Clause], truth: Callable[[Comparison], Truth]) -> Truth:
    """All clauses: NO if one does not hold, else UNKNOWN, else OPEN if one is so, else YES."""
    found = {_clause(clause, truth) for clause in clauses}
    return next((each for each in (Truth.NO, Truth.UNKNOWN, Truth.OPEN) if each in found), Truth.YES)


def needed(claim: SuiteClaim, count: int) -> int:
    """How many of ``count`` groups the claim needs."""
    return {"all": count, "most": count // 2 + 1, "any": 1}.get(claim.holds, claim.at_least or 0)


def in_words(claim: SuiteClaim) -> str:
    """How many groups a claim speaks of: ``all``, ``most``, ``any`` or ``at least 3 of``."""
    return f"at least {claim.at_least} of" if claim.holds == "at-least" else claim.holds


def _clause(clause: Clause, truth: Callable[[Comparison], Truth]) -> Truth:
    then = truth(clause.then)
    if clause.condition is None:
        return then
    condition = truth(clause.condition)
    if condition in (Truth.YES, Truth.NO):
        return then if (condition is Truth.YES) == clause.wanted else Truth.YES
    if then is Truth.YES or condition is Truth.UNKNOWN:
        return then if then is Truth.YES else Truth.UNKNOWN
    return Truth.UNKNOWN if then is Truth.UNKNOWN else Truth.OPEN


def _group(suite: Suite, reading: Reading, labels: Labels) -> Group:
    def amount(quantity: Quantity, more: Labels | None = None) -> Amount:
        return _amount(suite, quantity, {**labels, **(more or {})})

    if reading.equals is not None:
        return Group(labels=labels, clauses=(), amount=amount(reading.equals.quantity))
    return Group(labels=labels, clauses=tuple(_clauses(suite, reading, labels, amount)))


def _clauses(suite: Suite, reading: Reading, labels: Labels, amount: Callable[..., Amount]) -> Iterator[Clause]:
    if reading.above is not None:
        lesser = () if reading.above.lesser is None else (amount(reading.above.lesser),)
        greater = (amount(reading.above.greater),)
        bound, times = reading.above.bound or 0.0, reading.above.times or 1.0
        margin = -bound if lesser else 0.0
        yield Clause(then=Comparison(greater=greater, lesser=lesser, bound=bound, times=times, margin=margin))
    if reading.best is not None:
        best = reading.best
        yield Clause(then=_winners(best.quantity, best.axis, best.among, best.winners, amount))
    if reading.rule is not None:
        rule = reading.rule
        condition = Comparison(greater=(amount(rule.condition),), lesser=(), bound=rule.threshold)
        for wanted, winners in ((True, rule.above), (False, rule.below)):
            then = _winners(rule.quantity, rule.axis, rule.among, winners, amount)
            yield Clause(then=then, condition=condition, wanted=wanted)
    if reading.peak is not None:
        yield _peak(reading.peak, amount(reading.peak.quantity))
    if reading.monotone is not None:
        for before, after in pairwise(_terms(suite, reading.monotone, labels, amount)):
            up = reading.monotone.direction == "up"
            yield Clause(then=Comparison(greater=(after if up else before,), lesser=(before if up else after,)))
    if reading.within is not None:
        yield from _between(reading.within, amount(reading.within.quantity))


def _peak(peak: Peak, whole: Amount) -> Clause:
    at = tuple(place for place in whole.series if place.cell.iteration in peak.at)
    rest = tuple(place for place in whole.series if place.cell.iteration not in peak.at)
    return Clause(then=Comparison(greater=_each(at), lesser=_each(rest), margin=peak.margin))


def _between(within: Within, quantity: Amount) -> Iterator[Clause]:
    if within.low is not None:
        yield Clause(then=Comparison(greater=(quantity,), lesser=(), bound=within.low))
    if within.high is not None:
        yield Clause(then=Comparison(greater=(), lesser=(quantity,), bound=within.high))


def _terms(suite: Suite, monotone: Monotone, labels: Labels, amount: Callable[..., Amount]) -> tuple[Amount, ...]:
    if monotone.axis is None:
        return _each(amount(monotone.quantity).series)
    names = monotone.among or _family(suite, labels)
    return tuple(amount(monotone.quantity, {monotone.axis.value: name}) for name in names)


def _family(suite: Suite, labels: Labels) -> tuple[str, ...]:
    return next(family.models for family in suite.families or () if family.name == labels["family"])


def _winners(
    quantity: Quantity, axis: Axis, among: Sequence[str], winners: Sequence[str], amount: Callable[..., Amount]
) -> Comparison:
    return Comparison(
        greater=tuple(amount(quantity, {axis.value: name}) for name in among if name in winners),
        lesser=tuple(amount(quantity, {axis.value: name}) for name in among if name not in winners),
    )


def _each(places: Sequence[Place]) -> tuple[Amount, ...]:
    return tuple(
        Amount(name=amount_name(place, str(place.cell.iteration)), series=(place,), minus=None) for place in places
    )


def _amount(suite: Suite, quantity: Quantity, labels: Labels) -> Amount:
    """The quantity with the labels that it does not give itself."""
    if quantity.fit is not None:
        return _fitted(suite, quantity, quantity.fit, labels)
    iterations = quantity.iterations or (int(labels["iteration"]),)
    series = tuple(_place(suite, quantity, labels, each) for each in iterations)
    minus = None if quantity.minus_iteration is None else _place(suite, quantity, labels, quantity.minus_iteration)
    span = f"{iterations[0]}..{iterations[-1]}" if len(iterations) > 1 else str(iterations[0])
    return Amount(name=amount_name(series[0], span, minus), series=series, minus=minus)


def _fitted(suite: Suite, quantity: Quantity, fit: Fit, labels: Labels) -> Amount:
    models = _family(suite, labels)
    flops = {each.model: each.flops for each in suite.compute or ()}
    (iteration,) = quantity.iterations or (int(labels["iteration"]),)
    series = tuple(_place(suite, quantity, {**labels, "model": model}, iteration) for model in models)
    name = f"{fit} of {series[0].dataset} {series[0].method} {labels['family']} {series[0].cell.metric} t={iteration}"
    line = Line(fit=fit, decades=tuple(math.log10(flops[model]) for model in models))
    return Amount(name=name, series=series, minus=None, line=line)


def _place(suite: Suite, quantity: Quantity, labels: Labels, iteration: int) -> Place:
    dataset = quantity.dataset or str(labels["dataset"])
    method = quantity.method or str(labels["method"])
    model = quantity.model or str(labels["model"])
    named = (one for one in suite.experiments if (one.dataset, one.method) == (dataset, method))
    member = next((one for one in named if model in one.models), None)
    if member is None or (quantity.split is Split.OOD and member.ood is None):
        raise NoMember(f"no experiment of the suite has {dataset}, {method}, {model}, {quantity.split}")
    on = member.ood or "" if quantity.split is Split.OOD else member.dataset
    cell = Cell(metric=quantity.metric or str(labels["metric"]), split=quantity.split, iteration=iteration)
    return Place(experiment=member.name, dataset=on, method=method, model=model, cell=cell)


def amount_name(place: Place, span: str, minus: Place | None = None) -> str:
    """An amount in words; ``span`` is its iteration, or the first and the last of several."""
    less = "" if minus is None else f" less t={minus.cell.iteration}"
    best = "best " if ".." in span else ""
    return f"{place.dataset} {place.method} {place.model} {best}{place.cell.metric} t={span}{less}"
