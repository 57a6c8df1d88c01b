"""The data of a drawing: figures of panels of curves of points, in the unit of their axis."""

from dataclasses import dataclass
from typing import Literal

from selfimp_bench.report.summary import UNDEFINED, number


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is said of a figure: what there is to see, and what it cannot show."""

    title: str
    see: str
    cannot: str


@dataclass(frozen=True, kw_only=True)
class Point:
    """A place on the horizontal axis: the mean over the replicates, its error, and each replicate's own value.

    error: the standard error of a measured value, the reading or rounding error of a published one.
    """

    x: float
    value: float | None
    error: float | None
    replicates: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Published:
    """A reference value and the interval a claim allows, in the unit of the axis."""

    x: float
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line, from a run or (``paper``) as published.

    ``style`` numbers its colour and marker: equal labels of a figure have equal styles. ``published`` are single
    reference values beside the line's own points. ``said`` is the alt text of a line whose points are too many to
    read out, else empty.
    """

    label: str
    style: int
    paper: bool
    points: tuple[Point, ...]
    published: tuple[Published, ...]
    said: str = ""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes. ``x`` and ``y`` are what they say, ``level`` a line across that a paper draws."""

    title: str
    x: str
    y: str
    curves: tuple[Curve, ...]
    level: float | None = None


@dataclass(frozen=True, kw_only=True)
class Axes:
    """What the axes of a figure have in common.

    letter: stands for x in the alt text. shared: panels of a row have one vertical axis.
    scale: ``places`` sets the x of a panel at equal distances, ``linear`` where they are, and ``steps`` draws a
        histogram over them.
    """

    letter: str
    shared: bool
    scale: Literal["places", "linear", "steps"]


ITERATIONS = "training iteration t"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure. ``name`` is its file's stem; ``source`` is the paper's.

    notes: what is not drawn and why. facts: what there is to say in numbers beside the drawing.
    dashed: what the dashed lines are.
    """

    name: str
    words: Words
    source: str
    axes: Axes
    columns: int
    panels: tuple[Panel, ...]
    notes: tuple[str, ...]
    facts: tuple[str, ...] = ()
    dashed: str = "as published"

    @property
    def alt(self) -> str:
        """Every number of the figure in words."""
        return f"{self.words.title}. " + " ".join(_said(panel, self) for panel in self.panels)

    @property
    def replicates(self) -> int:
        """The most replicates behind a point of a run."""
        return max((len(point.replicates) for point in self._points()), default=0)

    def places(self, x: str) -> tuple[float, ...]:
        """Every place on the horizontal axes that say ``x``, in order: those panels have them all."""
        curves = [curve for panel in self.panels if panel.x == x for curve in panel.curves]
        own = {point.x for curve in curves for point in curve.points}
        return tuple(sorted(own | {reference.x for curve in curves for reference in curve.published}))

    def _points(self) -> tuple[Point, ...]:
        return tuple(point for panel in self.panels for curve in panel.curves for point in curve.points)


def _said(panel: Panel, figure: Figure) -> str:
    letter = figure.axes.letter
    curves = []
    for curve in panel.curves:
        values = ", ".join(
            f"{letter} {point.x:g} {UNDEFINED if point.value is None else number(point.value)}"
            for point in curve.points
        )
        curves.append(f"{curve.label}{f' {figure.dashed}' if curve.paper else ''}: {curve.said or values}")
    return f"{panel.title}: {'; '.join(curves)}."
