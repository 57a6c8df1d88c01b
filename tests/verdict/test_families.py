"""Lines through models: by hand, against numpy and scipy's formulas, and intervals that hold every corner."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from selfimp_bench.manifest.suite_model import Fit
from selfimp_bench.verdict.families import Bounds, fit_bounds, fit_of

XS = (21.0, 22.0, 23.0)


def of(fit: Fit, *ys: float, xs: tuple[float, ...] = XS) -> float:
    return float(fit_of(fit, xs, np.array([ys]))[0])


def test_by_hand() -> None:
    assert of(Fit.SLOPE, 1.0, 2.0, 6.0) == pytest.approx(2.5)
    # residuals 0.5, -1, 0.5 about 0.5, 3, 5.5: 1 - 1.5 / 14
    assert of(Fit.R_SQUARED, 1.0, 2.0, 6.0) == pytest.approx(1 - 1.5 / 14)
    assert of(Fit.MEAN, 1.0, 2.0, 6.0) == 3.0
    assert of(Fit.KENDALL, 1.0, 2.0, 6.0) == 1.0
    assert of(Fit.KENDALL, 2.0, 1.0, 6.0) == pytest.approx(1 / 3)


def test_a_flat_line_explains_nothing_and_orders_nothing() -> None:
    lines = [fit for fit in Fit if fit is not Fit.MEAN]
    assert [of(fit, 5.0, 5.0, 5.0) for fit in lines] == [0.0, 0.0, 0.0]


def test_models_of_equal_compute_are_no_pair() -> None:
    assert of(Fit.KENDALL, 1.0, 0.0, 2.0, xs=(21.0, 21.0, 22.0)) == 1.0


def test_every_row_is_a_line_of_its_own() -> None:
    rows = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    assert fit_of(Fit.SLOPE, XS, rows).tolist() == pytest.approx([1.0, -1.0])
    assert fit_of(Fit.KENDALL, XS, rows).tolist() == [1.0, -1.0]


numbers = st.lists(st.integers(-50, 50), min_size=4, max_size=4, unique=True)


@given(ys=numbers, xs=st.permutations([21.0, 21.5, 23.0, 24.5]))
def test_the_numbers_are_those_of_scipy(ys: list[int], xs: list[float]) -> None:
    line = stats.linregress(xs, ys)
    row = [float(y) for y in ys]
    assert of(Fit.SLOPE, *row, xs=tuple(xs)) == pytest.approx(line.slope)
    assert of(Fit.R_SQUARED, *row, xs=tuple(xs)) == pytest.approx(line.rvalue**2)
    assert of(Fit.KENDALL, *row, xs=tuple(xs)) == pytest.approx(stats.kendalltau(xs, ys).statistic)


@given(ys=numbers, error=st.floats(0, 20), fit=st.sampled_from(list(Fit)))
def test_bounds_hold_the_number_at_every_corner_and_inside(ys: list[int], error: float, fit: Fit) -> None:
    xs = (21.0, 21.5, 23.0, 24.5)
    found = fit_bounds(fit, xs, [Bounds(low=y - error, high=y + error) for y in ys])
    for signs in product((-1.0, -0.3, 1.0), repeat=4):
        inside = of(fit, *(y + sign * error for y, sign in zip(ys, signs, strict=True)), xs=xs)
        assert found.low - 1e-9 <= inside <= found.high + 1e-9


@pytest.mark.parametrize("fit", Fit)
def test_bounds_of_exact_numbers_are_the_number(fit: Fit) -> None:
    found = fit_bounds(fit, XS, [Bounds(low=y, high=y) for y in (1.0, 2.0, 6.0)])
    assert (found.low, found.high) == pytest.approx((of(fit, 1.0, 2.0, 6.0),) * 2)


def test_bounds_by_hand() -> None:
    wide = [Bounds(low=0.0, high=1.0), Bounds(low=0.5, high=2.0), Bounds(low=3.0, high=4.0)]
    slope = fit_bounds(Fit.SLOPE, XS, wide)
    assert (slope.low, slope.high) == pytest.approx((1.0, 2.0)), "3 - 1 and 4 - 0 over two decades"
    order = fit_bounds(Fit.KENDALL, XS, wide)
    assert (order.low, order.high) == pytest.approx((1 / 3, 1.0)), "the first pair is open"


def test_bounds_that_decide_nothing_are_all_there_is() -> None:
    found = fit_bounds(Fit.R_SQUARED, XS, [Bounds(low=-1.0, high=1.0)] * 3)
    assert (found.low, found.high) == (0.0, 1.0)
    assert not math.isnan(found.low)
