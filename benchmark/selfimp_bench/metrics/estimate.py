"""The mean of a metric over problems, with its standard error."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, isfinite, sqrt


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over the ``n`` problems where the metric is defined; ``undefined`` counts the others.

    value is None for n = 0, standard_error (in the value's unit) for n < 2; reason then says why.
    """

    value: float | None
    n: int
    undefined: int
    standard_error: float | None
    reason: str | None


def mean_over_problems(values: Sequence[float | None]) -> Estimate:
    """Mean of the defined values and its standard error sd / sqrt(n), sd with n - 1 in the denominator.

    For pass@1 with one sample a problem the error is sqrt(p (1 - p) / (n - 1)). The order of values does not matter,
    to the last bit. Raises ValueError for a value that is not finite.
    """
    defined = [value for value in values if value is not None]
    for value in defined:
        if not isfinite(value):
            raise ValueError(f"a problem has the value {value}; expected a finite number, or None where undefined")
    n = len(defined)
    undefined = len(values) - n
    if n == 0:
        reason = f"undefined on all {undefined} problems" if undefined else "no problems"
        return Estimate(value=None, n=0, undefined=undefined, standard_error=None, reason=reason)
    mean = fsum(defined) / n
    if n == 1:
        reason = "one problem has no standard error"
        return Estimate(value=mean, n=1, undefined=undefined, standard_error=None, reason=reason)
    variance = fsum((value - mean) ** 2 for value in defined) / (n - 1)
    return Estimate(value=mean, n=n, undefined=undefined, standard_error=sqrt(variance / n), reason=None)
