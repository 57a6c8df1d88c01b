"""Which published rows stand beside a figure that a report draws from a run."""

from collections.abc import Iterator, Sequence

from selfimp_bench.check import ClaimFlaw
from selfimp_bench.manifest.measured import SIZE
from selfimp_bench.manifest.model import Beside, PaperFigure
from selfimp_bench.reference import Reference, ReferenceTable

BEST = "best-"
"""What tables put before the name of a metric for its value at the best iteration."""


def table_names(figures: Sequence[PaperFigure]) -> tuple[str, ...]:
    """The reference tables of these figures, each once, by name."""
    return tuple(sorted({figure.beside.table for figure in figures}))


def published(beside: Beside, metric: str, table: ReferenceTable) -> tuple[Reference, ...]:
    """The rows about a metric, in the order of the table.

    A row about ``is-pass@4`` is about ``is-pass@4.first``, too: a paper need not know our readings apart.
    """
    return tuple(
        row
        for row in table.rows
        if row.dataset == beside.dataset
        and row.method in ("", beside.method)
        and (row.metric == metric or metric.startswith(f"{row.metric}."))
    )


def find_figure_flaws(figures: Sequence[PaperFigure], tables: Sequence[ReferenceTable]) -> Iterator[ClaimFlaw]:
    """Figures beside which nothing would stand. A table that was not given is no flaw here: its reader says so."""
    by_name = {table.name: table for table in tables}
    for index, figure in enumerate(figures):
        beside = figure.beside
        for number, panel in enumerate(figure.panels):
            for position, metric in enumerate(panel.metrics):
                if not _any_row(beside, metric, by_name[beside.table]):
                    where = f"$.figures[{index}].panels[{number}].metrics[{position}]"
                    message = f"{beside.table} has no row about {metric} of {beside.method} on {beside.dataset}"
                    yield ClaimFlaw(where=where, message=message)


def _any_row(beside: Beside, metric: str, table: ReferenceTable) -> bool:
    if SIZE not in metric:
        return bool(published(beside, metric, table))
    before = metric.partition(SIZE)[0]
    names = {row.metric for row in table.rows if row.metric.startswith(f"{before}@")}
    return any(published(beside, name, table) for name in names)
