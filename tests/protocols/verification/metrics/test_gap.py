"""Gap and relative gap: hand-computed values, the cases the paper leaves open, and their invariants."""

from fractions import Fraction
from math import exp

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from protocols.verification.metrics.simulator import responses_of

from selfimp_bench.measurement import pass_at_k
from selfimp_bench.protocols.verification.metrics.gap import (
    EmptyFilter,
    Verified,
    aggregate_pseudo_values,
    aggregate_relative_gap,
    aggregate_relative_gap_of,
    gap,
    gap_of,
    relative_gap,
    relative_gap_of,
    reweigh,
    reweigh_all,
    reweigh_ensemble,
)
from selfimp_bench.protocols.verification.metrics.scored import Responses
from selfimp_bench.protocols.verification.metrics.selection import Quantile, Reweight, Threshold

ZERO, LEFT_OUT = EmptyFilter.ZERO, EmptyFilter.LEFT_OUT


def problem(*pairs):
    """Responses from (correct, score) pairs."""
    return responses_of((i, bool(c), s) for i, (c, s) in enumerate(pairs))


def taken(responses, order):
    """The same responses in another order."""
    samples, correct, scores = responses.samples[order], responses.correct[order], responses.scores[order]
    return Responses(samples=samples, correct=correct, scores=scores)


MIXED = {
    "half": problem((1, 9), (0, 9), (1, 3), (0, 2)),  # tau 8 keeps one right, one wrong: 1/2 -> 1/2
    "helped": problem((1, 10), (0, 1), (0, 2), (0, None)),  # 1/4 -> 1
    "hurt": problem((1, 1), (1, 2), (0, 8), (1, 8)),  # 3/4 -> 1/2
    "emptied": problem((1, 7), (0, 1), (0, None), (0, 2)),  # 1/4 -> nothing kept
    "perfect": problem((1, 9), (1, 1)),  # 1 -> 1
}
PROBLEMS = st.lists(st.tuples(st.booleans(), st.none() | st.integers(1, 10).map(float)), min_size=1, max_size=20).map(
    lambda pairs: problem(*pairs)
)
SELECTIONS = st.one_of(
    st.integers(0, 20).map(lambda i: Quantile(q=i / 20)),
    st.integers(0, 11).map(lambda i: Threshold(tau=i)),
    st.integers(1, 30).map(lambda i: Reweight(beta=i / 3)),
)


def test_the_gap_of_a_threshold_problem_by_problem():
    """By hand; 0.125 is (0 + 3/4 - 1/4 + 0) / 4 without the emptied problem, 0.1 with it as 0."""
    found = gap(MIXED, Threshold(tau=8))
    assert found.per_problem == {"half": 0, "helped": 0.75, "hurt": -0.25, "emptied": None, "perfect": 0}
    assert (found.emptied, found.perfect, found.unscored) == ({"emptied"}, frozenset(), 2)
    assert found.kept_share == pytest.approx((2 + 1 + 2 + 0 + 2) / 4 / 5)
    assert (found.mean(LEFT_OUT).value, found.mean(LEFT_OUT).n, found.mean(LEFT_OUT).undefined) == (0.125, 4, 1)
    assert (found.mean(ZERO).value, found.mean(ZERO).n, found.mean(ZERO).undefined) == (0.1, 5, 0)


def test_the_relative_gap_divides_by_what_each_problem_misses_and_leaves_the_perfect_one_out():
    found = relative_gap(MIXED, Threshold(tau=8))
    assert found.per_problem == {"half": 0, "helped": 1, "hurt": -1, "emptied": None, "perfect": None}
    assert (found.emptied, found.perfect) == ({"emptied"}, {"perfect"})
    assert found.values(ZERO) == {"half": 0, "helped": 1, "hurt": -1, "emptied": 0, "perfect": None}
    assert found.mean(LEFT_OUT).undefined == 2
    assert found.mean(ZERO).undefined == 1


def test_a_perfect_problem_with_an_empty_filter_stays_out_of_the_relative_gap():
    found = relative_gap({"x": problem((1, 1))}, Threshold(tau=5))
    assert (found.emptied, found.perfect, found.values(ZERO)) == (frozenset(), {"x"}, {"x": None})


def test_one_problem_can_pull_the_relative_gap_far_below_minus_1():
    """127 of 128 correct and the wrong one kept: -127."""
    worst = problem(*[(1, 0)] * 127, (0, 1))
    assert relative_gap({"x": worst}, Threshold(tau=1)).per_problem["x"] == pytest.approx(-127)


def test_the_worked_example_of_figure_2_goes_from_60_to_two_thirds():
    """2412.02674, Figure 2: 60 % correct, 66.7 % after the filter, gap 6.7 %."""
    responses = problem((1, 9), (1, 9), (1, 1), (0, 9), (0, 1))
    assert gap({"x": responses}, Threshold(tau=8)).per_problem["x"] == pytest.approx(2 / 3 - 3 / 5)


