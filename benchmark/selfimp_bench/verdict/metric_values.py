"""What the values of a metric look like on the problems of a simulated run: of which form, how spread, how stable."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_GRID: Final = 64
"""Steps of the mean from 0 to 1 at which the values of graded metrics are made; between them they are interpolated."""
_NODES: Final = 128
"""Quantiles of a distribution that are computed; those between them are interpolated."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """What the values of a metric look like on problems.

    form: right or wrong, a share between them (``spread`` is the sum of the Beta distribution's two parameters), or
    signed (``spread`` is the standard deviation over problems).
    low, high: the part of the problems that it is asked of, in the order of their ids. defined: the share of them
    where it is defined.
    stable: share of the variance that replicates have in common; difficulty: share of that that all models and
    iterations have in common; the rest falls by the factor ``memory`` an iteration.
    """

    form: str
    spread: float = 0.0
    low: float = 0.0
    high: float = 1.0
    defined: float = 1.0
    group: str = "solved"
    stable: float = 0.87
    difficulty: float = 0.5
    memory: float = 0.8

    def asked(self, count: int) -> tuple[int, int, int]:
        """Of so many problems the first that is asked, how many are, and at how many of these it is defined."""
        low = int(self.low * count)
        asked = max(1, round(self.high * count) - low)
        return low, asked, max(1, round(self.defined * asked))


_RIGHT = Family(form="right")
_SHARE = Family(form="share", spread=1.0)
_DIVERSE = Family(form="share", spread=5.0, group="diversity", stable=0.65, difficulty=0.45)
_GAP = Family(form="signed", spread=0.16, group="gap", stable=0.5, difficulty=0.3, memory=0.5)

_FAMILIES: Final[tuple[tuple[str, Family], ...]] = (
    ("pass@1.level-1", replace(_RIGHT, high=0.114)),
    ("pass@1.level-5", replace(_RIGHT, low=0.741)),
    ("pass@1", _RIGHT),
    ("is-pass@", replace(_SHARE, spread=0.67, high=0.15)),
    ("pass@", replace(_SHARE, spread=0.43)),
    ("accuracy", replace(_SHARE, spread=0.54)),
    ("filtered-accuracy", replace(_SHARE, spread=0.33)),
    ("coverage", _SHARE),
    ("sbert-diversity", replace(_DIVERSE, spread=20.0)),
    ("distinct-", _DIVERSE),
    ("group-disparity", replace(_GAP, spread=0.65, high=0.372)),
    ("relative-gap", replace(_GAP, spread=0.4, defined=0.7)),
    ("aggregate-relative-gap", replace(_GAP, spread=0.3)),
    ("gap-positive", replace(_RIGHT, group="gap", stable=0.5)),
    ("gap-sd", replace(_GAP, spread=0.25)),
    ("gap-correlation", replace(_GAP, spread=0.6)),
    ("gap-accuracy-correlation", replace(_GAP, spread=0.6)),
    ("score-correlation", replace(_GAP, spread=0.4)),
    ("gap", _GAP),
    ("step-gap", _GAP),
    ("first-preferred", replace(_SHARE, spread=9.0)),
)
_DEFINED: Final = ((".correct", 0.85), (".incorrect", 0.7))
"""Of a problem without such an answer the diversity is undefined."""


@lru_cache(maxsize=4096)
def family_of(metric: str) -> Family:
    """The family of a metric, by the first beginning of its name that is listed; a share where none is."""
    found = next((family for prefix, family in _FAMILIES if metric.startswith(prefix)), _SHARE)
    defined = next((share for ending, share in _DEFINED if metric.endswith(ending)), found.defined)
    return replace(found, defined=defined)


def ordered_values(family: Family, mean: float, count: int) -> Array:
    """``count`` values of this mean, the lowest first."""
    if family.form == "signed":
        return _normal_scores(count) * family.spread + mean
    within = min(1.0, max(0.0, mean))
    if family.form == "right":
        return (np.arange(count) >= count - round(within * count)).astype(np.float64)
    step = min(int(within * _GRID), _GRID - 1)
    part = within * _GRID - step
    lower, upper = (_beta_scores(each, family.spread, count) for each in (step, step + 1))
    return np.asarray((1 - part) * lower + part * upper)


@lru_cache(maxsize=64)
def _normal_scores(count: int) -> Array:
    from scipy.special import ndtri

    scores = np.asarray(ndtri((np.arange(count) + 0.5) / count), dtype=np.float64)
    return np.asarray(scores - scores.mean())


@lru_cache(maxsize=4096)
def _beta_scores(step: int, spread: float, count: int) -> Array:
    """The quantiles of a Beta distribution with mean step / _GRID, moved a little so that this is their mean."""
    mean = step / _GRID
    if mean in (0.0, 1.0):
        return np.full(count, mean)
    nodes = (np.arange(_NODES) + 0.5) / _NODES
    scores = np.interp((np.arange(count) + 0.5) / count, nodes, _beta_quantiles(step, spread))
    room = scores * (1 - scores)
    moved = scores + room * (mean - scores.mean()) / room.mean() if room.mean() > 0 else scores
    return np.asarray(np.clip(moved, 0.0, 1.0), dtype=np.float64)


@lru_cache(maxsize=4096)
def _beta_quantiles(step: int, spread: float) -> Array:
    from scipy.special import betaincinv

    mean, nodes = step / _GRID, (np.arange(_NODES) + 0.5) / _NODES
    return np.asarray(betaincinv(mean * spread, (1 - mean) * spread, nodes), dtype=np.float64)
