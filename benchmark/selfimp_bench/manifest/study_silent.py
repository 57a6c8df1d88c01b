"""What a study claims of no experiment: misspelt words that select nothing would otherwise say nothing."""

from collections.abc import Iterator, Sequence

from selfimp_bench.manifest.claims_rows import Scope, Tables, table_name
from selfimp_bench.manifest.claims_text import read_cell
from selfimp_bench.manifest.fault import Fault, nearest, shown
from selfimp_bench.manifest.measured import fits, numbered
from selfimp_bench.manifest.study import each_of
from selfimp_bench.manifest.study_tree import Misfit, Node, merged

_SEVERAL = ("any_of", "all_of")
_COLUMNS = ("dataset", "method", "model")


def silent_faults(study: Node, scopes: Sequence[Scope], made: frozenset[str], tables: Tables) -> Iterator[Fault]:
    """Claims of one experiment at a time, and figures, that name what no experiment has or that none makes.

    made: the ids of the claims and figures that the experiments have; those that are flawed otherwise stand there too.
    """
    for name, node in [*_claims(study), *each_of(study.get("figures"))]:
        try:
            found = [*_selector_faults(node, study), *_metric_faults(node, scopes), *_row_faults(node, study, tables)]
        except Misfit:  # said where the claim is made
            continue
        yield from found
        several = node.get("over") is not None  # a claim each, ID.WORD
        if not found and not any(each == name or (several and each.startswith(f"{name}.")) for each in made):
            yield Fault(
                path=node.place,
                message="no experiment of the study measures it or has a row that it selects; "
                "correct what it names, or remove it",
            )


def _claims(study: Node) -> Iterator[tuple[str, Node]]:
    return ((name, node) for name, node in each_of(study.get("claims")) if "holds" not in node.entries)


def _parts(node: Node | None) -> list[Node]:
    """One node, or those of a list."""
    return [] if node is None else node.items if isinstance(node.value, list) else [node]


def _selector_faults(node: Node, study: Node) -> Iterator[Fault]:
    panels = [panel for panel in _parts(node.get("panels")) if isinstance(panel.value, dict)]
    for part in (node, *panels):
        for selector in (*_parts(part.get("only")), *_parts(part.get("except"))):
            for key, block in (("task", "tasks"), ("method", "methods"), ("experiment", "experiments")):
                known = [each for each in study.need(block).entries if each not in ("source", "assumed")]
                yield from _unknown(_parts(selector.get(key)), known, block)


def _unknown(words: list[Node], known: list[str], of: str) -> Iterator[Fault]:
    for word in words:
        if word.text not in known:
            yield Fault(path=word.place, message=f"{shown(word.text)} is none of {of}; {nearest(word.text, known)}")


def _metric_faults(node: Node, scopes: Sequence[Scope]) -> Iterator[Fault]:
    known = list(dict.fromkeys(cell.metric for scope in scopes for cell in scope.cells))
    for word, metric in _metrics(node):
        if not any(fits(metric, each) for each in known) and not numbered(metric, known):
            message = f"no experiment of the study measures {shown(metric)}; {nearest(metric, known)}"
            yield Fault(path=word.place, message=message)


def _metrics(node: Node) -> Iterator[tuple[Node, str]]:
    """The metrics that a claim or a figure names, with where it does."""
    over = node.get("over")
    metrics = None if over is None else over.get("metric")
    listed = list(metrics.entries.values()) if metrics is not None and isinstance(metrics.value, dict) else []
    yield from ((each, each.text) for each in listed or _parts(metrics))
    for form in _forms(node):
        rows, trend = form.get("rows"), form.get("trend")
        if rows is not None and isinstance(rows.value, dict):
            yield from ((each, each.text) for each in _parts(rows.get("metric")))
        cells = [*_parts(form.get("above")), *_parts(None if trend is None else trend.get("of"))]
        for panel in _parts(form.get("panels")):
            cells += _parts(panel.get("of") if isinstance(panel.value, dict) else panel)
        for cell in cells:
            metric = read_cell(cell, 1).metric
            if metric is not None:
                yield cell, metric


def _forms(node: Node) -> Iterator[Node]:
    yield node
    for several in _SEVERAL:
        ways = node.get(several)
        yield from () if ways is None else ways.entries.values()


def _row_faults(node: Node, study: Node, tables: Tables) -> Iterator[Fault]:
    """Words for columns of the tables that no row of these has."""
    judging = study.get("judging")
    common = None if judging is None else judging.get("rows")
    for form in _forms(node):
        rows = form.get("rows")
        whole = merged(common, rows)
        if rows is None or whole is None or not isinstance(rows.value, dict) or whole.get("table") is None:
            continue
        names = whole.need("table")
        folder = study.need("tables").text
        read = [row for name in names.texts for row in tables(names, table_name(folder, name)).rows]
        for column in _COLUMNS:
            known = sorted({getattr(row, column) for row in read})
            yield from _unknown(_parts(rows.get(column)), known, f"the rows' {column}s")
