"""The statistics behind a verdict: prediction intervals, sampling error, the paired bootstrap and slopes.

Pure numbers in, numbers out; what they mean for a claim is decided in ``check``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

# Indices drawn at a time: 8 MiB of them, so that memory does not grow with resamples x problems.
_CHUNK = 2**20


@dataclass(frozen=True, kw_only=True)
class MeanInterval:
    """A mean with its two-sided confidence interval, in the values' unit."""

    mean: float
    low: float
    high: float


def two_sided_level(confidence: float, points: int) -> float:
    """The quantile's probability 1 - (1 - confidence) / (2 points): two-sided, Bonferroni over ``points``.

    With it all ``points`` intervals hold together with at least ``confidence``. Raises ValueError for a confidence
    outside (0, 1) or no points.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie strictly between 0 and 1, got {confidence}")
    if points < 1:
        raise ValueError(f"a family needs at least one point, got {points}")
    return 1 - (1 - confidence) / (2 * points)


def student_quantile(level: float, degrees: int) -> float:
    """Student's t quantile of probability ``level`` with ``degrees`` >= 1 degrees of freedom."""
    # scipy.special, imported on use: scipy.stats takes 0.7 s to import, and most commands need neither.
    from scipy.special import stdtrit

    if degrees < 1:
        raise ValueError(f"Student's t needs at least 1 degree of freedom, got {degrees}")
    return float(stdtrit(degrees, level))


def normal_quantile(level: float) -> float:
    """The standard normal quantile of probability ``level``."""
    return NormalDist().inv_cdf(level)


def prediction_half_width(*, sd: float, runs: int, replicates: int, quantile: float) -> float:
    """quantile * sd * sqrt(1 / replicates + 1 / runs): the mean of K new runs, predicted from n reference runs.

    ``sd`` is the sample standard deviation (n - 1 in the denominator) over the ``runs`` >= 2 reference runs;
    ``quantile`` is Student's t with n - 1 degrees of freedom. Source: the two-sample t statistic with the variance
    estimated from the reference alone (Hahn and Meeker, Statistical Intervals, section 4.8).
    """
    if runs < 2 or replicates < 1:
        raise ValueError(f"a prediction needs 2 reference runs and 1 replicate, got {runs} and {replicates}")
    if not (math.isfinite(sd) and sd >= 0):
        raise ValueError(f"a standard deviation must be finite and not negative, got {sd}")
    return quantile * sd * math.sqrt(1 / replicates + 1 / runs)


def sampling_margin(*, standard_error: float, problems: int, level: float) -> float:
    """Half-width of the interval for the mean over all problems from which these ``problems`` were drawn.

    z(level) * standard_error; where no two problems differ, so that the standard error is 0 and says nothing, the
    exact bound (Clopper and Pearson) for a share seen in none of n problems: 1 - (1 - level) ** (1 / n).
    """
    if problems < 1 or not (math.isfinite(standard_error) and standard_error >= 0):
        raise ValueError(f"a margin needs problems and a finite error, got {problems} and {standard_error}")
    if standard_error == 0:
        return -math.expm1(math.log(1 - level) / problems)
    return NormalDist().inv_cdf(level) * standard_error


def bootstrap_mean(
    values: NDArray[np.float64], *, confidence: float, resamples: int, seed: int, chunk: int = _CHUNK
) -> MeanInterval:
    """The mean of ``values`` (one per problem) and its percentile bootstrap interval over problems.

    Efron's percentile interval: the (1 - confidence) / 2 and (1 + confidence) / 2 quantiles of the means of
    ``resamples`` draws with replacement, from PCG64(seed). The result depends on neither ``chunk`` nor the machine's
    memory. Equal values give a zero-width interval exactly, without rounding noise around it.
    Raises ValueError without values, with a non-finite one, or without resamples.
    """
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(f"a bootstrap needs finite values in one row, got shape {values.shape}")
    if resamples < 1:
        raise ValueError(f"a bootstrap needs at least one resample, got {resamples}")
    upper = two_sided_level(confidence, 1)
    if (values == values[0]).all():
        same = float(values[0])
        return MeanInterval(mean=same, low=same, high=same)
    random = np.random.Generator(np.random.PCG64(seed))
    rows = max(1, chunk // values.size)
    means = np.empty(resamples)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        means[start : start + count] = values[random.integers(0, values.size, size=(count, values.size))].mean(axis=1)
    low, high = np.quantile(means, [1 - upper, upper])
    return MeanInterval(mean=math.fsum(values) / values.size, low=float(low), high=float(high))


def slopes(series: NDArray[np.float64], iterations: Sequence[int]) -> NDArray[np.float64]:
    """The least-squares slope per unit iteration of every row of ``series`` (problems x iterations).

    sum (x - mean x)(y - mean y) / sum (x - mean x)^2, with the whole numbers w = T x - sum x for x - mean x and
    y - y_1 for y - mean y (the weights sum to 0): a constant row has slope 0 exactly, not 1e-17.
    Raises ValueError for fewer than two different iterations or a shape that does not fit.
    """
    if series.ndim != 2 or series.shape[1] != len(iterations):
        raise ValueError(f"series of shape {series.shape} do not fit {len(iterations)} iterations")
    if len(set(iterations)) < 2:
        raise ValueError(f"a slope needs two different iterations, got {list(iterations)}")
    weights = [len(iterations) * x - sum(iterations) for x in iterations]
    spread = sum(weight * x for weight, x in zip(weights, iterations, strict=True))
    rise = (series - series[:, :1]) @ np.array(weights, dtype=np.float64)
    return np.asarray(rise / spread, dtype=np.float64)
