"""One measured number: a value by problem, the mean over problems, over samples (pass@k) and over iterations."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import comb, fsum, isfinite, sqrt

import msgspec


class Split(StrEnum):
    """The part a data set plays in an experiment."""

    TRAIN = "train"
    TEST = "test"
    OOD = "ood"


class ProblemValue(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A metric on one problem in one replicate; ``value`` is None where the metric is undefined there.

    A run at full size has millions of them, hence no dataclass: they are made in a third of the time.
    """

    model: str
    metric: str
    split: Split
    iteration: int
    replicate: int
    problem_id: str
    value: float | None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A metric in one replicate: the mean over the ``n`` problems where it is defined.

    value and standard_error (sample standard deviation / sqrt(n), in the metric's unit) are None when undefined
    (no problem, or for the error fewer than two), with the reason.
    undefined: how many problems had no defined value.
    """

    model: str
    metric: str
    split: Split
    iteration: int
    replicate: int
    value: float | None
    unit: str
    n: int
    undefined: int
    standard_error: float | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over the ``n`` problems where the metric is defined; ``undefined`` counts the others.

    value is None for n = 0, standard_error (in the value's unit) for n < 2; reason then says why.
    """

    value: float | None
    n: int
    undefined: int
    standard_error: float | None
    reason: str | None


def mean_over_problems(values: Sequence[float | None]) -> Estimate:
    """Mean of the defined values and its standard error sd / sqrt(n), sd with n - 1 in the denominator.

    For pass@1 with one sample a problem the error is sqrt(p (1 - p) / (n - 1)). The order of values does not matter,
    to the last bit. Raises ValueError for a value that is not finite.
    """
    defined = [value for value in values if value is not None]
    for value in defined:
        if not isfinite(value):
            raise ValueError(f"a problem has the value {value}; expected a finite number, or None where undefined")
    n = len(defined)
    undefined = len(values) - n
    if n == 0:
        reason = f"undefined on all {undefined} problems" if undefined else "no problems"
        return Estimate(value=None, n=0, undefined=undefined, standard_error=None, reason=reason)
    mean = fsum(defined) / n
    if n == 1:
        reason = "one problem has no standard error"
        return Estimate(value=mean, n=1, undefined=undefined, standard_error=None, reason=reason)
    variance = fsum((value - mean) ** 2 for value in defined) / (n - 1)
    return Estimate(value=mean, n=n, undefined=undefined, standard_error=sqrt(variance / n), reason=None)


def pass_at_k(n: int, c: int, k: int) -> float | None:
    """The unbiased estimate 1 - C(n-c, k) / C(n, k) from n samples of which c are correct.

    Source: Chen et al. 2021 (arXiv 2107.03374), Eq. 1. A share, 0 to 1, correctly rounded for any n (the binomials
    are exact integers). With n = 1 and k = 1 it is greedy pass@1. None where n < k: fewer samples than k estimate
    nothing (code in the wild gives 1.0 there). Raises ValueError for k < 1, c < 0 or c > n.
    """
    if k < 1:
        raise ValueError(f"k is {k}; expected at least 1")
    if not 0 <= c <= n:
        raise ValueError(f"c is {c} correct of n = {n} samples; expected 0 <= c <= n")
    if n < k:
        return None
    choices = comb(n, k)
    return (choices - comb(n - c, k)) / choices


def best_iteration(values: Sequence[float | None]) -> int | None:
    """The iteration (from 1) with the highest value, the first of equals; None where no value is defined.

    Source: 2407.05013, Section 4.2 and Figure 2 ("best" of each method).
    """
    defined = _defined(values)
    return max(defined, key=lambda t: (defined[t], -t)) if defined else None


def gain_at_best(values: Sequence[float | None]) -> float | None:
    """The highest value minus that of M_1, in the metric's unit, never negative.

    Source: 2407.05013, Section 4.2: its "improvements" are absolute and taken at the best iteration, whichever it is.
    None where M_1 has no value.
    """
    defined = _defined(values)
    return max(defined.values()) - defined[1] if 1 in defined else None


def gain_at_last(values: Sequence[float | None]) -> float | None:
    """The value of M_T minus that of M_1, in the metric's unit; negative where iterating did harm.

    None where either has no value. A series of one iteration gained 0.
    """
    defined = _defined(values)
    return defined[len(values)] - defined[1] if 1 in defined and len(values) in defined else None


def _defined(values: Sequence[float | None]) -> dict[int, float]:
    """The defined values by iteration, in order."""
    defined = {t: value for t, value in enumerate(values, start=1) if value is not None}
    for t, value in defined.items():
        if not isfinite(value):
            raise ValueError(f"iteration {t} has the value {value}; expected a finite number, or None where undefined")
    return defined
