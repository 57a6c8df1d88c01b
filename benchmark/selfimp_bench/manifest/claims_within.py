"""Claims about one experiment: from a study's words to the resolved form's values, orders and trends.

    claims:
      ID:
        says: the sentence                  source: its place; a table of ours where nothing else is said
        only, except                        of which experiments: {task, method, experiment}, each one or a list
        over: {metric: {WORD: A}}           a claim each, ID.WORD of metric A; of a list [A, B] it is ID.A and ID.B
        FORM

FORM is one of these, or ``any_of``/``all_of`` with a form under the name of every reading (part), which is laid over
what the claim itself has of it:

    rows: {table: T, ...}                   measured values are those of the rows (``claims_rows.py``)
    above: [CELL, CELL or bound, factor, by bound]
                                            the first is greater than the second (``claims_text.py``)
    trend: {of: CELL, goes: up}             the least-squares slope over all iterations, or over those of CELL

``except`` is one selector or a list of them; one with ``t`` (or ``model``) leaves out these iterations (this model)
and not the experiment. A claim is made of the experiments that measure all that it names, or have rows that it selects.
"""

from collections.abc import Iterator

from selfimp_bench.manifest.claims_rows import ROWS_KEYS, Point, Scope, Tables, iterations_of, one_table, selected
from selfimp_bench.manifest.claims_text import CellText, read_cell, read_sides
from selfimp_bench.manifest.fault import Fault, nearest, shown
from selfimp_bench.manifest.study import cited, each_of
from selfimp_bench.manifest.study_tree import Misfit, Node, made, mapping, merged, only_keys, sequence
from selfimp_bench.measurement import Split

FORMS = ("rows", "above", "trend")
SEVERAL = ("any_of", "all_of")
_CLAIM = ("says", "source", "only", "except", "over", *FORMS, *SEVERAL)
_SELECTOR = ("task", "method", "experiment", "model", "t")
_DIRECTIONS = ("up", "down")


def claims_of(study: Node, scope: Scope, tables: Tables) -> tuple[Node, tuple[Fault, ...]]:
    """An experiment's claims as the resolved form has them, and what is wrong with those that could not be made."""
    claims, judging = study.get("claims"), study.get("judging")
    if judging is not None:
        only_keys(judging, ("rows",))
    made_, faults = [], []
    for name, node in each_of(claims):
        if isinstance(node.value, dict) and "holds" in node.value:
            continue
        try:
            made_ += list(_claims(name, node, study, scope, tables))
        except Misfit as misfit:
            faults.append(misfit.fault)
    return sequence(made_, claims or study), tuple(faults)


def _claims(name: str, node: Node, study: Node, scope: Scope, tables: Tables) -> Iterator[Node]:
    only_keys(node, _CLAIM)
    _check_selectors(node, study)
    if not _is_claimed(node, scope):
        return
    judging = study.get("judging") or made({}, study)
    for word, metric in _over(node):
        form = _any_form(node, metric, judging, scope, tables)
        if form is not None:
            given = {
                "id": made(f"{name}.{word}" if word else name, node),
                "statement": node.need("says"),
                "source": cited(study, node.get("source")) or _own_source(form, node),
            }
            yield mapping(given | form, node)


def _over(claim: Node) -> Iterator[tuple[str, str | None]]:
    """The metrics that the claim is made of in turn, each with the word that tells it apart; once without ``over``."""
    over = claim.get("over")
    if over is None:
        yield "", None
        return
    only_keys(over, ("metric",))
    metrics = over.need("metric")
    if isinstance(metrics.value, dict):
        yield from ((word, metric.text) for word, metric in metrics.value.items())
    else:
        yield from ((metric, metric) for metric in metrics.texts)


def _own_source(form: dict[str, Node], node: Node) -> Node:
    value = form.get("value")
    if value is None:
        raise Misfit(node, "key 'source' is missing; add it (the place in the paper)")
    return made(f"reference_results/{value.need('table').text}", node)


def _any_form(node: Node, metric: str | None, judging: Node, scope: Scope, tables: Tables) -> dict[str, Node] | None:
    """The claim's form, or its several readings; None where the experiment measures nothing of it."""
    for several in SEVERAL:
        ways = node.get(several)
        if ways is None:
            continue
        own = mapping({key: node.get(key) for key in FORMS}, node)
        found = []
        for name, way in ways.entries.items():
            only_keys(way, FORMS)
            form = _form(merged(own, way) or way, node, metric, judging, scope, tables)
            if form is None:
                return None
            found.append(mapping({"name": made(name, way)} | form, way))
        return {several: sequence(found, ways)}
    return _form(node, node, metric, judging, scope, tables)


def _form(
    form: Node, claim: Node, metric: str | None, judging: Node, scope: Scope, tables: Tables
) -> dict[str, Node] | None:
    given = [key for key in FORMS if form.get(key) is not None]
    if len(given) != 1:
        raise Misfit(form, f"expected exactly one of {', '.join((*FORMS, *SEVERAL))}, found {len(given)}")
    if given == ["rows"]:
        return _value(form.need("rows"), claim, metric, judging, scope, tables)
    if given == ["above"]:
        return _order(form.need("above"), metric, scope)
    return _trend(form.need("trend"), claim, metric, scope)


# ---- rows ----


def _value(
    rows: Node, claim: Node, metric: str | None, judging: Node, scope: Scope, tables: Tables
) -> dict[str, Node] | None:
    only_keys(rows, ROWS_KEYS)
    of_metric = None if metric is None else mapping({"metric": made(metric, claim)}, rows)
    whole = merged(judging.get("rows"), rows, of_metric) or rows
    points = [point for point in selected(whole, scope, tables) if not _is_excepted(claim, scope, point)]
    if not points:
        return None
    value = {
        "table": made(one_table(tuple(points), rows), rows),
        "points": sequence([_point(point, rows) for point in points], rows),
        "against": whole.get("against"),
        "problems": _problems(whole, points[0].split, scope),
    }
    return {"value": mapping(value, rows)}


