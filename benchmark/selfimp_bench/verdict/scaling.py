"""Gap and relative gap over the logarithm of pre-training compute: fits, ranks, and monotonicity by family."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from math import isfinite, log10, sqrt

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class ScalePoint:
    """A model's value (a gap, a relative gap; any unit) and its pre-training compute in FLOPs, above 0."""

    model: str
    family: str
    flops: float
    value: float

    def __post_init__(self) -> None:
        """The logarithm needs a positive number."""
        if not (isfinite(self.flops) and self.flops > 0 and isfinite(self.value)):
            raise ValueError(
                f"{self.model} has {self.flops} FLOPs and the value {self.value}; expected numbers, flops > 0"
            )


@dataclass(frozen=True, kw_only=True)
class ScalingFit:
    """The least-squares line value = intercept + slope log10(flops) through ``n`` models.

    slope: in the value's unit per decade of compute; slope_error its standard error, None for n < 3.
    r_squared: 0 to 1, None where all values are equal (and 1, saying nothing, for n = 2).
    spearman: the rank correlation, -1 to 1, None where all values are equal.
    """

    n: int
    slope: float
    intercept: float
    slope_error: float | None
    r_squared: float | None
    spearman: float | None


@dataclass(frozen=True, kw_only=True)
class Step:
    """Two models of a family, next to each other in compute, and how much the value rises from one to the other."""

    smaller: str
    larger: str
    rise: float


@dataclass(frozen=True, kw_only=True)
class FamilyTrend:
    """One family: its fit (None with fewer than two different computes) and its steps in order of compute."""

    family: str
    fit: ScalingFit | None
    steps: tuple[Step, ...]

    @property
    def monotone(self) -> bool | None:
        """Whether the value rises at every step; None where there is none."""
        return all(step.rise > 0 for step in self.steps) if self.steps else None


def fit_scaling(points: Sequence[ScalePoint]) -> ScalingFit | None:
    """The fit over all points; None with fewer than two different computes.

    Source: 2412.02674, Section 4.1 and Figure 1 (relative gap linear in log FLOPs, with a slope for each family),
    Figure 12 (the absolute gap).
    """
    x = np.array([log10(point.flops) for point in points], dtype=np.float64)
    if len(set(x.tolist())) < 2:
        return None
    y = np.array([point.value - points[0].value for point in points], dtype=np.float64)  # equal values: exactly 0
    centred_x, centred_y = x - x.mean(), y - y.mean()
    spread, total = float(centred_x @ centred_x), float(centred_y @ centred_y)
    slope = float(centred_x @ centred_y) / spread
    left = float(np.sum((centred_y - slope * centred_x) ** 2))
    return ScalingFit(
        n=len(points),
        slope=slope,
        intercept=points[0].value + float(y.mean() - slope * x.mean()),
        slope_error=sqrt(left / (len(points) - 2) / spread) if len(points) > 2 else None,
        r_squared=max(0.0, 1 - left / total) if total else None,
        spearman=float(np.corrcoef(_ranks(x), _ranks(y))[0, 1]) if total else None,
    )


def family_trends(points: Sequence[ScalePoint]) -> tuple[FamilyTrend, ...]:
    """Every family by itself, in order of first appearance. Models of equal compute are not compared with each other.

    Source: 2412.02674, Section 4.1: the relative gap grows monotonically, and slopes need not agree across families.
    """
    families = dict.fromkeys(point.family for point in points)
    return tuple(_trend(name, [point for point in points if point.family == name]) for name in families)


def _trend(family: str, points: Sequence[ScalePoint]) -> FamilyTrend:
    levels = [[point for point in points if point.flops == flops] for flops in sorted({p.flops for p in points})]
    steps = tuple(
        Step(smaller=one.model, larger=two.model, rise=two.value - one.value)
        for smaller, larger in pairwise(levels)
        for one, two in product(smaller, larger)
    )
    return FamilyTrend(family=family, fit=fit_scaling(points), steps=steps)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place], dtype=np.float64)
