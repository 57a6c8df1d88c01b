"""Many claims judged on many simulated runs at once: verdicts as ``logic.judge`` gives them, without words.

Comparisons are tested by ``batch.Batch``, published numbers by the bench that judges real runs. Of the answers every
claim's tree is made by the rule of ``logic``, for all runs in one array.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.manifest.priors import Priors
from selfimp_bench.verdict.batch import Batch
from selfimp_bench.verdict.bench import Bench, Question
from selfimp_bench.verdict.contrast import Contrast
from selfimp_bench.verdict.evidence import Evidence
from selfimp_bench.verdict.findings import AGAINST_LEVEL, FOR_LEVEL, Verdict
from selfimp_bench.verdict.logic import AtLeast, Leaf, Node, Not
from selfimp_bench.verdict.simulated import first_replicates
from selfimp_bench.verdict.truths import keys_of

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What runs (the last axis of every array) say of assertions (the first): ``logic.Answer`` by columns."""

    p_for: Array
    p_against: Array
    best: Array
    absent: NDArray[np.bool_]

    def of(self, index: Sequence[int]) -> "Answers":
        """Some of the assertions."""
        at = list(index)
        return Answers(p_for=self.p_for[at], p_against=self.p_against[at], best=self.best[at], absent=self.absent[at])


def side_by_side(several: Sequence[Answers], axis: int) -> Answers:
    """The answers about more runs (axis 1), or of more assertions (0)."""
    return Answers(
        p_for=np.concatenate([each.p_for for each in several], axis=axis),
        p_against=np.concatenate([each.p_against for each in several], axis=axis),
        best=np.concatenate([each.best for each in several], axis=axis),
        absent=np.concatenate([each.absent for each in several], axis=axis),
    )


@dataclass(frozen=True, kw_only=True)
class _Tree:
    """At least ``needed`` of the ``leaves``, by the number of their question, and the ``parts``; or that it is not."""

    needed: int
    leaves: tuple[int, ...]
    parts: tuple["_Tree", ...]
    turned: bool = False


class AtOnce:
    """Claims, as trees, made ready to be judged on runs that all have the cells of ``like``, on the same problems."""

    def __init__(self, claims: Sequence[Node[Question]], like: Evidence, priors: Priors) -> None:
        self._priors = priors
        self._numbers: dict[Hashable, int] = {}
        self._contrasts: list[tuple[int, Contrast]] = []
        self._others: list[tuple[int, Question]] = []
        self._trees = [self._compiled(node) for node in claims]
        self._keys = frozenset(key for _, each in self._others for key in keys_of(Leaf(name="", question=each)))
        self._batch = Batch([each for _, each in self._contrasts], like, priors)

    def ask(self, run: Evidence, counts: Sequence[int]) -> Answers:
        """The answers to all questions of the claims, of the first replicates of a run, so many of them."""
        size = (len(self._numbers), len(counts))
        found = Answers(
            p_for=np.ones(size), p_against=np.ones(size), best=np.ones(size), absent=np.zeros(size, dtype=bool)
        )
        tails, at = self._batch.tails(run, counts), [number for number, _ in self._contrasts]
        found.p_for[at], found.p_against[at] = tails.above, tails.below
        found.best[at] = np.where(tails.missing[:, None], 0.0, tails.above)
        found.absent[at] = tails.missing[:, None]
        few = Evidence(
            values={key: run.values[key] for key in self._keys if key in run.values},
            measurements={},
            digests=run.digests,
        )
        for column, count in enumerate(counts if self._others else ()):
            bench = Bench(first_replicates(few, count), self._priors)
            for number, question in self._others:
                one = bench.ask(question)
                found.p_for[number, column], found.p_against[number, column] = one.p_for, one.p_against
                found.best[number, column], found.absent[number, column] = one.best, one.absent
        return found

    def verdicts(self, found: Answers) -> list[list[Verdict]]:
        """Of every claim, in order, the verdict on every run."""
        return [_verdicts(_judged(tree, found)) for tree in self._trees]

    def _compiled(self, node: Node[Question]) -> _Tree:
        if isinstance(node, Leaf):
            return _Tree(needed=1, leaves=(self._number(node.question),), parts=())
        if isinstance(node, Not):
            return _Tree(needed=1, leaves=(), parts=(self._compiled(node.part),), turned=True)
        assert isinstance(node, AtLeast)
        leaves = tuple(self._number(part.question) for part in node.parts if isinstance(part, Leaf))
        parts = tuple(self._compiled(part) for part in node.parts if not isinstance(part, Leaf))
        return _Tree(needed=node.needed, leaves=leaves, parts=parts)

    def _number(self, question: Question) -> int:
        """The same comparison in other words is asked once."""
        asked: Hashable = (question.weights, question.bound) if isinstance(question, Contrast) else id(question)
        if asked not in self._numbers:
            self._numbers[asked] = len(self._numbers)
            if isinstance(question, Contrast):
                self._contrasts.append((self._numbers[asked], question))
            else:
                self._others.append((self._numbers[asked], question))
        return self._numbers[asked]


def _judged(tree: _Tree, found: Answers) -> Answers:
    """As ``logic.judge``: one assertion, of every run."""
    parts = side_by_side([found.of(tree.leaves), *(_judged(part, found) for part in tree.parts)], axis=0)
    if tree.turned:
        best = np.where(parts.absent, 0.0, parts.p_against)
        return Answers(p_for=parts.p_against, p_against=parts.p_for, best=best, absent=parts.absent)
    count = len(parts.p_for)
    if count == 1:
        return parts
    least, most = tree.needed, count - tree.needed + 1
    return Answers(
        p_for=_ranked(parts.p_for, least, most),
        p_against=_ranked(parts.p_against, most, least),
        best=_ranked(parts.best, least, most),
        absent=np.atleast_2d(parts.absent.all(axis=0)),
    )


def _ranked(values: Array, rank: int, factor: int) -> Array:
    return np.minimum(1.0, factor * np.partition(values, rank - 1, axis=0)[rank - 1 : rank])


def _verdicts(found: Answers) -> list[Verdict]:
    """As ``logic.Answer.verdict``."""
    unmeasured = found.absent[0] | (found.best[0] <= FOR_LEVEL)
    left = np.where(unmeasured, Verdict.NOT_MEASURED, Verdict.INCONCLUSIVE)
    against = np.where(found.p_against[0] <= AGAINST_LEVEL, Verdict.NOT_REPRODUCED, left)
    return [Verdict(each) for each in np.where(found.p_for[0] <= FOR_LEVEL, Verdict.REPRODUCED, against)]
