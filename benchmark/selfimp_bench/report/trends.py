"""What a figure by compute says of each family in numbers: the line through its models, and whether it only rises."""

from collections.abc import Iterator, Sequence

from selfimp_bench.plural import plural
from selfimp_bench.report.lines import Line
from selfimp_bench.report.summary import UNDEFINED, number
from selfimp_bench.verdict.scaling import FamilyTrend, ScalePoint, family_trends

_FEWEST = 3
"""Through two models a line is exact and says nothing."""


def trends_of(title: str, lines: Sequence[Line]) -> Iterator[str]:
    """A sentence for every line of three models and more."""
    for line in lines:
        points = [
            ScalePoint(model=f"{point.x:g}", family=line.label, flops=10**point.x, value=point.value)
            for point in line.points
            if point.value is not None
        ]
        for trend in family_trends(points):
            if len(points) >= _FEWEST and trend.fit is not None:
                yield f"{title}, {trend.family}{' as published' if line.paper else ''}: {_words(trend)}"


def _words(trend: FamilyTrend) -> str:
    fit = trend.fit
    assert fit is not None  # the caller has looked
    falls = sum(step.rise <= 0 for step in trend.steps)
    rises = (
        "rises at every step" if trend.monotone else f"does not rise at {falls} of {plural(len(trend.steps), 'step')}"
    )
    sign = "+" if fit.slope > 0 else ""
    return (
        f"{sign}{number(fit.slope)} a decade, R² {_number(fit.r_squared)}, rank correlation {_number(fit.spearman)}, "
        f"{rises} ({plural(fit.n, 'model')})"
    )


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.2f}"
