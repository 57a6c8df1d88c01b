"""The lines of a paper's figure before they have styles: what a run measured and what was published, in one form.

The figure's form decides where a number stands on the horizontal axis and which line it belongs to.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log10

from selfimp_bench.manifest.measured import numbered
from selfimp_bench.manifest.model import Beside, FigurePanel, PaperFigure
from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.report.chart import Point, Published
from selfimp_bench.report.curves import claimed, point_of, scale_of
from selfimp_bench.report.names import metric_words
from selfimp_bench.report.summary import Series
from selfimp_bench.verdict.compute import Training
from selfimp_bench.verdict.figure_rows import published, published_at
from selfimp_bench.verdict.findings import Findings

UNIT = "share"
Compute = Mapping[str, Training]
"""The pre-training of every model on the axis of a figure by compute; empty for other figures."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line before it has a style, of a run or (``paper``) as published. ``model`` may be a family of them."""

    label: str
    model: str
    paper: bool
    points: tuple[Point, ...]
    published: tuple[Published, ...]
    said: str = ""


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """A published row about a panel's metric; ``number`` is that in the metric's name, in a figure by number."""

    metric: int
    row: Reference
    number: float | None


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """A number and the line that it belongs to: of an owner (a model or family), a metric and an iteration."""

    owner: str
    metric: int
    iteration: int | None
    point: Point
    claimed: tuple[Published, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How the lines of a panel are called: by as much as tells them apart.

    several: whether there are several models (by compute: families) in it. iterates: whether a line by number is that
    of one of several iterations.
    """

    figure: PaperFigure
    panel: FigurePanel
    several: bool
    iterates: bool

    def metric(self, position: int) -> str:
        """A measurement of the panel, in the manifest's words if it has some."""
        if self.panel.labels is not None:
            return self.panel.labels[position]
        name = self.panel.metrics[position]
        words = metric_words(name)
        return name.partition(".")[2] or words if len(self.panel.metrics) > 1 else words

    def is_bare(self, label: str) -> bool:
        """Whether a label says no more than what is measured."""
        return label in [self.metric(position) for position in range(len(self.panel.metrics))]

    def label(self, owner: str, metric: int, iteration: int | None) -> str:
        """That of an owner's line, which is a model or a family."""
        parts = [
            owner if self.several else "",
            self.metric(metric) if len(self.panel.metrics) > 1 else "",
            f"t = {iteration}" if self.iterates and iteration is not None else "",
        ]
        bare = owner if self.figure.form == "by-number" else self.metric(metric)
        return ", ".join(part for part in parts if part) or bare


def run_lines(naming: Naming, series: Sequence[Series], compute: Compute, findings: Findings) -> list[Line]:
    """The lines of these series in a panel."""
    own = [each for each in series if each.split is naming.panel.split]
    placed = [
        each
        for position, metric in enumerate(naming.panel.metrics)
        for each in _measured(naming.figure.form, position, metric, own, compute, findings)
    ]
    return _lines(naming, placed, paper=False)


def paper_lines(naming: Naming, rows: Sequence[PaperRow], compute: Compute) -> list[Line]:
    """The lines of published rows in a panel; rows in another unit are left out."""
    return _lines(naming, list(_published(naming, rows, compute)), paper=True)


def paper_rows(panel: FigurePanel, form: str, beside: Beside, table: ReferenceTable) -> Iterator[PaperRow]:
    """The rows that stand beside a panel, in the order of its metrics."""
    for position, metric in enumerate(panel.metrics):
        if form == "by-number":
            for each in published_at(beside, metric, table):
                yield PaperRow(metric=position, row=each.row, number=each.number)
        else:
            for row in published(beside, metric, table):
                yield PaperRow(metric=position, row=row, number=None)


def _lines(naming: Naming, placed: Sequence[_Placed], *, paper: bool) -> list[Line]:
    """The numbers as lines; one on which nothing is defined is left out."""
    groups: dict[tuple[str, int, int | None], list[_Placed]] = {}
    for each in placed:
        groups.setdefault((each.owner, each.metric, each.iteration), []).append(each)
    return [
        Line(
            label=naming.label(owner, metric, iteration),
            model=owner,
            paper=paper,
            points=tuple(sorted((each.point for each in every), key=lambda point: point.x)),
            published=tuple(reference for each in every for reference in each.claimed),
        )
        for (owner, metric, iteration), every in groups.items()
        if any(each.point.value is not None for each in every)
    ]


# ---- this run's numbers, by form ----


def _measured(
    form: str, position: int, metric: str, series: Sequence[Series], compute: Compute, findings: Findings
) -> Iterator[_Placed]:
    if form == "by-number":
        return _by_number(position, metric, series)
    own = [each for each in series if each.metric == metric]
    return _by_compute(position, own, compute) if form == "by-compute" else _by_iteration(position, own, findings)


def _by_iteration(position: int, series: Sequence[Series], findings: Findings) -> Iterator[_Placed]:
    for each in series:
        references = list(claimed(each, findings))
        for t, cell in each.cells.items():
            own = tuple(reference for reference in references if reference.x == t)
            point = point_of(cell, x=t)
            yield _Placed(owner=each.model, metric=position, iteration=None, point=point, claimed=own)


def _by_number(position: int, pattern: str, series: Sequence[Series]) -> Iterator[_Placed]:
    """In the order of the iterations."""
    numbers = {each.metric: each.number for each in numbered(pattern, [one.metric for one in series])}
    own = [each for each in series if each.metric in numbers]
    for t in sorted({t for each in own for t in each.cells}):
        for each in own:
            if t in each.cells:
                point = point_of(each.cells[t], x=numbers[each.metric])
                yield _Placed(owner=each.model, metric=position, iteration=t, point=point)


def _by_compute(position: int, series: Sequence[Series], compute: Compute) -> Iterator[_Placed]:
    """At the first iteration: the models as they are."""
    for each in series:
        if each.model in compute:
            training, first = compute[each.model], each.cells[min(each.cells)]
            point = point_of(first, x=log10(training.flops))
            yield _Placed(owner=training.family, metric=position, iteration=None, point=point)


# ---- the paper's ----


def _published(naming: Naming, rows: Sequence[PaperRow], compute: Compute) -> Iterator[_Placed]:
    """The x of a row is its iteration; one without has no place."""
    for each in rows:
        row, scale = each.row, scale_of(each.row.unit, UNIT)
        if scale is None or row.x is None:
            continue
        at, owner, iteration = float(row.x), row.model, None
        if naming.figure.form == "by-compute":
            if row.model not in compute:
                continue
            at, owner = log10(compute[row.model].flops), compute[row.model].family
        elif each.number is not None:
            at, iteration = each.number, int(row.x)
        value, error = float(row.value * scale), float(row.own_error * scale)
        point = Point(x=at, value=value, error=error, replicates=(value,))
        yield _Placed(owner=owner, metric=each.metric, iteration=iteration, point=point)
