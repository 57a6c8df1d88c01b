"""Weighted sums of cells' means against a bound, each with two one-sided tails: what every claim is made of.

Two errors count. **Problems**: which ones a test set happens to hold; cells on the same data set are compared problem
by problem, of several data sets the errors add up. **Seeds**: another training and other draws give other means;
expected from the prior of each measurement, updated by the spread of the contrast over the run's own replicates::

    s2 = (nu0 sum(w^2 sigma0^2) + (K - 1) s_K^2) / (nu0 + K - 1), for the cells of one experiment; its share is s2 / K

A replicate in which a cell is undefined on all problems leaves the sum unmeasured, and so it leaves a published number:
what made it undefined is no chance, and the other replicates do not stand for it.

Where the problems are 0s and 1s their tail is exact: Clopper and Pearson's for one share against a bound, the sign test
for the difference of two from 0. Values that are all equal have no width of their own and get the tail of what may be
unseen. Graded values count with as many degrees of freedom as problems differ from the most common value.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.manifest.priors import Priors
from selfimp_bench.measurement import Split
from selfimp_bench.verdict.evidence import CellValues, Evidence, Key
from selfimp_bench.verdict.findings import describe, too_few
from selfimp_bench.verdict.inference import Variance, added, moderated, share_tail, sign_tail, tail, unseen_tail

ENOUGH_DIFFERENT: Final = 50
"""So many different problems are as good as all of them."""

MINIMUM_DIFFERENT: Final = 10
"""Of graded values that many problems must differ from the most common value before their spread says anything."""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """That the sum of weight x mean of cells is above ``bound``; ``name`` is the sum in words.

    weights: each key once. Everything is in the measurements' unit. turned: the words are about the negative of the
    sum, which is to be below the negative of the bound.
    """

    name: str
    weights: tuple[tuple[Key, float], ...]
    bound: float = 0.0
    turned: bool = False


def contrast(name: str, terms: Sequence[tuple[Key, float]], bound: float = 0.0, *, turned: bool = False) -> Contrast:
    """A contrast of terms that may name a cell twice: their weights add up, and what cancels is left out."""
    weights: dict[Key, float] = {}
    for key, weight in terms:
        weights[key] = weights.get(key, 0.0) + weight
    kept = tuple((key, weight) for key, weight in weights.items() if weight != 0)
    return Contrast(name=name, weights=kept, bound=bound, turned=turned)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A weighted sum of means as it was measured.

    problem, seed: the variances of ``estimate`` from either. problems: of the smallest data set; dropped: of those that
    some cell of it has, undefined in another. kind: how its tail over problems is found. high: successes of a share, or
    how many problems are higher in a difference; low: failures, or those that are lower. shift: what makes a share of
    the estimate (1 of a share taken away). up, down: how far a value may lie above and below the estimate. reach: from
    the least that a value can be to the most. different: how many problems have another value than the most common one.
    """

    estimate: float
    problem: Variance
    seed: Variance
    problems: int
    dropped: int
    replicates: int
    kind: str
    high: float
    low: float
    shift: float
    up: float
    down: float
    reach: float
    different: int

    @property
    def spread(self) -> Variance:
        """Of both errors."""
        return added((self.problem, self.seed))


SHARE: Final = "share"
DIFFERENCE: Final = "difference of 0s and 1s"
EQUAL: Final = "all equal"
GRADED: Final = "graded"


@dataclass(frozen=True, kw_only=True)
class Tails:
    """A contrast tested: ``above`` and ``below`` are the tails on either side of the bound; 1 where nothing is decided.

    missing: why there is no number, and then both are 1. few: why the numbers decide nothing.
    """

    above: float
    below: float
    summary: Summary | None
    missing: str | None = None
    few: str | None = None


def tails(found: Summary, bound: float) -> tuple[float, float]:
    """P(as far above the bound | truth at the bound), and below."""
    distance = found.estimate - bound
    return (
        tail(distance, _exact(found, bound, distance, above=True), found.problem, found.seed),
        tail(-distance, _exact(found, bound, -distance, above=False), found.problem, found.seed),
    )


