"""The closed forms against each other and against every possible outcome of a few responses."""

from itertools import product
from math import prod

import pytest
from protocols.verification.metrics.closed_form import (
    Rates,
    binomial,
    both_keep,
    over,
    pass_at,
    quantile_gap,
    quantile_relative_gap,
    reweight_gap,
    threshold_gap,
    threshold_rates,
    threshold_relative_gap,
    tied_quantile_gap,
    tournament_accuracies,
)
from protocols.verification.metrics.simulator import JudgeLaw, Level, ScoreLaw, responses_of

from selfimp_bench.protocols.verification.metrics.gap import EmptyFilter, gap, relative_gap
from selfimp_bench.protocols.verification.metrics.selection import Quantile, Reweight, Threshold

BINARY = ScoreLaw(scores=(1.0, 0.0), given_correct=(0.8, 0.2), given_wrong=(0.3, 0.7))
THREE = ScoreLaw(scores=(10.0, 5.0, None), given_correct=(0.6, 0.3, 0.1), given_wrong=(0.2, 0.3, 0.5))
ZERO = EmptyFilter.ZERO


def enumerated(metric, law, p, n, empty):
    """E[value; defined] and P(defined) of an estimator, over every outcome of n responses of one problem."""
    cells = [(True, s, p * q) for s, q in zip(law.scores, law.given_correct, strict=True)]
    cells += [(False, s, (1 - p) * q) for s, q in zip(law.scores, law.given_wrong, strict=True)]
    total = defined = 0.0
    for outcome in product(cells, repeat=n):
        responses = responses_of((i, c, s) for i, (c, s, _) in enumerate(outcome))
        value = metric({"x": responses}).values(empty)["x"]
        if value is not None:
            weight = prod(q for _, _, q in outcome)
            total, defined = total + weight * value, defined + weight
    return total, defined


@pytest.mark.parametrize("empty", EmptyFilter)
@pytest.mark.parametrize(("law", "tau"), [(BINARY, 1), (THREE, 8), (THREE, 1)])
@pytest.mark.parametrize("p", [0.25, 0.7])
def test_threshold_gaps_are_exact_over_every_outcome(law, tau, p, empty):
    rates = threshold_rates(law, tau)
    for estimator, truth in ((gap, threshold_gap), (relative_gap, threshold_relative_gap)):
        expected = truth(p, rates, 4).under(empty)
        found = enumerated(lambda x, e=estimator: e(x, Threshold(tau=tau)), law, p, 4, empty)
        assert found == pytest.approx((expected.total, expected.defined), abs=1e-12)


@pytest.mark.parametrize("beta", [0.05, 1.0])
def test_the_reweighted_gap_is_exact_over_every_outcome(beta):
    expected = reweight_gap(0.4, threshold_rates(BINARY, 1), 5, beta)
    found = enumerated(lambda x: gap(x, Reweight(beta=beta)), BINARY, 0.4, 5, ZERO)
    assert found == pytest.approx((expected.total, 1), abs=1e-12)


@pytest.mark.parametrize(("q", "least"), [(0.0, 5), (0.5, 3), (0.8, 1), (1.0, 1)])
def test_the_gap_of_a_quantile_among_ties_is_exact_over_every_outcome(q, least):
    expected = tied_quantile_gap(0.4, threshold_rates(BINARY, 1), 5, least)
    found = enumerated(lambda x: gap(x, Quantile(q=q)), BINARY, 0.4, 5, ZERO)
    assert found == pytest.approx((expected.total, 1), abs=1e-12)


def test_a_threshold_that_keeps_everything_or_nothing_has_no_gap():
    for rate in (0.0, 1.0):
        both = threshold_gap(0.3, Rates(true_positive=rate, false_positive=rate), 5)
        assert both.zero.total == pytest.approx(0)
        assert both.left_out.defined == rate


def test_an_oracle_s_gap_is_everything_but_what_no_response_solves():
    """With the empty filter as 0, c >= 1 correct responses give 1, none gives 0: 1 - (1 - p)^n - p."""
    oracle = Rates(true_positive=1.0, false_positive=0.0)
    assert threshold_gap(0.3, oracle, 5).zero.value == pytest.approx(1 - 0.7**5 - 0.3)
    assert threshold_gap(0.3, oracle, 5).zero.value == pytest.approx(pass_at((Level(share=1, p=0.3),), 5) - 0.3)
    # where it is defined, c is from 1 to n - 1 and the relative gap is 1
    assert threshold_relative_gap(0.3, oracle, 5).left_out.value == pytest.approx(1)


