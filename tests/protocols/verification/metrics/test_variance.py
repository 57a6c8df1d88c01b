"""Variance of a verifier's verdicts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.protocols.verification.metrics.variance import verdict_variance


def test_by_hand_with_an_unparsed_verdict_counting_against_correct():
    found = verdict_variance([True, True, False, None])
    assert (found.p, found.variance, found.unparsed) == (0.5, 0.25, 1)
    assert found.unbiased == pytest.approx(1 / 3)


@pytest.mark.parametrize(("verdicts", "p"), [([True] * 64, 1), ([False] * 64, 0), ([None] * 64, 0)])
def test_a_verifier_that_always_says_the_same_has_no_variance(verdicts, p):
    found = verdict_variance(verdicts)
    assert (found.p, found.variance, found.unbiased) == (p, 0, 0)


def test_one_verdict_has_no_unbiased_variance_and_none_has_none():
    assert verdict_variance([True]).unbiased is None
    assert verdict_variance([]) is None


@given(st.lists(st.none() | st.booleans(), min_size=1, max_size=70))
def test_it_is_between_0_and_a_quarter(verdicts):
    found = verdict_variance(verdicts)
    assert 0 <= found.variance <= 0.25
    assert found.variance == pytest.approx(found.p * (1 - found.p))
