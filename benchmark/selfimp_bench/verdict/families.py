"""Several models in one number: mean, slope, coefficient of determination, rank correlation; of numbers and intervals.

Of intervals the result is an interval that holds every value which numbers inside them could give: exactly for mean,
slope and Kendall's coefficient, with a little to spare for the coefficient of determination.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.manifest.suite_model import Fit


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """From ``low`` to ``high``, both included."""

    low: float
    high: float


def fit_of(fit: Fit, xs: Sequence[float], ys: NDArray[np.float64]) -> NDArray[np.float64]:
    """The number for every row of ``ys`` (rows x models; ``xs`` one for each model, for a line two of them different).

    The coefficient of determination of a row without any spread is 0: the line explains nothing.
    """
    if fit is Fit.MEAN:
        return np.asarray(ys.mean(axis=1), dtype=np.float64)
    if fit is Fit.KENDALL:
        pairs = _pairs(xs)
        steps = np.sign(ys[:, pairs.second] - ys[:, pairs.first])
        return np.asarray(steps @ pairs.signs / len(pairs.signs), dtype=np.float64)
    centred, weights = ys - ys.mean(axis=1, keepdims=True), slope_weights(xs)
    slopes = centred @ weights
    if fit is Fit.SLOPE:
        return np.asarray(slopes, dtype=np.float64)
    spread = np.sum(centred**2, axis=1)
    explained = slopes**2 / np.sum(weights**2)
    return np.asarray(np.divide(explained, spread, out=np.zeros_like(spread), where=spread > 0), dtype=np.float64)


def fit_bounds(fit: Fit, xs: Sequence[float], ys: Sequence[Bounds]) -> Bounds:
    """Where the number lies when each y lies within its bounds."""
    low, high = np.array([each.low for each in ys]), np.array([each.high for each in ys])
    if fit is Fit.MEAN:
        return Bounds(low=float(low.mean()), high=float(high.mean()))
    if fit is Fit.KENDALL:
        pairs = _pairs(xs)
        rises, falls = low[pairs.second] > high[pairs.first], high[pairs.second] < low[pairs.first]
        decided = float((rises.astype(float) - falls.astype(float)) @ pairs.signs)
        undecided, count = int(np.sum(~(rises | falls))), len(pairs.signs)
        return Bounds(low=(decided - undecided) / count, high=(decided + undecided) / count)
    weights = slope_weights(xs)
    least = float(np.sum(np.where(weights > 0, low, high) * weights))
    most = float(np.sum(np.where(weights > 0, high, low) * weights))
    if fit is Fit.SLOPE:
        return Bounds(low=least, high=most)
    return _explained(weights, Bounds(low=least, high=most), low, high)


def _explained(
    weights: NDArray[np.float64], slope: Bounds, low: NDArray[np.float64], high: NDArray[np.float64]
) -> Bounds:
    """Slope and spread each at its extremes: the length of y - mean(y) moves by at most that of the half-widths."""
    middle = (low + high) / 2
    length, change = float(np.linalg.norm(middle - middle.mean())), float(np.linalg.norm((high - low) / 2))
    scale = float(np.linalg.norm(weights))
    steepest = max(abs(slope.low), abs(slope.high)) / scale
    flattest = 0.0 if slope.low <= 0 <= slope.high else min(abs(slope.low), abs(slope.high)) / scale
    shortest, longest = length - change, length + change
    highest = 1.0 if shortest <= steepest else (steepest / shortest) ** 2
    lowest = (flattest / longest) ** 2 if longest > 0 else 0.0
    return Bounds(low=lowest, high=highest)


def slope_weights(xs: Sequence[float]) -> NDArray[np.float64]:
    """The least-squares slope per unit of x is their sum with y: (x - mean) / sum of squares.

    Raises ValueError for fewer than two different x.
    """
    if len(set(xs)) < 2:
        raise ValueError(f"a slope needs two different places, got {list(xs)}")
    centred = np.asarray(xs, dtype=np.float64) - np.mean(xs)
    return np.asarray(centred / np.sum(centred**2), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """The pairs of models whose x differ, by index, and the sign of the difference."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    signs: NDArray[np.float64]


def _pairs(xs: Sequence[float]) -> _Pairs:
    values = np.asarray(xs, dtype=np.float64)
    first, second = np.triu_indices(len(values), 1)
    signs = np.sign(values[second] - values[first])
    differ = signs != 0
    return _Pairs(first=first[differ], second=second[differ], signs=signs[differ])
