"""The statistics behind a verdict: tails of Student's t, moderated spreads, exact tails of shares and signs.

Pure numbers in, numbers out; what they mean for a claim is decided elsewhere.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

CERTAIN: Final = 1e9
"""Degrees of freedom that are as good as infinitely many."""


@lru_cache(maxsize=1)
def special() -> Any:
    """scipy.special, imported when it is first needed: most commands need it not."""
    import scipy.special

    return scipy.special


@dataclass(frozen=True, kw_only=True)
class Variance:
    """A variance and the degrees of freedom it is known with (``math.inf``: exactly)."""

    value: float
    degrees: float


def student_tail(t: float, degrees: float) -> float:
    """P(T >= t) of Student's t; of the normal distribution for infinite degrees."""
    return float(special().stdtr(min(degrees, CERTAIN), -t))


def student_quantile(level: float, degrees: float) -> float:
    """The quantile of probability ``level``, between 0 and 1; of the normal distribution for infinite degrees."""
    if not (0 < level < 1 and degrees > 0):
        raise ValueError(f"a quantile needs a level in (0, 1) and degrees above 0, got {level} and {degrees}")
    return float(special().stdtrit(min(degrees, CERTAIN), level))


def moderated(prior: Variance, *seen: Variance) -> Variance:
    """What is expected and what was seen, each weighing as its degrees; those seen without degrees say nothing.

    (nu0 sigma0^2 + nu1 s1^2 + ...) / (nu0 + nu1 + ...), with nu0 + nu1 + ... degrees.
    Source: the moderated t of Smyth 2004 (doi:10.2202/1544-6115.1027).
    """
    parts = [each for each in (prior, *seen) if each.degrees > 0]
    degrees = sum(each.degrees for each in parts)
    return Variance(value=sum(each.degrees * each.value for each in parts) / degrees, degrees=degrees)


def added(parts: Iterable[Variance]) -> Variance:
    """The variance of a sum of independent terms, its degrees by Welch and Satterthwaite."""
    known = [each for each in parts if each.value > 0]
    total = sum(each.value for each in known)
    if total == 0:
        return Variance(value=0.0, degrees=math.inf)
    uncertain = sum(each.value**2 / each.degrees for each in known if each.degrees < math.inf)
    return Variance(value=total, degrees=total**2 / uncertain if uncertain else math.inf)


def share_tail(successes: float, problems: int, bound: float) -> float:
    """P(X >= successes) of a binomial share ``bound`` of ``problems``: Clopper and Pearson's, one-sided.

    With a sum of graded values between 0 and 1 for the successes it is the same incomplete beta function: such values
    spread less than 0s and 1s of the same mean.
    """
    if successes <= 0 or bound >= 1:
        return 1.0
    return float(special().betainc(successes, problems - successes + 1, max(bound, 0.0)))


def sign_tail(more: int, less: int) -> float:
    """P(at least ``more`` of more + less) were both as likely: the exact sign test (McNemar's)."""
    return 1.0 if more == 0 else float(special().bdtrc(more - 1, more + less, 0.5))


def unseen_tail(distance: float, reach: float, problems: int) -> float:
    """That none of ``problems`` showed it, were enough of all problems different to move the mean by ``distance``.

    Values that are all equal have no spread, which says little: each problem that differs may do so by ``reach``, so
    that a share of distance / reach of them must. (1 - distance / reach) ** problems: the rule of three, exactly.
    """
    return max(0.0, 1 - distance / reach) ** problems


def tail(distance: float, exact: float | None, problems: Variance, seeds: Variance) -> float:
    """P(at least this distance from the bound, on this side), were the truth at the bound.

    The errors of problems and of seeds add up. Where the tail over problems is known exactly, it stands for the
    standard error that would give it, distance / z.
    """
    if distance <= 0:
        spread = added((problems, seeds))
        return student_tail(distance / math.sqrt(spread.value), spread.degrees) if spread.value else 1.0
    if exact is not None:
        deviate = -float(special().ndtri(exact))
        if deviate <= 0:
            return exact
        problems = Variance(value=(distance / deviate) ** 2, degrees=math.inf)
    spread = added((problems, seeds))
    return student_tail(distance / math.sqrt(spread.value), spread.degrees) if spread.value else 0.0


def holm(p_values: Iterable[float], level: float) -> tuple[bool, ...]:
    """Which hypotheses Holm's procedure rejects, all of them together at ``level``; in the order given."""
    values = list(p_values)
    rejected = [False] * len(values)
    for left, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        if values[index] * (len(values) - left) > level:
            break
        rejected[index] = True
    return tuple(rejected)