def _exact(found: Summary, bound: float, distance: float, *, above: bool) -> float | None:
    """The tail over problems alone where it is known without a normal approximation."""
    if distance <= 0:
        return None
    if found.kind == EQUAL:
        return unseen_tail(distance, max(distance, found.down if above else found.up), found.problems)
    if found.kind == DIFFERENCE and bound == 0:
        return sign_tail(*((int(found.high), int(found.low)) if above else (int(found.low), int(found.high))))
    if found.kind == SHARE:
        share = bound + found.shift
        return share_tail(*((found.high, found.problems, share) if above else (found.low, found.problems, 1 - share)))
    return None


def why_too_few(found: Summary, bound: float) -> str | None:
    """Why numbers decide nothing, or None."""
    if (few := too_few(found.problems)) is not None:
        return few
    approximate = found.kind == GRADED or (found.kind == DIFFERENCE and bound != 0)
    if approximate and found.different < MINIMUM_DIFFERENT:
        return f"only {found.different} problems differ from the rest; fewer than {MINIMUM_DIFFERENT} decide nothing"
    return None


class Contrasts:
    """Tests contrasts on what runs measured; a contrast that comes back is not computed again."""

    def __init__(self, evidence: Evidence, priors: Priors) -> None:
        self.evidence = evidence
        self.priors = priors
        self._cells: dict[Key, KnownCell] = {}
        self._sigmas: dict[tuple[str, Split, bool], Variance] = {}
        self._known: dict[tuple[tuple[Key, float], ...], Summary | str] = {}

    def test(self, asked: Contrast) -> Tails:
        """Both tails of a contrast."""
        if not asked.weights:
            return Tails(above=float(asked.bound >= 0), below=float(asked.bound <= 0), summary=None)
        found = self.summary(asked)
        if isinstance(found, str):
            return Tails(above=1.0, below=1.0, summary=None, missing=found)
        few = why_too_few(found, asked.bound)
        if few is not None:
            return Tails(above=1.0, below=1.0, summary=found, few=few)
        above, below = tails(found, asked.bound)
        return Tails(above=above, below=below, summary=found)

    def summary(self, asked: Contrast) -> Summary | str:
        """The sum as measured, or why there is none."""
        if asked.weights not in self._known:
            self._known[asked.weights] = self._summary(asked.weights)
        return self._known[asked.weights]

    def sigma(self, key: Key) -> Variance:
        """The expected variance of a cell's mean over seeds."""
        cell = key[2]
        asked = (cell.metric, cell.split, cell.iteration > 0)
        if asked not in self._sigmas:
            prior = self.priors.of(cell.metric, cell.split, cell.iteration)
            self._sigmas[asked] = Variance(value=prior.sd**2, degrees=prior.df)
        return self._sigmas[asked]

    def expected(self, asked: Contrast) -> Variance:
        """The expected variance of a sum of cells over seeds, with the fewest degrees behind one of them."""
        sigmas = [self.sigma(key) for key, _ in asked.weights]
        value = sum(weight**2 * one.value for (_, weight), one in zip(asked.weights, sigmas, strict=True))
        return Variance(value=value, degrees=min((one.degrees for one in sigmas), default=math.inf))

    def by_replicate(self, asked: Sequence[Contrast]) -> NDArray[np.float64]:
        """Sums x the replicates that have them all: every sum of the cells' means, each over its own problems."""
        means: dict[Key, dict[int, float]] = {}
        for key in dict.fromkeys(key for each in asked for key, _ in each.weights):
            cell = self.cell(key)
            means[key] = {} if cell is None else cell.means
        shared = sorted(set.intersection(*map(set, means.values()))) if means else []
        return np.array([[sum(w * means[key][r] for key, w in each.weights) for r in shared] for each in asked])

    def is_ratio(self, key: Key) -> bool:
        """Whether a cell's values per problem go beyond a whole, so that its error has no bound."""
        cell = self.cell(key)
        return cell is not None and (cell.least < -1 or cell.most > 1)

    def seeds_of(self, key: Key) -> Variance:
        """The variance of a cell's mean over its replicates, moderated; as expected where it was not measured."""
        cell = self.cell(key)
        means = [] if cell is None else list(cell.means.values())
        return _of_mean(self.sigma(key), np.array(means)) if means else self.sigma(key)

    def _summary(self, weights: tuple[tuple[Key, float], ...]) -> Summary | str:
        cells = []
        for key, _ in weights:
            cell = self.cell(key)
            if cell is None:
                return f"{key[1]}: {describe(key[2])} was not measured: no values per problem"
            cells.append(cell)
        replicates = cells[0].replicates
        if any(cell.replicates != replicates for cell in cells):
            replicates = tuple(sorted(set.intersection(*(set(cell.replicates) for cell in cells))))
            if not replicates:
                return "no replicate has all of " + ", ".join(describe(key[2]) for key, _ in weights)
        return self._of_sets(weights, cells, replicates)

    def _of_sets(
        self, weights: tuple[tuple[Key, float], ...], cells: Sequence["KnownCell"], replicates: tuple[int, ...]
    ) -> Summary | str:
        sets: dict[str, list[int]] = {}
        for index, cell in enumerate(cells):
            sets.setdefault(cell.data_set, []).append(index)
        parts = []
        for members in sets.values():
            part = _part([cells[i] for i in members], [weights[i][1] for i in members], replicates)
            if part is None:
                named = ", ".join(describe(weights[i][0][2]) for i in members)
                few = "" if len(replicates) == 1 else ", in some replicate"
                return f"none of the problems has a value in all of {named}{few}"
            parts.append(part)
        seed = self._seeds(weights, sets, parts)
        if len(parts) == 1:
            return parts[0].summary(seed, len(replicates))
        return _together(parts, seed, len(replicates))

    def _seeds(
        self, weights: tuple[tuple[Key, float], ...], sets: Mapping[str, Sequence[int]], parts: Sequence["_Part"]
    ) -> Variance:
        """Of every experiment its own: the cells of one share their seeds, and differ from seed to seed together."""
        of_cell = {
            index: part.by_replicate[row]
            for members, part in zip(sets.values(), parts, strict=True)
            for row, index in enumerate(members)
        }
        experiments: dict[str, list[int]] = {}
        for index, (key, _) in enumerate(weights):
            experiments.setdefault(key[0], []).append(index)
        found = []
        for members in experiments.values():
            own = self.expected(Contrast(name="", weights=tuple(weights[i] for i in members)))
            over = sum((weights[i][1] * of_cell[i] for i in members), np.zeros(1))
            found.append(_of_mean(own, over))
        return Variance(value=sum(one.value for one in found), degrees=min(one.degrees for one in found))

    def cell(self, key: Key) -> "KnownCell | None":
        """A cell's values; None where it was not measured."""
        if key not in self._cells:
            values = self.evidence.values.get(key)
            if values is None:
                return None
            self._cells[key] = KnownCell(values)
        return self._cells[key]


