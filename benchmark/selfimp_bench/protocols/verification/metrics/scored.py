"""The responses to a problem with their grades and a verifier's scores."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Responses:
    """The responses to one problem as columns: their numbers among its samples, their grades, a verifier's scores.

    A score is NaN where the verifier gave no usable one (unparsed, out of range): no filter keeps such a response, and
    every metric counts them. Higher is better; its unit is the verifier's. Raises ValueError for columns of different
    lengths, for a sample index that occurs twice and for an infinite score.
    """

    samples: NDArray[np.int64]
    correct: NDArray[np.bool_]
    scores: NDArray[np.float64]

    def __post_init__(self) -> None:
        """An infinite score cannot be weighed."""
        if not len(self.samples) == len(self.correct) == len(self.scores):
            raise ValueError(f"{len(self.samples)} responses have {len(self.scores)} scores; expected one each")
        if len(set(self.samples.tolist())) != len(self.samples):
            raise ValueError("a sample index occurs twice among the responses of one problem")
        if np.isinf(self.scores).any():
            sample = self.samples[np.isinf(self.scores)][0]
            raise ValueError(f"sample {sample} has an infinite score; expected a finite number or none")

    def __len__(self) -> int:
        """How many there are."""
        return len(self.samples)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Whether each has a usable score."""
        return ~np.isnan(self.scores)

    @cached_property
    def known(self) -> NDArray[np.float64]:
        """The usable scores."""
        return self.scores[self.usable]

    @property
    def unscored(self) -> int:
        """How many have none."""
        return len(self.scores) - len(self.known)

    @cached_property
    def accuracy(self) -> float | None:
        """The share of correct ones; None without responses."""
        return int(np.count_nonzero(self.correct)) / len(self) if len(self) else None
