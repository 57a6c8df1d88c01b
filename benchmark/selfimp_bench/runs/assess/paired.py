"""One metric at two checkpoints, problem by problem: the difference, its interval, and both one-sided tails.

The tails are those of runs (``verdict/contrast.py``): exact (McNemar's sign test) where the metric is 0 or 1, Student's
t on the differences else, with as many degrees of freedom as problems differ. One training run a checkpoint is all
there is, so that what another seed would have done is no part of the error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import fsum, isfinite, sqrt
from typing import Final

from selfimp_bench.verdict.contrast import DIFFERENCE, EQUAL, GRADED, Summary, tails, why_too_few
from selfimp_bench.verdict.inference import Variance, student_quantile

LEVEL: Final = 0.95
"""Of the intervals, each alone."""


@dataclass(frozen=True, kw_only=True)
class Paired:
    """after - before over the ``n`` problems where both are defined; up and down are one-sided p-values.

    estimate, low and high are None without a problem; few: why the numbers decide nothing, with up = down = 1.
    """

    n: int
    estimate: float | None
    low: float | None
    high: float | None
    up: float
    down: float
    few: str | None


def paired(before: Mapping[str, float | None], after: Mapping[str, float | None], *, reach: float) -> Paired:
    """Compare two mappings from problem to value. ``reach``: from the least that a difference can be to the most."""
    first = {name: value for name, value in before.items() if value is not None}
    ends = [(first[name], value) for name, value in after.items() if value is not None and name in first]
    n = len(ends)
    if n == 0:
        few = "no problem has a value at both checkpoints"
        return Paired(n=0, estimate=None, low=None, high=None, up=1.0, down=1.0, few=few)
    found = _summary(ends, reach)
    half = _half_width(found)
    too_few = why_too_few(found, 0.0)
    up, down = (1.0, 1.0) if too_few else tails(found, 0.0)
    return Paired(
        n=n,
        estimate=found.estimate,
        low=found.estimate - half if isfinite(half) else None,
        high=found.estimate + half if isfinite(half) else None,
        up=up,
        down=down,
        few=too_few,
    )


def _summary(ends: list[tuple[float, float]], reach: float) -> Summary:
    differences = [after - before for before, after in ends]
    n = len(ends)
    mean = fsum(differences) / n
    variance = fsum((each - mean) ** 2 for each in differences) / (n - 1) / n if n > 1 else 0.0
    different = sum(each != 0 for each in differences)
    whole = all(value in (0.0, 1.0) for pair in ends for value in pair)
    kind = EQUAL if len(set(differences)) == 1 else DIFFERENCE if whole else GRADED
    return Summary(
        estimate=mean,
        problem=Variance(value=variance, degrees=max(1, different - 1)),
        seed=Variance(value=0.0, degrees=float("inf")),
        problems=n,
        dropped=0,
        replicates=1,
        kind=kind,
        high=float(sum(each > 0 for each in differences)),
        low=float(sum(each < 0 for each in differences)),
        shift=0.0,
        up=max(1.0, reach / 2 - mean),
        down=max(1.0, reach / 2 + mean),
        reach=reach,
        different=n if kind == EQUAL else different,
    )


def _half_width(found: Summary) -> float:
    """Of the interval; of differences that are all equal what may be unseen (the rule of three)."""
    outside = (1 - LEVEL) / 2
    if found.kind == EQUAL:
        return float(found.reach * (1 - outside ** (1 / found.problems)))
    if found.problems < 2:
        return float("inf")
    return student_quantile(1 - outside, found.problem.degrees) * sqrt(found.problem.value)
