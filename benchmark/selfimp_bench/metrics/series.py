"""A metric over the iterations t = 1..T: where it is best, what was gained, and where it stops rising.

``values[t - 1]`` is the value of M_t, None where undefined; higher is better. Every function raises ValueError for a
value that is not finite.
"""

from collections.abc import Sequence
from math import isfinite


def best_iteration(values: Sequence[float | None]) -> int | None:
    """The iteration (from 1) with the highest value, the first of equals; None where no value is defined.

    Source: 2407.05013, Section 4.2 and Figure 2 ("best" of each method).
    """
    defined = _defined(values)
    return max(defined, key=lambda t: (defined[t], -t)) if defined else None


def gain_at_best(values: Sequence[float | None]) -> float | None:
    """The highest value minus that of M_1, in the metric's unit, never negative.

    Source: 2407.05013, Section 4.2: its "improvements" are absolute and taken at the best iteration, whichever it is.
    None where M_1 has no value.
    """
    defined = _defined(values)
    return max(defined.values()) - defined[1] if 1 in defined else None


def gain_at_last(values: Sequence[float | None]) -> float | None:
    """The value of M_T minus that of M_1, in the metric's unit; negative where iterating did harm.

    None where either has no value. A series of one iteration gained 0.
    """
    defined = _defined(values)
    return defined[len(values)] - defined[1] if 1 in defined and len(values) in defined else None


def plateau_iteration(values: Sequence[float | None], *, tolerance: float) -> int | None:
    """The first iteration that no later one exceeds by more than ``tolerance`` (>= 0, in the metric's unit).

    Source: 2407.05013, Section 4.2 ("plateau or even decline slightly after 4-5 iterations"), which gives no rule;
    this one is ours. The last iteration means that no plateau was seen. Undefined values are passed over; None
    where none is defined. Raises ValueError for a negative tolerance.
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance is {tolerance}; expected at least 0")
    defined = _defined(values)
    for t, value in defined.items():
        if all(later - value <= tolerance for other, later in defined.items() if other > t):
            return t
    return None


def _defined(values: Sequence[float | None]) -> dict[int, float]:
    """The defined values by iteration, in order."""
    defined = {t: value for t, value in enumerate(values, start=1) if value is not None}
    for t, value in defined.items():
        if not isfinite(value):
            raise ValueError(f"iteration {t} has the value {value}; expected a finite number, or None where undefined")
    return defined
