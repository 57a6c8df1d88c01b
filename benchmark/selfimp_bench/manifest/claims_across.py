"""Claims across experiments: from a study's words to a suite (``suite_model.py``), which is judged over their runs.

A claim with ``holds: all|most|any|at-least`` (and ``at_least: N``) is across experiments. Its groups are every
combination of ``over``: {dataset, method, model, metric, iteration, family}, each a list, ``all`` of the study's, or
for models the name of a family;
``where``: {dataset, method, model} is what no quantity says itself. ``assumed`` says why these bounds. QUANTITY is a
text (``claims_text.py``): the greatest value over its iterations, less that at another. FORM is one of

    above: [QUANTITY, QUANTITY or bound, factor, by N]   the first is above the second, times the factor if there is
                                                         one, by more than N if that is said
    best: {of: QUANTITY, axis, among, winners}           of ``among`` one of the winners has the greatest
    rule: {when: QUANTITY, above: N, of: QUANTITY, axis, among, then, else}
                                                         where ``when`` is above N one of ``then`` has the greatest
    peak: {of: QUANTITY, at: [4, 5], margin}             at one of these iterations none is above by the margin
    monotone: {of: QUANTITY, goes: up, axis, among}      from each to the next
    within: {of: QUANTITY, low, high}
    rows: {of: QUANTITY, table, row, against}            it is the number of this row

or ``any_of``/``all_of``, with a form under the name of every reading (part).

``published``: {tables, renamed: {MEASURED: what the tables call it}, best: {MEASURED: {t, as}}} says where the paper's
own numbers stand; a name with ``*`` stands for every number that the tables have in its place.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.manifest.claims_rows import Tables, iterations_of, table_name
from selfimp_bench.manifest.claims_text import read_cell, read_sides
from selfimp_bench.manifest.fault import Fault
from selfimp_bench.manifest.measured import NUMBER, numbered
from selfimp_bench.manifest.study import Entry, cited, each_of, entry, models_of, of_family, ood_task, task_word
from selfimp_bench.manifest.study_tree import Misfit, Node, made, mapping, only_keys, plain, sequence
from selfimp_bench.manifest.yaml_scalar import Json

FORMS = ("above", "best", "rule", "peak", "monotone", "within", "rows")
SEVERAL = ("any_of", "all_of")
_CLAIM = ("says", "source", "assumed", "over", "where", "holds", "at_least", *FORMS, *SEVERAL)
_AXES = ("dataset", "method", "model", "metric", "iteration", "family")
_WHERE = ("dataset", "method", "model")
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class _Words:
    """A study, what its experiments are called on every axis, and what every quantity of a claim is ``where``."""

    study: Node
    all: Mapping[str, tuple[str, ...]]
    where: Mapping[str, Json]


def suite_of(study: Node, tables: Tables) -> tuple[Node, tuple[Fault, ...]]:
    """The suite that a study is: its experiments and the claims across them, and what could not be made of these.

    Raises Misfit where the experiments themselves cannot be read.
    """
    entries = [entry(study, name) for name in study.need("experiments").entries]
    together = [each for each in entries if each.node.get("apart") is None]
    members = [_member(each) for each in together]
    everything = {
        "dataset": tuple(dict.fromkeys(member.need("dataset").text for member in members)),
        "method": tuple(dict.fromkeys(member.need("method").text for member in members)),
        "model": tuple(key for key in study.need("models").entries if key not in ("source", "assumed")),
    }
    claims, faults = _claims(study, everything)
    given = {
        "schema": made(1, study),
        "kind": made("suite", study),
        **{key: study.get(key) for key in ("name", "version", "title", "summary", "corrects", "paper")},
        "experiments": sequence(members, study.need("experiments")),
        "families": _families(study),
        "compute": _compute(study),
        "published": _published(study, tables),
        "priors": study.get("priors"),
        "claims": claims,
    }
    return mapping(given, study), faults


def _across(study: Node) -> dict[str, Node]:
    claims = each_of(study.get("claims"))
    return {name: node for name, node in claims if isinstance(node.value, dict) and "holds" in node.value}


def _member(each: Entry) -> Node:
    ood = ood_task(each)
    given = {
        "name": made(each.name, each.node),
        "version": each.study.need("version"),
        "dataset": made(task_word(each.task, each.task_node), each.node),
        "ood": None if ood is None else made(task_word(*ood), each.node),
        "method": made(each.method_word, each.node),
        "models": sequence([model.need("id") for model in models_of(each).items], each.node),
    }
    return mapping(given, each.node)


def _families(study: Node) -> Node | None:
    found = study.get("families")
    if found is None:
        return None
    items = [mapping({"name": made(name, node), "models": node}, node) for name, node in found.entries.items()]
    return sequence(items, found)


def _compute(study: Node) -> Node | None:
    found = study.get("compute")
    if found is None:
        return None
    items = [mapping({"model": made(name, node), "flops": node}, node) for name, node in found.entries.items()]
    return sequence(items, found)


def _published(study: Node, tables: Tables) -> Node:
    found = study.get("published") or made({"tables": []}, study)
    only_keys(found, ("tables", "renamed", "best"))
    folder = study.need("tables").text
    names = [(item, table_name(folder, item.text)) for item in found.need("tables").items]
    metrics = [row.metric for item, name in names for row in tables(item, name).rows]
    renamed, best = found.get("renamed"), found.get("best")
    given = {
        "tables": sequence([made(name, item) for item, name in names], found.need("tables")),
        "renamed": sequence(list(_renamed(renamed, metrics)), renamed or found),
        "best": sequence(list(_best_names(best)), best or found),
    }
    return mapping(given, found)


def _renamed(renamed: Node | None, metrics: Sequence[str]) -> Iterator[Node]:
    for measured, node in (renamed.entries if renamed is not None else {}).items():
        published = node.text
        if NUMBER not in measured:
            yield made({"measured": measured, "published": published}, node)
        for each in numbered(published, metrics):
            own = measured.replace(NUMBER, f"{each.number:g}")
            yield made({"measured": own, "published": each.metric}, node)


def _best_names(best: Node | None) -> Iterator[Node]:
    for measured, node in (best.entries if best is not None else {}).items():
        only_keys(node, ("t", "as"))
        times = list(iterations_of(node.need("t"), None))
        yield mapping(
            {"measured": made(measured, node), "iterations": made(times, node), "published": node.need("as")}, node
        )


# ---- claims ----


def _claims(study: Node, everything: Mapping[str, tuple[str, ...]]) -> tuple[Node, tuple[Fault, ...]]:
    found, faults = [], []
    for name, node in _across(study).items():
        try:
            found.append(_claim(name, node, study, everything))
        except Misfit as misfit:
            faults.append(misfit.fault)
    return sequence(found, study.get("claims") or study), tuple(faults)


def _claim(name: str, node: Node, study: Node, everything: Mapping[str, tuple[str, ...]]) -> Node:
    only_keys(node, _CLAIM)
    where = node.get("where")
    if where is not None:
        only_keys(where, _WHERE)
    words = _Words(
        study=study,
        all=everything,
        where={} if where is None else {key: plain(each) for key, each in where.entries.items()},
    )
    given = {
        "id": made(name, node),
        "statement": node.need("says"),
        "source": cited(study, node.need("source")),
        "assumed": node.get("assumed"),
        "over": _over(node.get("over"), words),
        "holds": node.need("holds"),
        "at_least": node.get("at_least"),
    }
    return mapping(given | _any_form(node, words, study), node)


def _over(over: Node | None, words: _Words) -> Node | None:
    if over is None:
        return None
    only_keys(over, _AXES)
    return mapping({axis: _list(node, axis, words) for axis, node in over.entries.items()}, over)


def _list(node: Node, axis: str, words: _Words) -> Node:
    if axis == "model" and isinstance(node.value, str) and (node.value != ALL or _is_family(ALL, words.study)):
        return of_family(node, words.study)
    if node.value != ALL:
        return node
    if axis not in words.all:
        raise Misfit(node, f"expected a list; 'all' is known of {', '.join(words.all)}")
    return made(list(words.all[axis]), node)


def _is_family(name: str, study: Node) -> bool:
    families = study.get("families")
    return families is not None and name in families.entries


def _any_form(node: Node, words: _Words, study: Node) -> dict[str, Node]:
    for several in SEVERAL:
        ways = node.get(several)
        if ways is not None:
            found = []
            for name, way in ways.entries.items():
                only_keys(way, FORMS)
                found.append(mapping({"name": made(name, way)} | _form(way, words, study), way))
            return {several: sequence(found, ways)}
    return _form(node, words, study)


def _form(node: Node, words: _Words, study: Node) -> dict[str, Node]:
    given = [key for key in FORMS if node.get(key) is not None]
    if len(given) != 1:
        raise Misfit(node, f"expected exactly one of {', '.join((*FORMS, *SEVERAL))}, found {len(given)}")
    form = node.need(given[0])
    if given == ["rows"]:
        return {"equals": _equals(form, words, study)}
    made_by: Mapping[str, Callable[[Node, _Words], Node]] = {
        "above": _above, "best": _best, "rule": _rule, "peak": _peak, "monotone": _monotone, "within": _within,
    }  # fmt: skip
    return {given[0]: made_by[given[0]](form, words)}


def quantity(node: Node, where: Mapping[str, Json], last: None = None) -> Node:
    """The quantity that a text names; what it does not say of data set, method and model is ``where``'s."""
    cell = read_cell(node, last)
    labels = dict(where) | dict(cell.labels)
    data: dict[str, Json] = {"split": cell.split.value}
    data |= {} if cell.metric is None else {"metric": cell.metric}
    data |= {} if cell.iterations is None else {"iterations": list(cell.iterations)}
    data |= {} if cell.less is None else {"minus_iteration": cell.less}
    return made(data | labels, node)