def test_reweighting_is_the_mean_under_exponential_weights():
    found = reweigh_all({"x": problem((1, 2), (0, 1), (0, None))}, Reweight(beta=0.5))["x"]
    assert found.reweighted == pytest.approx(exp(4) / (exp(4) + exp(2)))
    assert found.kept_share == pytest.approx((exp(4) + exp(2)) ** 2 / (exp(8) + exp(4)) / 3)


def test_a_problem_without_responses_is_undefined_under_both_conventions():
    nothing = {"x": problem()}
    for found in (gap(nothing, Threshold(tau=0)), relative_gap(nothing, Quantile(q=0.8))):
        assert (found.emptied, found.kept_share, found.values(ZERO)) == (frozenset(), None, {"x": None})
        assert found.mean(ZERO).value is None


def test_no_problems_have_no_gap():
    found = gap({}, Threshold(tau=0))
    assert (found.mean(ZERO).value, found.mean(ZERO).reason) == (None, "no problems")


def test_when_every_filter_is_empty_the_two_conventions_say_0_and_undefined():
    found = gap({"x": problem((1, 1), (0, 1)), "y": problem((0, None))}, Threshold(tau=5))
    assert found.mean(ZERO).value == 0
    assert found.mean(LEFT_OUT).value is None


@pytest.mark.parametrize("accuracy", [-0.1, 1.1])
def test_the_aggregate_relative_gap_divides_the_means(accuracy):
    """2412.02674, Table 3, first row: 11.31 and -1.42 give Table 4's -1.60."""
    assert round(aggregate_relative_gap(gap=-0.0142, accuracy=0.1131), 4) == -0.0160
    assert aggregate_relative_gap(gap=0.0, accuracy=1.0) is None
    with pytest.raises(ValueError, match="expected a share"):
        aggregate_relative_gap(gap=0.0, accuracy=accuracy)


def test_the_aggregate_relative_gap_of_problems_takes_gap_and_accuracy_of_the_same_problems():
    weighed = reweigh_all(MIXED, Threshold(tau=8))
    zero, left_out = (aggregate_relative_gap_of(weighed, empty) for empty in (ZERO, LEFT_OUT))
    assert zero.value == pytest.approx(0.1 / (1 - (0.5 + 0.25 + 0.75 + 0.25 + 1) / 5))
    assert left_out.value == pytest.approx(0.125 / (1 - (0.5 + 0.25 + 0.75 + 1) / 4))
    assert (zero.n, zero.undefined, left_out.n, left_out.undefined) == (5, 0, 4, 1)


def test_the_aggregate_s_pseudo_values_are_the_change_of_the_ratio_with_a_problem_s_weight():
    """Numerical derivative: R with one problem weighing 1 + n h instead of 1, over h."""
    weighed = reweigh_all(MIXED, Threshold(tau=8))
    h = 1e-6
    for name, value in aggregate_pseudo_values(weighed, ZERO).items():
        gains = gap_of(weighed).values(ZERO)
        weight = {other: 1 + (len(weighed) * h if other == name else 0) for other in weighed}
        missing = sum(weight[other] * (1 - weighed[other].accuracy) for other in weighed)
        moved = sum(weight[other] * gains[other] for other in weighed) / missing
        ratio = aggregate_relative_gap_of(weighed, ZERO).value
        assert value - ratio == pytest.approx((moved - ratio) / h, abs=1e-4)


def test_the_aggregate_relative_gap_is_undefined_with_a_reason():
    perfect = reweigh_all({"x": problem((1, 1)), "y": problem((1, 3))}, Threshold(tau=1))
    assert aggregate_relative_gap_of(perfect, ZERO).value is None
    assert "accuracy is 1" in aggregate_relative_gap_of(perfect, ZERO).reason
    emptied = reweigh_all({"x": problem((1, 1), (0, 1))}, Threshold(tau=2))
    assert aggregate_relative_gap_of(emptied, LEFT_OUT).reason == "no gap on any of 1 problems"
    assert aggregate_relative_gap_of({}, ZERO).value is None
    one = aggregate_relative_gap_of(emptied, ZERO)
    assert (one.value, one.standard_error, one.reason) == (0, None, "one problem has no standard error")


@given(st.lists(PROBLEMS, min_size=2, max_size=6), SELECTIONS)
def test_the_mean_of_the_pseudo_values_is_the_aggregate_ratio(problems, selection):
    weighed = reweigh_all({str(i): each for i, each in enumerate(problems)}, selection)
    gains = gap_of(weighed).values(ZERO)
    missing = sum(1 - each.accuracy for each in weighed.values())
    assume(missing > 0)
    assert aggregate_relative_gap_of(weighed, ZERO).value == pytest.approx(sum(gains.values()) / missing)


