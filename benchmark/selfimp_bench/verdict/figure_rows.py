"""Which published rows stand beside a figure that a report draws from a run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from selfimp_bench.manifest.measured import NUMBER, numbered
from selfimp_bench.manifest.model import Beside, PaperFigure
from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.verdict.check import ClaimFlaw
from selfimp_bench.verdict.compute import trainings

BEST = "best-"
"""What tables put before the name of a metric for its value at the best iteration."""


@dataclass(frozen=True, kw_only=True)
class PublishedAt:
    """A row about one of the measurements that a pattern covers, and the number in that measurement's name."""

    number: float
    row: Reference


def table_names(figures: Sequence[PaperFigure]) -> tuple[str, ...]:
    """The reference tables that these figures name, each once, by name."""
    beside = {figure.beside.table for figure in figures if figure.beside is not None}
    return tuple(sorted(beside | {figure.compute for figure in figures if figure.compute is not None}))


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


def published_at(beside: Beside, pattern: str, table: ReferenceTable) -> tuple[PublishedAt, ...]:
    """The rows about the measurements that a pattern covers, those that know no readings too (see ``published``)."""
    names = [row.metric for row in table.rows]
    of_no_reading = f"{pattern.partition(NUMBER)[0]}{NUMBER}"
    return tuple(
        PublishedAt(number=each.number, row=row)
        for each in dict.fromkeys((*numbered(pattern, names), *numbered(of_no_reading, names)))
        for row in published(beside, each.metric, table)
        if row.metric == each.metric
    )


def find_figure_flaws(
    figures: Sequence[PaperFigure], tables: Sequence[ReferenceTable], models: Sequence[str]
) -> Iterator[ClaimFlaw]:
    """Figures beside which nothing would stand, and those by compute with a model whose compute is not given.

    A table that was not given is no flaw here: its reader says so.
    """
    by_name = {table.name: table for table in tables}
    for index, figure in enumerate(figures):
        if figure.beside is not None:
            yield from _without_rows(figure, figure.beside, by_name[figure.beside.table], f"$.figures[{index}]")
        if figure.compute is not None:
            yield from _without_compute(by_name[figure.compute], models, f"$.figures[{index}].compute")


def _without_rows(figure: PaperFigure, beside: Beside, table: ReferenceTable, where: str) -> Iterator[ClaimFlaw]:
    for number, panel in enumerate(figure.panels):
        for position, metric in enumerate(panel.metrics):
            rows = published_at(beside, metric, table) if NUMBER in metric else published(beside, metric, table)
            if not rows:
                message = f"{beside.table} has no row about {metric} of {beside.method} on {beside.dataset}"
                yield ClaimFlaw(where=f"{where}.panels[{number}].metrics[{position}]", message=message)


def _without_compute(table: ReferenceTable, models: Sequence[str], where: str) -> Iterator[ClaimFlaw]:
    try:
        known = trainings(table.rows)
    except ValueError as error:
        yield ClaimFlaw(where=where, message=f"{table.name}: {error}")
        return
    if missing := [model for model in models if model not in known]:
        yield ClaimFlaw(where=where, message=f"{table.name} has no parameters and tokens of {', '.join(missing)}")
