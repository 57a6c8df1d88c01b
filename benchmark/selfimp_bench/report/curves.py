"""What the figures show: measurements grouped into curves over the iterations, with titles, captions and alt texts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from selfimp_bench.claims import Findings, PointFinding
from selfimp_bench.judge import RunFiles
from selfimp_bench.report.summary import UNDEFINED, Series, number, series_of, undefined


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is said of a figure: what there is to see, and what it cannot show."""

    title: str
    see: str
    cannot: str


@dataclass(frozen=True, kw_only=True)
class Point:
    """An iteration: the mean over the replicates and its standard error, and each replicate's own value."""

    iteration: int
    value: float | None
    error: float | None
    replicates: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Published:
    """A reference value and the interval a claim allows, in the unit of the axis."""

    iteration: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line. ``style`` numbers its colour and marker: equal labels of a figure have equal styles."""

    label: str
    style: int
    points: tuple[Point, ...]
    published: tuple[Published, ...]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes."""

    title: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure. ``name`` is its file's stem; ``notes`` say what is not drawn and why."""

    name: str
    words: Words
    axis: str
    panels: tuple[Panel, ...]
    alt: str
    notes: tuple[str, ...]
    replicates: int


_WORDS: Mapping[str, Words] = {
    "pass@1": Words(
        title="Greedy pass@1",
        see="The share of problems that the model's one greedy answer solves. Compare test with ood: a gain on test "
        "that ood does not share is a gain on this kind of problem only.",
        cannot="Whether the model can still find other solutions, or more of them, when it samples.",
    ),
    "pass@k": Words(
        title="Coverage and pass@k",
        see="Coverage is, as in the paper, the share of a problem's samples that are correct; pass@k is the "
        "probability that at least one of k samples is. Coverage that rises while pass@k for a large k stays or falls "
        "suggests that the model has become surer of what it could solve already rather than able to solve more.",
        cannot="Whether the reasoning behind a correct final answer is sound.",
    ),
    "distinct-n": Words(
        title="Distinct-n",
        see="How varied the wording of a problem's outputs is, correct and incorrect ones apart: the share of n-grams "
        "that are unique. A falling line means that outputs repeat each other more.",
        cannot="How varied the ideas are. The share also falls when there are more or longer outputs, and every "
        "iteration counts only the problems that have such outputs.",
    ),
    "distinct-equations": Words(
        title="Distinct equations",
        see="How varied the calculations in a problem's outputs are: the share of equations that are unique, in "
        "correct and incorrect outputs apart. A falling line means that the model calculates in fewer ways.",
        cannot="Different reasoning that leads to the same equations. Outputs without an equation do not count, and "
        "every iteration counts only the problems that have such outputs.",
    ),
}
_PER_WHOLE = {"share": 1, "fraction": 1, "percent": 100, "%": 100}


def figures_of(run: RunFiles, findings: Findings) -> tuple[Figure, ...]:
    """A figure for every family of metrics that was measured: none is left out."""
    families: dict[str, list[Series]] = {}
    for series in series_of(run.measurements):
        families.setdefault(_family(series.metric), []).append(series)
    made: dict[str, Figure] = {}
    for family, every in families.items():
        name = _file_name(_words(family).title, made)
        made[name] = _figure(name, family, every, findings)
    return tuple(made.values())


def _family(metric: str) -> str:
    """Measurements that belong into one figure: ``pass@4`` with coverage, ``x.correct`` with ``x.incorrect``."""
    if metric == "coverage" or (metric.startswith("pass@") and metric != "pass@1"):
        return "pass@k"
    return metric.partition(".")[0]


def _words(family: str) -> Words:
    default = Words(title=family, see=f"{family} after every training iteration.", cannot="Why it changed.")
    return _WORDS.get(family, default)


def _file_name(title: str, taken: Mapping[str, Figure]) -> str:
    """A stem of letters, digits and hyphens, whatever the metric is called."""
    stem = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "metric"
    return stem if stem not in taken else f"{stem}-{len(taken)}"


def _figure(name: str, family: str, every: Sequence[Series], findings: Findings) -> Figure:
    by_metric = len({series.metric for series in every}) > 1
    labels = list(dict.fromkeys(_label(series, by_metric) for series in every))
    panels: dict[str, list[Curve]] = {}
    for series in every:
        label = _label(series, by_metric)
        curve = _curve(series, label, labels.index(label), findings)
        panels.setdefault(f"{series.model}, {series.split}" if by_metric else series.model, []).append(curve)
    words = _words(family)
    drawn = tuple(Panel(title=title, curves=tuple(curves)) for title, curves in panels.items())
    return Figure(
        name=name,
        words=words,
        axis=f"{words.title} ({', '.join(dict.fromkeys(series.unit for series in every))})",
        panels=drawn,
        alt=f"{words.title} by iteration. " + " ".join(_said(panel) for panel in drawn),
        notes=tuple(note for series in every for note in _notes(series)),
        replicates=max(len(cell.replicates) for series in every for cell in series.cells.values()),
    )


def _label(series: Series, by_metric: bool) -> str:
    if not by_metric:
        return series.split
    _, dot, side = series.metric.partition(".")
    return side if dot else series.metric


def _curve(series: Series, label: str, style: int, findings: Findings) -> Curve:
    points = tuple(
        Point(
            iteration=iteration,
            value=cell.value,
            error=cell.standard_error,
            replicates=tuple(each.value for each in cell.replicates),
        )
        for iteration, cell in series.cells.items()
    )
    return Curve(label=label, style=style, points=points, published=tuple(_published(series, findings)))


def _published(series: Series, findings: Findings) -> Iterator[Published]:
    for finding in findings.findings:
        for point in finding.points:
            cell = point.cell
            if (finding.model, cell.metric, cell.split) != (series.model, series.metric, series.split):
                continue
            scale = _scale(point, series.unit)
            if scale is not None:
                yield Published(
                    iteration=cell.iteration,
                    value=float(Decimal(point.reference) * scale),
                    low=None if point.low is None else float(point.low * scale),
                    high=None if point.high is None else float(point.high * scale),
                )


def _scale(point: PointFinding, unit: str) -> Decimal | None:
    """What the reference's unit is in the axis's; None where the two cannot be compared."""
    if point.unit == unit:
        return Decimal(1)
    if point.unit in _PER_WHOLE and unit in _PER_WHOLE:
        return Decimal(_PER_WHOLE[unit]) / _PER_WHOLE[point.unit]
    return None


def _said(panel: Panel) -> str:
    curves = []
    for curve in panel.curves:
        values = ", ".join(
            f"t {point.iteration} {UNDEFINED if point.value is None else number(point.value)}" for point in curve.points
        )
        curves.append(f"{curve.label}: {values}")
    return f"{panel.title}: {'; '.join(curves)}."


def _notes(series: Series) -> Iterator[str]:
    for iteration, cell in series.cells.items():
        if cell.value is None:
            name = f"{series.metric} of {series.model} on {series.split} at t = {iteration}"
            yield f"{name}: {undefined(cell.reason)}, so no point is drawn."
