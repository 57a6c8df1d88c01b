"""The data of a drawing: figures of panels of curves of points, in the unit of their axis."""

from dataclasses import dataclass

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

    x: int
    value: float | None
    error: float | None
    replicates: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Published:
    """A reference value and the interval a claim allows, in the unit of the axis."""

    x: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One line, from a run or (``paper``) as published.

    ``style`` numbers its colour and marker: equal labels of a figure have equal styles. ``published`` are single
    reference values beside the line's own points.
    """

    label: str
    style: int
    paper: bool
    points: tuple[Point, ...]
    published: tuple[Published, ...]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes."""

    title: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, kw_only=True)
class Axes:
    """What the axes of a figure say. ``letter`` stands for x in the alt text; shared: panels of a row have one y."""

    x: str
    letter: str
    y: str
    shared: bool


ITERATIONS = "training iteration t"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure. ``name`` is its file's stem; ``notes`` say what is not drawn and why; ``source`` is the paper's."""

    name: str
    words: Words
    source: str
    axes: Axes
    columns: int
    panels: tuple[Panel, ...]
    notes: tuple[str, ...]

    @property
    def alt(self) -> str:
        """Every number of the figure in words."""
        return f"{self.words.title}. " + " ".join(_said(panel, self.axes.letter) for panel in self.panels)

    @property
    def replicates(self) -> int:
        """The most replicates behind a point of a run."""
        return max((len(point.replicates) for point in self._points()), default=0)

    @property
    def places(self) -> tuple[int, ...]:
        """Every x of the figure, in order."""
        return tuple(sorted({point.x for point in self._points()}))

    def _points(self) -> tuple[Point, ...]:
        return tuple(point for panel in self.panels for curve in panel.curves for point in curve.points)


def _said(panel: Panel, letter: str) -> str:
    curves = []
    for curve in panel.curves:
        values = ", ".join(
            f"{letter} {point.x} {UNDEFINED if point.value is None else number(point.value)}" for point in curve.points
        )
        curves.append(f"{curve.label}{' as published' if curve.paper else ''}: {values}")
    return f"{panel.title}: {'; '.join(curves)}."
