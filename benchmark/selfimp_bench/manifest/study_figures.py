"""Figures and tables of a paper, from a study's words to the resolved form.

    figures:
      ID: {title, form, source, rows: TABLE, panels: [[CELL, CELL], [CELL]]}

Every panel is a list of cells (``pass@1 ood``, one split a panel) or a mapping with the list as ``of`` and the panel's
own words (title, labels, x, models, level). ``rows`` is the table whose numbers stand beside, as its name or as
{table, dataset, method} where the table's words are not those of the experiment's task and method; without it
``unpublished`` says why. A figure is drawn for the experiments that measure some of its cells, and of these alone;
``only`` and ``except`` of a figure or a panel narrow them: {task, method, experiment}.
"""

from selfimp_bench.manifest.claims_rows import Scope, table_name
from selfimp_bench.manifest.claims_text import read_cell
from selfimp_bench.manifest.fault import Fault
from selfimp_bench.manifest.measured import numbered
from selfimp_bench.manifest.study import cited, each_of, of_family
from selfimp_bench.manifest.study_tree import Misfit, Node, made, mapping, only_keys, sequence
from selfimp_bench.measurement import Split

_FIGURE = (
    "title", "source", "form", "rows", "panels", "unpublished", "compute", "bin_width", "only", "except", "x", "models",
)  # fmt: skip
_PANEL = ("of", "title", "labels", "x", "models", "level", "only", "except")


def figures_of(study: Node, scope: Scope) -> tuple[Node | None, tuple[Fault, ...]]:
    """An experiment's figures, None where it has none, and what is wrong with those that could not be made."""
    figures = study.get("figures")
    found, faults = [], []
    for name, node in each_of(figures):
        try:
            only_keys(node, _FIGURE)
            figure = _figure(name, node, study, scope) if _is_drawn(node, scope) else None
        except Misfit as misfit:
            faults.append(misfit.fault)
            continue
        found += [figure] if figure is not None else []
    return sequence(found, figures or study) if found else None, tuple(faults)


def _is_drawn(part: Node, scope: Scope) -> bool:
    own = {"task": scope.task, "method": scope.method, "experiment": scope.name}
    for key, wanted in (("only", True), ("except", False)):
        selector = part.get(key)
        if selector is None:
            continue
        only_keys(selector, tuple(own))
        if all(own[name] in node.texts for name, node in selector.entries.items()) is not wanted:
            return False
    return True


def _figure(name: str, node: Node, study: Node, scope: Scope) -> Node | None:
    panels = [_panel(each, node, study, scope) for each in node.need("panels").items]
    kept = [panel for panel in panels if panel is not None]
    if not kept:
        return None
    split = Split(kept[0].need("split").text)
    given = {
        "id": made(name, node),
        "title": node.need("title"),
        "source": cited(study, node.get("source") or made(name.replace("-", " ").capitalize(), node)),
        "form": node.need("form"),
        "panels": sequence(kept, node.need("panels")),
        "beside": _beside(node, split, scope),
        "unpublished": node.get("unpublished"),
        "compute": _compute(node, scope),
        "bin_width": node.get("bin_width"),
    }
    return mapping(given, node)


def _compute(figure: Node, scope: Scope) -> Node | None:
    table = figure.get("compute")
    return None if table is None else made(table_name(scope.folder, table.text), table)


def _panel(panel: Node, figure: Node, study: Node, scope: Scope) -> Node | None:
    """The panel with those of its cells that are measured; None where none is."""
    words = panel if isinstance(panel.value, dict) else mapping({"of": panel}, panel)
    only_keys(words, _PANEL)
    if not _is_drawn(words, scope):
        return None
    cells = [(node, read_cell(node, scope.last)) for node in words.need("of").items]
    splits = {cell.split for _, cell in cells}
    if len(splits) != 1:
        raise Misfit(panel, "the cells of a panel are of one split")
    split = splits.pop()
    kept = [index for index, (_, cell) in enumerate(cells) if _is_measured(cell.metric or "", split, scope)]
    if not kept:
        return None
    labels = words.get("labels")
    models = words.get("models") or figure.get("models")
    given = {
        "metrics": sequence([made(cells[index][1].metric, cells[index][0]) for index in kept], words.need("of")),
        "split": made(split.value, panel),
        "title": words.get("title"),
        "labels": None if labels is None else sequence([labels.items[index] for index in kept], labels),
        "x": words.get("x") or figure.get("x"),
        "models": None if models is None else of_family(models, study),
        "level": words.get("level"),
    }
    return mapping(given, panel)


def _is_measured(metric: str, split: Split, scope: Scope) -> bool:
    names = [cell.metric for cell in scope.cells if cell.split is split]
    return metric in names or bool(numbered(metric, names))


def _beside(figure: Node, split: Split, scope: Scope) -> Node | None:
    rows = figure.get("rows")
    if rows is None:
        return None
    words = rows if isinstance(rows.value, dict) else mapping({"table": rows}, rows)
    only_keys(words, ("table", "dataset", "method"))
    dataset = scope.ood_word if split is Split.OOD and scope.ood_word is not None else scope.dataset_word
    given = {
        "table": made(table_name(scope.folder, words.need("table").text), words.need("table")),
        "dataset": words.get("dataset") or made(dataset, rows),
        "method": words.get("method") or made(scope.method, rows),
    }
    return mapping(given, rows)