def test_the_filtered_accuracy_of_many_responses_is_the_precision():
    rates = Rates(true_positive=0.8, false_positive=0.3)
    assert rates.precision(0.5) == pytest.approx(0.4 / 0.55)
    assert threshold_gap(0.5, rates, 400).left_out.value == pytest.approx(0.4 / 0.55 - 0.5)


def test_rates_of_an_and_multiply():
    both = both_keep(Rates(true_positive=0.8, false_positive=0.5), Rates(true_positive=0.5, false_positive=0.1))
    assert (both.true_positive, both.false_positive) == pytest.approx((0.4, 0.05))


def test_two_responses_by_hand_under_a_linear_law():
    """The better of two is right with p + d / 3, the other with p - d / 3; relative gaps are 1, -1, 0, and 0 / 0."""
    assert quantile_gap(0.3, 2, 1).value == pytest.approx(0.1)
    found = quantile_relative_gap(0.4, 0.3, 2, 1)
    assert (found.total, found.defined) == pytest.approx((0.2, 1 - 0.16))


def test_a_linear_law_that_knows_nothing_has_no_relative_gap():
    assert quantile_relative_gap(0.4, 0.0, 8, 2).total == pytest.approx(0, abs=1e-12)


def test_the_relative_gap_of_a_linear_law_is_exact_at_any_number_of_nodes():
    """A rule of more nodes finds the same: the polynomial's degree is within what n nodes integrate."""
    n, kept, p, slope = 6, 2, 0.5, 0.4
    steps = [(i + 0.5) / 4000 for i in range(4000)]
    total = 0.0
    for t in steps:
        above, at, below = p + slope * t, p + slope * (2 * t - 1), p + slope * (t - 1)
        density = 60 * t**3 * (1 - t) ** 2  # 6! / (2! 3!)
        for a, qa in enumerate(binomial(2, above)):
            for m, qm in enumerate((1 - at, at)):
                for b, qb in enumerate(binomial(3, below)):
                    c = a + m + b
                    if c < n:
                        total += density / 4000 * qa * qm * qb * (a / kept - c / n) / (1 - c / n)
    assert quantile_relative_gap(p, slope, n, kept).total == pytest.approx(total, abs=1e-6)


def test_a_population_adds_up_before_it_divides():
    """Levels with p = 1/2 and p = 9/10, where the relative gap of one response more or less is undefined in p^n."""
    rates = Rates(true_positive=0.9, false_positive=0.2)
    levels = (Level(share=0.25, p=0.5), Level(share=0.75, p=0.9))
    mixed = over(levels, lambda p: threshold_relative_gap(p, rates, 3).zero)
    half, most = (threshold_relative_gap(p, rates, 3).zero for p in (0.5, 0.9))
    assert mixed.defined == pytest.approx(0.25 * (1 - 0.125) + 0.75 * (1 - 0.729))
    assert mixed.value == pytest.approx((0.25 * half.total + 0.75 * most.total) / mixed.defined)


def test_tournament_rounds_by_hand():
    """p = 1/2 and a judge that is always right: 1/2 -> 3/4 -> 15/16; always wrong: 1/4 -> 1/16; no use: 1/2."""
    half = (Level(share=1, p=0.5),)

    def judge(right, unparsed=0.0):
        return JudgeLaw(right_first=right, right_second=right, first_of_equals=0.5, unparsed=unparsed)

    assert tournament_accuracies(half, judge(1.0), 2) == (0.5, 0.75, 0.9375)
    assert tournament_accuracies(half, judge(0.0), 2) == (0.5, 0.25, 0.0625)
    assert tournament_accuracies(half, judge(1.0, unparsed=1.0), 2) == (0.5, 0.5, 0.5)
    position = JudgeLaw(right_first=1.0, right_second=0.0, first_of_equals=1.0, unparsed=0.0)
    assert tournament_accuracies(half, position, 2) == (0.5, 0.5, 0.5)
