"""Histograms: over problems for every model and measurement, or of shares that are measured up to each edge."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

from selfimp_bench.measurement import ProblemValue
from selfimp_bench.plural import plural
from selfimp_bench.protocols.verification.metrics.distribution import Histogram, even_edges, histogram
from selfimp_bench.report.chart import Point
from selfimp_bench.report.lines import Line, Naming
from selfimp_bench.report.summary import UNDEFINED, number


def histogram_lines(naming: Naming, models: Sequence[str], values: Sequence[ProblemValue]) -> Iterator[Line]:
    """One for every model and metric with a defined value, of the first iteration; seeds are pooled."""
    panel, width = naming.panel, Decimal(str(naming.figure.bin_width))
    for model in models:
        for position, metric in enumerate(panel.metrics):
            own = [each for each in values if (each.model, each.metric, each.split) == (model, metric, panel.split)]
            first = min((each.iteration for each in own), default=0)
            found = [each.value for each in own if each.iteration == first and each.value is not None]
            if found:
                made = histogram(found, _edges(found, width))
                label = naming.label(model, position, None)
                yield Line(
                    label=f"{label}: µ = {_number(made.mean)}, σ = {_number(made.sd)}",
                    model=model,
                    paper=False,
                    points=tuple(_steps(made)),
                    published=(),
                    said=_said(made),
                )


def binned(line: Line, width: float) -> Line:
    """A line of shares of at most so much as the shares in bins, each ``width`` wide and ended by a point's place.

    The first bin holds all up to its end; where a share is not defined neither is that of the bin after it.
    """
    before: tuple[float | None, ...] = tuple(0.0 for _ in line.points[0].replicates) if line.points else ()
    found = []
    for point in line.points:
        shares = tuple(
            None if up_to is None or less is None else up_to - less
            for up_to, less in zip(point.replicates, before, strict=True)
        )
        known = [share for share in shares if share is not None]
        mean = sum(known) / len(known) if known else None
        found.append(Point(x=point.x - width, value=mean, error=None, replicates=shares))
        before = point.replicates
    if line.points:
        found.append(Point(x=line.points[-1].x, value=0.0, error=None, replicates=tuple(0.0 for _ in before)))
    return replace(line, points=tuple(found))


def _edges(values: Sequence[float], width: Decimal) -> tuple[float, ...]:
    """Whole multiples of the width about the values, with an empty bin on either side."""
    low, high = ((Decimal(str(each)) / width).to_integral_value(ROUND_FLOOR) for each in (min(values), max(values)))
    return even_edges(str((low - 1) * width), str((high + 2) * width), str(width))


def _steps(made: Histogram) -> Iterator[Point]:
    """The share of the values in each bin, from its left edge on."""
    total = sum(made.counts)
    for edge, count in zip(made.edges, (*made.counts, 0), strict=True):
        share = count / total
        yield Point(x=edge, value=share, error=None, replicates=(share,))


def _said(made: Histogram) -> str:
    total, most = sum(made.counts), max(made.counts)
    fullest = made.counts.index(most)
    return (
        f"{plural(total, 'value')}, {plural(sum(count > 0 for count in made.counts), 'bin')} with any, most of them "
        f"({number(most / total)}) from {made.edges[fullest]:g} to {made.edges[fullest + 1]:g}"
    )


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else number(value)