def _of_mean(expected: Variance, over_replicates: NDArray[np.float64]) -> Variance:
    """The variance of the mean over the replicates, moderated."""
    count = len(over_replicates)
    if count == 1:
        return expected
    seen = Variance(value=float(np.var(over_replicates, ddof=1)), degrees=count - 1)
    spread = moderated(expected, seen)
    return Variance(value=spread.value / count, degrees=spread.degrees)


class KnownCell:
    """A cell's values, and what of them is asked for again and again."""

    def __init__(self, found: CellValues) -> None:
        self.problems = found.problems
        self.data_set = found.problems.data_set
        self.replicates = found.replicates
        self.values = found.values

    @cached_property
    def complete(self) -> bool:
        return not bool(np.isnan(self.values).any())

    @cached_property
    def everywhere(self) -> bool:
        """Whether it has a value in every replicate."""
        return not bool(np.isnan(self.values).all(axis=1).any())

    @cached_property
    def binary(self) -> bool:
        """One replicate of nothing but 0s and 1s."""
        return self.values.shape[0] == 1 and bool(np.isin(self.values[~np.isnan(self.values)], (0.0, 1.0)).all())

    @cached_property
    def mean(self) -> NDArray[np.float64]:
        """By problem, over the replicates."""
        return self.values[0] if self.values.shape[0] == 1 else np.asarray(self.values.mean(axis=0))

    @cached_property
    def by_replicate(self) -> NDArray[np.float64]:
        return np.asarray(self.values.mean(axis=1))

    @cached_property
    def means(self) -> dict[int, float]:
        """By replicate, of those in which some problem has a value."""
        rows = zip(self.replicates, self.values, strict=True)
        return {replicate: float(np.nanmean(row)) for replicate, row in rows if not np.isnan(row).all()}

    @cached_property
    def least(self) -> float:
        return min(0.0, float(np.nanmin(self.values))) if not np.isnan(self.values).all() else 0.0

    @cached_property
    def most(self) -> float:
        return max(1.0, float(np.nanmax(self.values))) if not np.isnan(self.values).all() else 1.0


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The cells of one data set: ``values`` are their weighted sums by problem, ``by_replicate`` the means of each."""

    estimate: float
    values: NDArray[np.float64]
    variance: float
    by_replicate: list[NDArray[np.float64]]
    dropped: int
    kind: str
    least: float
    most: float

    @property
    def problem(self) -> Variance:
        return Variance(value=self.variance, degrees=max(1, self.different - 1))

    @cached_property
    def different(self) -> int:
        """How many problems have another value than a middle one, which is the most common where few are different.

        All where the spread alone says that ``ENOUGH_DIFFERENT`` are, for then it makes no difference to a tail.
        """
        if self.kind == DIFFERENCE:
            return int(np.count_nonzero(self.values))
        if self.variance * len(self.values) ** 2 >= ENOUGH_DIFFERENT * (self.most - self.least) ** 2:
            return len(self.values)
        middles = ((len(self.values) - 1) // 2, len(self.values) // 2)
        middle = np.partition(self.values, middles)[list(middles)]
        return min(int(np.count_nonzero(self.values != each)) for each in middle)

    def summary(self, seed: Variance, replicates: int) -> Summary:
        values, kind, shift = self.values, self.kind, -self.least
        if kind == GRADED and self.different < MINIMUM_DIFFERENT and self.most - self.least == 1:
            kind = SHARE
        high = float(values.sum()) + shift * len(values)
        low = len(values) - high
        if kind == DIFFERENCE:
            high, low = float(np.count_nonzero(values > 0)), float(np.count_nonzero(values < 0))
        return Summary(
            estimate=self.estimate,
            problem=self.problem,
            seed=seed,
            problems=len(values),
            dropped=self.dropped,
            replicates=replicates,
            kind=kind,
            high=high,
            low=low,
            shift=shift,
            up=max(1.0, self.most - self.estimate),
            down=max(1.0, self.estimate - self.least),
            reach=self.most - self.least,
            different=self.different,
        )


def _part(cells: Sequence[KnownCell], weights: Sequence[float], replicates: tuple[int, ...]) -> _Part | None:
    same = all(cell.problems is cells[0].problems and cell.replicates == replicates for cell in cells)
    if same and all(cell.complete for cell in cells):
        values = weights[0] * cells[0].mean
        for cell, weight in zip(cells[1:], weights[1:], strict=True):
            values = values + weight * cell.mean
        estimate, dropped, means = float(values.mean()), 0, [cell.by_replicate for cell in cells]
        variance = float(values.var(ddof=1) / len(values)) if len(values) > 1 else 0.0
    else:
        found = _defined(cells, weights, replicates)
        if found is None:
            return None
        values, estimate, variance, means, dropped = found
    least = sum(min(w * cell.least, w * cell.most) for cell, w in zip(cells, weights, strict=True))
    most = sum(max(w * cell.least, w * cell.most) for cell, w in zip(cells, weights, strict=True))
    return _Part(
        estimate=estimate,
        values=values,
        variance=variance,
        by_replicate=means,
        dropped=dropped,
        kind=_kind(cells, weights, values),
        least=least,
        most=most,
    )


def _kind(cells: Sequence[KnownCell], weights: Sequence[float], values: NDArray[np.float64]) -> str:
    if bool((values == values[0]).all()):
        return EQUAL
    if all(cell.binary for cell in cells):
        if len(weights) == 1 and abs(weights[0]) == 1:
            return SHARE
        if sorted(weights) == [-1.0, 1.0]:
            return DIFFERENCE
    return GRADED


_Defined = tuple[NDArray[np.float64], float, float, list[NDArray[np.float64]], int]


def _defined(cells: Sequence[KnownCell], weights: Sequence[float], replicates: tuple[int, ...]) -> _Defined | None:
    """By problem, the mean over the replicates in which every cell is defined there; their mean, and its variance.

    None where some replicate has no such problem.

    A replicate's mean is over its own problems, so that a problem counts in each by that one's number of problems.
    """
    tables = aligned(cells, replicates)
    summed = sum((w * table for w, table in zip(weights, tables, strict=True)), np.zeros(()))
    defined = ~np.isnan(summed)
    if not defined.any(axis=1).all():
        return None
    counts = defined.sum(axis=1)
    means = [np.where(defined, table, 0.0).sum(axis=1) / counts for table in tables]
    by_replicate = np.where(defined, summed, 0.0).sum(axis=1) / counts
    any_defined = defined.any(axis=0)
    moved = np.where(defined, summed - by_replicate[:, None], 0.0) / (counts[:, None] * len(counts))
    problems = int(any_defined.sum())
    variance = float((moved.sum(axis=0) ** 2).sum() * problems / (problems - 1)) if problems > 1 else 0.0
    values = np.where(defined, summed, 0.0).sum(axis=0)[any_defined] / defined.sum(axis=0)[any_defined]
    return values, float(by_replicate.mean()), variance, means, summed.shape[1] - problems


def aligned(cells: Sequence[KnownCell], replicates: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """Replicates x problems of every cell on the same rows and columns; NaN where a cell has no such problem."""
    ids = cells[0].problems.ids
    if any(cell.problems is not cells[0].problems for cell in cells):
        ids = tuple(sorted(set().union(*(cell.problems.ids for cell in cells))))
    at = {name: index for index, name in enumerate(ids)}
    tables = []
    for cell in cells:
        rows = [cell.replicates.index(each) for each in replicates]
        if cell.problems.ids is ids:
            tables.append(cell.values[rows])
            continue
        table = np.full((len(rows), len(ids)), np.nan)
        table[:, [at[name] for name in cell.problems.ids]] = cell.values[rows]
        tables.append(table)
    return tables


def _together(parts: Sequence[_Part], seed: Variance, replicates: int) -> Summary:
    """Of several data sets, whose problems have nothing to do with each other."""
    smallest = min(parts, key=lambda part: len(part.values))
    estimate = sum(part.estimate for part in parts)
    return Summary(
        estimate=estimate,
        problem=added(_never_nothing(part) for part in parts),
        seed=seed,
        problems=len(smallest.values),
        dropped=sum(part.dropped for part in parts),
        replicates=replicates,
        kind=GRADED,
        high=0.0,
        low=0.0,
        shift=0.0,
        up=1.0,
        down=1.0,
        reach=math.inf,
        different=min(len(part.values) if part.kind == EQUAL else part.different for part in parts),
    )


def _never_nothing(part: _Part) -> Variance:
    """The variance of a part; of values that are all equal that of one problem more, which differs by a whole."""
    count = len(part.values)
    if part.kind != EQUAL and part.variance > 0:  # of equal values the mean may be rounded, and then they have one
        return part.problem
    reach = max(1.0, part.most - part.least)
    return Variance(value=(reach / (count + 1)) ** 2, degrees=max(1, count - 1))