def _problems(rows: Node, split: Split, scope: Scope) -> Node | None:
    """How many problems the published numbers are over; ``all`` are those of the split."""
    given = rows.get("problems")
    return made(scope.problems[split], given) if given is not None and given.value == "all" else given


def _point(point: Point, rows: Node) -> Node:
    data = {"metric": point.metric, "split": point.split.value, "iteration": point.iteration}
    return made(data | {"reference": point.reference}, rows)


# ---- orders and trends ----


def _order(above: Node, metric: str | None, scope: Scope) -> dict[str, Node] | None:
    sides = read_sides(above)
    nodes = [node for node in (sides.greater, sides.lesser) if node is not None]
    cells = [_one_cell(node, metric, scope) for node in nodes]
    if not all(scope.measures(str(cell["metric"]), Split(str(cell["split"]))) for cell in cells):
        return None
    made_ = [made(dict(cell), node) for cell, node in zip(cells, nodes, strict=True)]
    data = {
        "greater": made_[0],
        "lesser": made_[1] if len(made_) > 1 else None,
        "times": sides.times,
        "bound": sides.bound,
    }
    return {"order": mapping(data, above)}


def _one_cell(node: Node, metric: str | None, scope: Scope) -> dict[str, str | int]:
    cell = _own_cell(node, metric, scope)
    if cell.iterations is None or len(cell.iterations) != 1:
        raise Misfit(node, "expected one iteration; add it like t=5 or t=last")
    return {"metric": _metric(node, cell, metric), "split": cell.split.value, "iteration": cell.iterations[0]}


def _trend(trend: Node, claim: Node, metric: str | None, scope: Scope) -> dict[str, Node] | None:
    only_keys(trend, ("of", "goes"))
    of = trend.get("of") or made("", trend)
    cell = _own_cell(of, metric, scope)
    name = _metric(of, cell, metric)
    goes = trend.need("goes")
    if goes.value not in _DIRECTIONS:
        raise Misfit(goes, f"expected one of {', '.join(_DIRECTIONS)}")
    if not scope.measures(name, cell.split):
        return None
    first = min(each.first for each in scope.cells if each.metric == name and each.split is cell.split)
    left_out = _excepted_iterations(claim, scope)
    iterations = [each for each in cell.iterations or range(first, scope.last + 1) if each not in left_out]
    data = {
        "metric": made(name, of),
        "split": made(cell.split.value, of),
        "iterations": made(list(iterations), of),
        "direction": goes,
    }
    return {"trend": mapping(data, trend)}


def _own_cell(node: Node, metric: str | None, scope: Scope) -> CellText:
    cell = read_cell(node, scope.last)
    if cell.labels or cell.less is not None:
        raise Misfit(node, "a claim about one experiment names no other; with 'holds' it is across experiments")
    if metric is not None and cell.metric is not None:
        raise Misfit(node, "the metric is named twice, here and by 'over'")
    return cell


def _metric(node: Node, cell: CellText, metric: str | None) -> str:
    found = cell.metric or metric
    if found is None:
        raise Misfit(node, "no metric is named, neither here nor by 'over'")
    return found


# ---- of which experiments ----


def _is_claimed(claim: Node, scope: Scope) -> bool:
    only = claim.get("only")
    if only is not None:
        only_keys(only, ("task", "method", "experiment"))
    whole = [each for each in _selectors(claim) if each.get("t") is None and each.get("model") is None]
    return (only is None or _names(only, scope)) and not any(_names(each, scope) for each in whole)


def _check_selectors(claim: Node, study: Node) -> None:
    """Raises Misfit where ``only`` or ``except`` names a task, method or experiment that the study has not."""
    only = claim.get("only")
    for selector in [*([] if only is None else [only]), *_selectors(claim)]:
        for key in ("task", "method", "experiment"):
            named, block = selector.get(key), study.get(f"{key}s")
            known = list(block.entries) if block is not None else []
            for name in named.texts if named is not None else ():
                if name not in known:
                    raise Misfit(named or selector, f"{shown(name)} is none of {key}s; {nearest(name, known)}")


def _selectors(claim: Node) -> list[Node]:
    given = claim.get("except")
    found = [] if given is None else given.items if isinstance(given.value, list) else [given]
    for each in found:
        only_keys(each, _SELECTOR)
    return found


def _names(selector: Node, scope: Scope) -> bool:
    """Whether a selector is of this experiment; it is where it names none."""
    own = {"task": scope.task, "method": scope.method, "experiment": scope.name}
    asked = {key: selector.get(key) for key in own}
    return all(node is None or own[key] in node.texts for key, node in asked.items())


def _is_excepted(claim: Node, scope: Scope, point: Point) -> bool:
    for each in _selectors(claim):
        times, model = each.get("t"), each.get("model")
        if (times is None and model is None) or not _names(each, scope):
            continue
        at = times is None or point.iteration in iterations_of(times, scope.last)
        if at and (model is None or point.model in model.texts):
            return True
    return False


def _excepted_iterations(claim: Node, scope: Scope) -> frozenset[int]:
    found: set[int] = set()
    for each in _selectors(claim):
        times = each.get("t")
        if times is not None and each.get("model") is None and _names(each, scope):
            found |= set(iterations_of(times, scope.last))
    return frozenset(found)
