"""Runs as a world would give them: values per problem for every cell, in the form in which a run's own are judged.

A replicate's mean over the problems is the world's mean plus seed noise, which has the spread of the cell's prior.
Which problems have the high values follows from a normal variable per problem, cell and replicate, whose parts are
shared: how hard the problem is for every model and iteration, for this model at this iteration, and chance. So values
go together over iterations, replicates and metrics as those of real runs do.

What that is based on: our own tiny runs (``tiny-iter-sft``, by two engines, and ``tiny-gv-gap``; 150 to 200 problems).
Correlation of a problem's values, of accuracy and coverage: 0.60 to 0.85 from one iteration to the next and 0.34 to 0.5
from the first to the last, 0.67 to 0.84 between two replicates; of diversities 0.2 to 0.7, 0.14 to 0.4 and 0.6 to 0.7;
of gaps by different filters 0.1 to 0.3. Seed noise at neighbouring iterations of one chain: -0.08 to 0.33, 0.05 on
average. ``_FAMILIES`` and ``_CHAIN`` below give these within 0.1 (``tests/verdict/test_simulated.py``).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.manifest.model import Cell
from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.verdict.evidence import CellValues, Evidence, Key, ProblemSet
from selfimp_bench.verdict.worlds import Publication, World

Array = NDArray[np.float64]
Normals = NDArray[np.float32]

_CHAIN, _SET, _OWN = 0.2, 0.5, 0.3
"""Shares of the variance of seed noise: of a model's chain; of an iteration's samples, whatever k; of the cell."""
_GRID: Final = 64
"""Steps of the mean from 0 to 1 at which the values of graded metrics are made; between them they are interpolated."""
_NODES: Final = 128
"""Quantiles of a distribution that are computed; those between them are interpolated."""


@dataclass(frozen=True, kw_only=True)
class Problems:
    """The problems of one split of an experiment; ``name`` tells apart data sets whose rows are not pinned."""

    digest: str | None
    name: str
    count: int

    @property
    def data_set(self) -> str:
        """Equal for the same problems."""
        return self.digest or self.name


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
class _Family:
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


_RIGHT = _Family(form="right")
_SHARE = _Family(form="share", spread=1.0)
_DIVERSE = _Family(form="share", spread=5.0, group="diversity", stable=0.65, difficulty=0.45)
_GAP = _Family(form="signed", spread=0.16, group="gap", stable=0.5, difficulty=0.3, memory=0.5)

_FAMILIES: Final[tuple[tuple[str, _Family], ...]] = (
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


def simulated_run(world: World, design: Design, seed: int) -> Run:
    """The same with its truth, which is the world's means but where they are numbers of a paper's own run."""
    drawn = _Drawn(world, design, np.random.default_rng(seed))
    values = {key: drawn.values(key, mean) for key, mean in world.means.items()}
    found = Evidence(
        values=values,
        measurements={key: _measurements(key, found) for key, found in values.items()},
        digests={place: each.digest for place, each in design.problems.items() if each.digest is not None},
    )
    return Run(evidence=found, truth={key: mean + drawn.misprint(key) for key, mean in world.means.items()})


def first_replicates(found: Evidence, count: int) -> Evidence:
    """The same with only the first replicates."""
    return Evidence(
        values={
            key: replace(each, replicates=each.replicates[:count], values=each.values[:count])
            for key, each in found.values.items()
        },
        measurements={key: each[:count] for key, each in found.measurements.items()},
        digests=found.digests,
    )


class _Drawn:
    """The random variables of one simulated run; what cells share is drawn when it is first needed."""

    def __init__(self, world: World, design: Design, random: np.random.Generator) -> None:
        self._world = world
        self._design = design
        self._random = random
        self._shared: dict[tuple[object, ...], Normals] = {}
        self._factors: dict[tuple[object, ...], float] = {}
        self._misprints: dict[Key, float] = {}

    def values(self, key: Key, mean: float) -> CellValues:
        """The cell's values per problem in every replicate."""
        experiment, _, cell = key
        family = _family(cell.metric)
        problems = self._design.problems[experiment, cell.split]
        low = int(family.low * problems.count)
        asked = max(1, round(family.high * problems.count) - low)
        defined = max(1, round(family.defined * asked))
        order = self._order(key, family, problems)[:, low : low + defined]
        values = np.full((self._design.replicates, asked), np.nan)
        means = self._means(key, mean)
        for row, ranks in enumerate(order):
            values[row, :defined] = self._at_ranks(family, float(means[row]), ranks)
        return CellValues(
            problems=_problem_set(problems.data_set, low, asked),
            replicates=tuple(range(self._design.replicates)),
            values=values,
        )

    def _normal(self, shape: tuple[int, ...], *place: object) -> Normals:
        if place not in self._shared:
            self._shared[place] = self._random.standard_normal(shape, dtype=np.float32)
        return self._shared[place]

    # ---- which problems ----

    def _order(self, key: Key, family: _Family, problems: Problems) -> Normals:
        """Replicates x problems: how much speaks for a high value there, standard normal."""
        experiment, model, cell = key
        count = problems.count
        place = (problems.data_set, cell.split, family.group)
        hard = self._normal((count,), "difficulty", *place)
        own = self._model(count, family, cell.iteration, experiment, model, *place)
        stable = math.sqrt(family.difficulty) * hard + math.sqrt(1 - family.difficulty) * own
        # Where other problems are solved, replicates solve the same: their spread is in the means.
        replicates = 1 if self._world.other_problems else self._design.replicates
        chance = self._random.standard_normal((replicates, count), dtype=np.float32)
        found = math.sqrt(family.stable) * stable + math.sqrt(1 - family.stable) * chance
        return np.broadcast_to(found.astype(np.float32), (self._design.replicates, count))

    def _model(self, count: int, family: _Family, iteration: int, *place: object) -> Normals:
        """A first-order autoregression over the iterations."""
        if iteration == 0:
            return self._normal((count,), "model", 0, *place)
        before = self._model(count, family, iteration - 1, *place)
        step = self._normal((count,), "model", iteration, *place)
        return family.memory * before + math.sqrt(1 - family.memory**2) * step

    def _at_ranks(self, family: _Family, mean: float, order: Normals) -> Array:
        """The values of this mean, the highest where ``order`` is: exactly so, or as a sample of all problems."""
        ordered = _ordered_values(family, mean, len(order))
        if self._world.other_problems:
            from scipy.special import ndtr

            places = (ndtr(order) * len(order)).astype(np.intp)
            return np.asarray(ordered[np.minimum(places, len(order) - 1)])
        values = np.empty(len(order))
        values[np.argsort(order)] = ordered
        return values

    # ---- how high ----

    def _means(self, key: Key, mean: float) -> Array:
        if _family(key[2].metric).form != "signed" and mean in (0.0, 1.0):
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


@lru_cache(maxsize=4096)
def _family(metric: str) -> _Family:
    found = next((family for prefix, family in _FAMILIES if metric.startswith(prefix)), _SHARE)
    defined = next((share for ending, share in _DEFINED if metric.endswith(ending)), found.defined)
    return replace(found, defined=defined)


def _ordered_values(family: _Family, mean: float, count: int) -> Array:
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


def _measurements(key: Key, found: CellValues) -> tuple[Measurement, ...]:
    _, model, cell = key
    asked = found.values.shape[1]
    defined = found.values[:, ~np.isnan(found.values[0])]  # undefined are the same problems in every replicate
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
