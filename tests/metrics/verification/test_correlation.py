"""Pearson correlations: by hand, against SciPy, and where they are undefined."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from selfimp_bench.metrics.verification.correlation import (
    correlate,
    pearson,
    scores_by_response,
    within_prompt_correlation,
)
from selfimp_bench.metrics.verification.scored import ScoredResponse

PAIRS = st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), min_size=3, max_size=20)


def responses(*scores):
    return tuple(ScoredResponse(sample_index=i, correct=False, score=s) for i, s in enumerate(scores))


def test_every_pair_of_variables_by_hand():
    """x = 1, 2, 3 and y = 1, 3, 2: covariance 1, both variances 2."""
    x, y, z = {1: 1.0, 2: 2.0, 3: 3.0}, {1: 1.0, 2: 3.0, 3: 2.0}, {1: None, 2: -1.0, 3: -2.0}
    found = correlate({"x": x, "y": y, "z": z})
    assert [(each.first, each.second) for each in found] == [("x", "y"), ("x", "z"), ("y", "z")]
    assert [each.r for each in found] == pytest.approx([0.5, -1, 1])
    assert [(each.n, each.dropped) for each in found] == [(3, 0), (2, 1), (2, 1)]


@pytest.mark.parametrize("second", [{}, {1: 1.0}, {1: 1.0, 2: 1.0}, {1: 1.0, 2: None}, {1: None, 2: None}])
def test_a_constant_a_single_pair_and_nothing_have_no_correlation(second):
    first = dict(zip(second, (3.0, 4.0), strict=False))
    assert pearson(first, second) is None


def test_variables_must_be_measured_on_the_same_places():
    with pytest.raises(ValueError, match="same places"):
        correlate({"x": {1: 1.0}, "y": {2: 1.0}})
    assert correlate({"x": {1: 1.0}}) == correlate({}) == ()


@settings(deadline=None)
@given(PAIRS)
def test_it_is_scipy_s_pearson(pairs):
    x, y = (list(map(float, column)) for column in zip(*pairs, strict=True))
    assume(len(set(x)) > 1 and len(set(y)) > 1)
    found = pearson(dict(enumerate(x)), dict(enumerate(y)))
    assert found == pytest.approx(pearsonr(x, y).statistic, abs=1e-12)
    assert found == pytest.approx(pearson(dict(enumerate(y)), dict(enumerate(x))))


def test_pooled_and_within_prompt_correlation_can_differ_in_sign():
    """Within each problem the verifiers disagree; the second problem gets high scores from both."""
    one = {"x": responses(1, 2), "y": responses(11, 12)}
    two = {"x": responses(2, 1), "y": responses(12, 11)}
    (pooled,) = correlate({"one": scores_by_response(one), "two": scores_by_response(two)})
    assert pooled.r > 0.9
    assert within_prompt_correlation(one, two).value == pytest.approx(-1)


def test_problems_where_a_verifier_says_one_thing_only_are_left_out_and_counted():
    one = {"x": responses(1, 2, None), "y": responses(5, 5, 5), "z": responses(None, 1, None)}
    two = {"x": responses(3, 4, 0), "y": responses(1, 2, 3), "z": responses(1, 2, 3)}
    found = within_prompt_correlation(one, two)
    assert (found.value, found.n, found.undefined) == (pytest.approx(1), 1, 2)
    assert within_prompt_correlation({}, {}).value is None


def test_two_verifiers_must_have_judged_the_same_responses():
    for other in ({"y": responses(1, 2)}, {"x": responses(1)}):
        with pytest.raises(ValueError, match="same"):
            within_prompt_correlation({"x": responses(1, 2)}, other)
