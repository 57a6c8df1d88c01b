"""Pearson correlations: between verifiers' scores, between gaps, and of gaps with accuracy.

Source: 2412.02674, Section 6.2, Figures 7, 18 and 19. A variable is a mapping from what it was measured on (a problem
id, or a problem id with a sample index) to its value, None where undefined; two are compared where both are defined.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np

from selfimp_bench.metrics.estimate import Estimate, mean_over_problems
from selfimp_bench.metrics.verification.scored import Responses

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Pearson's r (-1 to 1) of two variables over the ``n`` places where both are defined.

    dropped: the places where only one of them, or neither, is. r is None for n < 2 and where a variable is constant.
    """

    first: str
    second: str
    r: float | None
    n: int
    dropped: int


def correlate(variables: Mapping[str, Mapping[Key, float | None]]) -> tuple[Correlation, ...]:
    """Every pair of variables, in their order: the upper triangle of the correlation matrix.

    For the pooled correlation of scores give ``scores_by_response``; for gaps and accuracy, values by problem id; for
    gaps across models, mean gaps by model. Raises ValueError unless all are measured on the same places.
    """
    return tuple(_correlation(one, two, variables[one], variables[two]) for one, two in combinations(variables, 2))


def pearson(first: Mapping[Key, float | None], second: Mapping[Key, float | None]) -> float | None:
    """Pearson's r over the places where both are defined; None where it is undefined (see ``Correlation``)."""
    return _correlation("first", "second", first, second).r


def scores_by_response(problems: Mapping[str, Responses]) -> dict[tuple[str, int], float | None]:
    """A verifier's scores by problem id and sample index: a variable over all responses, pooled."""
    return {(name, r.sample_index): r.score for name, responses in problems.items() for r in responses}


def within_prompt_correlation(first: Mapping[str, Responses], second: Mapping[str, Responses]) -> Estimate:
    """The mean over problems of Pearson's r between two verifiers' scores of one problem's responses.

    Unlike the pooled correlation, it does not rise because some problems get high scores from both. A problem where r
    is undefined is left out and counted. Raises ValueError unless both have judged the same responses.
    """
    if first.keys() != second.keys():
        raise ValueError("two verifiers have not judged the same problems")
    one, two = ({name: _scores(each) for name, each in problems.items()} for problems in (first, second))
    return mean_over_problems([pearson(one[name], two[name]) for name in one])


def _scores(responses: Responses) -> dict[int, float | None]:
    return {response.sample_index: response.score for response in responses}


def _correlation(
    one: str, two: str, first: Mapping[Key, float | None], second: Mapping[Key, float | None]
) -> Correlation:
    if first.keys() != second.keys():
        raise ValueError(f"{one!r} and {two!r} are not measured on the same places")
    pairs = [(x, second[key]) for key, x in first.items() if x is not None and second[key] is not None]
    r = None
    if len(pairs) > 1:
        table = np.array(pairs, dtype=np.float64)
        if all((column != column[0]).any() for column in table.T):
            r = float(np.corrcoef(table.T)[0, 1])
    return Correlation(first=one, second=two, r=r, n=len(pairs), dropped=len(first) - len(pairs))
