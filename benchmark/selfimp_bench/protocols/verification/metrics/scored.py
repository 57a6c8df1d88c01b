"""A response with its grade and a verifier's score."""

from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True, kw_only=True)
class ScoredResponse:
    """One response of a problem: its number among the problem's samples, its grade, and the verifier's score.

    score is None where the verifier gave no usable one (unparsed, out of range): no filter keeps such a response, and
    every metric counts them. Higher is better; its unit is the verifier's. Raises ValueError for a score that is not
    finite.
    """

    sample_index: int
    correct: bool
    score: float | None

    def __post_init__(self) -> None:
        """A score that is not a number cannot be ranked."""
        if self.score is not None and not isfinite(self.score):
            raise ValueError(f"sample {self.sample_index} has the score {self.score}; expected a finite number or None")


Responses = tuple[ScoredResponse, ...]
