"""What many weighted sums of cells come to on the problems of one data set: ``contrast`` finds the same of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.verdict.batch_tails import DIFFERENCE, EQUAL, GRADED, SHARE
from selfimp_bench.verdict.contrast import ENOUGH_DIFFERENT
from selfimp_bench.verdict.layout import Array, Index, Layout, Shape

_BLOCK: Final = 1 << 16
"""So many values are worked on at a time: they stay in a core's cache."""
_STILL: Final = 1e-20
"""Values that are all equal have a smaller variance."""


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Of every cell the least and the most that a value can be, and whether it is one replicate of 0s and 1s."""

    least: Array
    most: Array
    binary: NDArray[np.bool_]

    @classmethod
    def of(cls, cells: Sequence[Array]) -> "Ends":
        """cells: replicates x problems."""
        least = np.array([np.fmin.reduce(values, axis=None) for values in cells])
        most = np.array([np.fmax.reduce(values, axis=None) for values in cells])
        return cls(
            least=np.fmin(0.0, least),
            most=np.fmax(1.0, most),
            binary=np.array([len(values) == 1 and _is_binary(values) for values in cells], dtype=bool),
        )


def _is_binary(values: Array) -> bool:
    return bool(((values == 0) | (values == 1) | np.isnan(values)).all())


@dataclass(frozen=True, kw_only=True)
class PartSums:
    """Of every sum of one data set what ``contrast`` makes of it; the fields are those of its ``Summary``."""

    estimate: Array
    variance: Array
    total: Array
    more: Array
    less: Array
    problems: Array
    kind: NDArray[np.int_]
    least: Array
    most: Array
    different: Array


def part_sums(layout: Layout, means: Sequence[Array], ends: Ends) -> PartSums:
    """means: of every group its cells x problems, over the replicates."""
    size = max(1, len(layout.number_of))
    columns = np.zeros((9, size))
    estimate, variance, total, more, less, problems, least, most, different = columns
    found = PartSums(
        estimate=estimate,
        variance=variance,
        total=total,
        more=more,
        less=less,
        problems=problems,
        kind=np.full(size, GRADED),
        least=least,
        most=most,
        different=different,
    )
    for shape in layout.shapes:
        mean = means[shape.group]
        _set_kinds(found, shape, layout.cell_of_row[layout.starts[shape.group] + shape.rows], ends)
        found.problems[shape.parts] = mean.shape[1]
        step = max(1, _BLOCK // mean.shape[1])
        for first in range(0, len(shape.parts), step):
            own = slice(first, first + step)
            _set_sums(found, shape.parts[own], _summed(mean, shape.rows[own], shape.weights[own]))
    return found


def _set_kinds(found: PartSums, shape: Shape, cells: Index, ends: Ends) -> None:
    """How the tail over problems is found, and how far the values can go."""
    weights = shape.weights
    reach = np.stack([weights * ends.least[cells], weights * ends.most[cells]])
    found.least[shape.parts], found.most[shape.parts] = reach.min(axis=0).sum(axis=1), reach.max(axis=0).sum(axis=1)
    binary = ends.binary[cells].all(axis=1)
    if weights.shape[1] == 1:
        found.kind[shape.parts[binary & (np.abs(weights[:, 0]) == 1)]] = SHARE
    elif weights.shape[1] == 2:
        found.kind[shape.parts[binary & (np.sort(weights, axis=1) == (-1.0, 1.0)).all(axis=1)]] = DIFFERENCE


def _set_sums(found: PartSums, at: Index, values: Array) -> None:
    """Of the parts ``at`` (rows) by their values on the problems."""
    size = values.shape[1]
    found.total[at] = values.sum(axis=1)
    found.estimate[at] = found.total[at] / size
    if size > 1:
        moved = values - found.estimate[at][:, None]
        found.variance[at] = np.einsum("ij,ij->i", moved, moved) / (size - 1) / size
    still = np.flatnonzero(found.variance[at] < _STILL)
    found.kind[at[still[(values[still] == values[still, :1]).all(axis=1)]]] = EQUAL
    signs = found.kind[at] == DIFFERENCE
    found.more[at[signs]] = _counts(values[signs] > 0)
    found.less[at[signs]] = _counts(values[signs] < 0)
    found.different[at[signs]] = (found.more + found.less)[at[signs]]
    others = at[~signs]
    reach = (found.most - found.least)[others]
    found.different[others] = _different(values[~signs], found.variance[others], reach)


def _summed(mean: Array, rows: Index, weights: Array) -> Array:
    values = weights[:, :1] * mean[rows[:, 0]]
    for term in range(1, rows.shape[1]):
        values += weights[:, term : term + 1] * mean[rows[:, term]]
    return values


def _different(values: Array, variance: Array, reach: Array) -> Array:
    """How many problems have another value than a middle one; all where the spread says that enough have."""
    size = values.shape[1]
    found = np.full(len(values), float(size))
    few = np.flatnonzero(variance * size**2 < ENOUGH_DIFFERENT * reach**2)
    if few.size:
        kept = values[few]
        lower, higher = _counts(kept < 0), _counts(kept > 0)
        found[few] = lower + higher
        left = np.maximum(lower, higher) > (size - 1) // 2  # 0 is not the middle one
        found[few[left]] = _not_in_the_middle(kept[left])
    return found


def _counts(rows: NDArray[np.bool_]) -> Index:
    """How many are true in every row; NumPy counts one row much faster than along an axis."""
    return np.array([np.count_nonzero(row) for row in rows], dtype=np.intp)


def _not_in_the_middle(values: Array) -> Array:
    size = values.shape[1]
    middles = sorted({(size - 1) // 2, size // 2})
    at = np.partition(values, middles, axis=1)[:, middles]
    return np.asarray(np.min([_counts(values != at[:, [each]]) for each in range(len(middles))], axis=0))
