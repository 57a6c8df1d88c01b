"""The best iteration and what was gained over M_1, beside what the paper gives for the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.manifest.model import Metric, PaperFigure
from selfimp_bench.manifest.reference_table import ReferenceTable
from selfimp_bench.measurement import Split, best_iteration, gain_at_best, gain_at_last
from selfimp_bench.report.summary import UNDEFINED, Series, number, series_of
from selfimp_bench.runs.judge import RunFiles
from selfimp_bench.verdict.figure_rows import BEST, published


@dataclass(frozen=True, kw_only=True)
class PublishedValue:
    """What a paper gives for one model, in its own digits and unit."""

    model: str
    printed: str


@dataclass(frozen=True, kw_only=True)
class BestRow:
    """A metric of a model on a split, M_1's and the best; ``published_first`` and ``published_best`` may be empty."""

    model: str
    measured: str
    first: str
    best: str
    gain: str
    last: str
    published_first: tuple[PublishedValue, ...]
    published_best: tuple[PublishedValue, ...]


@dataclass(frozen=True, kw_only=True)
class BestView:
    """The table. ``sources`` are the places in the paper that the published columns come from."""

    rows: tuple[BestRow, ...]
    sources: tuple[str, ...]


def best_view(run: RunFiles, tables: Mapping[str, ReferenceTable]) -> BestView:
    """Greedy pass@1 wherever it was measured, and whatever the manifest's tables of form ``best`` name.

    ``tables`` holds the reference tables that the figures name, by name. With several replicates the means are
    compared, so that one iteration is the best of all.
    """
    figures = [figure for figure in run.manifest.figures or () if figure.form == "best"]
    every = series_of(run.measurements)
    wanted = dict.fromkeys(
        (metric, panel.split) for each in figures for panel in each.panels for metric in panel.metrics
    )
    wanted |= dict.fromkeys((Metric.PASS_AT_1.value, split) for split in Split)
    rows = [
        _row(run, series, _figure_of(figures, series), tables)
        for metric, split in wanted
        for series in every
        if (series.metric, series.split) == (metric, split)
    ]
    return BestView(
        rows=tuple(sorted(rows, key=lambda row: run.record.models.index(row.model))),
        sources=tuple(figure.source for figure in figures if figure.beside is not None),
    )


def _figure_of(figures: Sequence[PaperFigure], series: Series) -> PaperFigure | None:
    named = [
        figure
        for figure in figures
        for panel in figure.panels
        if panel.split is series.split and series.metric in panel.metrics
    ]
    return named[0] if named else None


def _row(run: RunFiles, series: Series, figure: PaperFigure | None, tables: Mapping[str, ReferenceTable]) -> BestRow:
    values = [series.cells[t].value if t in series.cells else None for t in range(1, max(series.cells) + 1)]
    at = best_iteration(values)
    best = None if at is None else values[at - 1]
    return BestRow(
        model=series.model,
        measured=f"{series.metric} on {series.split}",
        first=_shown(values[0]),
        best=UNDEFINED if best is None else f"{number(best)} at t = {at}",
        gain=_signed(gain_at_best(values)),
        last=_signed(gain_at_last(values)),
        published_first=tuple(_published(run, figure, series, "", tables)),
        published_best=tuple(_published(run, figure, series, BEST, tables)),
    )


def _published(
    run: RunFiles, figure: PaperFigure | None, series: Series, prefix: str, tables: Mapping[str, ReferenceTable]
) -> Iterator[PublishedValue]:
    """Of the run's model where the paper has it, else of every model."""
    if figure is None or figure.beside is None:
        return
    rows = published(figure.beside, f"{prefix}{series.metric}", tables[figure.beside.table])
    known = {row.model for row in rows} & set(run.record.models)
    for row in rows:
        if row.x in (None, 1) and (row.model == series.model or not known):
            yield PublishedValue(model=row.model, printed=f"{row.printed} {row.unit}")


def _shown(value: float | None) -> str:
    return UNDEFINED if value is None else number(value)


def _signed(value: float | None) -> str:
    return UNDEFINED if value is None else f"{'+' if value > 0 else ''}{number(value)}"
