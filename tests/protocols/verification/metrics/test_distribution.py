"""Histograms, and the standard deviation over problems."""

from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.measurement import mean_over_problems
from selfimp_bench.protocols.verification.metrics.distribution import deviation_values, even_edges, histogram


def test_a_value_on_an_edge_belongs_to_the_bin_above_and_the_last_bin_holds_both():
    found = histogram([0.0, 0.5, 0.5, 1.0, 2.0, None, -0.1, 2.1], [0, 0.5, 1, 2])
    assert found.counts == (1, 2, 2)
    assert (found.below, found.above, found.undefined) == (1, 1, 1)
    assert found.mean == pytest.approx(6.0 / 7)


def test_edges_of_width_0_005_are_the_floats_of_their_decimals():
    """2412.02674, Figure 7; adding 0.005 up gives 0.034999999999999996 after seven steps."""
    edges = even_edges("-1", "1", "0.005")
    assert len(edges) == 401
    assert (edges[0], edges[200], edges[207], edges[-1]) == (-1, 0, 0.035, 1)
    assert histogram([0.035, 0.0], edges).counts[207] == 1
    assert histogram([0.035, 0.0], edges).counts[200] == 1


def test_mean_and_deviation_need_one_and_two_values():
    assert (histogram([], [0, 1]).mean, histogram([], [0, 1]).sd) == (None, None)
    assert (histogram([None], [0, 1]).mean, histogram([None], [0, 1]).undefined) == (None, 1)
    assert (histogram([0.5], [0, 1]).mean, histogram([0.5], [0, 1]).sd) == (0.5, None)
    assert histogram([0.0, 2.0], [0, 1]).sd == pytest.approx(2**0.5)


@given(st.lists(st.none() | st.floats(-3, 3), max_size=30))
def test_every_value_is_counted_once(values):
    found = histogram(values, [-1, -0.5, 0.25, 1])
    assert sum(found.counts) + found.below + found.above + found.undefined == len(values)


@pytest.mark.parametrize("edges", [[], [1], [1, 1], [1, 0]])
def test_edges_that_do_not_rise_are_refused(edges):
    with pytest.raises(ValueError, match="rise strictly"):
        histogram([0.5], edges)


@pytest.mark.parametrize(("low", "high", "width"), [("0", "1", "0.3"), ("0", "1", "0"), ("1", "0", "0.1")])
def test_bins_that_do_not_fit_are_refused(low, high, width):
    with pytest.raises(ValueError, match="no whole number of bins"):
        even_edges(low, high, width)


def test_the_deviation_is_a_mean_over_problems_of_what_each_adds_to_it():
    """0, 0, 3: mean 1, mean square 2, deviation sqrt(3)."""
    found = deviation_values({"a": 0.0, "b": 0.0, "c": 3.0, "d": None})
    assert found["d"] is None
    assert found["a"] == found["b"] == pytest.approx(3**0.5 - 1 / (2 * 2**0.5))
    assert found["c"] == pytest.approx(3**0.5 + 2 / (2 * 2**0.5))
    assert mean_over_problems(list(found.values())).value == pytest.approx(3**0.5)


def test_equal_values_deviate_by_0_and_a_single_one_not_at_all():
    assert deviation_values({"a": 0.5, "b": 0.5, "c": None}) == {"a": 0.0, "b": 0.0, "c": None}
    assert deviation_values({"a": 0.5, "b": None}) == {"a": None, "b": None}
    assert deviation_values({}) == {}


def test_the_error_of_a_deviation_is_its_spread_over_samples():
    random = np.random.Generator(np.random.PCG64(3))
    drawn = [
        mean_over_problems(list(deviation_values(dict(enumerate(random.normal(0, 2, 400)))).values()))
        for _ in range(300)
    ]
    assert fmean(each.value for each in drawn) == pytest.approx(2, abs=0.02)
    assert fmean(each.standard_error for each in drawn) == pytest.approx(stdev(each.value for each in drawn), rel=0.1)