@given(PROBLEMS, SELECTIONS, st.integers(1, 10))
def test_a_constant_verifier_has_no_gap(responses, selection, score):
    flat = problem(*((correct, float(score)) for correct in responses.correct.tolist()))
    found = gap({"x": flat}, selection)
    assert found.values(ZERO) == {"x": 0.0}
    assert found.kept_share in (0, 1)


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_an_oracle_with_the_quantile_1_minus_1_over_n_reaches_pass_at_n(grades):
    n = len(grades)
    oracle = problem(*[(c, float(c)) for c in grades])
    found = reweigh_all({"x": oracle}, Quantile(q=1 - 1 / n))["x"]
    assert found.reweighted == pass_at_k(n, sum(grades), n)


@given(PROBLEMS, SELECTIONS, st.randoms(use_true_random=False))
def test_permuting_the_samples_changes_nothing_to_the_last_bit(responses, selection, random):
    order = list(range(len(responses)))
    random.shuffle(order)
    assert reweigh_all({"x": taken(responses, order)}, selection) == reweigh_all({"x": responses}, selection)


@given(PROBLEMS, SELECTIONS)
def test_relative_gaps_are_at_most_1_and_gaps_at_least_minus_the_accuracy(responses, selection):
    weighed = reweigh_all({"x": responses}, selection)["x"]
    absolute, relative = gap_of({"x": weighed}).per_problem["x"], relative_gap_of({"x": weighed}).per_problem["x"]
    if absolute is not None:
        assert -weighed.accuracy <= absolute <= 1 - weighed.accuracy
    if relative is not None:
        assert relative <= 1
        assert relative == pytest.approx(absolute / (1 - weighed.accuracy))


@given(PROBLEMS, SELECTIONS.filter(lambda s: not isinstance(s, Reweight)))
def test_a_filter_s_kept_share_and_accuracy_are_counts(responses, selection):
    found = reweigh_all({"x": responses}, selection)["x"]
    kept = round(found.kept_share * len(responses))
    assert found.kept_share == kept / len(responses)
    if kept:
        assert Fraction(found.reweighted).limit_denominator(kept).denominator <= kept
    else:
        assert found.reweighted is None


@given(PROBLEMS, SELECTIONS.filter(lambda s: not isinstance(s, Reweight)))
def test_a_verifier_in_an_ensemble_with_itself_is_itself(responses, selection):
    alone = Verified(problems={"x": responses}, filter=selection)
    assert reweigh_ensemble([alone, alone]) == reweigh_ensemble([alone]) == reweigh_all({"x": responses}, selection)


def test_an_ensemble_keeps_only_what_all_its_filters_keep():
    scores = {"p": problem((1, 9), (0, 9), (1, 1), (0, None))}
    other_order = taken(problem((1, 1), (0, 0), (1, 1), (0, 1)), slice(None, None, -1))  # matched by sample index
    votes = {"p": other_order}
    found = reweigh_ensemble(
        [Verified(problems=scores, filter=Threshold(tau=8)), Verified(problems=votes, filter=Threshold(tau=1))]
    )["p"]
    assert (found.accuracy, found.reweighted, found.kept_share, found.unscored) == (0.5, 1.0, 0.25, 1)


def test_an_ensemble_is_of_verifiers_of_the_same_responses():
    one = Verified(problems={"x": problem((1, 1))}, filter=Threshold(tau=1))
    others = ({"y": problem((1, 1))}, {"x": problem((0, 1))}, {"x": problem((1, 1), (0, 1))})
    for problems in others:
        with pytest.raises(ValueError, match="ensemble"):
            reweigh_ensemble([one, Verified(problems=problems, filter=Threshold(tau=1))])
    with pytest.raises(ValueError, match="at least one"):
        reweigh_ensemble([])


def test_weights_must_fit_the_responses():
    responses = problem((1, 1), (0, 1))
    for weight in ([1.0], [1.0, -1.0], [1.0, float("inf")], [1.0, float("nan")]):
        with pytest.raises(ValueError, match="weight"):
            reweigh(responses, np.array(weight))
    assert reweigh(responses, np.array([1e-200, 1e-200])).kept_share == 1


def test_responses_have_a_grade_and_a_score_each_and_are_all_different():
    with pytest.raises(ValueError, match="occurs twice"):
        taken(problem((1, 1), (0, 1)), [0, 0])
    with pytest.raises(ValueError, match="one each"):
        Responses(samples=np.arange(2), correct=np.zeros(2, dtype=bool), scores=np.zeros(3))
    with pytest.raises(ValueError, match="sample 1 has an infinite score"):
        problem((1, 1), (0, float("inf")))
