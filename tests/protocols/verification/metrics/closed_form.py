"""What the estimators should find on the simulator's populations: exact expectations at a finite number of samples.

Throughout, a problem has n responses, each correct with probability p. A metric that is undefined on some draws is
averaged where it is defined; its expectation is that of its value times "is defined", over the probability that it
is, and so it is kept (``Expected``): over a population both add up level by level, and only then is one divided by
the other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import comb, exp, fsum

import numpy as np
from protocols.verification.metrics.simulator import JudgeLaw, Population, ScoreLaw

from selfimp_bench.protocols.verification.metrics.gap import EmptyFilter


@dataclass(frozen=True, kw_only=True)
class Expected:
    """E[value; defined] and P(defined) of a metric on one problem."""

    total: float
    defined: float

    @property
    def value(self) -> float:
        """E[value | defined]: what the mean over the problems where it is defined estimates, without bias."""
        return self.total / self.defined


@dataclass(frozen=True, kw_only=True)
class Both:
    """The expectation under both conventions for a filter that keeps nothing of a problem."""

    zero: Expected
    left_out: Expected

    def under(self, empty: EmptyFilter) -> Expected:
        """The expectation under one of them."""
        return self.zero if empty is EmptyFilter.ZERO else self.left_out


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The probabilities that a filter keeps a correct and a wrong response."""

    true_positive: float
    false_positive: float

    def kept(self, p: float) -> float:
        """The probability that it keeps a response: p TPR + (1 - p) FPR."""
        return p * self.true_positive + (1 - p) * self.false_positive

    def precision(self, p: float) -> float:
        """P(correct | kept) = p TPR / (p TPR + (1 - p) FPR). Raises ZeroDivisionError where nothing is ever kept."""
        return p * self.true_positive / self.kept(p)


def over(population: Population, at: Callable[[float], Expected]) -> Expected:
    """The expectation on a problem drawn from the population, from that on a problem of each p."""
    found = [(level.share, at(level.p)) for level in population]
    return Expected(
        total=fsum(share * each.total for share, each in found),
        defined=fsum(share * each.defined for share, each in found),
    )


def threshold_rates(law: ScoreLaw, tau: float) -> Rates:
    """What a global threshold makes of a verifier with finitely many scores."""
    kept = [score is not None and score >= tau for score in law.scores]
    return Rates(
        true_positive=fsum(q for q, keep in zip(law.given_correct, kept, strict=True) if keep),
        false_positive=fsum(q for q, keep in zip(law.given_wrong, kept, strict=True) if keep),
    )


def both_keep(first: Rates, second: Rates) -> Rates:
    """The AND of two filters that are independent given the grade: their rates multiply."""
    return Rates(
        true_positive=first.true_positive * second.true_positive,
        false_positive=first.false_positive * second.false_positive,
    )


def threshold_gap(p: float, rates: Rates, n: int) -> Both:
    """The gap of a threshold filter.

    Given that k >= 1 responses are kept, each is correct with probability pi = ``precision``, by itself: the filtered
    accuracy has no ratio bias, E = pi for every k. The plain accuracy does depend on whether anything is kept: with
    e = (1 - kept)^n and rho = p (1 - TPR) / (1 - kept), the accuracy of what is not kept,
    E[accuracy; nothing kept] = e rho. So E[gap; something kept] = pi (1 - e) - (p - e rho).
    """
    kept = rates.kept(p)
    empty = (1 - kept) ** n
    missed = empty * p * (1 - rates.true_positive) / (1 - kept) if kept < 1 else 0.0
    total = rates.precision(p) * (1 - empty) - (p - missed) if kept else 0.0
    return Both(zero=Expected(total=total, defined=1), left_out=Expected(total=total, defined=1 - empty))


def threshold_relative_gap(p: float, rates: Rates, n: int) -> Both:
    """The relative gap of a threshold filter: a sum over c ~ Bin(n, p), i ~ Bin(c, TPR), j ~ Bin(n - c, FPR).

    c responses are correct, i of them and j of the others are kept: (i / (i + j) - c / n) / (1 - c / n), undefined
    for c = n. The ratio depends on c in numerator and denominator, so nothing simpler is exact.
    """
    total = empty = 0.0
    for weight, c, i, j in _outcomes(p, rates, n):
        if c < n and i + j:
            total += weight * (i / (i + j) - c / n) / (1 - c / n)
        elif c < n:
            empty += weight
    defined = 1 - p**n
    return Both(zero=Expected(total=total, defined=defined), left_out=Expected(total=total, defined=defined - empty))


def reweight_gap(p: float, rates: Rates, n: int, beta: float) -> Expected:
    """The gap of w(s) = exp(s / beta) with a binary verifier: the same sum, with the weights e^(1 / beta) and 1."""
    heavy, total = exp(1 / beta), 0.0
    for weight, c, i, j in _outcomes(p, rates, n):
        right, wrong = heavy * i + c - i, heavy * j + n - c - j
        total += weight * (right / (right + wrong) - c / n)
    return Expected(total=total, defined=1)


def tied_quantile_gap(p: float, rates: Rates, n: int, least: int) -> Expected:
    """The gap of a quantile filter on a binary verifier, where ties make it keep ``least`` of n responses or more.

    The cut is at the least-th highest score: where at least that many score 1, these are kept; else it is 0 and all
    are, with gap 0. The same sum again.
    """
    total = fsum(w * (i / (i + j) - c / n) for w, c, i, j in _outcomes(p, rates, n) if i + j >= least)
    return Expected(total=total, defined=1)


