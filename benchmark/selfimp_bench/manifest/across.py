"""What a study file claims across its experiments, expanded to the plain data of a ``Suite``.

A claim is across experiments if it says in how many of its groups it ``holds``. It is written like this::

    last-above-first:
      says: Self-improvement raises the accuracy of most models.
      source: Section 5
      assumed: '"raises" is read as: the last model is above the first'   # where the paper leaves it open
      over: {model: base, task: [gsm8k, math]}     # the groups; a name stands for a family's models, or for ``all``
      of: {method: iter-rejection}                 # what every quantity below has unless it says otherwise
      holds: most                                  # all, most, any, or at-least with at_least: N
      above: [accuracy t=3, accuracy t=0]

A quantity is words: the metric (``metric`` is that of the group), the split where it is not test, and ``t=3`` or
``t=1..5`` (the greatest of these), ``less=1`` (minus the value at iteration 1), ``fit=slope``, ``task=``, ``method=``,
``model=``. The forms::

    above: [QUANTITY, QUANTITY or a number]        # with times: 0.5, the second one counts so much
    within: {quantity: QUANTITY, low: -0.01, high: 0.01}
    best: {quantity: QUANTITY, among: {method: [...]}, winners: [...]}
    rule: {condition: QUANTITY, threshold: 0.5, quantity: QUANTITY, among: {method: [...]}, above: [...], below: [...]}
    peak: {quantity: QUANTITY, at: [4, 5]}
    monotone: {quantity: QUANTITY, direction: up, among: {metric: [...]}}   # or over: iterations, or family
    rows: {quantity: QUANTITY, table: text, row: text.best, seed_sd: 0.02}  # is the number of that row

A ``quantity`` that is left out is what ``of`` and the group say. ``any_of`` names several readings, each with a form.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from selfimp_bench.manifest.fault import Fault, JsonPath, nearest, shown
from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.measurement import Split

META: Final = frozenset({"source", "assumed"})
"""Keys that stand beside the entries of a block and say where they come from."""

_AXES: Final = {"task": "dataset", "method": "method", "model": "model", "metric": "metric", "family": "family"}
_LABELS: Final = ("task", "method", "model", "fit")


class MisreadClaim(Exception):
    """A claim that cannot be understood; ``fault`` says where and why."""

    def __init__(self, path: JsonPath, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(path=path, message=message)


@dataclass(frozen=True, kw_only=True)
class Across:
    """The plain data of a ``Suite``; where each part of it stands in the study file; and what could not be read."""

    data: dict[str, Json]
    origins: dict[JsonPath, JsonPath]
    faults: tuple[Fault, ...]


def across(study: Mapping[str, Any]) -> Across:
    """The experiments of a study and its claims across them, as a ``Suite`` says them."""
    members, origins = _members(study)
    claims: list[Json] = []
    faults: list[Fault] = []
    for id_, claim in study["claims"].items():
        if "holds" not in claim:
            continue
        try:
            claims.append(_claim(study, id_, claim))
        except MisreadClaim as misread:
            faults.append(misread.fault)
            continue
        origins[("claims", len(claims) - 1)] = ("claims", id_)
    return Across(data=_head(study) | {"experiments": members, "claims": claims}, origins=origins, faults=tuple(faults))


def is_across(claim: Mapping[str, Json]) -> bool:
    """Whether a claim of a study file compares experiments, rather than looking at each by itself."""
    return "holds" in claim


def entries(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block without the keys that say where its entries come from."""
    return {key: value for key, value in block.items() if key not in META}


def models_of(study: Mapping[str, Any], experiment: Mapping[str, Any]) -> list[str]:
    """The models that an experiment has: those that it lists, those of a family, or all of the study."""
    named = experiment.get("models")
    if named is None:
        return list(entries(study["models"]))
    return list(study["families"][named]) if isinstance(named, str) else list(named)


def dataset_of(study: Mapping[str, Any], task: str) -> str:
    """What the reference tables call a task."""
    published = study["tasks"][task].get("published", task)
    return str(published)


def table_path(study: Mapping[str, Any], name: str) -> str:
    """A reference table by its name in the study file: ``table3`` is ``mind-the-gap/table3.csv``."""
    return f"{study['tables']}/{name}.csv"


