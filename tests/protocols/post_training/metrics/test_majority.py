"""Votes and their confidence bound, worked by hand."""

import pytest
from judged_samples import judged

from selfimp_bench.protocols.post_training.metrics.majority import Vote, lower_bound, vote


def test_the_answer_of_most() -> None:
    assert vote(judged("c7 w5 w5 u")) == Vote(answer="5", votes=2, total=4)


def test_the_vote_looks_at_answers_and_not_at_what_is_right() -> None:
    assert vote(judged("c7 w7 w5")) == Vote(answer="7", votes=2, total=3)


def test_to_give_no_answer_counts() -> None:
    assert vote(judged("u u c7")) == Vote(answer=None, votes=2, total=3)


def test_the_first_of_equals_and_nothing_of_nothing() -> None:
    assert vote(judged("w5 c7")) == Vote(answer="5", votes=1, total=2)
    assert vote(judged("x l")) is None


def test_the_bound_at_even_odds_is_the_share() -> None:
    assert lower_bound(6, 10, level=0.5) == pytest.approx(0.6)


def test_wilsons_bound() -> None:
    """90 %: z = 1.281552. 6 of 8: (0.75 + 0.102648 - 1.281552 sqrt(0.0234375 + 0.006416)) / 1.205297 = 0.523.

    97.5 %: z = 1.959964, 8 of 10 gives 0.490 (the textbook's 95 % interval is 0.490 to 0.943).
    """
    assert lower_bound(6, 8, level=0.9) == pytest.approx(0.5237, abs=1e-3)
    assert lower_bound(8, 10, level=0.975) == pytest.approx(0.4902, abs=1e-4)


def test_a_bound_falls_with_the_level_and_rises_with_more_of_the_same() -> None:
    assert lower_bound(6, 8, level=0.95) < lower_bound(6, 8, level=0.9) < lower_bound(12, 16, level=0.9) < 0.75
    assert lower_bound(0, 8, level=0.9) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("votes", "total", "level"), [(9, 8, 0.9), (0, 0, 0.9), (4, 8, 0.4), (4, 8, 1.0)])
def test_impossible_votes(votes: int, total: int, level: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        lower_bound(votes, total, level=level)
