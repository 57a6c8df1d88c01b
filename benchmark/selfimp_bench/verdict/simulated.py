"""Runs as a world would give them: values per problem for every cell, in the form in which a run's own are judged.

A replicate's mean over the problems is the world's mean plus seed noise, which has the spread of the cell's prior.
Which problems have the high values follows from a normal variable per problem, cell and replicate, whose parts are
shared: how hard the problem is for every model and iteration, for this model at this iteration, and chance. So values
go together over iterations, replicates and metrics as those of real runs do.

What that is based on: our own tiny runs (``tiny-iter-sft``, by two engines, and ``tiny-gv-gap``; 150 to 200 problems).
Correlation of a problem's values, of accuracy and coverage: 0.60 to 0.85 from one iteration to the next and 0.34 to 0.5
from the first to the last, 0.67 to 0.84 between two replicates; of diversities 0.2 to 0.7, 0.14 to 0.4 and 0.6 to 0.7;
of gaps by different filters 0.1 to 0.3. Seed noise at neighbouring iterations of one chain: -0.08 to 0.33, 0.05 on
average. ``metric_values`` and ``_CHAIN`` below give these within 0.1 (``tests/verdict/test_simulated.py``).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.manifest.model import Cell
from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.verdict.evidence import CellValues, Evidence, Key, ProblemSet
from selfimp_bench.verdict.metric_values import Family, family_of, ordered_values
from selfimp_bench.verdict.ranking import Normals, Problems, Ranking
from selfimp_bench.verdict.worlds import Publication, World

Array = NDArray[np.float64]

_CHAIN, _SET, _OWN = 0.2, 0.5, 0.3
"""Shares of the variance of seed noise: of a model's chain; of an iteration's samples, whatever k; of the cell."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The prior of a cell's seed noise: standard deviation, and the degrees of freedom with which it is known."""

    sd: float
    df: float


@dataclass(frozen=True, kw_only=True)
class Design:
    """What is simulated: the problems by experiment and split, an experiment's spreads, how many replicates.

    published: the paper's own numbers, with their errors: in a world that is made ``of`` them the truth is not what is
    printed but what the paper's run, too, was one draw of. None where the world's means are the truth all the same.
    sd_known: the seeds' spread is the prior's; else it is drawn from what the prior leaves open, once a
        model and metric.
    """

    problems: Mapping[tuple[str, Split], Problems]
    spread: Callable[[str, Cell], Spread]
    replicates: int
    published: Publication | None = None
    sd_known: bool = False


@dataclass(frozen=True, kw_only=True)
class Run:
    """A simulated run. truth: the true mean of every cell, from which it differs by its own seeds."""

    evidence: Evidence
    truth: Mapping[Key, float]


def simulate(world: World, design: Design, seed: int) -> Evidence:
    """What one run of every experiment in this world measures, with ``design.replicates`` replicates.

    Equal arguments give equal runs. Cells that the world has no mean of are not there.
    """
    return simulated_run(world, design, seed).evidence


def simulated_run(world: World, design: Design, seed: int, ranking: Ranking | None = None) -> Run:
    """The same with its truth, which is the world's means but where they are numbers of a paper's own run.

    ranking: which problems have the high values, drawn before; runs of several worlds may share it. A world in which
    other problems are solved has one of its own all the same.
    """
    if ranking is None or world.other_problems:
        ranking = Ranking(design.problems, seed, replicates=1 if world.other_problems else design.replicates)
    drawn = _Drawn(world, design, np.random.default_rng(seed), ranking)
    values = {key: drawn.values(key, mean) for key, mean in world.means.items()}
    found = Evidence(
        values=values,
        measurements=_Measured(values),
        digests={place: each.digest for place, each in design.problems.items() if each.digest is not None},
    )
    return Run(evidence=found, truth={key: mean + drawn.misprint(key) for key, mean in world.means.items()})


def first_replicates(found: Evidence, count: int) -> Evidence:
    """A simulated run with only its first replicates."""
    values = {
        key: replace(each, replicates=each.replicates[:count], values=each.values[:count])
        for key, each in found.values.items()
    }
    return Evidence(values=values, measurements=_Measured(values), digests=found.digests)


