"""Both tails of many weighted sums at once: what ``contrast.tails`` finds of one."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.verdict.contrast import MINIMUM_DIFFERENT
from selfimp_bench.verdict.findings import MINIMUM_PROBLEMS
from selfimp_bench.verdict.inference import CERTAIN, special

Array = NDArray[np.float64]

EQUAL, GRADED, DIFFERENCE, SHARE = range(4)


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Variances, and the degrees of freedom that each is known with."""

    value: Array
    degrees: Array


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Weighted sums of means, one an entry of every array; the fields are those of ``contrast.Summary``."""

    estimate: Array
    problem: Errors
    seed: Errors
    problems: Array
    kind: NDArray[np.int_]
    high: Array
    low: Array
    shift: Array
    up: Array
    down: Array
    different: Array


def both_tails(found: Sums, bounds: Array) -> tuple[Array, Array]:
    """P(as far above the bound | truth at the bound), and below; 1 and 1 where numbers decide nothing."""
    approximate = (found.kind == GRADED) | ((found.kind == DIFFERENCE) & (bounds != 0))
    few = (found.problems < MINIMUM_PROBLEMS) | (approximate & (found.different < MINIMUM_DIFFERENT))
    distance = found.estimate - bounds
    above = _tail(distance, _exact(found, bounds, distance, above=True), found)
    below = _tail(-distance, _exact(found, bounds, -distance, above=False), found)
    return np.where(few, 1.0, above), np.where(few, 1.0, below)


def _exact(found: Sums, bounds: Array, distance: Array, *, above: bool) -> Array:
    """The tail over problems alone where it is known without a normal approximation; NaN elsewhere."""
    exact = np.full(len(bounds), np.nan)
    beyond = distance > 0
    high, low = (found.high, found.low) if above else (found.low, found.high)
    at = np.flatnonzero(beyond & (found.kind == EQUAL))
    reach = np.maximum(distance[at], (found.down if above else found.up)[at])
    exact[at] = np.maximum(0.0, 1 - distance[at] / reach) ** found.problems[at]
    at = np.flatnonzero(beyond & (found.kind == DIFFERENCE) & (bounds == 0))
    exact[at] = special().bdtrc(high[at] - 1, (high[at] + low[at]).astype(np.int64), 0.5)
    at = np.flatnonzero(beyond & (found.kind == SHARE))
    share = bounds[at] + found.shift[at]
    share = share if above else 1 - share
    successes = high[at]
    tail = special().betainc(np.maximum(successes, 0), found.problems[at] - successes + 1, np.maximum(share, 0.0))
    exact[at] = np.where((successes <= 0) | (share >= 1), 1.0, tail)
    return exact


def _tail(distance: Array, exact: Array, found: Sums) -> Array:
    """As ``inference.tail``: an exact tail stands for the standard error that would give it."""
    beyond = distance > 0
    deviate = np.where(np.isnan(exact), np.nan, -special().ndtri(exact))
    stands = beyond & (deviate > 0)
    value = np.where(stands, np.divide(distance, deviate, out=np.zeros_like(distance), where=stands) ** 2, 0.0)
    problem = Errors(
        value=np.where(stands, value, found.problem.value),
        degrees=np.where(stands, math.inf, found.problem.degrees),
    )
    error = added(problem, found.seed)
    known = error.value > 0
    t = np.divide(distance, np.sqrt(error.value), out=np.zeros_like(distance), where=known)
    tail = np.where(known, special().stdtr(np.minimum(error.degrees, CERTAIN), -t), np.where(beyond, 0.0, 1.0))
    return np.where(beyond & (deviate <= 0), exact, tail)


def added(*parts: Errors) -> Errors:
    """The variances of sums of independent terms, their degrees by Welch and Satterthwaite."""
    value = sum((each.value for each in parts), np.zeros(()))
    uncertain = sum((each.value**2 / each.degrees for each in parts), np.zeros(()))
    degrees = np.divide(value**2, uncertain, out=np.full(np.shape(value), math.inf), where=uncertain > 0)
    return Errors(value=np.asarray(value), degrees=degrees)
