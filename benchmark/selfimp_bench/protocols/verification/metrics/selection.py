"""Weight functions w of a verifier's scores: filters by quantile or threshold, and exponential reweighting."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, exp, isfinite, nan

import numpy as np
from numpy.typing import ArrayLike, NDArray

from selfimp_bench.protocols.verification.metrics.scored import Responses


@dataclass(frozen=True, kw_only=True)
class Quantile:
    """Keep the responses of a problem whose score is at least the q-quantile of the problem's own scores.

    Source: 2412.02674, Section 2 (below Example 2.2) and Table 3: "top 0.8" is q = 0.8, the best ~20 %. ``q`` is from
    0 (keep every scored response) to 1 (the best and its ties). Raises ValueError outside.
    """

    q: float

    def __post_init__(self) -> None:
        """A quantile is a share."""
        if not 0 <= self.q <= 1:
            raise ValueError(f"q is {self.q}; expected a quantile from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Keep the responses whose score is at least ``tau``, one threshold for all problems.

    Source: 2412.02674, Example 2.2 (its Algorithm 1 has > instead of >=). Raises ValueError unless finite.
    """

    tau: float

    def __post_init__(self) -> None:
        """Nothing compares with NaN."""
        if not isfinite(self.tau):
            raise ValueError(f"tau is {self.tau}; expected a finite score")


@dataclass(frozen=True, kw_only=True)
class Reweight:
    """w(s) = exp(s / beta): the optimum of reinforcement learning with a KL penalty of ``beta`` (in units of score).

    Source: 2412.02674, Example 2.1. Raises ValueError unless beta is finite and above 0.
    """

    beta: float

    def __post_init__(self) -> None:
        """At 0 and below there is no such optimum."""
        if not (isfinite(self.beta) and self.beta > 0):
            raise ValueError(f"beta is {self.beta}; expected a finite number above 0")


Filter = Quantile | Threshold
Selection = Filter | Reweight


Weights = NDArray[np.float64] | NDArray[np.bool_]
"""Of responses, finite and at least 0; of a filter whether it keeps each."""


def weights(responses: Responses, selection: Selection) -> Weights:
    """The weight of each response of one problem, in their order: kept or not for a filter, 0 to 1 for ``Reweight``.

    A response without a score weighs 0. Weights of ``Reweight`` are divided by that of the highest score, which
    changes no reweighted mean and cannot overflow.
    """
    if not isinstance(selection, Reweight):
        return kept([responses], selection)
    if not len(responses.known):
        return np.zeros(len(responses))
    best, beta = float(responses.known.max()), selection.beta
    each = zip(responses.scores.tolist(), responses.usable.tolist(), strict=True)
    return np.array([exp((score - best) / beta) if usable else 0.0 for score, usable in each])


def kept(problems: Sequence[Responses], filter: Filter) -> NDArray[np.bool_]:
    """Whether each response is kept, of one problem after the other; one without a score is not."""
    scores = np.concatenate([np.empty(0), *(each.scores for each in problems)])
    if isinstance(filter, Threshold):
        return np.asarray(scores >= filter.tau)
    least = [quantile_cut(each.known, filter.q) if len(each.known) else nan for each in problems]
    return np.asarray(scores >= np.repeat(least, np.array([len(each) for each in problems], np.int64)))


def quantile_cut(scores: ArrayLike, q: float) -> float:
    """The lowest score that a filter at the q-quantile of these scores keeps.

    The quantile is the one at position q (n - 1) between the sorted scores, interpolated (Hyndman and Fan's type 7,
    the default of NumPy, PyTorch and pandas; 2412.02674 names none). What is at least this quantile is what is at
    least the score at the next whole position, so nothing is interpolated, and q counts as the decimal number it is
    written as: 0.8 of 6 scores is position 4 exactly. Without ties n - ceil(q (n - 1)) are kept, 26 of 128 at 0.8;
    ties at the cut are all kept. Raises ValueError without scores.
    """
    known = np.asarray(scores, dtype=np.float64)
    if not len(known):
        raise ValueError("no scores; expected at least one")
    place = _position(float(q), len(known))
    return float(np.partition(known, place)[place])


@cache
def _position(q: float, scores: int) -> int:
    return ceil(Fraction(repr(q)) * (scores - 1))


def all_of(each: Sequence[Weights]) -> NDArray[np.bool_]:
    """The AND of filters: a response is kept where it is in every row of ``each``; rows are verifiers.

    Source: 2412.02674, Section 6.3. Raises ValueError without rows, for rows of different lengths and for weights that
    are no filter's, of which there is no AND.
    """
    if not each:
        raise ValueError("an AND needs at least one filter")
    if any(row.dtype != np.bool_ for row in each):
        raise ValueError("an AND is of filters; expected kept or not of every response")
    return np.asarray(np.all(np.stack(each), axis=0))