def _head(study: Mapping[str, Any]) -> dict[str, Json]:
    judging, published = study["judging"], study["published"]
    head: dict[str, Json] = {"schema": 1, "kind": "suite"}
    head |= {key: study[key] for key in ("name", "version", "title", "summary", "corrects", "paper") if key in study}
    if "families" in study:
        head["families"] = [{"name": name, "models": models} for name, models in study["families"].items()]
    if "compute" in study:
        head["compute"] = [{"model": model, "flops": flops} for model, flops in entries(study["compute"]).items()]
    return head | {
        "published": {
            "tables": [table_path(study, name) for name in published["tables"]],
            "renamed": [{"measured": old, "published": new} for old, new in published.get("renamed", {}).items()],
            "best": [{"measured": metric} | best for metric, best in published.get("best", {}).items()],
        },
        "bootstrap": {"confidence": judging["confidence"]} | judging["bootstrap"],
    }


def _members(study: Mapping[str, Any]) -> tuple[list[Json], dict[JsonPath, JsonPath]]:
    members: list[Json] = []
    origins: dict[JsonPath, JsonPath] = {}
    for name, experiment in study["experiments"].items():
        if experiment.get("apart"):
            continue
        task = study["tasks"][experiment["task"]]
        member = {
            "name": name,
            "version": study["version"],
            "dataset": dataset_of(study, experiment["task"]),
            "method": experiment["method"],
            "models": models_of(study, experiment),
        }
        member |= {"ood": dataset_of(study, task["ood"])} if "ood" in task else {}
        member |= {"pending": experiment["pending"]} if "pending" in experiment else {}
        origins[("experiments", len(members))] = ("experiments", name)
        members.append(member)
    return members, origins


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """One claim's place in the file, its study, and what its quantities have unless they say otherwise."""

    study: Mapping[str, Any]
    path: JsonPath
    given: Mapping[str, Any]

    def quantity(self, words: Json, *where: str | int) -> dict[str, Json]:
        said = dict(self.given) | (self._words(words, (*self.path, *where)) if words is not None else {})
        quantity: dict[str, Json] = {"split": said.get("split", Split.TEST.value)}
        if said.get("metric", "metric") != "metric":
            quantity["metric"] = said["metric"]
        if "t" in said:
            quantity["iterations"] = said["t"] if isinstance(said["t"], list) else [said["t"]]
        if "less" in said:
            quantity["minus_iteration"] = said["less"]
        for label in _LABELS:
            if label in said:
                quantity[_AXES.get(label, label)] = self.label(label, said[label])
        return quantity

    def label(self, axis: str, value: str) -> str:
        known = self.study["tasks"]
        return dataset_of(self.study, value) if axis == "task" and value in known else value

    def labels(self, axis: str, values: Json, *where: str | int) -> list[Json]:
        if isinstance(values, list):
            return [self.label(axis, str(value)) for value in values] if axis == "task" else values
        families = self.study.get("families", {})
        if axis == "model" and values in families:
            return list(families[values])
        if values == "all" and axis in ("task", "method", "model"):
            members, _ = _members(self.study)
            return _distinct(members, _AXES[axis])
        known = [*families, "all"] if axis == "model" else ["all"]
        raise MisreadClaim((*self.path, *where), f"expected a list, or a name; {nearest(str(values), known)}")

    def among(self, form: Mapping[str, Any], *where: str | int) -> dict[str, Json]:
        """``among: {method: [...]}`` as its axis and its terms; ``among: model`` is the group's family."""
        named = form["among"]
        if isinstance(named, str):
            return {"axis": _AXES.get(named, named)}
        ((axis, values),) = named.items()
        return {"axis": _AXES.get(axis, axis), "among": self.labels(axis, values, *where, "among", axis)}

    def _words(self, words: Json, where: JsonPath) -> dict[str, Any]:
        if not isinstance(words, str):
            raise MisreadClaim(where, f"expected a quantity such as 'pass@1 t=5', found {shown(words)}")
        said: dict[str, Any] = {}
        for word in words.split():
            key, equals, value = word.partition("=")
            key, read = (key, value) if equals else ("split" if word in frozenset(Split) else "metric", word)
            if key in said:
                raise MisreadClaim(where, f"{shown(words)} says its {key} twice")
            said[key] = self._read(key, read, words, where)
        return said

    def _read(self, key: str, value: str, words: str, where: JsonPath) -> Any:
        if key in ("t", "less"):
            first, dots, last = value.partition("..")
            if not first.isdecimal() or (dots and not last.isdecimal()):
                raise MisreadClaim(where, f"expected {key}=3 or {key}=1..5 in {shown(words)}, found {shown(value)}")
            return list(range(int(first), int(last) + 1)) if dots else int(first)
        if key not in ("metric", "split", *_LABELS):
            known = ["t", "less", *_LABELS]
            raise MisreadClaim(where, f"{shown(key)} is no part of a quantity; {nearest(key, known)}")
        return value


