"""Diversity of equal numbers of outputs: the distinct shares, compared between models as they can be.

They fall with the number of outputs, and a better model has more correct ones, so that the paper's measure falls by
accuracy alone; this one does not. It is ours; 2407.05013 has none.
"""

from collections.abc import Mapping, Sequence
from typing import Final

FEWEST: Final = 2
"""Outputs: how varied one is by itself says little of a set."""

SoFar = Sequence[float | None]
"""A measure of the first output to a problem, of the first two, and so on to all of them."""


def of_equal_numbers(models: Sequence[Mapping[str, SoFar]]) -> tuple[dict[str, float | None], ...]:
    """By model and problem the measure of as many outputs as the model that has fewest, the first ones.

    models: by problem what each model's outputs come to. A problem that some model has fewer than two outputs to is
    undefined (None) for all. Outputs are drawn alike and independently, so that the first ones are any.
    """
    problems = dict.fromkeys(problem for each in models for problem in each)
    counts = {problem: min(len(each.get(problem, ())) for each in models) for problem in problems}
    return tuple(
        {problem: each[problem][count - 1] if count >= FEWEST else None for problem, count in counts.items()}
        for each in models
    )
