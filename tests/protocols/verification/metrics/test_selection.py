"""Weights of scores: hand-computed cuts, ties, responses without a score, and NumPy's quantile as a second opinion."""

from math import ceil, e, inf, nan

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from protocols.verification.metrics.simulator import responses_of

from selfimp_bench.protocols.verification.metrics.selection import (
    Quantile,
    Reweight,
    Threshold,
    all_of,
    quantile_cut,
)
from selfimp_bench.protocols.verification.metrics.selection import weights as weights_of

SCORES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40)
SHARES = st.integers(0, 20).map(lambda i: i / 20)


def scored(*scores):
    return responses_of((i, False, s) for i, s in enumerate(scores))


def weights(responses, selection):
    return tuple(weights_of(responses, selection).tolist())


@pytest.mark.parametrize(
    ("q", "kept"),
    [
        (0.0, (1, 1, 1, 1, 1, 1)),
        (0.7, (0, 0, 0, 0, 1, 1)),  # position 3.5: the next is the fifth
        (0.8, (0, 0, 0, 0, 1, 1)),  # position 4.0 exactly
        (0.81, (0, 0, 0, 0, 0, 1)),
        (1.0, (0, 0, 0, 0, 0, 1)),
    ],
)
def test_a_quantile_keeps_what_is_at_least_the_score_at_its_position(q, kept):
    assert weights(scored(1, 2, 3, 4, 5, 6), Quantile(q=q)) == kept


@pytest.mark.parametrize(("q", "kept"), [(0.7, 39), (0.8, 26), (1 - 1 / 128, 1)])
def test_of_128_different_scores_top_0_8_keeps_26(q, kept):
    """2412.02674, Table 3: 128 responses, "top 0.8" and "top 0.7"."""
    assert sum(weights(scored(*range(128)), Quantile(q=q))) == kept == 128 - ceil(q * 127)


def test_a_quantile_is_the_decimal_number_that_is_written():
    """0.07 * 100 is 7.000000000000001 in floats; position 7 of 101 scores it is, and 94 are kept, not 93."""
    assert sum(weights(scored(*range(101)), Quantile(q=0.07))) == 94
    assert ceil(0.07 * 100) == 8


def test_ties_at_the_cut_are_all_kept():
    assert weights(scored(0, 1, 1, 1, 1), Quantile(q=0.8)) == (0, 1, 1, 1, 1)
    assert weights(scored(1, 1, 1, 1), Quantile(q=0.9)) == (1, 1, 1, 1)


def test_a_response_at_the_threshold_is_kept():
    assert weights(scored(7, 8, 9), Threshold(tau=8)) == (0, 1, 1)


def test_responses_without_a_score_are_never_kept_and_do_not_move_the_quantile():
    assert weights(scored(None, 1, 2, None), Quantile(q=0.5)) == (0, 0, 1, 0)
    assert weights(scored(None, 1, 2, None), Threshold(tau=-100)) == (0, 1, 1, 0)
    assert weights(scored(None, 1, 1, None), Reweight(beta=1)) == (0, 1, 1, 0)


@pytest.mark.parametrize("selection", [Quantile(q=0.5), Threshold(tau=0), Reweight(beta=1)])
@pytest.mark.parametrize("responses", [scored(), scored(None, None)])
def test_without_any_score_every_weight_is_0(selection, responses):
    assert weights(responses, selection) == (0.0,) * len(responses)


def test_reweighting_is_exponential_in_the_score_over_beta():
    assert weights(scored(0, 2, 4), Reweight(beta=2)) == pytest.approx((e**-2, e**-1, 1))
    assert weights(scored(-1e6, 1e6), Reweight(beta=1e-3)) == (0, 1)


@given(SCORES, SHARES)
@example([0.0, 1.0, 2.0], 0.5)
def test_the_quantile_filter_keeps_what_numpy_s_default_quantile_keeps(scores, q):
    cut = quantile_cut(scores, q)
    threshold = np.quantile(scores, q) - 1e-9  # NumPy's position q (n - 1) is off by a rounding at times
    assert [s >= cut for s in scores] == [s >= threshold for s in scores]


@given(SCORES, SHARES)
def test_the_kept_share_is_at_least_what_the_quantile_says_and_exactly_that_without_ties(scores, q):
    least = len(scores) - ceil(round(q * 20) * (len(scores) - 1) / 20)
    assert sum(weights(scored(*scores), Quantile(q=q))) >= least >= 1
    different = [s + i / 1000 for i, s in enumerate(scores)]
    assert sum(weights(scored(*different), Quantile(q=q))) == least


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=4))
def test_an_and_keeps_what_every_filter_keeps_and_with_itself_is_itself(rows):
    filters = [np.array(row) for row in rows]
    assert all_of(filters).tolist() == [all(row[i] for row in rows) for i in range(5)]
    assert all_of(filters[:1]).tolist() == all_of([filters[0], filters[0]]).tolist() == rows[0]


def test_an_and_is_of_filters_over_the_same_responses():
    for rows in ([], [np.array([0.5])], [np.array([True]), np.array([True, False])]):
        with pytest.raises(ValueError):
            all_of(rows)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Quantile(q=1.01),
        lambda: Quantile(q=nan),
        lambda: Threshold(tau=nan),
        lambda: Reweight(beta=0),
        lambda: Reweight(beta=nan),
        lambda: scored(1.0, inf),
        lambda: quantile_cut([], 0.5),
    ],
)
def test_what_has_no_meaning_is_refused(make):
    with pytest.raises(ValueError, match="expected"):
        make()