def _above(form: Node, words: _Words) -> Node:
    sides = read_sides(form)
    given = {
        "greater": quantity(sides.greater, words.where),
        "lesser": None if sides.lesser is None else quantity(sides.lesser, words.where),
        "bound": sides.bound,
        "times": sides.times,
    }
    return mapping(given, form)


def _best(form: Node, words: _Words) -> Node:
    only_keys(form, ("of", "axis", "among", "winners"))
    given = {"quantity": quantity(form.need("of"), words.where), "axis": form.need("axis")}
    return mapping(given | {"among": _among(form, words), "winners": form.need("winners")}, form)


def _among(form: Node, words: _Words) -> Node | None:
    among = form.get("among")
    return None if among is None else _list(among, form.need("axis").text, words)


def _rule(form: Node, words: _Words) -> Node:
    only_keys(form, ("when", "above", "of", "axis", "among", "then", "else"))
    given = {
        "condition": quantity(form.need("when"), words.where),
        "threshold": form.need("above"),
        "quantity": quantity(form.need("of"), words.where),
        "axis": form.need("axis"),
        "among": _among(form, words),
        "above": form.need("then"),
        "below": form.need("else"),
    }
    return mapping(given, form)


def _peak(form: Node, words: _Words) -> Node:
    only_keys(form, ("of", "at", "margin"))
    given = {"quantity": quantity(form.need("of"), words.where), "at": form.need("at"), "margin": form.get("margin")}
    return mapping(given, form)


def _monotone(form: Node, words: _Words) -> Node:
    only_keys(form, ("of", "goes", "axis", "among"))
    given = {"quantity": quantity(form.need("of"), words.where), "direction": form.need("goes")}
    return mapping(given | {"axis": form.get("axis"), "among": _among(form, words)}, form)


def _within(form: Node, words: _Words) -> Node:
    only_keys(form, ("of", "low", "high"))
    given = {"quantity": quantity(form.need("of"), words.where), "low": form.get("low"), "high": form.get("high")}
    return mapping(given, form)


def _equals(form: Node, words: _Words, study: Node) -> Node:
    only_keys(form, ("of", "table", "row", "against"))
    table = form.need("table")
    given = {
        "quantity": quantity(form.need("of"), words.where),
        "table": made(table_name(study.need("tables").text, table.text), table),
        "reference": form.need("row"),
        "against": form.get("against"),
    }
    return mapping(given, form)
