"""What the schema of a suite cannot say: the rules between its fields, each one small function.

Those of the forms of claims are in ``suite_form_checks``.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from math import prod

from selfimp_bench.manifest.cross_checks import BLOCK_RULES, block_faults
from selfimp_bench.manifest.fault import Fault, JsonPath, shown
from selfimp_bench.manifest.suite_form_checks import form_faults, quantities
from selfimp_bench.manifest.suite_model import FORMS, Axis, Over, Reading, Suite, SuiteClaim, readings


def suite_faults(suite: Suite) -> Iterator[Fault]:
    """Every fault of a suite whose blocks have the shape of the schema."""
    yield from block_faults(suite, (), BLOCK_RULES)
    yield from _version(suite)
    yield from _members(suite)
    yield from _families(suite)
    for index, claim in enumerate(suite.claims):
        path: JsonPath = ("claims", index)
        first = next(number for number, other in enumerate(suite.claims) if other.id == claim.id)
        if first != index:
            message = f"{claim.id} is the id of claims[{first}] already; choose another"
            yield Fault(path=(*path, "id"), message=message)
        yield from _claim(suite, claim, path)


def _claim(suite: Suite, claim: SuiteClaim, path: JsonPath) -> Iterator[Fault]:
    yield from _holds(claim, path)
    yield from _over_labels(suite, claim.over or Over(), (*path, "over"))
    own = [name for name in FORMS if getattr(claim, name) is not None]
    if claim.any_of is not None and claim.all_of is not None:
        own.append("any_of")
    if claim.several is not None and own:
        key = "all_of" if "any_of" in own else claim.several
        yield Fault(path=(*path, key), message=f"has {' and '.join(own)} beside it; write each as a reading")
        return
    for index, reading in enumerate(readings(claim)):
        place = path if claim.several is None else (*path, claim.several, index)
        forms = [name for name in FORMS if getattr(reading, name) is not None]
        if len(forms) != 1:
            found = " and ".join(forms) or "none"
            choices = FORMS if claim.several is not None else (*FORMS, "any_of", "all_of")
            yield Fault(path=place, message=f"expected exactly one of {', '.join(choices)}, found {found}")
            continue
        yield from _labels(suite, reading, place)
        yield from form_faults(suite, claim, reading, (*place, forms[0]))
    yield from _names(claim, path)


def _holds(claim: SuiteClaim, path: JsonPath) -> Iterator[Fault]:
    if (claim.holds == "at-least") != (claim.at_least is not None):
        yield Fault(path=path, message="at_least goes with 'holds: at-least', and only with it")
    groups = prod(len(values) for values in vars(claim.over or Over()).values() if values is not None)
    if claim.at_least is not None and claim.at_least > groups:
        yield Fault(path=(*path, "at_least"), message=f"the claim has only {groups} groups")


def _names(claim: SuiteClaim, path: JsonPath) -> Iterator[Fault]:
    names = [reading.name for reading in readings(claim)]
    for index, name in enumerate(names):
        if name in names[:index] and claim.several is not None:
            message = f"{shown(name)} is the name of another reading; choose another"
            yield Fault(path=(*path, claim.several, index, "name"), message=message)


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


def _families(suite: Suite) -> Iterator[Fault]:
    models = {model for member in suite.experiments for model in member.models}
    for index, family in enumerate(suite.families or ()):
        if any(family.name == other.name for other in (suite.families or ())[:index]):
            yield Fault(path=("families", index, "name"), message=f"{family.name} is a family already")
        for number, model in enumerate(family.models):
            yield from _known(model, Axis.MODEL, models, ("families", index, "models", number))
    computed = [each.model for each in suite.compute or ()]
    for index, model in enumerate(computed):
        if model in computed[:index]:
            yield Fault(path=("compute", index, "model"), message=f"{model} is there already")
        yield from _known(model, Axis.MODEL, models, ("compute", index, "model"))


def _known_labels(suite: Suite) -> dict[Axis, set[str]]:
    """What the suite's experiments differ in; metrics are the measurements' own names."""
    return {
        Axis.DATASET: {member.dataset for member in suite.experiments},
        Axis.METHOD: {member.method for member in suite.experiments},
        Axis.MODEL: {model for member in suite.experiments for model in member.models},
    }


def _known(label: str, axis: Axis, known: set[str], where: JsonPath) -> Iterator[Fault]:
    if label not in known:
        near = get_close_matches(label, sorted(known), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
        yield Fault(path=where, message=f"{shown(label)} is no {axis} of this suite's experiments; {hint}")


def _over_labels(suite: Suite, over: Over, path: JsonPath) -> Iterator[Fault]:
    """Every label of ``over`` is one of the suite's experiments, every family one of the suite's."""
    for axis, known in _known_labels(suite).items():
        for index, label in enumerate(getattr(over, axis) or ()):
            yield from _known(label, axis, known, (*path, axis.value, index))
    families = [family.name for family in suite.families or ()]
    for index, name in enumerate(over.family or ()):
        if name not in families:
            message = f"{shown(name)} is no family of this suite; known: {', '.join(families) or 'none'}"
            yield Fault(path=(*path, "family", index), message=message)


def _labels(suite: Suite, reading: Reading, path: JsonPath) -> Iterator[Fault]:
    """Every label that the reading uses is one of the suite's experiments."""
    known = _known_labels(suite)
    for where, quantity in quantities(reading):
        for axis, labels in known.items():
            if (label := getattr(quantity, axis)) is not None:
                yield from _known(label, axis, labels, (*path, *where, axis.value))
    for form, compared in (("best", reading.best), ("rule", reading.rule), ("monotone", reading.monotone)):
        if compared is not None and compared.axis in known:
            for index, label in enumerate(compared.among or ()):
                yield from _known(label, compared.axis, known[compared.axis], (*path, form, "among", index))
