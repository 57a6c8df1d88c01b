"""Drawing: a figure's data become an SVG. Matplotlib is imported here alone, and only when something is drawn."""

import io
import math
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from selfimp_bench.canonical import digest
from selfimp_bench.report.chart import Curve, Figure, Panel
from selfimp_bench.report.svg import GRID, INK, PAPER, SERIES, finish
from selfimp_bench.steps.versions import source_digest

# Shapes differ as well as colours, so that neither a colour-blind reader nor a grey print loses a line.
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
_INCHES: Final = {1: 6.6, 2: 8.6, 3: 10.4}
"""The width of a figure by its columns."""
_DODGE: Final = 0.035
"""How far, in iterations, lines stand apart, so that their error bars do not cover each other."""
_TITLE_LINE: Final = {1: 70, 2: 42, 3: 32}
"""The most characters above a panel in one line, by the figure's columns."""
_LABEL_LINE: Final = 34
"""The most characters beside a panel."""
_DOTS: Final = 150
"""Of a PNG, to the inch."""
_KEPT: Final = 256
"""How many drawings a process remembers, of some 100 kB."""
_LEGEND_COLUMNS: Final = 5
_SPREAD: Final = 0.3
"""How far apart all of them are at most, together."""
_CROWD: Final = 4
"""From more lines than this on in a panel, markers are smaller and error bars thinner."""
_SETTINGS: Final = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 10,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
}


def inputs_digest(figure: Figure) -> str:
    """One digest of all that decides the drawing: the data, the code that draws, and the library."""
    return digest([figure, source_digest("report/figures.py", "report/chart.py", "report/svg.py"), _library()])


@cache
def _library() -> str:
    return version("matplotlib")


def draw(figure: Figure) -> str:
    """The figure as SVG; the same figure gives the same text."""
    return _files(figure, inputs_digest(figure)).svg


def draw_png(figure: Figure) -> bytes:
    """The figure as PNG, ``_DOTS`` to the inch; the same figure gives the same bytes."""
    return _files(figure, inputs_digest(figure)).png


class _Files(NamedTuple):
    svg: str
    png: bytes


@lru_cache(maxsize=_KEPT)
def _files(figure: Figure, inputs: str) -> _Files:
    """Both files of a figure; whoever wants the one wants the other, and laying it out takes longest."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    text, image = io.StringIO(), io.BytesIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with _drawn(figure) as canvas:
        FigureCanvasSVG(canvas).print_svg(text, metadata=no_metadata)
        canvas.set_layout_engine("none")  # it has just been laid out
        canvas.set_dpi(_DOTS)
        FigureCanvasAgg(canvas).print_png(image, metadata={"Software": None, "Comment": _mark(inputs)})
    svg = finish(text.getvalue(), name=figure.name, alt=figure.alt, digest=inputs)
    return _Files(svg, image.getvalue())


def is_current_png(found: bytes, figure: Figure) -> bool:
    """Whether a file on disk is what ``draw_png`` would give again: a PNG that says so."""
    return found.startswith(b"\x89PNG\r\n\x1a\n") and _mark(inputs_digest(figure)).encode() in found[:500]


def _mark(inputs: str) -> str:
    return f"selfimp-bench figure, inputs sha256 {inputs}"


@contextmanager
def _drawn(figure: Figure) -> Iterator[Any]:
    """Matplotlib's own figure, with the settings under which it is to be written."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    columns = figure.columns
    rows = math.ceil(len(figure.panels) / columns)
    size = (_INCHES[columns], 2.9 * rows + 0.4)
    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": figure.name}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that the measuring font lacks is still written as text
        canvas = Canvas(figsize=size, layout="constrained")
        axes = canvas.subplots(rows, columns, sharey=figure.axes.shared, squeeze=False).flatten()
        for axis, panel in zip(axes, figure.panels, strict=False):
            _draw_panel(axis, panel, figure)
        for axis in axes[len(figure.panels) :]:
            axis.set_axis_off()
        _draw_legend(canvas, figure)
        yield canvas


