"""The paper's figures drawn from a run: over the paper's own curves where they are of the same models, else beside."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from selfimp_bench.beside import published
from selfimp_bench.claims import Findings
from selfimp_bench.judge import RunFiles
from selfimp_bench.manifest.measured import SIZE
from selfimp_bench.manifest.model import FigurePanel, PaperFigure
from selfimp_bench.reference import Reference, ReferenceTable
from selfimp_bench.report.chart import ITERATIONS, Axes, Curve, Figure, Panel, Point, Published, Words
from selfimp_bench.report.curves import COLUMNS, curve_of, scale_of
from selfimp_bench.report.summary import Series, series_of

_UNIT = "share"


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A line before it has a style, of a run or as published."""

    label: str
    model: str
    paper: bool
    points: tuple[Point, ...]
    published: tuple[Published, ...]


@dataclass(frozen=True, kw_only=True)
class _Lines:
    """A panel before its lines have styles."""

    title: str
    lines: Sequence[_Line]


def paper_figures(run: RunFiles, findings: Findings, tables: Mapping[str, ReferenceTable]) -> tuple[Figure, ...]:
    """The manifest's figures but its tables (form ``best``). ``tables`` holds those they name, by name.

    A figure of which this run measured nothing is left out: a smoke run measures less.
    """
    every = series_of(run.measurements)
    drawings = [
        _Drawing(figure=figure, series=every, findings=findings, table=tables[figure.beside.table])
        for figure in run.manifest.figures or ()
        if figure.form != "best"
    ]
    return tuple(found for drawing in drawings if (found := drawing.draw(run.record.models)) is not None)


@dataclass(frozen=True, kw_only=True)
class _Drawing:
    figure: PaperFigure
    series: Sequence[Series]
    findings: Findings
    table: ReferenceTable

    def draw(self, models: Sequence[str]) -> Figure | None:
        """The panels of one model after the other; None where this run has no line in any."""
        papers = {panel: self._paper_lines(panel) for panel in self.figure.panels}
        over = any(line.model in models for lines in papers.values() for line in lines)
        panels = [each for model in models for each in self._panels(model, papers, over, several=len(models) > 1)]
        if not panels:
            return None
        labels = list(dict.fromkeys(line.label for panel in panels for line in panel.lines))
        by_samples = self.figure.form == "by-samples"
        return Figure(
            name=f"paper-{self.figure.id}",
            words=self._words(over, sorted({line.model for lines in papers.values() for line in lines})),
            source=self.figure.source,
            axes=Axes(
                x="N, samples of M_1" if by_samples else ITERATIONS,
                letter="N" if by_samples else "t",
                y=_UNIT,
                shared=over,
            ),
            columns=min(COLUMNS, len(panels)) if over else 2,
            panels=tuple(
                Panel(title=panel.title, curves=tuple(_curve(line, labels) for line in panel.lines)) for panel in panels
            ),
            notes=(),
        )

    def _panels(
        self, model: str, papers: Mapping[FigurePanel, Sequence["_Line"]], over: bool, *, several: bool
    ) -> Iterator["_Lines"]:
        """For every panel one with both, or two: this run's and the paper's."""
        for panel, paper in papers.items():
            own = self._run_lines(panel, model)
            title = f"{model}, {_title(panel)}" if several else _title(panel)
            if own and over:
                yield _Lines(title=title, lines=(*own, *(line for line in paper if line.model == model)))
            elif own:
                yield _Lines(title=f"{title}: this run", lines=[_apart(line, "this run", panel, own) for line in own])
                yield _Lines(
                    title=f"{title}: the paper", lines=[_apart(line, line.model, panel, paper) for line in paper]
                )

    def _words(self, over: bool, published_models: Sequence[str]) -> Words:
        beside = self.figure.beside
        if over:
            see = "This run's lines and, dashed, those of the paper for the same model."
            cannot = "Whether a distance is more than chance: only the findings judge that."
        else:
            models = ", ".join(published_models)
            see = f"This run, and beside it the paper: {beside.method} on {beside.dataset} with {models}."
            cannot = "How far the two are apart: models and problems differ, and each panel has its own scale. "
            cannot += "Compare the shapes."
        return Words(title=self.figure.title, see=see, cannot=cannot)

    # ---- this run ----

    def _run_lines(self, panel: FigurePanel, model: str) -> list[_Line]:
        own = [each for each in self.series if each.model == model and each.split is panel.split]
        if self.figure.form == "by-samples":
            return [line for metric in panel.metrics for line in _by_samples(metric, own, model)]
        curves = [(series.metric, curve_of(series, "", 0, self.findings)) for series in own]
        return [
            _Line(label=_label(metric, panel), model=model, paper=False, points=curve.points, published=curve.published)
            for metric in panel.metrics
            for name, curve in curves
            if name == metric
        ]

    # ---- the paper ----

    def _paper_lines(self, panel: FigurePanel) -> list[_Line]:
        """A line for every model and label, in the order of the table."""
        found: dict[tuple[str, str], list[Point]] = {}
        for metric in panel.metrics:
            for placed in self._rows(metric, panel):
                scale = scale_of(placed.row.unit, _UNIT)
                if scale is not None:
                    value, error = float(placed.row.value * scale), float(placed.row.own_error * scale)
                    point = Point(x=placed.x, value=value, error=error, replicates=(value,))
                    found.setdefault((placed.row.model, placed.label), []).append(point)
        return [
            _Line(
                label=label,
                model=model,
                paper=True,
                points=tuple(sorted(points, key=lambda point: point.x)),
                published=(),
            )
            for (model, label), points in found.items()
        ]

    def _rows(self, metric: str, panel: FigurePanel) -> Iterator["_Placed"]:
        """The rows about a metric that have a place on the axis of iterations."""
        if self.figure.form == "by-samples":
            for sized in _sizes(metric.partition(SIZE)[0], [row.metric for row in self.table.rows]):
                for row in published(self.figure.beside, sized.metric, self.table):
                    if row.x is not None:
                        yield _Placed(row=row, x=sized.size, label=f"t = {row.x}")
        else:
            for row in published(self.figure.beside, metric, self.table):
                if row.x is not None:
                    yield _Placed(row=row, x=int(row.x), label=_label(metric, panel))


