"""The gap as a function of the filter's quantile or threshold (2412.02674, Figures 5 and 14)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from selfimp_bench.metrics.verification.gap import EmptyFilter, Gap, gap_of, relative_gap_of, reweigh_all
from selfimp_bench.metrics.verification.scored import Responses
from selfimp_bench.metrics.verification.selection import Filter, Quantile, Threshold


@dataclass(frozen=True, kw_only=True)
class SweepPoint:
    """Gap and relative gap of the filter at ``at``: its q (a share) or its tau (in units of score)."""

    at: float
    gap: Gap
    relative: Gap


def sweep_quantiles(problems: Mapping[str, Responses], quantiles: Sequence[float]) -> tuple[SweepPoint, ...]:
    """One point per quantile, in the order given."""
    return tuple(_point(problems, q, Quantile(q=q)) for q in quantiles)


def sweep_thresholds(problems: Mapping[str, Responses], thresholds: Sequence[float]) -> tuple[SweepPoint, ...]:
    """One point per global threshold, in the order given."""
    return tuple(_point(problems, tau, Threshold(tau=tau)) for tau in thresholds)


def best_point(points: Sequence[SweepPoint], empty: EmptyFilter) -> SweepPoint | None:
    """The point with the highest mean gap, the first of equals; None where no point has one.

    Source: 2412.02674, Section 6.1 ("most models agree on the optimal thresholds"). The highest of several noisy
    means is too high, so its place says more than its gap.
    """
    means = [(value, point) for point in points if (value := point.gap.mean(empty).value) is not None]
    return max(means, key=lambda each: each[0])[1] if means else None


def bends(at: Sequence[float], values: Sequence[float]) -> tuple[float, ...]:
    """The change of slope at each inner point of a curve, in values per unit of ``at``: all <= 0 where it is concave.

    Source: 2412.02674, Section 6.1 ("concave curve"), which gives no rule; this one is ours. Linear in the values, so
    that it can be taken problem by problem and averaged. Raises ValueError unless ``at`` rises strictly and fits the
    values.
    """
    if len(at) != len(values) or any(left >= right for left, right in pairwise(at)):
        raise ValueError("the places of a curve must rise strictly, one per value")
    points = list(zip(at, values, strict=True))
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in pairwise(points)]
    return tuple(right - left for left, right in pairwise(slopes))


def _point(problems: Mapping[str, Responses], at: float, selection: Filter) -> SweepPoint:
    weighed = reweigh_all(problems, selection)
    return SweepPoint(at=at, gap=gap_of(weighed), relative=relative_gap_of(weighed))
