"""pass@k: hand-computed values, brute force over all subsets, and its bounds."""

from fractions import Fraction
from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.measurement import pass_at_k

SAMPLES = st.integers(min_value=1, max_value=300).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))
)


@pytest.mark.parametrize(
    ("n", "c", "k", "value"),
    [
        (4, 1, 4, 1.0),  # verl issue 7240: a bootstrap gives 0.684
        (4, 1, 1, 0.25),
        (4, 1, 2, 0.5),  # 1 - C(3,2)/C(4,2) = 1 - 3/6
        (5, 2, 2, 0.7),  # 1 - C(3,2)/C(5,2) = 1 - 3/10
        (10, 3, 5, 11 / 12),  # 1 - C(7,5)/C(10,5) = 1 - 21/252
        (1, 1, 1, 1.0),
        (1, 0, 1, 0.0),
        (7, 0, 3, 0.0),
        (7, 7, 3, 1.0),
    ],
)
def test_hand_computed_values(n, c, k, value):
    assert pass_at_k(n, c, k) == value


def test_it_is_the_share_of_all_subsets_of_k_samples_that_hold_a_correct_one():
    for n in range(1, 9):
        for c in range(n + 1):
            for k in range(1, n + 1):
                subsets = list(combinations([True] * c + [False] * (n - c), k))
                assert pass_at_k(n, c, k) == sum(any(subset) for subset in subsets) / len(subsets)


@pytest.mark.parametrize(("n", "c", "k"), [(0, 0, 1), (1, 1, 2), (3, 3, 4), (3, 0, 64)])
def test_fewer_samples_than_k_are_undefined_even_when_all_are_correct(n, c, k):
    assert pass_at_k(n, c, k) is None


@pytest.mark.parametrize(("n", "c", "k"), [(3, 4, 1), (3, -1, 1), (-1, 0, 1), (-2, -3, 1), (3, 1, 0), (3, 1, -2)])
def test_impossible_counts_are_refused(n, c, k):
    with pytest.raises(ValueError, match="expected"):
        pass_at_k(n, c, k)


@given(SAMPLES)
def test_it_is_a_share_and_never_falls_with_more_tries_or_more_correct_samples(sample):
    n, c, k = sample
    value = pass_at_k(n, c, k)
    assert 0 <= value <= 1
    assert (value == 0) == (c == 0)
    assert pass_at_k(n, c, 1) == c / n
    if k < n:
        assert pass_at_k(n, c, k + 1) >= value
    if c < n:
        assert pass_at_k(n, c + 1, k) >= value


def test_large_counts_are_exact_to_the_last_bit():
    n, c, k = 20_000, 3, 7_000
    assert pass_at_k(n, c, k) == float(1 - Fraction(comb(n - c, k), comb(n, k)))
    assert pass_at_k(10**6, 1, 64) == 64 / 10**6
