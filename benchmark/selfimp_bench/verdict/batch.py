"""The comparisons of many claims tested at once, with every number of replicates of a simulated run.

The tails are those of ``contrast.Contrasts``, which judges real runs, to 1e-12 (``tests/verdict/test_batch.py``).
Nothing is kept of how they came about: the sums of all comparisons on the same problems are one array, and their
spreads, counts and tails are computed for all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.manifest.priors import Priors
from selfimp_bench.verdict.batch_tails import DIFFERENCE, EQUAL, GRADED, SHARE, Errors, Sums, added, both_tails
from selfimp_bench.verdict.contrast import MINIMUM_DIFFERENT, Contrast, Contrasts
from selfimp_bench.verdict.evidence import Evidence, Key
from selfimp_bench.verdict.layout import Array, Group, Index, Layout
from selfimp_bench.verdict.part_sums import Ends, PartSums, part_sums


@dataclass(frozen=True, kw_only=True)
class BatchTails:
    """Tails of contrasts (rows) with each number of replicates (columns); 1 where nothing is decided.

    missing: of each contrast, whether there is no number at all.
    """

    above: Array
    below: Array
    missing: NDArray[np.bool_]


class Batch:
    """Contrasts made ready for runs with the cells of ``like``, defined on the same problems in every replicate.

    Raises ValueError for cells whose replicates are undefined on different problems.
    """

    def __init__(self, asked: Sequence[Contrast], like: Evidence, priors: Priors) -> None:
        self._layout = Layout(like.values)
        found = [self._layout.parts(each.weights) for each in asked]
        self._cells = self._layout.place()
        self._bounds = np.array([each.bound for each in asked], dtype=np.float64)
        self._constant = np.array([not each.weights for each in asked], dtype=bool)
        self._missing = np.array([each is None for each in found], dtype=bool)
        self._parts = _padded([each or [] for each in found])
        self._seeds = _Seeds(self._layout, [each or [] for each in found], Contrasts(like, priors))

    def tails(self, run: Evidence, counts: Sequence[int]) -> BatchTails:
        """Both tails of every contrast, with the first replicates of a run, so many of them.

        Raises ValueError for a run whose cells are undefined on other problems.
        """
        tables = [_table(run, group) for group in self._layout.groups]
        nothing = np.zeros((1, max(counts)))  # the last row, which padding points to
        means = np.concatenate([*(table.mean(axis=2).T for table in tables), nothing])
        above, below = np.ones((2, len(self._bounds), len(counts)))
        for column, count in enumerate(counts):
            ends = Ends.of([run.values[key].values[:count] for key in self._cells])
            parts = part_sums(self._layout, [table[:count].mean(axis=0) for table in tables], ends)
            sums = _together(parts, self._parts, self._seeds.of(means[:, :count]))
            above[:, column], below[:, column] = both_tails(sums, self._bounds)
        above[self._missing], below[self._missing] = 1.0, 1.0
        above[self._constant] = (self._bounds[self._constant] >= 0)[:, None]
        below[self._constant] = (self._bounds[self._constant] <= 0)[:, None]
        return BatchTails(above=above, below=below, missing=self._missing)


def _table(run: Evidence, group: Group) -> Array:
    """Replicates x cells x problems."""
    found = [run.values[key].values[:, columns] for key, columns in zip(group.rows, group.of_row, strict=True)]
    table = np.stack(found, axis=1)
    if np.isnan(table).any():
        raise ValueError("a cell is undefined on other problems than in the run that the contrasts are made ready for")
    return table


def _padded(lists: Sequence[Sequence[int]]) -> Index:
    """Rows of one length; -1 where there is nothing."""
    width = max([1, *map(len, lists)])
    return np.array([[*each, *[-1] * (width - len(each))] for each in lists], dtype=np.intp).reshape(-1, width)


def _together(parts: PartSums, of: Index, seed: Errors) -> Sums:
    """The sums of parts on different data sets, whose problems have nothing to do with each other."""
    there, alone = of >= 0, (of >= 0).sum(axis=1) == 1
    first = np.where(there[:, 0], of[:, 0], 0)
    degrees = np.maximum(1, parts.different - 1)
    reach = np.maximum(1.0, parts.most - parts.least)
    nothing = (parts.kind == EQUAL) | (parts.variance <= 0)  # equal values may be rounded apart from their mean
    never = Errors(
        value=np.where(nothing, (reach / (parts.problems + 1)) ** 2, parts.variance),
        degrees=np.where(nothing, np.maximum(1, parts.problems - 1), degrees),
    )
    several = added(
        *(
            Errors(value=np.where(there[:, each], never.value[of[:, each]], 0.0), degrees=never.degrees[of[:, each]])
            for each in range(of.shape[1])
        )
    )
    estimate = np.where(there, parts.estimate[of], 0.0).sum(axis=1)
    few = parts.different[first] < MINIMUM_DIFFERENT
    kind = np.where(alone, parts.kind[first], GRADED)
    kind = np.where(alone & (kind == GRADED) & few & ((parts.most - parts.least)[first] == 1), SHARE, kind)
    shift, size = -parts.least[first], parts.problems[first]
    high = parts.total[first] + shift * size
    signs = kind == DIFFERENCE
    different = np.where(parts.kind == EQUAL, parts.problems, parts.different)
    return Sums(
        estimate=estimate,
        problem=Errors(
            value=np.where(alone, parts.variance[first], several.value),
            degrees=np.where(alone, degrees[first], several.degrees),
        ),
        seed=seed,
        problems=np.where(there, parts.problems[of], np.inf).min(axis=1),
        kind=kind,
        high=np.where(signs, parts.more[first], high),
        low=np.where(signs, parts.less[first], size - high),
        shift=shift,
        up=np.maximum(1.0, parts.most[first] - estimate),
        down=np.maximum(1.0, estimate - parts.least[first]),
        different=np.where(alone, parts.different[first], np.where(there, different[of], np.inf).min(axis=1)),
    )


class _Seeds:
    """The error of seeds of every contrast: of every experiment its own, as ``Contrasts`` has it."""

    def __init__(self, layout: Layout, parts: Sequence[Sequence[int]], tester: Contrasts) -> None:
        known = list(layout.number_of)
        terms: list[list[tuple[int, float, Key]]] = []
        for several in parts:
            terms.append(
                [
                    (layout.starts[part.group] + row, weight, key)
                    for part, keys in ((known[number], layout.keys_of[number]) for number in several)
                    for row, weight, key in zip(part.rows, part.weights, keys, strict=True)
                ]
            )
        self._rows = _padded([[row for row, _, _ in each] for each in terms])
        shape = self._rows.shape
        self._weights, self._experiment = np.zeros(shape), np.full(shape, -1)
        most = max([1, *(len({key[0] for _, _, key in each}) for each in terms)])
        self._expected = Errors(value=np.zeros((shape[0], most)), degrees=np.full((shape[0], most), np.inf))
        for index, each in enumerate(terms):
            numbers = {name: number for number, name in enumerate(dict.fromkeys(key[0] for _, _, key in each))}
            for place, (_, weight, key) in enumerate(each):
                number, sigma = numbers[key[0]], tester.sigma(key)
                self._weights[index, place], self._experiment[index, place] = weight, number
                self._expected.value[index, number] += weight**2 * sigma.value
                degrees = self._expected.degrees
                degrees[index, number] = min(degrees[index, number], sigma.degrees)

    def of(self, means: Array) -> Errors:
        """means: of all rows of cells, by replicate."""
        count = means.shape[1]
        if count == 1:
            return Errors(value=self._expected.value.sum(axis=1), degrees=self._expected.degrees.min(axis=1))
        value, degrees = np.zeros_like(self._expected.value), np.full_like(self._expected.degrees, np.inf)
        for number in range(value.shape[1]):
            weights = np.where(self._experiment == number, self._weights, 0.0)
            there = (self._experiment == number).any(axis=1)
            over = np.einsum("ut,utk->uk", weights, means[self._rows])
            expected, known = self._expected.value[:, number], np.where(there, self._expected.degrees[:, number], 1.0)
            seen, together = over.var(axis=1, ddof=1), known + count - 1
            moderated = np.where(there, (known * expected + (count - 1) * seen) / together, 0.0)
            value[:, number] = moderated / count
            degrees[there, number] = together[there]
        return Errors(value=value.sum(axis=1), degrees=degrees.min(axis=1))
