"""Pearson correlations as means over problems: between verifiers' scores, between gaps, and of gaps with accuracy.

Source: 2412.02674, Section 6.2, Figures 7, 18 and 19. A variable has one value of a problem (its gap, its accuracy) or
one of each of its responses (a verifier's scores); two are compared where both are defined.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Values = Sequence[float | None] | NDArray[np.float64]
"""Of one problem; None or NaN where undefined."""
Variable = Mapping[str, Values]
"""The values of each problem."""


def correlation_values(first: Variable, second: Variable) -> dict[str, float | None]:
    """Pearson's r (-1 to 1) of all pairs together, as a mean over problems, by problem id: r + the problem's influence.

    With both variables standardised to u and v, a pair has the influence u v - r (u^2 + v^2) / 2 on r; a problem stands
    for r + the sum over its pairs, times problems / pairs. The mean is r, its standard error that of a sample of
    problems, not of pairs, and what is tested on means over problems can be tested on it (the infinitesimal jackknife,
    Efron and Tibshirani, An Introduction to the Bootstrap, chapter 21). None for a problem without a pair, and for all
    where r is undefined: fewer than two pairs, or a constant variable. Raises ValueError unless both have the same
    problems with equally many values.
    """
    if {name: len(values) for name, values in first.items()} != {name: len(own) for name, own in second.items()}:
        raise ValueError("two variables are not measured on the same problems and responses")
    pairs = {name: _both(values, second[name]) for name, values in first.items()}
    table = np.concatenate([np.empty((0, 2)), *pairs.values()])
    if len(table) < 2 or any((column == column[0]).all() for column in table.T):
        return dict.fromkeys(first)
    u, v = ((column - column.mean()) / column.std() for column in table.T)
    r = float(np.mean(u * v))
    influence = u * v - r * (u**2 + v**2) / 2
    weight = sum(len(own) > 0 for own in pairs.values()) / len(table)
    ends = np.cumsum([len(own) for own in pairs.values()])
    return {
        name: r + weight * float(np.sum(influence[end - len(own) : end])) if len(own) else None
        for (name, own), end in zip(pairs.items(), ends, strict=True)
    }


def _both(first: Values, second: Values) -> NDArray[np.float64]:
    """The values of one problem in pairs, where both are defined."""
    table = np.array([first, second], dtype=np.float64).T
    return table[~np.isnan(table).any(axis=1)]
