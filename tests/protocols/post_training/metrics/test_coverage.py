"""Correct-answer coverage: the share of one problem's samples that is correct."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.measurement import pass_at_k
from selfimp_bench.protocols.post_training.metrics.coverage import coverage


@pytest.mark.parametrize(("correct", "sampled", "value"), [(0, 50, 0.0), (20, 50, 0.4), (50, 50, 1.0), (1, 3, 1 / 3)])
def test_hand_computed_values(correct, sampled, value):
    assert coverage(correct, sampled) == value


def test_no_samples_leave_it_undefined():
    assert coverage(0, 0) is None


@pytest.mark.parametrize(("correct", "sampled"), [(1, 0), (-1, 3), (4, 3), (0, -1)])
def test_impossible_counts_are_refused(correct, sampled):
    with pytest.raises(ValueError, match="expected"):
        coverage(correct, sampled)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_it_is_pass_at_1_of_the_same_samples(counts):
    correct, sampled = counts
    assert coverage(correct, sampled) == pass_at_k(sampled, correct, 1)
