"""The paper's tables and matrices from a run: a row for every model, and under each number the published one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.manifest.model import FigurePanel, PaperFigure
from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.report.paper_figures import shown_figures, shown_models
from selfimp_bench.report.summary import UNDEFINED, Cell, Series, series_of
from selfimp_bench.runs.judge import RunFiles
from selfimp_bench.verdict.figure_rows import published
from selfimp_bench.verdict.units import PER_WHOLE


@dataclass(frozen=True, kw_only=True)
class PaperCell:
    """A number of this run with its error, and the published ones in their digits.

    heat: how far from 0, from -1 to 1, among the numbers of the table that are of one metric; None: not measured.
    """

    value: str
    error: str
    published: tuple[str, ...]
    heat: float | None


@dataclass(frozen=True, kw_only=True)
class PaperTableRow:
    """A model's numbers, one for every column."""

    model: str
    cells: tuple[PaperCell, ...]


@dataclass(frozen=True, kw_only=True)
class PaperTablePanel:
    """One table. ``title`` may be empty."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[PaperTableRow, ...]


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A figure of form ``table``: ``see`` says what its numbers are, and what stands under them or why nothing does."""

    title: str
    source: str
    see: str
    panels: tuple[PaperTablePanel, ...]


def paper_tables(run: RunFiles, tables: Mapping[str, ReferenceTable]) -> tuple[PaperTable, ...]:
    """Those in which this run has a number. ``tables`` holds the reference tables that they name, by name."""
    every = {(each.model, each.metric, each.split): each for each in series_of(run.measurements)}
    figures = [figure for figure in shown_figures(run) if figure.form == "table"]
    made = [_table(run, figure, list(every.values()), tables) for figure in figures]
    return tuple(each for each in made if each.panels)


def _table(
    run: RunFiles, figure: PaperFigure, every: Sequence[Series], tables: Mapping[str, ReferenceTable]
) -> PaperTable:
    made = [
        _Panel(
            figure=figure,
            panel=panel,
            models=shown_models(run, panel),
            series=every,
            table=None if figure.beside is None else tables[figure.beside.table],
        ).made()
        for panel in figure.panels
    ]
    return PaperTable(
        title=figure.title,
        source=figure.source,
        see=_words(figure, every),
        panels=tuple(panel for panel in made if panel.columns and panel.rows),
    )


def _words(figure: PaperFigure, every: Sequence[Series]) -> str:
    shown = {metric for panel in figure.panels for metric in panel.metrics}
    units = {series.unit for series in every if series.metric in shown}
    numbers = (
        "Percent ± one standard error over problems" if "share" in units else ", ".join(sorted(units)).capitalize()
    )
    if figure.beside is None:
        return f"{numbers}. No published numbers stand beside them: {figure.unpublished}."
    return f"{numbers}. Under them, where the paper has the model, its own."


@dataclass(frozen=True, kw_only=True)
class _Panel:
    figure: PaperFigure
    panel: FigurePanel
    models: Sequence[str]
    series: Sequence[Series]
    table: ReferenceTable | None

    def made(self) -> PaperTablePanel:
        """The columns that some model has a number in."""
        values = {
            (each.model, each.metric): each
            for each in self.series
            if each.split is self.panel.split and each.model in self.models
        }
        measured = {metric for _, metric in values}
        columns = [index for index, metric in enumerate(self.panel.metrics) if metric in measured]
        largest = self._largest(values)
        rows = [
            PaperTableRow(
                model=model,
                cells=tuple(
                    self._cell(values.get((model, metric)), model, metric, largest)
                    for metric in (self.panel.metrics[index] for index in columns)
                ),
            )
            for model in self.models
        ]
        return PaperTablePanel(
            title=self.panel.title or "",
            columns=tuple((self.panel.labels or self.panel.metrics)[index] for index in columns),
            rows=tuple(rows),
        )

    def _largest(self, values: Mapping[tuple[str, str], Series]) -> Mapping[str, float]:
        """The number furthest from 0 of every metric, by the metric's first word."""
        found: dict[str, float] = {}
        for (_, metric), series in values.items():
            value = _first(series).value
            if value is not None and metric in self.panel.metrics:
                word = metric.partition(".")[0]
                found[word] = max(found.get(word, 0.0), abs(value))
        return found

    def _cell(self, series: Series | None, model: str, metric: str, largest: Mapping[str, float]) -> PaperCell:
        rows = tuple(self._published(model, metric))
        if series is None:
            return PaperCell(value="not measured", error="", published=rows, heat=None)
        cell, factor = _first(series), 100 if series.unit == "share" else 1
        if cell.value is None:
            return PaperCell(value=UNDEFINED, error="", published=rows, heat=None)
        error = "" if cell.standard_error is None else f"± {factor * cell.standard_error:.2f}"
        most = largest[metric.partition(".")[0]]
        return PaperCell(
            value=f"{factor * cell.value:.2f}",
            error=error,
            published=rows,
            heat=round(cell.value / most, 3) if most else 0.0,
        )

    def _published(self, model: str, metric: str) -> Iterator[str]:
        if self.figure.beside is not None and self.table is not None:
            for row in published(self.figure.beside, metric, self.table):
                if row.model == model:
                    yield _in_percent(row)


def _first(series: Series) -> Cell:
    return series.cells[min(series.cells)]


def _in_percent(row: Reference) -> str:
    """A share in percent, as the run's numbers are; all else as printed."""
    if row.unit in PER_WHOLE and PER_WHOLE[row.unit] != PER_WHOLE["percent"]:
        return str(row.value * PER_WHOLE["percent"] / PER_WHOLE[row.unit])
    return row.printed
