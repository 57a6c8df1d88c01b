"""Generators and verifiers whose every gap is known (``closed_form``): the estimators are held against them.

A population is a mixture of levels: a problem is drawn, with it its p = P(correct | prompt), and then its responses,
each correct with probability p by itself. A verifier scores each response given its grade, by itself, too.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import isclose, sqrt

import numpy as np

from selfimp_bench.protocols.verification.metrics.scored import Responses
from selfimp_bench.protocols.verification.metrics.tournament import (
    Match,
    PlayedRound,
    RoundColumns,
    Side,
    first_round,
    next_round,
    play,
    round_accuracies,
    rounds_of,
)


@dataclass(frozen=True, kw_only=True)
class Level:
    """A share of the population's problems, all with the same probability ``p`` of a correct response."""

    share: float
    p: float


Population = tuple[Level, ...]


@dataclass(frozen=True, kw_only=True)
class ScoreLaw:
    """A verifier with finitely many scores (None: unparsed), and their probabilities by grade, the same on all levels.

    A binary verifier has the scores 1 and 0, and its rates of true and false positives are the probabilities of 1.
    Raises ValueError unless both rows of probabilities fit the scores and sum to 1.
    """

    scores: tuple[float | None, ...]
    given_correct: tuple[float, ...]
    given_wrong: tuple[float, ...]

    def __post_init__(self) -> None:
        """A law is a law."""
        for row in (self.given_correct, self.given_wrong):
            if len(row) != len(self.scores) or min(row) < 0 or not isclose(sum(row), 1):
                raise ValueError(f"{row} is not a distribution over the {len(self.scores)} scores")

    def draw(self, correct: bool, p: float, random: np.random.Generator) -> float | None:
        """The score of one response."""
        upto = tuple(accumulate(self.given_correct if correct else self.given_wrong))
        return self.scores[min(bisect_right(upto, random.random()), len(self.scores) - 1)]


@dataclass(frozen=True, kw_only=True)
class LinearLaw:
    """A verifier whose scores are uniform on (0, 1) on every problem, with P(correct | score s) = p + slope (2 s - 1).

    slope 0 knows nothing; a negative one prefers wrong responses. |slope| is at most p and 1 - p of every level.
    """

    slope: float

    def draw(self, correct: bool, p: float, random: np.random.Generator) -> float:
        """The score of one response, by inversion of its distribution function given the grade.

        Given correct, it has the density 1 + (slope / p) (2 s - 1); given wrong, p is 1 - p and slope is -slope.
        Raises ValueError for a slope that this p does not allow.
        """
        base, slope = (p, self.slope) if correct else (1 - p, -self.slope)
        if abs(slope) > min(p, 1 - p):
            raise ValueError(f"slope {self.slope} leaves 0 to 1 where p is {p}")
        u = 1 - random.random()  # in (0, 1], so that the root below is never 0 / 0
        return 2 * base * u / (base - slope + sqrt((base - slope) ** 2 + 4 * slope * base * u))


@dataclass(frozen=True, kw_only=True)
class JudgeLaw:
    """A verifier of pairs. Of one right and one wrong response it prefers the right one with probability
    ``right_first`` where that is shown first, ``right_second`` where it is second; of two with the same grade it
    prefers the first with probability ``first_of_equals``. A judgement is unparsed with probability ``unparsed``.
    """

    right_first: float
    right_second: float
    first_of_equals: float
    unparsed: float

    def judge(self, first: bool, second: bool, random: np.random.Generator) -> Side | None:
        """The judgement on two responses, by their grades."""
        if random.random() < self.unparsed:
            return None
        if first == second:
            prefers_first = self.first_of_equals
        else:
            prefers_first = self.right_first if first else 1 - self.right_second
        return Side.A if random.random() < prefers_first else Side.B


