"""The paper's figures drawn from a run: over the paper's own curves where they are of the same models, else beside."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

from selfimp_bench.manifest.model import FigurePanel, PaperFigure
from selfimp_bench.manifest.reference_table import ReferenceTable
from selfimp_bench.measurement import Split
from selfimp_bench.report.chart import ITERATIONS, Axes, Curve, Figure, Panel, Words
from selfimp_bench.report.curves import COLUMNS
from selfimp_bench.report.histograms import binned, histogram_lines
from selfimp_bench.report.lines import UNIT, Compute, Line, Naming, PaperRow, paper_lines, paper_rows, run_lines
from selfimp_bench.report.names import axis_words, common_words, split_words, titled
from selfimp_bench.report.summary import Series, series_of
from selfimp_bench.report.trends import trends_of
from selfimp_bench.runs.judge import RunFiles
from selfimp_bench.verdict.compute import trainings
from selfimp_bench.verdict.findings import Findings

_NOT_DRAWN: Final = ("best", "table")
_X: Final[Mapping[str, str]] = {
    "by-iteration": ITERATIONS,
    "by-compute": "log10 of pre-training FLOPs",
    "distribution": "value of a problem",
}
_LETTER: Final[Mapping[str, str]] = {"by-iteration": "t", "by-compute": "10^"}
_SCALE: Final[Mapping[str, Literal["linear"]]] = {"by-compute": "linear"}


@dataclass(frozen=True, kw_only=True)
class _Lines:
    """A panel before its lines have styles."""

    panel: FigurePanel
    title: str
    lines: Sequence[Line]


def paper_figures(run: RunFiles, findings: Findings, tables: Mapping[str, ReferenceTable]) -> tuple[Figure, ...]:
    """The manifest's figures but its tables. ``tables`` holds the reference tables that they name, by name.

    A figure of which this run measured nothing is left out: a smoke run measures less.
    """
    every = series_of(run.measurements)
    figures = [figure for figure in shown_figures(run) if figure.form not in _NOT_DRAWN]
    drawings = [_Drawing(figure=figure, run=run, series=every, findings=findings, tables=tables) for figure in figures]
    return tuple(found for drawing in drawings if (found := drawing.draw()) is not None)


def shown_figures(run: RunFiles) -> list[PaperFigure]:
    """The manifest's figures, each once: with models of a profile's own (``shown_models``) some show the same."""
    seen: dict[tuple[object, ...], PaperFigure] = {}
    for figure in run.manifest.figures or ():
        panels = [(panel.metrics, panel.split, tuple(shown_models(run, panel))) for panel in figure.panels]
        if any(models for *_, models in panels):
            seen.setdefault((figure.form, *panels), figure)
    return list(seen.values())


def shown_models(run: RunFiles, panel: FigurePanel) -> list[str]:
    """The run's models in a panel: those that it names, or all.

    A profile may have models of its own, which no figure names: then every panel shows them all.
    """
    figures = run.manifest.figures or ()
    named = {name for figure in figures for each in figure.panels for name in each.models or ()}
    every = panel.models is None or not named & {model.id for model in run.manifest.models}
    return [model for model in run.record.models if every or model in (panel.models or ())]


@dataclass(frozen=True, kw_only=True)
class _Drawing:
    figure: PaperFigure
    run: RunFiles
    series: Sequence[Series]
    findings: Findings
    tables: Mapping[str, ReferenceTable]

    def draw(self) -> Figure | None:
        """The panels of one model after the other; None where this run has no line in any."""
        panels = self._all_panels()
        if not panels:
            return None
        labels = list(dict.fromkeys(line.label for panel in panels for line in panel.lines))
        form = self.figure.form
        return Figure(
            name=f"paper-{self.figure.id}",
            words=self._words(),
            source=self.figure.source,
            axes=Axes(
                letter=_LETTER.get(form, "at"),
                shared=self.over and form != "by-number",
                scale="steps" if self.figure.bin_width is not None else _SCALE.get(form, "places"),
            ),
            columns=_columns(len(panels)) if self.over or self.figure.beside is None else 2,
            panels=tuple(
                Panel(
                    title=each.title,
                    x=each.panel.x or _X[form],
                    y=self._unit(each.panel),
                    curves=tuple(_curve(line, labels) for line in each.lines),
                    level=each.panel.level,
                )
                for each in panels
            ),
            notes=(),
            facts=tuple(fact for each in panels for fact in trends_of(each.title, each.lines))
            if form == "by-compute"
            else (),
        )

    # ---- what there is ----

    @cached_property
    def rows(self) -> Mapping[FigurePanel, Sequence[PaperRow]]:
        """The published rows of every panel."""
        beside, form = self.figure.beside, self.figure.form
        if beside is None:
            return dict.fromkeys(self.figure.panels, ())
        return {panel: list(paper_rows(panel, form, beside, self.tables[beside.table])) for panel in self.figure.panels}

    @property
    def over(self) -> bool:
        """Whether any published row is about a model of this run."""
        return bool(self._published_models() & set(self.run.record.models))

    @cached_property
    def compute(self) -> Compute:
        """The models on the axis of a figure by compute."""
        return {} if self.figure.compute is None else trainings(self.tables[self.figure.compute].rows)

    def _published_models(self) -> set[str]:
        return {each.row.model for rows in self.rows.values() for each in rows}

    # ---- panels ----

    def _all_panels(self) -> list[_Lines]:
        models = self.run.record.models
        together = self.figure.form == "by-compute"
        found: list[_Lines] = []
        for model in models:
            for panel in self.figure.panels:
                if panel.models is None and not together:
                    title = f"{model}, {_title(panel)}" if len(models) > 1 else _title(panel)
                    found += self._panels(panel, (model,), title)
        for panel in self.figure.panels:
            if panel.models is not None or together:
                found += self._panels(panel, shown_models(self.run, panel), _title(panel))
        return found

    def _panels(self, panel: FigurePanel, models: Sequence[str], title: str) -> Iterator[_Lines]:
        """One with both, or two: this run's and the paper's. None where this run has no line."""
        naming = self._naming(panel, models)
        own = self._own(naming, models)
        if not own:
            return
        if self.over or self.figure.beside is None:
            rows = [each for each in self.rows[panel] if each.row.model in models]
            yield _Lines(panel=panel, title=title, lines=(*own, *paper_lines(naming, rows, self.compute)))
            return
        rows = [each for each in self.rows[panel] if panel.models is None or each.row.model in panel.models]
        others = self._naming(panel, list({each.row.model for each in rows}))
        paper = paper_lines(others, rows, self.compute)
        yield _Lines(panel=panel, title=f"{title}: this run", lines=[_named(naming, line, "this run") for line in own])
        named = [_named(naming, line, line.model) for line in paper]
        yield _Lines(panel=panel, title=f"{title}: the paper", lines=named)

    def _own(self, naming: Naming, models: Sequence[str]) -> list[Line]:
        if self.figure.form == "distribution":
            return list(histogram_lines(naming, models, self.run.problem_values))
        series = [each for each in self.series if each.model in models]
        lines = run_lines(naming, series, self.compute, self.findings)
        return [binned(line, self.figure.bin_width) for line in lines] if self.figure.bin_width else lines

    def _naming(self, panel: FigurePanel, models: Sequence[str]) -> Naming:
        owners = {self.compute[model].family if model in self.compute else model for model in models}
        several = len(owners) > 1 or (self.figure.form == "by-compute" and len(panel.metrics) == 1)
        iterates = len({iteration for each in self.series for iteration in each.cells}) > 1
        return Naming(figure=self.figure, panel=panel, several=several, iterates=iterates)

    # ---- words ----

    def _unit(self, panel: FigurePanel) -> str:
        if self.figure.bin_width is None:
            return axis_words(panel.metrics, UNIT)
        return "share of the problems" if self.figure.form == "distribution" else "share of the responses"

    def _words(self) -> Words:
        cannot = "Whether a distance is more than chance: only the findings judge that."
        beside = self.figure.beside
        if beside is None:
            see = f"This run alone. No published numbers stand beside it: {self.figure.unpublished}."
        elif self.over:
            see = "This run's lines and, dashed, those of the paper for the same model."
        else:
            named = [name for panel in self.figure.panels for name in panel.models or ()]
            models = ", ".join(dict.fromkeys(named) or sorted(self._published_models()))
            see = f"This run, and beside it the paper: {beside.method} on {beside.dataset} with {models}."
            cannot = "How far the two are apart: models and problems differ, and each panel has its own scale. "
            cannot += "Compare the shapes."
        return Words(title=self.figure.title, see=f"{self._axis()}{see}", cannot=cannot)

    def _axis(self) -> str:
        if self.figure.form == "by-compute":
            return (
                "A point for every model, a line for every family, over 6 N D with the parameters N and training "
                f"tokens D of {self.figure.compute}. "
            )
        if self.figure.form == "distribution":
            width = f"{self.figure.bin_width:g}"
            return f"The share of the problems in each bin of width {width}, their mean µ and standard deviation σ. "
        if self.figure.bin_width is not None:
            return f"The share of the responses in each bin of width {self.figure.bin_width:g}. "
        return ""


def _columns(panels: int) -> int:
    """Rows that are full: four panels are two by two."""
    return 2 if panels == 4 else min(COLUMNS, panels)


def _title(panel: FigurePanel) -> str:
    if panel.title is not None:
        return panel.title
    words = common_words(panel.metrics)
    return titled(words if panel.split is Split.TEST else f"{words} {split_words(panel.split)}")


def _named(naming: Naming, line: Line, name: str) -> Line:
    """A line of a panel of its own: called by the name where the label says no more than the panel's title."""
    bare = len(naming.panel.metrics) == 1 and naming.is_bare(line.label)
    return replace(line, label=name) if bare else line


def _curve(line: Line, labels: Sequence[str]) -> Curve:
    return Curve(
        label=line.label,
        style=labels.index(line.label),
        paper=line.paper,
        points=line.points,
        published=line.published,
        said=line.said,
    )
