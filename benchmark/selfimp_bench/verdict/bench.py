"""Answers to the questions that claims come down to, from what runs measured."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.manifest.model import Against, Cell
from selfimp_bench.manifest.priors import Priors
from selfimp_bench.manifest.suite_model import Fit
from selfimp_bench.verdict.contrast import Contrast, Contrasts, KnownCell, Summary, Tails, aligned
from selfimp_bench.verdict.evidence import Evidence, Key
from selfimp_bench.verdict.families import fit_of
from selfimp_bench.verdict.findings import MINIMUM_PROBLEMS, describe, too_few
from selfimp_bench.verdict.inference import Variance
from selfimp_bench.verdict.logic import Answer
from selfimp_bench.verdict.units import PER_WHOLE
from selfimp_bench.verdict.value import (
    Divergence,
    Published,
    Seen,
    ValuesJudged,
    in_which_way,
    is_said,
    judge_values,
    prior_in,
    sampling_error,
    seen_of,
)

Divergences = Callable[[str, Cell], Divergence | None]
"""What a rerun may change of a model's cell; None where nothing was seen to change."""


def nothing_diverges(_model: str, _cell: Cell) -> None:
    """Of a run without a probe."""


@dataclass(frozen=True, kw_only=True)
class Values:
    """That the cells of one model are the published numbers; ``points`` share the level of a contradiction."""

    experiment: str
    model: str
    cells: tuple[Cell, ...]
    numbers: tuple[Published, ...]
    against: Against
    points: int


@dataclass(frozen=True, kw_only=True)
class Equal:
    """That the greatest of ``series``, sums of cells, is a published number; ``name`` is it in words."""

    name: str
    series: tuple[Contrast, ...]
    number: Published
    against: Against


@dataclass(frozen=True, kw_only=True)
class Curve:
    """``factor`` times a number of several models' cells, which are in the order of ``decades``."""

    fit: Fit
    decades: tuple[float, ...]
    keys: tuple[Key, ...]
    factor: float