@dataclass(frozen=True, kw_only=True)
class PlayedProblem:
    """The grades of one problem's responses, by sample index, and the rounds of their tournament."""

    correct: dict[int, bool]
    rounds: tuple[PlayedRound, ...]


Draw = Callable[[bool, float, np.random.Generator], float | None]


def responses_of(rows: Iterable[tuple[int, bool, float | None]]) -> Responses:
    """Responses by (sample index, grade, score)."""
    samples, correct, scores = zip(*found, strict=True) if (found := list(rows)) else ((), (), ())
    return Responses(
        samples=np.array(samples, dtype=np.int64),
        correct=np.array(correct, dtype=np.bool_),
        scores=np.array(scores, dtype=np.float64),
    )


def columns_of(played: PlayedRound) -> RoundColumns:
    """A round as it is read back."""
    matches = played.matches
    return RoundColumns(
        a=np.array([each.match.a for each in matches], dtype=np.int64),
        b=np.array([each.match.b for each in matches], dtype=np.int64),
        winner=np.array([each.winner for each in matches], dtype=np.int64),
        judged_a=np.array([each.judgement is Side.A for each in matches], dtype=np.bool_),
        judged_b=np.array([each.judgement is Side.B for each in matches], dtype=np.bool_),
    )


def accuracies_of(correct: Mapping[int, bool], rounds: Iterable[PlayedRound]) -> tuple[float, ...]:
    """``round_accuracies`` of rounds as they were played, and of grades by sample index."""
    samples, grades = np.array(list(correct), dtype=np.int64), np.array(list(correct.values()), dtype=np.bool_)
    return round_accuracies(samples, grades, [columns_of(each) for each in rounds])


def simulate(
    population: Population, draws: Sequence[Draw], *, problems: int, samples: int, seed: int
) -> tuple[dict[str, Responses], ...]:
    """The same responses as scored by each verifier (``ScoreLaw.draw``, ``LinearLaw.draw``), in order of verifiers.

    Verifiers are independent of each other given the grade. PCG64(seed) decides everything.
    """
    random = np.random.Generator(np.random.PCG64(seed))
    found: tuple[dict[str, Responses], ...] = tuple({} for _ in draws)
    for number, p in enumerate(_levels(population, problems, random)):
        grades = random.random(samples) < p
        for scored, draw in zip(found, draws, strict=True):
            scored[str(number)] = responses_of(
                [(i, bool(grade), draw(bool(grade), p, random)) for i, grade in enumerate(grades)]
            )
    return found


def simulate_tournaments(
    population: Population, law: JudgeLaw, *, problems: int, samples: int, batch: int, seed: int
) -> tuple[PlayedProblem, ...]:
    """The tournaments of ``problems`` problems, all rounds of batches of ``batch`` = 2^r."""
    random = np.random.Generator(np.random.PCG64(seed))
    found = []
    for p in _levels(population, problems, random):
        correct = {i: bool(grade) for i, grade in enumerate(random.random(samples) < p)}
        rounds: list[PlayedRound] = []
        while len(rounds) < rounds_of(batch):
            matches = next_round(rounds[-1].winners) if rounds else first_round(range(samples), batch=batch)
            rounds.append(_judged(matches, correct, law, random))
        found.append(PlayedProblem(correct=correct, rounds=tuple(rounds)))
    return tuple(found)


def _judged(
    matches: Sequence[Match], correct: dict[int, bool], law: JudgeLaw, random: np.random.Generator
) -> PlayedRound:
    judgements = [law.judge(correct[match.a], correct[match.b], random) for match in matches]
    return play(matches, judgements, seed=int(random.integers(2**32)))


def _levels(population: Population, problems: int, random: np.random.Generator) -> list[float]:
    """The p of each problem drawn."""
    shares = [level.share for level in population]
    if not isclose(sum(shares), 1):
        raise ValueError(f"the shares of the levels sum to {sum(shares)}; expected 1")
    return [population[i].p for i in random.choice(len(population), size=problems, p=shares)]
