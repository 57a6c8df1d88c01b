"""Pearson correlations: by hand, against SciPy, their errors, and where they are undefined."""

from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import pearsonr

from selfimp_bench.measurement import mean_over_problems
from selfimp_bench.protocols.verification.metrics.correlation import correlation_values

PAIRS = st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=3, max_size=20)


def correlation(first, second):
    return mean_over_problems(list(correlation_values(first, second).values()))


def test_by_hand():
    """x = 1, 2, 3 and y = 1, 3, 2: covariance 1/3, both variances 2/3, r = 0.5.

    Standardised by sqrt(2/3), the pairs are (-1.22, -1.22), (0, 1.22) and (1.22, 0): their influence is 1.5 - 0.75,
    -0.375 and -0.375.
    """
    found = correlation_values({"a": [1.0], "b": [2.0], "c": [3.0]}, {"a": [1.0], "b": [3.0], "c": [2.0]})
    assert list(found.values()) == pytest.approx([1.25, 0.125, 0.125])
    assert mean_over_problems(list(found.values())).value == pytest.approx(0.5)


def test_responses_of_all_problems_are_pooled_and_pairs_with_an_undefined_value_left_out():
    """Within each problem the variables disagree; the second problem gets high values of both."""
    one = {"x": [1.0, 2.0, None], "y": [11.0, 12.0, 3.0], "z": [None, None, 1.0]}
    two = {"x": [2.0, 1.0, 9.0], "y": [12.0, 11.0, None], "z": [5.0, None, None]}
    found = correlation(one, two)
    assert found.value == pytest.approx(pearsonr([1, 2, 11, 12], [2, 1, 12, 11]).statistic)
    assert (found.n, found.undefined) == (2, 1)


@pytest.mark.parametrize(
    "second", [{}, {1: [1.0]}, {1: [1.0], 2: [1.0]}, {1: [1.0], 2: [None]}, {1: [None], 2: [None]}]
)
def test_a_constant_a_single_pair_and_nothing_have_no_correlation(second):
    first = {name: [value] for name, value in zip(second, (3.0, 4.0), strict=False)}
    assert correlation_values(first, second) == dict.fromkeys(second)


def test_variables_must_be_measured_on_the_same_responses():
    for other in ({"y": [1.0, 2.0]}, {"x": [1.0]}):
        with pytest.raises(ValueError, match="same problems and responses"):
            correlation_values({"x": [1.0, 2.0]}, other)


@given(PAIRS)
def test_it_is_scipy_s_pearson_whichever_comes_first(pairs):
    x, y = (list(map(float, column)) for column in zip(*pairs, strict=True))
    assume(len(set(x)) > 1 and len(set(y)) > 1)
    first, second = ({number: [value] for number, value in enumerate(column)} for column in (x, y))
    found = correlation(first, second).value
    assert found == pytest.approx(pearsonr(x, y).statistic, abs=1e-12)
    assert found == pytest.approx(correlation(second, first).value, abs=1e-12)


def test_the_error_is_the_spread_over_samples_of_problems_whose_responses_go_together():
    """Responses of a problem share a part of both values, so that pairs are no independent sample."""
    random = np.random.Generator(np.random.PCG64(5))
    drawn = []
    for _ in range(200):
        shared, own = random.normal(size=(150, 1)), random.normal(size=(2, 150, 8))
        first, second = ({number: list(row) for number, row in enumerate(shared + each)} for each in own)
        drawn.append(correlation(first, second))
    assert fmean(each.value for each in drawn) == pytest.approx(0.5, abs=0.02)
    spread = stdev(each.value for each in drawn)
    assert fmean(each.standard_error for each in drawn) == pytest.approx(spread, rel=0.12)
