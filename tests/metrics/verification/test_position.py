"""Preference for a position."""

import pytest

from selfimp_bench.metrics.verification.position import preference, preference_spread, swap_test
from selfimp_bench.metrics.verification.tournament import Side

A, B = Side.A, Side.B


def test_unparsed_judgements_prefer_no_position():
    found = preference([A, A, B, None, A])
    assert (found.first, found.second, found.unparsed, found.first_share) == (3, 1, 1, 0.75)
    assert preference([None, None]).first_share is None
    assert preference([]).first_share is None


def test_the_spread_is_over_models_and_rounds_each_weighing_the_same():
    found = preference_spread([preference([A, B]), preference([A] * 8), preference([None])])
    assert (found.n, found.mean) == (2, 0.75)
    assert found.sd == pytest.approx(0.125**0.5)
    assert preference_spread([preference([A])]).sd is None
    assert (preference_spread([]).n, preference_spread([]).mean) == (0, None)


def test_swapped_judgements_follow_the_response_or_the_position():
    found = swap_test([(A, B), (B, A), (A, A), (A, A), (B, B), (None, A), (B, None), (None, None)])
    assert (found.consistent, found.first, found.second, found.unparsed) == (2, 2, 1, 3)
    assert swap_test([]).consistent == 0
