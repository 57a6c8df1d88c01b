"""The gap over quantiles and thresholds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfimp_bench.metrics.verification.gap import EmptyFilter, gap, relative_gap
from selfimp_bench.metrics.verification.scored import ScoredResponse
from selfimp_bench.metrics.verification.selection import Quantile, Threshold
from selfimp_bench.metrics.verification.sweep import bends, best_point, sweep_quantiles, sweep_thresholds


def problem(*pairs):
    return tuple(ScoredResponse(sample_index=i, correct=c, score=s) for i, (c, s) in enumerate(pairs))


# thresholds 1, 2, 3, 4 keep 4, 3, 2, 1 responses with 2, 2, 1, 0 correct ones
HUMP = {"x": problem((False, 1.0), (True, 2.0), (True, 3.0), (False, 4.0))}


def test_a_sweep_over_thresholds_by_hand():
    points = sweep_thresholds(HUMP, [1, 2, 3, 4, 5])
    assert [point.at for point in points] == [1, 2, 3, 4, 5]
    assert [point.gap.per_problem["x"] for point in points] == pytest.approx([0, 2 / 3 - 0.5, 0, -0.5, None])
    assert [point.relative.per_problem["x"] for point in points] == pytest.approx([0, 1 / 3, 0, -1, None])
    assert [point.gap.kept_share for point in points] == [1, 0.75, 0.5, 0.25, 0]


def test_each_point_is_the_gap_of_its_selection():
    assert sweep_quantiles(HUMP, [0.25])[0].gap == gap(HUMP, Quantile(q=0.25))
    assert sweep_thresholds(HUMP, [2])[0].relative == relative_gap(HUMP, Threshold(tau=2))


def test_the_best_point_is_the_first_of_the_highest():
    zero = EmptyFilter.ZERO
    assert best_point(sweep_thresholds(HUMP, [1, 2, 3, 4]), zero).at == 2
    assert best_point(sweep_thresholds(HUMP, [3, 1, 4]), zero).at == 3
    assert best_point(sweep_thresholds(HUMP, [5, 6]), EmptyFilter.LEFT_OUT) is None
    assert best_point((), zero) is None


def test_bends_of_a_curve_with_uneven_steps():
    """Slopes 2, 0.5 and -1."""
    assert bends([0, 1, 3, 4], [0, 2, 3, 2]) == (-1.5, -1.5)
    assert bends([0, 1], [0, 2]) == bends([], []) == ()


@settings(deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=3, max_size=9), st.integers(-5, 5), st.integers(-5, 5))
def test_a_straight_line_added_to_a_curve_bends_it_nowhere(values, slope, offset):
    at = list(range(len(values)))
    tilted = [value + slope * x + offset for x, value in zip(at, values, strict=True)]
    assert bends(at, tilted) == pytest.approx(bends(at, values))


@pytest.mark.parametrize(("at", "values"), [([0, 0, 1], [1, 2, 3]), ([1, 0], [1, 2]), ([0, 1], [1])])
def test_places_that_do_not_rise_or_fit_are_refused(at, values):
    with pytest.raises(ValueError, match="rise strictly"):
        bends(at, values)
