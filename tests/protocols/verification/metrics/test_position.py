"""Preference for a position."""

from selfimp_bench.protocols.verification.metrics.position import preference
from selfimp_bench.protocols.verification.metrics.tournament import Side

A, B = Side.A, Side.B


def test_unparsed_judgements_prefer_no_position():
    found = preference([A, A, B, None, A])
    assert (found.first, found.second, found.unparsed, found.first_share) == (3, 1, 1, 0.75)
    assert preference([None, None]).first_share is None
    assert preference([]).first_share is None
