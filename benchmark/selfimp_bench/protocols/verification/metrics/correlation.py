"""Pearson correlations as means over problems: between verifiers' scores, between gaps, and of gaps with accuracy.

Source: 2412.02674, Section 6.2, Figures 7, 18 and 19. A variable has one value of a problem (its gap, its accuracy) or
one of each of its responses (a verifier's scores); two are compared where both are defined.
"""

from collections.abc import Mapping, Sequence

import numpy as np

Variable = Mapping[str, Sequence[float | None]]
"""The values of each problem, None where undefined."""


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
    pairs = {
        name: [(x, y) for x, y in zip(values, second[name], strict=True) if x is not None and y is not None]
        for name, values in first.items()
    }
    table = np.array([pair for own in pairs.values() for pair in own], dtype=np.float64).reshape(-1, 2)
    if len(table) < 2 or any((column == column[0]).all() for column in table.T):
        return dict.fromkeys(first)
    u, v = ((column - column.mean()) / column.std() for column in table.T)
    r = float(np.mean(u * v))
    influence = u * v - r * (u**2 + v**2) / 2
    weight = sum(bool(own) for own in pairs.values()) / len(table)
    ends = np.cumsum([len(own) for own in pairs.values()])
    return {
        name: r + weight * float(np.sum(influence[end - len(own) : end])) if own else None
        for (name, own), end in zip(pairs.items(), ends, strict=True)
    }
