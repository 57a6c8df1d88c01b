"""B-STaR's balance score and its rewards, worked by hand."""

import pytest
from judged_samples import judged

from selfimp_bench.protocols.post_training.metrics.balance import balance_score, distinct, rewarded, rewards


@pytest.mark.parametrize(
    ("correct", "selected", "score"),
    [
        (8, 8, 1.0),  # enough, and all correct
        (16, 16, 1.0),  # more than enough adds nothing
        (4, 4, 0.5),  # 4/8 x 4/4
        (4, 8, 0.25),  # 4/8 x 4/8
        (8, 16, 0.5),  # 1 x 8/16
        (10, 16, 0.625),  # 1 x 10/16
        (0, 5, 0.0),
        (0, 0, 0.0),
    ],
)
def test_the_printed_formula(correct: int, selected: int, score: float) -> None:
    assert balance_score(correct, selected) == score


def test_enough_is_the_manifests() -> None:
    assert balance_score(2, 4, enough=2) == 0.5
    assert balance_score(2, 4, enough=4) == 0.25


@pytest.mark.parametrize(("correct", "selected", "enough"), [(3, 2, 8), (-1, 2, 8), (1, 2, 0)])
def test_impossible_counts(correct: int, selected: int, enough: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        balance_score(correct, selected, enough=enough)


def test_the_reward_is_the_share_of_the_answer() -> None:
    """Five judged samples: two say 7, one 5, one 8, one nothing; the crashed one has no say and no reward."""
    assert rewards(judged("c7 w5 c7 w8 u x"), "agreement") == [0.4, 0.2, 0.4, 0.2, 0, 0]


def test_a_correct_response_has_one_more_and_a_fifth_of_its_share() -> None:
    assert rewards(judged("c7 w5 c7 w8 u"), "correct+agreement") == pytest.approx([1.08, 0.04, 1.08, 0.04, 0])


def test_the_best_come_first_once_each_above_the_threshold_only() -> None:
    samples = judged("w5:a c7:b c7:b c7:c t7:d w5:a")
    taken = rewarded(samples, "agreement", 0.3)
    assert [each.sample.completion for each in taken] == ["b", "c", "a"]  # shares 4/6 and 2/6; d did not end
    assert [each.sample.completion for each in rewarded(samples, "agreement", 1 / 3)] == ["b", "c"]
    assert rewarded(samples, "agreement", 0.9) == []


def test_distinct_keeps_the_first_of_every_text_in_order() -> None:
    samples = judged("w5:a c7:b w5:a c7:c")
    assert distinct(samples) == [samples[0], samples[1], samples[3]]
