"""How much a verifier's verdict on one response varies from sample to sample."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class VerdictVariance:
    """``n`` verdicts on one response: p, the share that says "correct", and the Bernoulli variance p (1 - p).

    unbiased: p (1 - p) n / (n - 1), None for n = 1. unparsed: how many verdicts were not usable; they count as not
    saying "correct".
    """

    n: int
    p: float
    variance: float
    unbiased: float | None
    unparsed: int


def verdict_variance(verdicts: Sequence[bool | None]) -> VerdictVariance | None:
    """The variance of one response's verdicts (None: unparsed), 0 to 0.25.

    Source: 2412.02674, Appendix D.4: p is "the probability of the verification ending with 'correct'", so an unparsed
    verdict, which no filter keeps either, counts against it. On average p (1 - p) from n verdicts is too low by the
    factor (n - 1) / n, 63/64 there. None without verdicts.
    """
    n = len(verdicts)
    if not n:
        return None
    yes = verdicts.count(True)
    return VerdictVariance(
        n=n,
        p=yes / n,
        variance=yes * (n - yes) / n**2,
        unbiased=yes * (n - yes) / (n * (n - 1)) if n > 1 else None,
        unparsed=verdicts.count(None),
    )
