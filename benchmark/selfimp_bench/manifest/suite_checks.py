"""What the schema of a suite cannot say: the rules between its fields, each one small function."""

from collections.abc import Iterator
from difflib import get_close_matches

from selfimp_bench.manifest.cross_checks import BLOCK_RULES, block_faults
from selfimp_bench.manifest.fault import Fault, JsonPath, shown
from selfimp_bench.manifest.suite_model import FORMS, Above, Axis, Best, Quantity, Rule, Suite, SuiteClaim


def suite_faults(suite: Suite) -> Iterator[Fault]:
    """Every fault of a suite whose blocks have the shape of the schema."""
    yield from block_faults(suite, (), BLOCK_RULES)
    yield from _version(suite)
    yield from _members(suite)
    for index, claim in enumerate(suite.claims):
        path: JsonPath = ("claims", index)
        first = next(number for number, other in enumerate(suite.claims) if other.id == claim.id)
        if first != index:
            message = f"{claim.id} is the id of claims[{first}] already; choose another"
            yield Fault(path=(*path, "id"), message=message)
        forms = [name for name in FORMS if getattr(claim, name) is not None]
        if len(forms) != 1:
            found = " and ".join(forms) or "none"
            yield Fault(path=path, message=f"expected exactly one of {', '.join(FORMS)}, found {found}")
        else:
            yield from _labels(suite, claim, path)
            yield from _form(claim, forms[0], (*path, forms[0]))


def _version(suite: Suite) -> Iterator[Fault]:
    if suite.version > 1 and suite.corrects is None:
        message = f"version {suite.version} corrects an earlier one; add 'corrects' and say what"
        yield Fault(path=("version",), message=message)
    if suite.version == 1 and suite.corrects is not None:
        yield Fault(path=("corrects",), message="version 1 corrects nothing; remove this key", on_key=True)


def _members(suite: Suite) -> Iterator[Fault]:
    for index, member in enumerate(suite.experiments):
        for other in suite.experiments[:index]:
            if member.name == other.name:
                yield Fault(path=("experiments", index, "name"), message=f"{member.name} is in the suite already")
            same = (member.dataset, member.method) == (other.dataset, other.method)
            if same and set(member.models) & set(other.models):
                message = f"{other.name} has dataset {member.dataset}, method {member.method} and a model of it already"
                yield Fault(path=("experiments", index), message=f"{message}; a claim could not tell them apart")


def _labels(suite: Suite, claim: SuiteClaim, path: JsonPath) -> Iterator[Fault]:
    """Every label that the claim uses is one of the suite's experiments."""
    known = {
        Axis.DATASET: {member.dataset for member in suite.experiments},
        Axis.METHOD: {member.method for member in suite.experiments},
        Axis.MODEL: {model for member in suite.experiments for model in member.models},
    }
    for where, axis, label in _used(claim, path):
        if label not in known[axis]:
            near = get_close_matches(label, sorted(known[axis]), n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known[axis]))}"
            yield Fault(path=where, message=f"{shown(label)} is no {axis} of this suite's experiments; {hint}")


def _used(claim: SuiteClaim, path: JsonPath) -> Iterator[tuple[JsonPath, Axis, str]]:
    for axis in Axis:
        for index, label in enumerate((getattr(claim.over, axis) or ()) if claim.over is not None else ()):
            yield (*path, "over", axis.value, index), axis, label
        for where, quantity in quantities(claim):
            if (label := getattr(quantity, axis)) is not None:
                yield (*path, *where, axis.value), axis, label
    for form, compared in (("best", claim.best), ("rule", claim.rule)):
        for index, label in enumerate(compared.among if compared is not None else ()):
            assert compared is not None
            yield (*path, form, "among", index), compared.axis, label


def quantities(claim: SuiteClaim) -> Iterator[tuple[JsonPath, Quantity]]:
    """Every quantity of a claim with its place in it."""
    for form in FORMS:
        block = getattr(claim, form)
        for name in ("greater", "lesser", "condition", "quantity"):
            if (found := getattr(block, name, None)) is not None:
                yield (form, name), found


def _form(claim: SuiteClaim, form: str, path: JsonPath) -> Iterator[Fault]:
    yield from _complete(claim, path[:-1])
    block = getattr(claim, form)
    if isinstance(block, Above) and (block.lesser is None) == (block.bound is None):
        yield Fault(path=path, message="expected exactly one of lesser or bound")
    if isinstance(block, Best):
        yield from _winners(block.winners, block.among, (*path, "winners"))
    if isinstance(block, Rule):
        yield from _winners(block.above, block.among, (*path, "above"))
        yield from _winners(block.below, block.among, (*path, "below"))
    if claim.monotone is not None or claim.peak is not None:
        yield from _series(block.quantity, path)
    if claim.peak is not None:
        iterations = claim.peak.quantity.iterations or ()
        for index, at in enumerate(claim.peak.at):
            if at not in iterations:
                yield Fault(path=(*path, "at", index), message=f"{at} is none of the quantity's iterations")
        if set(claim.peak.at) >= set(iterations):
            yield Fault(path=(*path, "at"), message="this holds whatever is measured; leave an iteration out")


def _winners(winners: tuple[str, ...], among: tuple[str, ...], path: JsonPath) -> Iterator[Fault]:
    for index, winner in enumerate(winners):
        if winner not in among:
            yield Fault(path=(*path, index), message=f"{shown(winner)} is none of among: {', '.join(among)}")
    if set(winners) >= set(among):
        yield Fault(path=path, message="this holds whatever is measured; leave one of among out")


def _series(quantity: Quantity, path: JsonPath) -> Iterator[Fault]:
    iterations = quantity.iterations or ()
    if len(iterations) < 2 or list(iterations) != sorted(iterations):
        message = "expected at least two iterations, strictly increasing"
        yield Fault(path=(*path, "quantity"), message=message)


def _complete(claim: SuiteClaim, path: JsonPath) -> Iterator[Fault]:
    """What a quantity leaves out is given by ``over`` or by the axis that is compared, and by only one of them."""
    compared = claim.best or claim.rule
    for where, quantity in quantities(claim):
        for name in ("dataset", "method", "model", "metric", "iterations"):
            axis = "iteration" if name == "iterations" else name
            over = claim.over is not None and getattr(claim.over, axis) is not None
            varied = compared is not None and compared.axis == name and where[-1] == "quantity"
            given = getattr(quantity, name) is not None
            if not (over or varied or given):
                yield Fault(path=(*path, *where), message=f"key '{name}' is missing; add it here or to over")
            if given and varied:
                message = f"{name} is what the claim compares; remove it here"
                yield Fault(path=(*path, *where, name), message=message, on_key=True)
