"""Single elimination: a verifier compares responses in pairs, and the winners are the new distribution.

Source: 2412.02674, Section 3 (3) and Appendix C. The bracket is driven round by round, because a model has to judge
each: ``first_round`` pairs the responses, ``play`` settles a round's judgements, ``next_round`` pairs the winners.
Responses are named by their sample index, so that no grade is needed before the rounds are measured.
Assumed where the paper is silent: batches and pairs are in sample order, and each pair is judged once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from random import Random

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.protocols.verification.metrics.gap import Reweighted


class Side(StrEnum):
    """Which response of a pair is preferred: the one shown first (A) or second (B)."""

    A = "A"
    B = "B"


@dataclass(frozen=True, kw_only=True)
class Match:
    """Two responses of one problem, by sample index; ``a`` is shown first."""

    a: int
    b: int


@dataclass(frozen=True, kw_only=True)
class PlayedMatch:
    """A match with its judgement (None: unparsed, so that a coin decided) and its winner, a sample index."""

    match: Match
    judgement: Side | None
    winner: int


@dataclass(frozen=True, kw_only=True)
class PlayedRound:
    """The matches of one round of one problem, in the order of the bracket."""

    matches: tuple[PlayedMatch, ...]

    @property
    def winners(self) -> tuple[int, ...]:
        """Their sample indices, in the order of the bracket."""
        return tuple(each.winner for each in self.matches)

    @property
    def coins(self) -> int:
        """How many matches had no usable judgement."""
        return sum(each.judgement is None for each in self.matches)


@dataclass(frozen=True, kw_only=True, eq=False)
class RoundColumns:
    """The matches of one round of one problem as it is read back, in the order of the bracket.

    a, b, winner: sample indices. judged_a, judged_b: whether this side was preferred; neither where a coin decided.
    Raises ValueError for a winner that fits neither the pair nor the judgement.
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    winner: NDArray[np.int64]
    judged_a: NDArray[np.bool_]
    judged_b: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Any file may be read."""
        fits = ((self.winner == self.a) & ~self.judged_b) | ((self.winner == self.b) & ~self.judged_a)
        if not fits.all():
            wrong = int(np.flatnonzero(~fits)[0])
            match = f"{self.a[wrong]} against {self.b[wrong]} as it was judged"
            raise ValueError(f"sample {self.winner[wrong]} cannot win {match}")

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Whether a judgement decided each match, and no coin."""
        return self.judged_a | self.judged_b

    @property
    def judgements(self) -> Iterator[Side | None]:
        """The side preferred in each match; None where a coin decided."""
        sides = zip(self.judged_a.tolist(), self.judged_b.tolist(), strict=True)
        return (Side.A if is_a else Side.B if is_b else None for is_a, is_b in sides)


def rounds_of(batch: int) -> int:
    """How many rounds leave one response of a batch: r for 2^r. Raises ValueError unless it is 2, 4, 8, ..."""
    if batch < 2 or batch & (batch - 1):
        raise ValueError(f"a batch is {batch} responses; expected a power of two, at least 2")
    return batch.bit_length() - 1


def first_round(responses: Sequence[int], *, batch: int) -> tuple[Match, ...]:
    """The pairs of the first round of all batches, from the sample indices in sample order.

    With batches of 2^r in sample order, ``next_round`` never pairs two batches within ``rounds_of(batch)`` rounds.
    Raises ValueError unless the responses fill whole batches and are all different.
    """
    rounds_of(batch)
    if not responses or len(responses) % batch:
        raise ValueError(f"{len(responses)} responses do not fill batches of {batch}")
    if len(set(responses)) != len(responses):
        raise ValueError("a response enters a tournament twice")
    return next_round(responses)


def next_round(winners: Sequence[int]) -> tuple[Match, ...]:
    """The winners, two by two in order. Raises ValueError for an odd number or none."""
    if not winners or len(winners) % 2:
        raise ValueError(f"{len(winners)} responses cannot be paired")
    return tuple(Match(a=a, b=b) for a, b in zip(winners[::2], winners[1::2], strict=True))


def play(matches: Sequence[Match], judgements: Sequence[Side | None], *, seed: int) -> PlayedRound:
    """Settle one round: an unparsed judgement (None) is settled by a fair coin from ``seed``.

    Every match has its own throw, used or not, so that one judgement does not move another's coin. Give every round
    of every problem its own seed.
    """
    coin = Random(seed)
    throws = [Side.A if coin.getrandbits(1) else Side.B for _ in matches]
    played = []
    for match, judgement, throw in zip(matches, judgements, throws, strict=True):
        winner = match.a if (judgement or throw) is Side.A else match.b
        played.append(PlayedMatch(match=match, judgement=judgement, winner=winner))
    return PlayedRound(matches=tuple(played))


def round_accuracies(
    samples: NDArray[np.int64], correct: NDArray[np.bool_], rounds: Sequence[RoundColumns]
) -> tuple[float, ...]:
    """The accuracy of one problem's entrants, then of the winners of each round: shares, one more than rounds.

    Source: 2412.02674, Figures 6 and 15. ``correct`` are the grades of ``samples``. Raises ValueError without rounds,
    where a round does not pair the winners of the one before, and where an entrant has no grade.
    """
    if not rounds:
        raise ValueError("a tournament needs at least one round")
    for earlier, later in pairwise(rounds):
        if not (np.array_equal(later.a, earlier.winner[::2]) and np.array_equal(later.b, earlier.winner[1::2])):
            raise ValueError("a round does not pair the winners of the round before it in their order")
    entrants = np.concatenate([rounds[0].a, rounds[0].b])
    right, graded = set(samples[correct].tolist()), set(samples.tolist())
    if ungraded := [index for index in entrants.tolist() if index not in graded]:
        raise ValueError(f"sample {ungraded[0]} took part in a tournament but has no grade")
    return tuple(_share(right, each.tolist()) for each in (entrants, *(played.winner for played in rounds)))


def after_round(accuracies: Sequence[float], *, entrants: int, after: int, since: int = 0) -> Reweighted:
    """One problem's winners of round ``after`` against those of round ``since`` (0: the entrants), ready for a gap.

    From ``round_accuracies``. Table 3's "to round 5" is after=5 against the entrants; Figure 6 (right) takes the
    accuracy of the round before, since=after-1. Raises ValueError unless 0 <= since < after <= the rounds played.
    """
    if not 0 <= since < after < len(accuracies):
        raise ValueError(f"rounds {since} to {after} of {len(accuracies) - 1}; expected 0 <= since < after <= all")
    return Reweighted(
        responses=entrants // 2**since,
        unscored=0,
        accuracy=accuracies[since],
        reweighted=accuracies[after],
        kept_share=0.5 ** (after - since),
    )


def _share(right: set[int], taken: Sequence[int]) -> float:
    return sum(map(right.__contains__, taken)) / len(taken)
