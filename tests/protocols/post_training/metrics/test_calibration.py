"""Calibration, worked by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_samples import judged

from selfimp_bench.protocols.post_training.metrics.calibration import (
    Confident,
    agreement,
    bin_of,
    ece_values,
    overconfidence_values,
)


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def test_ece_of_four_answers() -> None:
    """Bins of width 0.5: {0.25 right, 0.5 wrong} and {0.75 right, 1.0 wrong}.

    First: accuracy 1/2, confidence 0.375, apart by 0.125. Second: accuracy 1/2, confidence 0.875, apart by 0.375.
    ECE = 2/4 x 0.125 + 2/4 x 0.375 = 0.25. Over-confidence: (0.25 + 0.5 + 0.75 + 1)/4 - 1/2 = 0.125.
    """
    answers = [Confident(confidence=each / 4, correct=each in (1, 3)) for each in (1, 2, 3, 4)]
    assert _mean(ece_values(answers, bins=2)) == pytest.approx(0.25)
    assert _mean(ece_values(answers, bins=1)) == pytest.approx(0.125)
    assert _mean(overconfidence_values(answers)) == pytest.approx(0.125)


def test_a_model_that_is_right_as_often_as_it_is_sure_has_no_error() -> None:
    answers = [Confident(confidence=0.75, correct=right) for right in (True, True, True, False)]
    assert _mean(ece_values(answers, bins=10)) == pytest.approx(0)


@pytest.mark.parametrize(
    ("confidence", "bins", "place"), [(0.0, 10, 1), (0.1, 10, 1), (0.3, 10, 3), (0.31, 10, 4), (1.0, 10, 10), (1, 1, 1)]
)
def test_a_bin_has_its_upper_end(confidence: float, bins: int, place: int) -> None:
    assert bin_of(confidence, bins) == place


@pytest.mark.parametrize(("confidence", "bins"), [(1.1, 10), (-0.1, 10), (math.nan, 10), (0.5, 0)])
def test_no_such_bin(confidence: float, bins: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        bin_of(confidence, bins)


@given(
    answers=st.lists(st.builds(Confident, confidence=st.floats(0, 1), correct=st.booleans()), min_size=1),
    bins=st.integers(1, 20),
)
def test_the_mean_of_the_values_is_the_sum_over_bins(answers: list[Confident], bins: int) -> None:
    total = 0.0
    for place in range(1, bins + 1):
        own = [each for each in answers if bin_of(each.confidence, bins) == place]
        if own:
            apart = math.fsum(each.correct for each in own) - math.fsum(each.confidence for each in own)
            total += abs(apart) / len(answers)
    assert _mean(ece_values(answers, bins=bins)) == pytest.approx(total, abs=1e-9)


def test_agreement_is_the_share_of_the_most_frequent_answer() -> None:
    assert agreement(judged("c5 w7 w7 w8")) == Confident(confidence=0.5, correct=False)
    assert agreement(judged("c5 c5 w7 w8")) == Confident(confidence=0.5, correct=True)


def test_right_answers_are_one_however_they_are_written_and_none_is_an_answer() -> None:
    assert agreement(judged("c5 c5.0 w7 w8 w9")) == Confident(confidence=0.4, correct=True)
    assert agreement(judged("c5 u u w8")) == Confident(confidence=0.5, correct=False)


def test_what_was_not_judged_has_no_say() -> None:
    assert agreement(judged("c5 x x x")) == Confident(confidence=1, correct=True)
    assert agreement(judged("x x")) is None
    assert agreement(judged("l l l")) is None, "of a prompt that did not fit no answer was given, and none is sure"
    assert agreement([]) is None


def test_of_equally_frequent_answers_the_first_counts() -> None:
    assert agreement(judged("w7 c5")) == Confident(confidence=0.5, correct=False)
    assert agreement(judged("c5 w7")) == Confident(confidence=0.5, correct=True)
