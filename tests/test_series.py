"""Metrics over iterations: best and gains on hand-made series, and on the curves of the paper."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.measurement import best_iteration, gain_at_best, gain_at_last

SERIES = st.lists(st.none() | st.floats(-10, 10), max_size=7)


@pytest.mark.parametrize(
    ("values", "best", "at_best", "at_last"),
    [
        ([41.6, 49.2, 53.9, 51.3, 49.6], 3, 12.3, 8.0),  # 2407.05013, Figure 1: the peak is not at the end
        ([1.0], 1, 0.0, 0.0),
        ([3.0, 2.0, 1.0], 1, 0.0, -2.0),
        ([1.0, 2.0, 2.0], 2, 1.0, 1.0),  # of equals the first
        ([1.0, None, 4.0, None], 3, 3.0, None),
        ([None, 2.0, 5.0], 3, None, None),
        ([None, None], None, None, None),
        ([], None, None, None),
        ([0.0, None], 1, 0.0, None),
    ],
)
def test_best_iteration_and_gains(values, best, at_best, at_last):
    assert best_iteration(values) == best
    assert gain_at_best(values) == (at_best if at_best is None else pytest.approx(at_best))
    assert gain_at_last(values) == (at_last if at_last is None else pytest.approx(at_last))


@pytest.mark.parametrize("function", [best_iteration, gain_at_best, gain_at_last])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_refused(function, value):
    with pytest.raises(ValueError, match="iteration 2 has the value"):
        function([1.0, value])


@given(SERIES)
def test_no_gain_exceeds_the_best(values):
    best = best_iteration(values)
    if best is not None:
        assert all(value is None or value <= values[best - 1] for value in values)
    if gain_at_last(values) is not None:
        assert gain_at_last(values) <= gain_at_best(values)
        assert gain_at_best(values) >= 0
