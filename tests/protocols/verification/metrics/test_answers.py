"""What responses to one problem agree on, worked out by hand."""

from math import log

import pytest

from selfimp_bench.protocols.verification.metrics.answers import (
    Answered,
    answer_entropy,
    has_wrong_majority,
    is_extreme,
)


def answered(*words: str | None, right: str = "5") -> list[Answered]:
    return [Answered(answer=word, correct=word == right) for word in words]


@pytest.mark.parametrize(("accuracy", "found"), [(0.0, 1.0), (1.0, 1.0), (0.5, 0.0), (1 / 128, 0.0), (None, None)])
def test_an_accuracy_is_extreme_where_all_or_no_responses_are_right(
    accuracy: float | None, found: float | None
) -> None:
    assert is_extreme(accuracy) == found


def test_a_wrong_answer_has_a_majority_where_more_than_half_of_all_responses_give_it() -> None:
    assert has_wrong_majority(answered("7", "7", "7", "5", "5")) == 1.0
    assert has_wrong_majority(answered("7", "7", "5", "5")) == 0.0, "a half is no majority"
    assert has_wrong_majority(answered("7", "8", "9", "5")) == 0.0, "three wrong answers do not agree"
    assert has_wrong_majority(answered("5", "5", "5")) == 0.0
    assert has_wrong_majority([]) is None


def test_no_answer_is_no_wrong_answer_but_counts_among_the_responses() -> None:
    assert has_wrong_majority(answered(None, None, None, "5")) == 0.0
    assert has_wrong_majority(answered("7", "7", None, None)) == 0.0
    assert has_wrong_majority(answered("7", "7", "7", None)) == 1.0


def test_entropy_is_0_for_one_answer_and_1_where_all_differ() -> None:
    assert answer_entropy(answered("5", "5", "5")) == 0.0
    assert answer_entropy(answered("5", "6", None, "7")) == pytest.approx(1.0)
    assert answer_entropy(answered("7", "7", "5", "5")) == pytest.approx(log(2) / log(4))
    assert answer_entropy(answered("5")) is None


def test_right_responses_are_one_answer_however_they_are_written() -> None:
    responses = [Answered(answer="5", correct=True), Answered(answer="5.0", correct=True)]
    assert answer_entropy(responses) == 0.0
