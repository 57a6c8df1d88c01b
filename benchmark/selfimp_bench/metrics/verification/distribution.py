"""Distributions of gaps and scores: histograms with explicit edges, and the counts of whole scores."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from statistics import fmean, stdev

import numpy as np

from selfimp_bench.metrics.verification.scored import Responses


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How many values lie in each bin [edge, next edge); the last bin holds its upper edge, too.

    edges: one more than ``counts``. below, above: values outside all bins; undefined: values that are None.
    mean, sd: over all defined values, in or out (sd with n - 1); None for fewer than 1 and 2.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    below: int
    above: int
    undefined: int
    mean: float | None
    sd: float | None


def histogram(values: Iterable[float | None], edges: Sequence[float]) -> Histogram:
    """The distribution of per-problem gaps or of scores over bins with these edges.

    Source: 2412.02674, Figures 7 and 17 (gaps in bins of width 0.005, labelled with mean and standard deviation),
    11 and 16. Raises ValueError unless there are two edges or more, rising strictly.
    """
    if len(edges) < 2 or not all(left < right for left, right in pairwise(edges)):
        raise ValueError("a histogram needs at least two edges that rise strictly")
    found = list(values)
    defined = [value for value in found if value is not None]
    counts, _ = np.histogram(np.array(defined, dtype=np.float64), bins=np.array(edges, dtype=np.float64))
    return Histogram(
        edges=tuple(map(float, edges)),
        counts=tuple(map(int, counts)),
        below=sum(value < edges[0] for value in defined),
        above=sum(value > edges[-1] for value in defined),
        undefined=len(found) - len(defined),
        mean=fmean(defined) if defined else None,
        sd=stdev(defined) if len(defined) > 1 else None,
    )


def even_edges(low: str, high: str, width: str) -> tuple[float, ...]:
    """Edges from ``low`` to ``high`` in steps of ``width``, each the float nearest to its decimal number.

    Numbers as text, for 0.005 is no float: adding it up drifts past the values on the edges. Raises ValueError unless
    whole steps lead from low to high.
    """
    first, last, step = Decimal(low), Decimal(high), Decimal(width)
    if step <= 0 or last <= first or (last - first) % step:
        raise ValueError(f"no whole number of bins of width {width} from {low} to {high}")
    return tuple(float(first + i * step) for i in range(int((last - first) / step) + 1))


@dataclass(frozen=True, kw_only=True)
class ScoreCounts:
    """How often each score was given, in rising order of score, and how many responses have none."""

    counts: Mapping[float, int]
    unscored: int

    @property
    def mode(self) -> float | None:
        """The most frequent score, the lowest of equals; None where no response has a score."""
        return max(self.counts, key=lambda score: (self.counts[score], -score)) if self.counts else None


def score_counts(problems: Mapping[str, Responses]) -> ScoreCounts:
    """The scores of all responses together. Source: 2412.02674, Figure 16 ("the mode of the score ... is 10")."""
    scores = [response.score for responses in problems.values() for response in responses]
    counts = Counter(score for score in scores if score is not None)
    return ScoreCounts(counts=dict(sorted(counts.items())), unscored=scores.count(None))
