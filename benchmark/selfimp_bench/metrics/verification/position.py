"""Whether a verifier of pairs prefers a position: the tournament's recency bias."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from selfimp_bench.metrics.verification.tournament import Side


@dataclass(frozen=True, kw_only=True)
class Preference:
    """How often the response shown first, and the one shown second, was preferred; unparsed judgements aside."""

    first: int
    second: int
    unparsed: int

    @property
    def first_share(self) -> float | None:
        """The share of parsed judgements for the response shown first, 0 to 1; None without any."""
        parsed = self.first + self.second
        return self.first / parsed if parsed else None


@dataclass(frozen=True, kw_only=True)
class PreferenceSpread:
    """Mean and standard deviation (n - 1) of ``first_share`` over ``n`` models and rounds; None for n < 1 and 2."""

    n: int
    mean: float | None
    sd: float | None


@dataclass(frozen=True, kw_only=True)
class SwapTest:
    """Pairs judged twice, the second time with the two responses swapped.

    consistent: the same response was preferred both times; first, second: the same position was; unparsed: at least
    one judgement was not usable.
    """

    consistent: int
    first: int
    second: int
    unparsed: int


def preference(judgements: Iterable[Side | None]) -> Preference:
    """Count the positions preferred, over the matches of one model and round.

    Source: 2412.02674, Section 6.1: "the average probability of preferring the first generation". Which of the two is
    better plays no part: pairs are in sample order, which says nothing about them.
    """
    counts = Counter(judgements)
    return Preference(first=counts[Side.A], second=counts[Side.B], unparsed=counts[None])


def preference_spread(preferences: Sequence[Preference]) -> PreferenceSpread:
    """Over all models and rounds. Source: 2412.02674, Section 6.1, which prints 0.56 with a deviation of 0.12."""
    shares = [share for each in preferences if (share := each.first_share) is not None]
    return PreferenceSpread(
        n=len(shares),
        mean=fmean(shares) if shares else None,
        sd=stdev(shares) if len(shares) > 1 else None,
    )


def swap_test(judgements: Iterable[tuple[Side | None, Side | None]]) -> SwapTest:
    """Count what the verdicts on (y1, y2) and on (y2, y1) follow. Not in 2412.02674, which judges each pair once."""
    counts = Counter(judgements)
    unparsed = sum(n for pair, n in counts.items() if None in pair)
    return SwapTest(
        consistent=counts[(Side.A, Side.B)] + counts[(Side.B, Side.A)],
        first=counts[(Side.A, Side.A)],
        second=counts[(Side.B, Side.B)],
        unparsed=unparsed,
    )
