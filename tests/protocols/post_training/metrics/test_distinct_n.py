"""Distinct-n: hand-computed values, bounds, and where it is undefined."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.protocols.post_training.metrics.distinct_n import distinct_n, distinct_n_so_far, words

OUTPUTS = st.lists(st.lists(st.sampled_from("abcd"), min_size=5, max_size=12).map(" ".join), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("outputs", "ngram_max", "value"),
    [
        (["a b c"], 1, 1.0),
        (["a b a"], 1, 2 / 3),
        (["a b a"], 2, (2 / 3 + 1) / 2),  # ab, ba
        (["a b", "a b"], 2, (2 / 4 + 1 / 2) / 2),
        (["a b c", "a b d"], 2, (4 / 6 + 3 / 4) / 2),  # a b c d; ab bc bd
        (["a a a a a"], 5, (1 / 5 + 1 / 4 + 1 / 3 + 1 / 2 + 1) / 5),
        (["a b", "c"], 2, 1.0),  # no n-gram spans two outputs: the one bigram is "a b"
        (["A a"], 1, 1.0),  # case is kept
        (["a, a"], 1, 1.0),  # so are marks other than the full stop
        (["a. a"], 1, 0.5),
    ],
)
def test_hand_computed_values(outputs, ngram_max, value):
    assert distinct_n(outputs, ngram_max=ngram_max) == pytest.approx(value, abs=1e-15)


def test_words_follow_the_reference_code_in_deleting_stops_and_line_breaks():
    assert words("He has 1.5 cups.\n#### 7") == ("He", "has", "15", "cups####", "7")


def test_one_output_is_defined():
    assert distinct_n(["a a b b a"], ngram_max=2) == (2 / 5 + 4 / 4) / 2


@pytest.mark.parametrize("outputs", [[], [""], ["", ". \n"], ["a b c"], ["a b c", "d", ""]])
def test_it_is_undefined_without_outputs_and_where_all_outputs_are_shorter_than_some_n(outputs):
    assert distinct_n(outputs, ngram_max=4) is None


def test_one_output_that_is_long_enough_defines_it():
    assert distinct_n(["a", "a b c d"], ngram_max=4) == (4 / 5 + 3) / 4


@pytest.mark.parametrize("ngram_max", [0, -1])
def test_a_range_without_any_n_is_refused(ngram_max):
    with pytest.raises(ValueError, match="ngram_max"):
        distinct_n(["a b"], ngram_max=ngram_max)


@given(OUTPUTS, st.randoms())
def test_it_is_a_share_that_ignores_the_order_of_outputs(outputs, random):
    value = distinct_n(outputs, ngram_max=5)
    assert 0 < value <= 1
    shuffled = list(outputs)
    random.shuffle(shuffled)
    assert distinct_n(shuffled, ngram_max=5) == value


@given(st.lists(st.text("ab. "), max_size=5))
def test_so_far_is_that_of_the_first_outputs_alone(outputs):
    alone = [distinct_n(outputs[:count], ngram_max=3) for count in range(1, len(outputs) + 1)]
    assert list(distinct_n_so_far(outputs, ngram_max=3)) == alone


@given(OUTPUTS)
def test_saying_everything_twice_halves_it(outputs):
    once = distinct_n(outputs, ngram_max=5)
    assert distinct_n(outputs * 2, ngram_max=5) == pytest.approx(once / 2, rel=1e-12)


@given(st.lists(st.text(), max_size=4), st.integers(1, 6))
def test_no_text_raises(outputs, ngram_max):
    value = distinct_n(outputs, ngram_max=ngram_max)
    assert value is None or 0 < value <= 1