@dataclass(frozen=True, kw_only=True)
class _Placed:
    row: Reference
    x: int
    label: str


@dataclass(frozen=True, kw_only=True)
class _Sized:
    size: int
    metric: str


def _title(panel: FigurePanel) -> str:
    names = [metric.partition(".")[0] for metric in panel.metrics]
    name = panel.metrics[0] if len(panel.metrics) == 1 else ", ".join(dict.fromkeys(names))
    return f"{name} on {panel.split}"


def _label(metric: str, panel: FigurePanel) -> str:
    """What tells a metric from the others of its panel: ``correct`` from ``incorrect``."""
    return metric.partition(".")[2] or metric if len(panel.metrics) > 1 else metric


def _apart(line: _Line, name: str, panel: FigurePanel, lines: Sequence[_Line]) -> _Line:
    """A line of a panel of its own: called by the name where the label says no more than the panel's title.

    Where labels do say more, the name is added only if the panel has lines of several models.
    """
    if line.label in panel.metrics:
        return replace(line, label=name)
    several = len({each.model for each in lines}) > 1
    return replace(line, label=f"{line.label}, {name}") if several else line


def _curve(line: _Line, labels: Sequence[str]) -> Curve:
    return Curve(
        label=line.label,
        style=labels.index(line.label),
        paper=line.paper,
        points=line.points,
        published=line.published,
    )


def _sizes(before: str, metrics: Sequence[str]) -> list[_Sized]:
    """Every N of ``before@N`` and ``before@N.reading`` among these names, in order of N, each once."""
    found = {name: re.fullmatch(rf"{re.escape(before)}@(\d+)(\..*)?", name) for name in dict.fromkeys(metrics)}
    sized = [_Sized(size=int(match[1]), metric=name) for name, match in found.items() if match is not None]
    return sorted(sized, key=lambda each: each.size)


def _by_samples(metric: str, own: Sequence[Series], model: str) -> Iterator[_Line]:
    """A line for every iteration that has a value at some N."""
    before, _, after = metric.partition(SIZE)
    by_name = {series.metric: series for series in own}
    sized = [each for each in _sizes(before, list(by_name)) if each.metric == f"{before}@{each.size}{after}"]
    for iteration in sorted({t for each in sized for t in by_name[each.metric].cells}):
        points = tuple(
            Point(
                x=each.size,
                value=cell.value,
                error=cell.standard_error,
                replicates=tuple(replicate.value for replicate in cell.replicates),
            )
            for each in sized
            if (cell := by_name[each.metric].cells.get(iteration)) is not None
        )
        if any(point.value is not None for point in points):
            yield _Line(label=f"t = {iteration}", model=model, paper=False, points=points, published=())
