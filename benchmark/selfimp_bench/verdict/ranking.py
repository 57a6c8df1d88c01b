"""Which problems of a simulated run have the high values.

A normal variable per problem, cell and replicate decides it, whose parts are shared: how hard the problem is for every
model and iteration, for this model at this iteration, and chance.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.canonical import derive_seed
from selfimp_bench.measurement import Split
from selfimp_bench.verdict.evidence import Key
from selfimp_bench.verdict.metric_values import Family

Normals = NDArray[np.float32]
Index = NDArray[np.intp]


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


class Ranking:
    """How much speaks for a high value on every problem, in every cell and replicate, whatever the cell's mean is.

    Equal arguments give equal rankings, whatever the order in which cells are asked for.
    """

    def __init__(self, problems: Mapping[tuple[str, Split], Problems], seed: int, replicates: int) -> None:
        self._problems = problems
        self._seed = seed
        self._replicates = replicates
        self._shared: dict[tuple[object, ...], Normals] = {}
        self._orders: dict[Key, Index] = {}

    def order(self, key: Key, family: Family) -> Index:
        """Replicates x the problems that have a value: from the one with the lowest to that with the highest."""
        if key not in self._orders:
            self._orders[key] = np.argsort(self.normals(key, family), axis=1)
        return self._orders[key]

    def normals(self, key: Key, family: Family) -> Normals:
        """The same as numbers, standard normal."""
        experiment, model, cell = key
        problems = self._problems[experiment, cell.split]
        place = (problems.data_set, cell.split.value, family.group)
        stable = self._stable(problems.count, family, cell.iteration, (experiment, model), place)
        low, _, defined = family.asked(problems.count)
        chance = self._drawn(
            (self._replicates, defined), "chance", experiment, model, cell.metric, cell.iteration, *place
        )
        kept = stable[low : low + defined]
        return np.asarray(math.sqrt(family.stable) * kept + math.sqrt(1 - family.stable) * chance)

    def _stable(
        self, count: int, family: Family, iteration: int, whose: tuple[str, str], place: tuple[str, ...]
    ) -> Normals:
        """What replicates have in common."""
        named = ("stable", family.difficulty, family.memory, iteration, *whose, *place)
        if named not in self._shared:
            hard = self._once((count,), "difficulty", *place)
            own = self._model(count, family.memory, iteration, *whose, *place)
            self._shared[named] = math.sqrt(family.difficulty) * hard + math.sqrt(1 - family.difficulty) * own
        return self._shared[named]

    def _model(self, count: int, memory: float, iteration: int, *place: str) -> Normals:
        """A first-order autoregression over the iterations."""
        step = self._once((count,), "model", iteration, *place)
        if iteration == 0:
            return step
        named = ("path", memory, iteration, *place)
        if named not in self._shared:
            before = self._model(count, memory, iteration - 1, *place)
            self._shared[named] = memory * before + math.sqrt(1 - memory**2) * step
        return self._shared[named]

    def _once(self, shape: tuple[int, ...], *place: str | int) -> Normals:
        if place not in self._shared:
            self._shared[place] = self._drawn(shape, *place)
        return self._shared[place]

    def _drawn(self, shape: tuple[int, ...], *place: str | int) -> Normals:
        random = np.random.Generator(np.random.SFC64(derive_seed(self._seed, *place)))
        return random.standard_normal(shape, dtype=np.float32)
