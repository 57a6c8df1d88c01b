"""Whether a verifier of pairs prefers a position: the tournament's recency bias."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from selfimp_bench.protocols.verification.metrics.tournament import Side


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


def preference(judgements: Iterable[Side | None]) -> Preference:
    """Count the positions preferred, over the matches of one model and round.

    Source: 2412.02674, Section 6.1: "the average probability of preferring the first generation". Which of the two is
    better plays no part: pairs are in sample order, which says nothing about them.
    """
    counts = Counter(judgements)
    return Preference(first=counts[Side.A], second=counts[Side.B], unparsed=counts[None])