def _draw_panel(axis: Any, panel: Panel, figure: Figure) -> None:
    if figure.axes.scale == "places":
        places = {x: float(position) for position, x in enumerate(figure.places(panel.x))}
        axis.set_xticks(list(places.values()), [f"{x:g}" for x in places])
        axis.set_xlim(-0.35, len(places) - 0.65)
    else:
        places = {x: x for x in figure.places(panel.x)}
    for position, curve in enumerate(panel.curves):
        if figure.axes.scale == "steps":
            _draw_steps(axis, curve)
        else:
            step = min(_DODGE, _SPREAD / len(panel.curves)) if figure.axes.scale == "places" else 0.0
            shift = (position - (len(panel.curves) - 1) / 2) * step
            _draw_curve(axis, curve, places, shift=shift, crowded=len(panel.curves) > _CROWD)
    axis.set_xlabel(panel.x)
    axis.set_ylabel(textwrap.fill(panel.y, _LABEL_LINE))
    axis.grid(axis="y", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.margins(y=0.12)
    _draw_levels(axis, panel)
    if len(figure.panels) > 1:
        axis.set_title(textwrap.fill(panel.title, _TITLE_LINE[figure.columns]), fontsize=10, loc="left")


def _draw_levels(axis: Any, panel: Panel) -> None:
    """The line that a paper draws, and zero where the values lie on both sides of it."""
    if panel.level is not None:
        axis.axhline(panel.level, color=INK, **_LEVEL)
    low, high = axis.get_ylim()
    if low < 0 < high:
        axis.axhline(0, color=INK, linewidth=0.6)


def _draw_steps(axis: Any, curve: Curve) -> None:
    """A histogram: every value from its x to the next."""
    look = _look(curve)
    edges, values = [point.x for point in curve.points], [_or_gap(point.value) for point in curve.points]
    axis.stairs(values[:-1], edges, color=look["color"], linewidth=1.2)


def _draw_curve(axis: Any, curve: Curve, places: Mapping[float, float], *, shift: float, crowded: bool) -> None:
    look = _look(curve)
    at = [places[point.x] + shift for point in curve.points]
    axis.errorbar(
        at,
        [_or_gap(point.value) for point in curve.points],
        yerr=[_or_gap(point.error) for point in curve.points],
        capsize=2 if crowded else 3,
        elinewidth=0.7 if crowded else 1.2,
        markersize=4.5 if crowded else 6,
        **look,
    )
    for point, x in zip(curve.points, at, strict=True):
        own = [value for value in point.replicates if value is not None]
        if len(point.replicates) > 1:
            axis.plot([x + 0.09] * len(own), own, color=look["color"], **_REPLICATE)
    for published in curve.published:
        x = places[published.x] + shift - 0.14
        if published.low is not None and published.high is not None:
            axis.vlines(x, published.low, published.high, color=look["color"], linewidth=7, alpha=0.3)
        axis.plot([x], [published.value], color=look["color"], **_PUBLISHED)


_LEVEL: Final[dict[str, Any]] = {"linewidth": 0.9, "linestyle": (0, (1, 2))}
_REPLICATE: Final[dict[str, Any]] = {"linestyle": "none", "marker": ".", "markersize": 5, "alpha": 0.65}
_PUBLISHED: Final[dict[str, Any]] = {"linestyle": "none", "marker": "_", "markersize": 11, "markeredgewidth": 2}


def _look(curve: Curve) -> dict[str, Any]:
    """A run's lines are full and its markers, too; a paper's lines are thin and dashed, its markers hollow."""
    colour, marker = SERIES[curve.style % len(SERIES)], _MARKERS[curve.style % len(_MARKERS)]
    if curve.paper:
        return {"color": colour, "marker": marker, "linewidth": 1.1, **_PAPER}
    return {"color": colour, "marker": marker, "linewidth": 1.6, "linestyle": "-"}


_PAPER: Final[dict[str, Any]] = {"linestyle": (0, (4, 2.5)), "markerfacecolor": PAPER}


def _or_gap(value: float | None) -> float:
    """Matplotlib leaves a gap where a value is NaN."""
    return math.nan if value is None else value


def _draw_legend(canvas: Any, figure: Figure) -> None:
    from matplotlib.lines import Line2D

    every = [curve for panel in figure.panels for curve in panel.curves]
    shown = {curve.style: curve for curve in sorted(every, key=lambda curve: (curve.style, not curve.paper))}
    markers = {"marker": "none"} if figure.axes.scale == "steps" else {}
    handles = [Line2D([], [], markersize=6, **{**_look(curve), **markers}) for curve in shown.values()]
    labels = [curve.label for curve in shown.values()]
    if any(curve.paper for curve in every):
        handles.append(Line2D([], [], color=INK, marker="o", markersize=6, linewidth=1.1, **_PAPER))
        labels.append(figure.dashed)
    if figure.replicates > 1:
        handles.append(Line2D([], [], color=INK, **_REPLICATE))
        labels.append("one seed")
    for level in dict.fromkeys(panel.level for panel in figure.panels if panel.level is not None):
        handles.append(Line2D([], [], color=INK, **_LEVEL))
        labels.append(f"{level:g}, as in the paper")
    if any(curve.published for curve in every):
        handles.append(Line2D([], [], color=INK, **_PUBLISHED))
        labels.append("reference, band: allowed")
    columns = _legend_columns(labels, _INCHES[figure.columns])
    # Matplotlib fills column by column; in this order it reads line by line.
    order = [index for first in range(columns) for index in range(first, len(labels), columns)]
    canvas.legend(
        [handles[index] for index in order],
        [labels[index] for index in order],
        loc="outside lower center",
        ncols=columns,
        frameon=False,
    )


def _legend_columns(labels: Sequence[str], inches: float) -> int:
    """As many columns as fit beside each other, by the width of an average letter and of what stands before a label."""
    for columns in range(min(len(labels), _LEGEND_COLUMNS), 1, -1):
        widest = [max(len(label) for label in labels[first::columns]) for first in range(columns)]
        if sum(0.09 * letters + 0.7 for letters in widest) <= inches:
            return columns
    return 1
