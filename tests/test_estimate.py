"""The mean over problems: hand-computed values, the binomial case, and what is undefined."""

from math import inf, nan, sqrt
from statistics import stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.measurement import Estimate, mean_over_problems

DEFINED = st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=2, max_size=50)


def test_hand_computed_values():
    # mean 2, variance ((-1)^2 + 0 + 1^2) / 2 = 1, error 1 / sqrt(3)
    estimate = mean_over_problems([1.0, None, 2.0, 3.0, None])
    assert (estimate.value, estimate.n, estimate.undefined, estimate.reason) == (2.0, 3, 2, None)
    assert estimate.standard_error == pytest.approx(1 / sqrt(3), rel=1e-15)


def test_outcomes_of_one_sample_have_the_binomial_error_with_n_minus_one():
    estimate = mean_over_problems([1.0] * 30 + [0.0] * 70)
    assert estimate.value == 0.3
    assert estimate.standard_error == pytest.approx(sqrt(0.3 * 0.7 / 99), rel=1e-14)


def test_equal_values_have_no_error():
    assert mean_over_problems([0.1] * 1000).standard_error == 0.0


def test_one_problem_has_a_mean_but_no_error():
    estimate = mean_over_problems([None, 0.5])
    assert estimate == Estimate(
        value=0.5, n=1, undefined=1, standard_error=None, reason="one problem has no standard error"
    )


def test_no_problems_have_no_value():
    assert mean_over_problems([]) == Estimate(value=None, n=0, undefined=0, standard_error=None, reason="no problems")


def test_problems_that_are_all_undefined_have_no_value():
    estimate = mean_over_problems([None, None])
    assert estimate == Estimate(value=None, n=0, undefined=2, standard_error=None, reason="undefined on all 2 problems")


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_value_that_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match="finite"):
        mean_over_problems([0.5, None, value])


@given(DEFINED, st.randoms())
def test_order_does_not_matter_and_undefined_values_only_count(values, random):
    estimate = mean_over_problems(values)
    mixed = [*values, None]
    random.shuffle(mixed)
    other = mean_over_problems(mixed)
    assert (other.value, other.standard_error, other.n) == (estimate.value, estimate.standard_error, len(values))
    assert other.undefined == 1
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert min(values) - slack <= estimate.value <= max(values) + slack
    assert estimate.standard_error == pytest.approx(stdev(values) / sqrt(len(values)), rel=1e-9, abs=slack)