def _outcomes(p: float, rates: Rates, n: int) -> Iterator[tuple[float, int, int, int]]:
    """(probability, correct c, correct and kept i, wrong and kept j): c ~ Bin(n, p), i ~ Bin(c, TPR), j likewise."""
    for c, at_c in enumerate(binomial(n, p)):
        wrong = binomial(n - c, rates.false_positive)
        for i, at_i in enumerate(binomial(c, rates.true_positive)):
            yield from ((at_c * at_i * at_j, c, i, j) for j, at_j in enumerate(wrong))


def quantile_gap(slope: float, n: int, kept: int) -> Expected:
    """The gap of the best ``kept`` of n responses under a ``LinearLaw``: slope (n - kept) / (n + 1), whatever p is.

    The scores are n uniform numbers, the j-th highest of which has the mean (n + 1 - j) / (n + 1); the highest m have
    the mean (2 n + 1 - m) / (2 (n + 1)). With P(correct | s) = p + slope (2 s - 1), they are correct with p + slope
    (2 mean - 1) = p + slope (n - m) / (n + 1). No tie, so no response too many is kept.
    """
    return Expected(total=slope * (n - kept) / (n + 1), defined=1)


def quantile_relative_gap(p: float, slope: float, n: int, kept: int) -> Expected:
    """The relative gap of the best m = ``kept`` < n responses under a ``LinearLaw``.

    Given the (m + 1)-th highest score t, which has the density n! / (m! (n - m - 1)!) t^(n - m - 1) (1 - t)^m, the m
    above it are uniform on (t, 1) and so correct with p + slope t each; it is correct itself with p + slope (2 t - 1),
    and the n - m - 1 below with p + slope (t - 1) each: three independent counts. Their expectation is a polynomial
    of degree 2 n - 1 in t, which Gauss and Legendre's rule with n nodes integrates exactly.
    """
    nodes, node_weights = np.polynomial.legendre.leggauss(n)
    total = 0.0
    for t, at_t in zip(((nodes + 1) / 2).tolist(), (node_weights / 2).tolist(), strict=True):
        density = comb(n, kept) * (n - kept) * t ** (n - kept - 1) * (1 - t) ** kept
        top = binomial(kept, p + slope * t)
        middle = binomial(1, p + slope * (2 * t - 1))
        rest = np.convolve(middle, binomial(n - kept - 1, p + slope * (t - 1)))
        total += at_t * density * _relative(top, rest.tolist(), n, kept)
    return Expected(total=total, defined=1 - p**n)


def _relative(top: Sequence[float], rest: Sequence[float], n: int, kept: int) -> float:
    """E[relative gap; defined] where the kept and the other responses have these distributions of correct counts."""
    return fsum(
        at_a * at_b * (a / kept - (a + b) / n) / (1 - (a + b) / n)
        for a, at_a in enumerate(top)
        for b, at_b in enumerate(rest)
        if a + b < n
    )


def tournament_accuracies(population: Population, law: JudgeLaw, rounds: int) -> tuple[float, ...]:
    """The expected accuracy of the entrants and of the winners of each round.

    The two responses of a match come from parts of the bracket that share nothing, so given the problem they are
    independent and, by symmetry, equally often correct: a -> a^2 + a (1 - a) (r1 + r2), where a coin decides what is
    unparsed: r = (1 - unparsed) right + unparsed / 2, for the right one shown first and second.
    """
    wins = sum((1 - law.unparsed) * right + law.unparsed / 2 for right in (law.right_first, law.right_second))
    by_level = [[level.p] for level in population]
    for accuracies in by_level:
        for _ in range(rounds):
            a = accuracies[-1]
            accuracies.append(a * a + a * (1 - a) * wins)
    return tuple(
        fsum(level.share * accuracies[k] for level, accuracies in zip(population, by_level, strict=True))
        for k in range(rounds + 1)
    )


def first_preferred(population: Population, law: JudgeLaw) -> float:
    """P(the response shown first is preferred | parsed) in the first round."""
    return fsum(
        level.share
        * (
            level.p * (1 - level.p) * (law.right_first + 1 - law.right_second)
            + (level.p**2 + (1 - level.p) ** 2) * law.first_of_equals
        )
        for level in population
    )


def pass_at(population: Population, k: int) -> float:
    """P(at least one of k responses is correct) = E[1 - (1 - p)^k]; what the unbiased estimate has for its mean."""
    return fsum(level.share * (1 - (1 - level.p) ** k) for level in population)


def score_correlation(population: Population, first: Rates, second: Rates) -> float:
    """Pearson's r over all responses of two binary verifiers that are independent given the grade."""

    def moment(at: Callable[[float], float]) -> float:
        return fsum(level.share * at(level.p) for level in population)

    one, two, joint = (moment(rates.kept) for rates in (first, second, both_keep(first, second)))
    return float((joint - one * two) / np.sqrt(one * (1 - one) * two * (1 - two)))


def binomial(n: int, p: float) -> tuple[float, ...]:
    """P(k of n) for k = 0 .. n."""
    return tuple(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1))