class _Measured(Mapping[Key, tuple[Measurement, ...]]):
    """The measurements of cells, each made when it is first asked for: most claims look at the values alone."""

    def __init__(self, values: Mapping[Key, CellValues]) -> None:
        self._values = values
        self._made: dict[Key, tuple[Measurement, ...]] = {}

    def __getitem__(self, key: Key) -> tuple[Measurement, ...]:
        if key not in self._made:
            self._made[key] = _measurements(key, self._values[key])
        return self._made[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class _Drawn:
    """The random variables of one simulated run; what cells share is drawn when it is first needed."""

    def __init__(self, world: World, design: Design, random: np.random.Generator, ranking: Ranking) -> None:
        self._world = world
        self._design = design
        self._random = random
        self._ranking = ranking
        self._shared: dict[tuple[object, ...], Array] = {}
        self._factors: dict[tuple[object, ...], float] = {}
        self._misprints: dict[Key, float] = {}

    def values(self, key: Key, mean: float) -> CellValues:
        """The cell's values per problem in every replicate."""
        experiment, _, cell = key
        family = family_of(cell.metric)
        problems = self._design.problems[experiment, cell.split]
        low, asked, defined = family.asked(problems.count)
        values = np.full((self._design.replicates, asked), np.nan)
        means = self._means(key, mean)
        if self._world.other_problems:
            self._sample(values[:, :defined], family, means, self._ranking.normals(key, family)[0])
        else:
            for row, order in enumerate(self._ranking.order(key, family)):
                values[row, order] = ordered_values(family, float(means[row]), defined)
        return CellValues(
            problems=_problem_set(problems.data_set, low, asked),
            replicates=tuple(range(self._design.replicates)),
            values=values,
        )

    def _sample(self, values: Array, family: Family, means: Array, normals: Normals) -> None:
        """Of these means over all problems there are; replicates solve the same, and their spread is in the means."""
        from scipy.special import ndtr

        count = len(normals)
        places = np.minimum((ndtr(normals) * count).astype(np.intp), count - 1)
        for row, mean in enumerate(means):
            values[row] = ordered_values(family, float(mean), count)[places]

    def _normal(self, shape: tuple[int, ...], *place: object) -> Array:
        if place not in self._shared:
            self._shared[place] = self._random.standard_normal(shape)
        return self._shared[place]

    # ---- how high ----

    def _means(self, key: Key, mean: float) -> Array:
        if family_of(key[2].metric).form != "signed" and mean in (0.0, 1.0):
            return np.full(self._design.replicates, mean)  # all wrong, or all right, whatever the seed
        return np.asarray(mean + self.misprint(key) + self._noise("run", key, self._design.replicates))

    def misprint(self, key: Key) -> float:
        """How far the truth is from the number of this world: reading error, and that the paper's run was one draw."""
        if self._design.published is None or self._world.of is None:
            return 0.0
        of = self._world.of[key]
        if of not in self._misprints:
            number = self._design.published.numbers[of]
            off = float(self._noise("paper", of, 1)[0]) / math.sqrt(number.runs)
            self._misprints[of] = float(self._random.uniform(number.low, number.high)) - number.middle - off
        return self._misprints[of]

    def _noise(self, whose: str, key: Key, count: int) -> Array:
        """Seed noise of ``count`` runs."""
        experiment, model, cell = key
        spread, factor = self._spread(key)
        metric, samples = cell.metric.partition(".")[0], cell.metric.partition("@")[0]
        chain = self._normal((count,), whose, "chain", experiment, model, cell.split, metric)
        of_set = self._normal((count,), whose, "set", experiment, model, cell.split, cell.iteration, samples)
        own = self._random.standard_normal((count,))
        noise = math.sqrt(_CHAIN) * chain + math.sqrt(_SET) * of_set + math.sqrt(_OWN) * own
        return np.asarray(spread.sd * factor * noise)

    def _spread(self, key: Key) -> tuple[Spread, float]:
        """What is known of a cell's spread, and what the true one is of that.

        The prior together with the published spread of several runs, as a verdict takes them; the true one is drawn
        from what these leave open: a scaled inverse chi-squared.
        """
        experiment, model, cell = key
        spread = self._design.spread(experiment, cell)
        number = None if self._design.published is None else self._design.published.numbers.get(key)
        place: tuple[object, ...] = (experiment, model, cell.metric.partition(".")[0])
        if number is not None and number.sd is not None:
            df = spread.df + number.runs - 1
            variance = (spread.df * spread.sd**2 + (number.runs - 1) * number.sd**2) / df
            spread, place = Spread(sd=math.sqrt(variance), df=df), key
        if self._design.sd_known:
            return spread, 1.0
        if place not in self._factors:
            self._factors[place] = math.sqrt(spread.df / self._random.chisquare(spread.df))
        return spread, self._factors[place]


@lru_cache(maxsize=1024)
def _problem_set(data_set: str, low: int, asked: int) -> ProblemSet:
    """One object for the same problems."""
    return ProblemSet(data_set=data_set, ids=tuple(f"{number:05d}" for number in range(low, low + asked)))


def _measurements(key: Key, found: CellValues) -> tuple[Measurement, ...]:
    _, model, cell = key
    asked = found.values.shape[1]
    # Undefined are the same problems in every replicate.
    defined = np.ascontiguousarray(found.values[:, ~np.isnan(found.values[0])])
    count = defined.shape[1]
    means = defined.mean(axis=1)
    errors = defined.std(axis=1, ddof=1) / math.sqrt(count) if count > 1 else np.zeros(len(means))
    return tuple(
        Measurement(
            model=model,
            metric=cell.metric,
            split=cell.split,
            iteration=cell.iteration,
            replicate=replicate,
            value=float(means[row]),
            unit=_unit(cell.metric),
            n=count,
            undefined=asked - count,
            standard_error=float(errors[row]),
            reason=None,
        )
        for row, replicate in enumerate(found.replicates)
    )


def _unit(metric: str) -> str:
    name = metric.partition(".")[0]
    if name.endswith("-correlation"):
        return "correlation"
    return "variance" if name == "judgement-variance" and ".to" not in metric else "share"