def _distinct(members: list[Json], axis: str) -> list[Json]:
    found: dict[Json, None] = {}
    for member in members:
        assert isinstance(member, dict)
        value = member["models" if axis == "model" else axis]
        found |= dict.fromkeys(value if isinstance(value, list) else [value])
    return list(found)


def _claim(study: Mapping[str, Any], id_: str, claim: Mapping[str, Any]) -> dict[str, Json]:
    reader = _Reader(study=study, path=("claims", id_), given=claim.get("of", {}))
    data: dict[str, Json] = {"id": id_, "statement": claim["says"], "source": claim["source"]}
    data |= {key: claim[key] for key in ("assumed", "holds", "at_least") if key in claim}
    if "over" in claim:
        data["over"] = {
            _AXES.get(axis, axis): reader.labels(axis, values, "over", axis) for axis, values in claim["over"].items()
        }
    if "any_of" not in claim:
        return data | _form(reader, claim)
    readings = claim["any_of"].items()
    return data | {"any_of": [{"name": name} | _form(reader, form, "any_of", name) for name, form in readings]}


def _form(reader: _Reader, claim: Mapping[str, Any], *where: str) -> dict[str, Json]:
    for name, expand in _FORMS.items():
        if name in claim:
            return expand(reader, claim, *where)
    raise MisreadClaim((*reader.path, *where), f"expected one of {', '.join(_FORMS)}, or any_of")


def _above(reader: _Reader, claim: Mapping[str, Any], *where: str) -> dict[str, Json]:
    if not isinstance(claim["above"], list) or len(claim["above"]) != 2:
        raise MisreadClaim(
            (*reader.path, *where, "above"), "expected two things in a list: what is above, and what not"
        )
    greater, lesser = claim["above"]
    above: dict[str, Json] = {"greater": reader.quantity(greater, *where, "above", 0)}
    if isinstance(lesser, int | float):
        above["bound"] = lesser
    else:
        above["lesser"] = reader.quantity(lesser, *where, "above", 1)
    return {"above": above | ({"times": claim["times"]} if "times" in claim else {})}


def _within(reader: _Reader, claim: Mapping[str, Any], *where: str) -> dict[str, Json]:
    form = claim["within"]
    bounds = {key: form[key] for key in ("low", "high") if key in form}
    return {"within": {"quantity": reader.quantity(form.get("quantity"), *where, "within", "quantity")} | bounds}


def _best(reader: _Reader, claim: Mapping[str, Any], *where: str) -> dict[str, Json]:
    form = claim["best"]
    best: dict[str, Json] = {"quantity": reader.quantity(form.get("quantity"), *where, "best", "quantity")}
    axis = reader.among(form, *where, "best")
    return {"best": best | axis | {"winners": form["winners"]}}


def _rule(reader: _Reader, claim: Mapping[str, Any], *where: str) -> dict[str, Json]:
    form = claim["rule"]
    quantities = {key: reader.quantity(form.get(key), *where, "rule", key) for key in ("condition", "quantity")}
    rest = {key: form[key] for key in ("threshold", "above", "below")}
    return {"rule": {**quantities, **reader.among(form, *where, "rule"), **rest}}


def _peak(reader: _Reader, claim: Mapping[str, Any], *where: str) -> dict[str, Json]:
    form = claim["peak"]
    return {"peak": {"quantity": reader.quantity(form.get("quantity"), *where, "peak", "quantity"), "at": form["at"]}}


def _monotone(reader: _Reader, claim: Mapping[str, Any], *where: str) -> dict[str, Json]:
    form = claim["monotone"]
    quantity = reader.quantity(form.get("quantity"), *where, "monotone", "quantity")
    axis = reader.among(form, *where, "monotone") if "among" in form else {}
    return {"monotone": {"quantity": quantity, "direction": form["direction"], **axis}}


def _rows(reader: _Reader, claim: Mapping[str, Any], *where: str) -> dict[str, Json]:
    form = claim["rows"]
    quantity = reader.quantity(form.get("quantity"), *where, "rows", "quantity")
    row = {"table": table_path(reader.study, form["table"]), "reference": form["row"], "seed_sd": form["seed_sd"]}
    return {"equals": {"quantity": quantity, **row}}


_Expand = Callable[..., dict[str, Json]]
_FORMS: Final[dict[str, _Expand]] = {
    "above": _above,
    "best": _best,
    "rule": _rule,
    "peak": _peak,
    "monotone": _monotone,
    "within": _within,
    "rows": _rows,
}
