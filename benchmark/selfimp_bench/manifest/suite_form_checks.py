"""The rules between the fields of a suite's forms of claims: complete, and able to come out both ways."""

from collections.abc import Iterator

from selfimp_bench.manifest.fault import Fault, JsonPath, shown
from selfimp_bench.manifest.suite_model import (
    FORMS,
    Above,
    Axis,
    Best,
    Fit,
    Monotone,
    Peak,
    Quantity,
    Reading,
    Rule,
    Suite,
    SuiteClaim,
    Within,
)


def quantities(reading: Reading) -> Iterator[tuple[JsonPath, Quantity]]:
    """Every quantity of a reading with its place in it."""
    for form in FORMS:
        block = getattr(reading, form)
        for name in ("greater", "lesser", "condition", "quantity"):
            if (found := getattr(block, name, None)) is not None:
                yield (form, name), found


def form_faults(suite: Suite, claim: SuiteClaim, reading: Reading, path: JsonPath) -> Iterator[Fault]:
    """Every fault of a reading's one form; ``path`` is its place."""
    yield from _complete(claim, reading, path[:-1])
    block = getattr(reading, str(path[-1]))
    if isinstance(block, Above) and block.lesser is None and block.bound is None:
        yield Fault(path=path, message="expected lesser, a bound, or both")
    elif isinstance(block, Above) and block.lesser is None and block.times is not None:
        yield Fault(path=(*path, "times"), message="a factor of lesser, which is not there; remove it", on_key=True)
    if isinstance(block, Best):
        yield from _winners(block.winners, block.among, (*path, "winners"))
    if isinstance(block, Rule):
        yield from _winners(block.above, block.among, (*path, "above"))
        yield from _winners(block.below, block.among, (*path, "below"))
    if isinstance(block, Peak):
        yield from _peak(block, path)
    if isinstance(block, Monotone):
        yield from _terms(claim, block, path)
    if isinstance(block, Within):
        yield from _bounds(block, path)
    for where, quantity in quantities(reading):
        if quantity.fit is not None:
            yield from _fit(suite, claim, quantity, (*path[:-1], *where))
    yield from _unused_family(claim, reading, path)


def _winners(winners: tuple[str, ...], among: tuple[str, ...], path: JsonPath) -> Iterator[Fault]:
    for index, winner in enumerate(winners):
        if winner not in among:
            yield Fault(path=(*path, index), message=f"{shown(winner)} is none of among: {', '.join(among)}")
    if set(winners) >= set(among):
        yield Fault(path=path, message="this holds whatever is measured; leave one of among out")


def _peak(peak: Peak, path: JsonPath) -> Iterator[Fault]:
    yield from _series(peak.quantity, path)
    iterations = peak.quantity.iterations or ()
    for index, at in enumerate(peak.at):
        if at not in iterations:
            yield Fault(path=(*path, "at", index), message=f"{at} is none of the quantity's iterations")
    if set(peak.at) >= set(iterations):
        yield Fault(path=(*path, "at"), message="this holds whatever is measured; leave an iteration out")


def _terms(claim: SuiteClaim, monotone: Monotone, path: JsonPath) -> Iterator[Fault]:
    """A series has terms: iterations, or what ``among`` names on ``axis``, or the models of a family."""
    if monotone.axis is None:
        yield from _series(monotone.quantity, path)
        if monotone.among is not None:
            yield Fault(path=(*path, "among"), message="what do its entries differ in? add axis", on_key=True)
    elif monotone.among is None:
        if monotone.axis is not Axis.MODEL or claim.over is None or claim.over.family is None:
            yield Fault(path=path, message="add among, or let the axis be model and add family to over")
    elif len(monotone.among) < 2:
        yield Fault(path=(*path, "among"), message="expected at least two entries, in the order of the series")


def _series(quantity: Quantity, path: JsonPath) -> Iterator[Fault]:
    iterations = quantity.iterations or ()
    if len(iterations) < 2 or list(iterations) != sorted(iterations):
        message = "expected at least two iterations, strictly increasing"
        yield Fault(path=(*path, "quantity"), message=message)


def _bounds(within: Within, path: JsonPath) -> Iterator[Fault]:
    if within.low is None and within.high is None:
        yield Fault(path=path, message="expected low, high or both")
    elif within.low is not None and within.high is not None and within.low >= within.high:
        yield Fault(
            path=path, message=f"nothing lies between {within.low:g} and {within.high:g}; low must be below high"
        )


_FEWEST = {Fit.MEAN: 1, Fit.SLOPE: 2, Fit.KENDALL: 2, Fit.R_SQUARED: 3}
"""A line through two points fits them whatever is measured."""


def _fit(suite: Suite, claim: SuiteClaim, quantity: Quantity, path: JsonPath) -> Iterator[Fault]:
    asked = claim.over.family if claim.over is not None and claim.over.family is not None else ()
    if not asked:
        yield Fault(path=(*path, "fit"), message="a line goes through the models of a family; add family to over")
    if quantity.minus_iteration is not None or len(quantity.iterations or (0,)) != 1:
        yield Fault(path=path, message="a line is fitted at one iteration; give one, and no minus_iteration")
    flops = {each.model: each.flops for each in suite.compute or ()}
    for family in suite.families or ():
        if family.name not in asked or quantity.fit is None:
            continue
        missing = [model for model in family.models if model not in flops]
        if missing:
            message = f"compute has no {', '.join(missing)} of family {family.name}; add it"
            yield Fault(path=(*path, "fit"), message=message)
        elif len({flops[model] for model in family.models}) < _FEWEST[quantity.fit]:
            message = (
                f"{quantity.fit} needs {_FEWEST[quantity.fit]} models of different compute; {family.name} has fewer"
            )
            yield Fault(path=(*path, "fit"), message=message)


def _needs_family(reading: Reading) -> bool:
    monotone = reading.monotone
    series = monotone is not None and monotone.axis is Axis.MODEL and monotone.among is None
    return series or any(quantity.fit is not None for _, quantity in quantities(reading))


def _unused_family(claim: SuiteClaim, reading: Reading, path: JsonPath) -> Iterator[Fault]:
    if claim.over is not None and claim.over.family is not None and not _needs_family(reading):
        yield Fault(path=path, message="over has families, and nothing here is about one; use model instead")


def _complete(claim: SuiteClaim, reading: Reading, path: JsonPath) -> Iterator[Fault]:
    """What a quantity leaves out is given by ``over`` or by what is compared, and by only one of them."""
    for where, quantity in quantities(reading):
        for name in ("dataset", "method", "model", "metric", "iterations"):
            axis = "iteration" if name == "iterations" else name
            over = claim.over is not None and getattr(claim.over, axis) is not None
            varied = where[-1] == "quantity" and _varied(reading) == name
            varied = varied or (name == "model" and quantity.fit is not None)
            given = getattr(quantity, name) is not None
            if not (over or varied or given):
                yield Fault(path=(*path, *where), message=f"key '{name}' is missing; add it here or to over")
            if given and varied:
                message = f"{name} is what the claim compares; remove it here"
                yield Fault(path=(*path, *where, name), message=message, on_key=True)


def _varied(reading: Reading) -> Axis | None:
    compared = reading.best or reading.rule or reading.monotone
    return None if compared is None else compared.axis