@dataclass(frozen=True, kw_only=True)
class Bent:
    """That a sum of numbers of several models, not all of which are weighted sums, is above a bound.

    turned: the words are about the negative of the sum, which is to be below the negative of the bound.
    """

    name: str
    curves: tuple[Curve, ...]
    bound: float
    turned: bool = False


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A sum of such numbers as measured, and where the middle ``0.95`` of draws lies."""

    estimate: float
    low: float
    high: float


Question = Contrast | Values | Equal | Bent
Detail = Tails | ValuesJudged | Drawn | str

DRAWS: Final = 10_000
"""Draws for a number of several models that is no weighted sum."""


class Bench:
    """What runs measured, with what is known of its spread, ready to answer."""

    def __init__(self, evidence: Evidence, priors: Priors, divergences: Divergences = nothing_diverges) -> None:
        self.evidence = evidence
        self.priors = priors
        self.tester = Contrasts(evidence, priors)
        self._divergences = divergences

    def ask(self, question: Question) -> Answer[Detail]:
        """The answer to a question, 1 and 1 where the numbers decide nothing."""
        if isinstance(question, Contrast):
            found = self.tester.test(question)
            absent = found.missing is not None
            return Answer(
                p_for=found.above,
                p_against=found.below,
                best=0.0 if absent else found.above,
                absent=absent,
                detail=found,
            )
        if isinstance(question, Values):
            return self._values(question)
        if isinstance(question, Equal):
            return self._equal(question)
        return self._bent(question)

    def _values(self, asked: Values) -> Answer[Detail]:
        seen = [self._seen(asked, cell, number) for cell, number in zip(asked.cells, asked.numbers, strict=True)]
        priors = [self._prior(cell, number) for cell, number in zip(asked.cells, asked.numbers, strict=True)]
        return judge_values(asked.against, asked.points, asked.numbers, seen, priors)

    def _prior(self, cell: Cell, number: Published) -> Variance:
        return prior_in(self.priors.of(cell.metric, cell.split, cell.iteration), number.row, number.table)

    def _seen(self, asked: Values, cell: Cell, number: Published) -> Seen | str:
        key = (asked.experiment, asked.model, cell)
        return seen_of(
            self.evidence.measurements.get(key, ()),
            number,
            digest=self.evidence.digests.get((asked.experiment, cell.split)),
            divergence=self._divergences(asked.model, cell),
            ratio=self.tester.is_ratio(key),
        )

    def _equal(self, asked: Equal) -> Answer[Detail]:
        """As a point of a value claim; the greatest of several is taken in every replicate, as in the paper's run."""
        series = [each for each in asked.series if each.weights]  # a gain over itself is 0 and has no error
        found = [self.tester.summary(each) for each in series]
        missing = [each for each in found if isinstance(each, str)]
        table = self.tester.by_replicate(series)
        if missing or not table.size:
            why = missing[0] if missing else f"{asked.name}: no replicate has all of it"
            return Answer(p_for=1.0, p_against=1.0, best=0.0, absent=True, detail=why)
        known = [each for each in found if not isinstance(each, str)]
        best = max(range(len(known)), key=lambda index: known[index].estimate)
        whole = float(PER_WHOLE.get(asked.number.row.unit, 1))
        least = 0.0 if len(series) < len(asked.series) else -math.inf
        seen = self._seen_sum(asked.number, series[best], known[best], whole * np.maximum(table.max(axis=0), least))
        sigma = self.tester.expected(series[best])
        prior = Variance(value=sigma.value * whole**2, degrees=sigma.degrees)
        return judge_values(asked.against, 1, [asked.number], [seen], [prior])

    def _seen_sum(self, number: Published, asked: Contrast, known: Summary, over: NDArray[np.float64]) -> Seen:
        """What a run has for a number about a sum of cells; ``over``: in the row's unit, by replicate."""
        whole = float(PER_WHOLE.get(number.row.unit, 1))
        cells = [cell for key, _ in asked.weights if (cell := self.tester.cell(key)) is not None]
        digest = cells[0].data_set
        others = in_which_way([len(cell.problems.ids) for cell in cells], number, digest)
        error = math.sqrt(known.problem.value) * whole
        return Seen(
            mean=float(over.mean()),
            replicates=len(over),
            spread=None if len(over) == 1 else float(np.var(over, ddof=1)),
            problems=known.problems,
            sampling=0.0 if others is None else sampling_error(error, known.problems, whole, number, digest),
            others=others,
            unsaid=0.0 if is_said(number) else error,
            own=error if any(self.tester.is_ratio(key) for key, _ in asked.weights) else None,
            unsure=too_few(known.problems),
        )

    def _bent(self, asked: Bent) -> Answer[Detail]:
        """By draws; fewer problems than decide anything leave it open, as they do a comparison."""
        keys = tuple(dict.fromkeys(key for curve in asked.curves for key in curve.keys))
        known = {key: cell for key in keys if (cell := self.tester.cell(key)) is not None and cell.everywhere}
        cells = list(known.values())
        if len(cells) < len(keys):
            key = next(key for key in keys if key not in known)
            why = f"{key[1]}: {describe(key[2])} was not measured: no values per problem, or not in every replicate"
            return Answer(p_for=1.0, p_against=1.0, best=0.0, absent=True, detail=why)
        drawn = self._drawn(keys, cells)
        if isinstance(drawn, str):
            return Answer(p_for=1.0, p_against=1.0, best=1.0, absent=False, detail=drawn)
        at = {key: index for index, key in enumerate(keys)}
        total = sum(
            (
                curve.factor * fit_of(curve.fit, curve.decades, drawn[:, [at[key] for key in curve.keys]])
                for curve in asked.curves
            ),
            np.zeros(len(drawn)),
        )
        others = total[1:]
        low, high = np.quantile(others, (0.025, 0.975))
        above = (1 + int(np.count_nonzero(others <= asked.bound))) / (1 + len(others))
        below = (1 + int(np.count_nonzero(others >= asked.bound))) / (1 + len(others))
        detail = Drawn(estimate=float(total[0]), low=float(low), high=float(high))
        return Answer(p_for=above, p_against=below, best=above, absent=False, detail=detail)

    def _drawn(self, keys: tuple[Key, ...], cells: Sequence[KnownCell]) -> NDArray[np.float64] | str:
        """The means of cells (first row), and then where they may lie: draws x cells, Student's t about the means."""
        means, covariance = np.zeros(len(cells)), np.zeros((len(cells), len(cells)))
        degrees = math.inf
        for data_set in dict.fromkeys(cell.data_set for cell in cells):
            members = [index for index, cell in enumerate(cells) if cell.data_set == data_set]
            table = _complete([cells[index] for index in members])
            if len(table) < MINIMUM_PROBLEMS:
                return f"{len(table)} problems have a value in all; fewer than {MINIMUM_PROBLEMS} decide nothing"
            means[members] = table.mean(axis=0)
            covariance[np.ix_(members, members)] = np.cov(table.T, ddof=1) / len(table)
            degrees = min(degrees, len(table) - 1)
        for index, key in enumerate(keys):
            seeds = self.tester.seeds_of(key)
            covariance[index, index] += seeds.value
            degrees = min(degrees, seeds.degrees)
        random = np.random.Generator(np.random.PCG64(0))
        normal = random.multivariate_normal(np.zeros(len(cells)), covariance, size=DRAWS, method="eigh")
        scaled = normal * np.sqrt(degrees / random.chisquare(degrees, size=(DRAWS, 1)))
        return np.asarray(np.concatenate([means[None, :], means + scaled]))


def _complete(cells: Sequence[KnownCell]) -> NDArray[np.float64]:
    """Problems x cells, replicates averaged, of the problems that have a value in every cell and replicate."""
    replicates = tuple(sorted(set.intersection(*(set(cell.replicates) for cell in cells))))
    if not replicates:
        return np.zeros((0, len(cells)))
    table = np.stack([each.mean(axis=0) for each in aligned(cells, replicates)], axis=1)
    return np.asarray(table[~np.isnan(table).any(axis=1)])
