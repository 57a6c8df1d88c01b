"""Distributions of gaps over problems: histograms with explicit edges, and the standard deviation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

import numpy as np


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
    """The distribution of values over bins with these edges.

    Source: 2412.02674, Figures 7 and 17 (gaps in bins of width 0.005, labelled with mean and standard deviation).
    Raises ValueError unless there are two edges or more, rising strictly.
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


def deviation_values(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """The standard deviation over problems (n - 1) as a mean over them: s + the problem's influence on it.

    A problem with value g stands for s + ((g - m)^2 - V) / (2 sqrt(V)), with the mean m and the mean square V of g - m
    (the infinitesimal jackknife, as in ``correlation_values``), and for 0 where all are equal. None for an undefined
    value, and for all where there are fewer than two.
    """
    defined = np.array([value for value in values.values() if value is not None], dtype=np.float64)
    if len(defined) < 2:
        return dict.fromkeys(values)
    if (defined == defined[0]).all():
        return {name: None if value is None else 0.0 for name, value in values.items()}
    mean, square = float(defined.mean()), float(defined.var())
    whole = float(defined.std(ddof=1))
    return {
        name: None if value is None else whole + ((value - mean) ** 2 - square) / (2 * sqrt(square))
        for name, value in values.items()
    }
