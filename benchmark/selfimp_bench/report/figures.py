"""Drawing: a figure's data become an SVG. Matplotlib is imported here alone, and only when something is drawn."""

import io
import math
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

from selfimp_bench.canonical import digest
from selfimp_bench.report.curves import Curve, Figure, Panel
from selfimp_bench.report.svg import GRID, INK, PAPER, SERIES, finish
from selfimp_bench.versions import source_digest

# Shapes differ as well as colours, so that neither a colour-blind reader nor a grey print loses a line.
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
_LINES: Final = ("-", "--", "-.", ":")
_COLUMNS: Final = 3
_INCHES: Final = {1: 6.6, 2: 8.6, 3: 10.4}
"""The width of a figure by its columns."""
_DODGE: Final = 0.035
"""How far, in iterations, lines stand apart, so that their error bars do not cover each other."""
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
    return digest([figure, source_digest("report/figures.py", "report/svg.py"), version("matplotlib")])


def draw(figure: Figure) -> str:
    """The figure as SVG; the same figure gives the same text."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    columns = min(_COLUMNS, len(figure.panels))
    rows = math.ceil(len(figure.panels) / columns)
    size = (_INCHES[columns], 2.9 * rows + 0.4)
    with matplotlib.rc_context({**_SETTINGS, "svg.hashsalt": figure.name}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a glyph that the measuring font lacks is still written as text
        canvas = Canvas(figsize=size, layout="constrained")
        axes = canvas.subplots(rows, columns, sharey=True, squeeze=False).flatten()
        for axis, panel in zip(axes, figure.panels, strict=False):
            _draw_panel(axis, panel, several=len(figure.panels) > 1)
        for axis in axes[len(figure.panels) :]:
            axis.set_axis_off()
        for axis in axes[: len(figure.panels) : columns]:
            axis.set_ylabel(figure.axis)
        _draw_legend(canvas, figure)
        text = io.StringIO()
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        FigureCanvasSVG(canvas).print_svg(text, metadata=no_metadata)
    return finish(text.getvalue(), name=figure.name, alt=figure.alt, digest=inputs_digest(figure))


def _draw_panel(axis: Any, panel: Panel, *, several: bool) -> None:
    iterations = sorted({point.iteration for curve in panel.curves for point in curve.points})
    for position, curve in enumerate(panel.curves):
        _draw_curve(axis, curve, shift=(position - (len(panel.curves) - 1) / 2) * _DODGE)
    axis.set_xticks(iterations)
    axis.set_xlim(iterations[0] - 0.35, iterations[-1] + 0.35)
    axis.set_xlabel("training iteration t")
    axis.grid(axis="y", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.margins(y=0.12)
    if several:
        axis.set_title(panel.title, fontsize=10, loc="left")


def _draw_curve(axis: Any, curve: Curve, *, shift: float) -> None:
    look = _look(curve.style)
    at = [point.iteration + shift for point in curve.points]
    axis.errorbar(
        at,
        [_or_gap(point.value) for point in curve.points],
        yerr=[_or_gap(point.error) for point in curve.points],
        capsize=3,
        elinewidth=1.2,
        linewidth=1.6,
        markersize=6,
        **look,
    )
    for point, x in zip(curve.points, at, strict=True):
        own = [value for value in point.replicates if value is not None]
        if len(point.replicates) > 1:
            axis.plot([x + 0.09] * len(own), own, color=look["color"], **_REPLICATE)
    for published in curve.published:
        x = published.iteration + shift - 0.14
        if published.low is not None and published.high is not None:
            axis.vlines(x, published.low, published.high, color=look["color"], linewidth=7, alpha=0.3)
        axis.plot([x], [published.value], color=look["color"], **_PUBLISHED)


_REPLICATE: Final[dict[str, Any]] = {"linestyle": "none", "marker": ".", "markersize": 5, "alpha": 0.65}
_PUBLISHED: Final[dict[str, Any]] = {"linestyle": "none", "marker": "_", "markersize": 11, "markeredgewidth": 2}


def _look(style: int) -> dict[str, Any]:
    return {
        "color": SERIES[style % len(SERIES)],
        "marker": _MARKERS[style % len(_MARKERS)],
        "linestyle": _LINES[style % len(_LINES)],
    }


def _or_gap(value: float | None) -> float:
    """Matplotlib leaves a gap where a value is NaN."""
    return math.nan if value is None else value


def _draw_legend(canvas: Any, figure: Figure) -> None:
    from matplotlib.lines import Line2D

    curves = {curve.style: curve for panel in figure.panels for curve in panel.curves}
    handles = [Line2D([], [], markersize=6, linewidth=1.6, **_look(style)) for style in sorted(curves)]
    labels = [curves[style].label for style in sorted(curves)]
    if figure.replicates > 1:
        handles.append(Line2D([], [], color=INK, **_REPLICATE))
        labels.append("one seed")
    if _any_published([curve for panel in figure.panels for curve in panel.curves]):
        handles.append(Line2D([], [], color=INK, **_PUBLISHED))
        labels.append("reference, band: allowed")
    canvas.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), frameon=False)


def _any_published(curves: Sequence[Curve]) -> bool:
    return any(curve.published for curve in curves)
