"""The statistics: hand-computed values, and how often the intervals hold what they promise."""

import math
import statistics
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from selfimp_bench.verdict.findings import MINIMUM_PROBLEMS
from selfimp_bench.verdict.inference import (
    bootstrap_mean,
    prediction_half_width,
    sampling_margin,
    slopes,
    student_quantile,
    two_sided_level,
)

FINITE = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)


def test_the_level_is_two_sided_and_shared_by_the_points() -> None:
    assert two_sided_level(0.95, 1) == pytest.approx(0.975)
    assert two_sided_level(0.95, 3) == pytest.approx(1 - 0.05 / 6)


@pytest.mark.parametrize(("confidence", "points"), [(0.0, 1), (1.0, 1), (math.nan, 1), (0.95, 0)])
def test_a_level_without_meaning_is_refused(confidence: float, points: int) -> None:
    with pytest.raises(ValueError, match=r"confidence|point"):
        two_sided_level(confidence, points)


@pytest.mark.parametrize("degrees", [1, 2, 4, 30, 1000])
@pytest.mark.parametrize("level", [0.6, 0.975, 0.99167, 0.99999])
def test_students_quantile_agrees_with_scipy_stats(degrees: int, level: float) -> None:
    assert student_quantile(level, degrees) == pytest.approx(stats.t.ppf(level, degrees), rel=1e-10)


def test_one_new_run_gives_the_textbook_prediction_interval() -> None:
    # t(0.975, 4) = 2.776445 from any table; 2.776445 * 0.01 * sqrt(1 + 1/5) = 0.030414
    quantile = student_quantile(0.975, 4)
    assert quantile == pytest.approx(2.776445, abs=1e-6)
    assert prediction_half_width(sd=0.01, runs=5, replicates=1, quantile=quantile) == pytest.approx(0.030414, abs=1e-6)


@pytest.mark.parametrize(("sd", "runs", "replicates"), [(0.1, 1, 1), (0.1, 5, 0), (-0.1, 5, 1), (math.nan, 5, 1)])
def test_a_prediction_from_nothing_is_refused(sd: float, runs: int, replicates: int) -> None:
    with pytest.raises(ValueError, match=r"needs|must"):
        prediction_half_width(sd=sd, runs=runs, replicates=replicates, quantile=2.0)


@pytest.mark.parametrize(("runs", "replicates"), [(2, 1), (5, 1), (5, 3)])
def test_prediction_intervals_hold_as_many_new_means_as_they_promise(runs: int, replicates: int) -> None:
    trials = 20_000
    random = np.random.default_rng(1)
    reference = random.normal(size=(trials, runs))
    mine = random.normal(size=(trials, replicates)).mean(axis=1)
    one = prediction_half_width(
        sd=1.0, runs=runs, replicates=replicates, quantile=student_quantile(two_sided_level(0.95, 1), runs - 1)
    )
    held = np.abs(mine - reference.mean(axis=1)) <= one * reference.std(axis=1, ddof=1)
    assert held.mean() == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / trials))


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_a_family_of_prediction_intervals_holds_together_at_least_as_often_as_promised(correlation: float) -> None:
    trials, runs, points = 20_000, 5, 4
    random = np.random.default_rng(2)
    shared = math.sqrt(correlation) * random.normal(size=(trials, runs + 1, 1))
    values = shared + math.sqrt(1 - correlation) * random.normal(size=(trials, runs + 1, points))
    one = prediction_half_width(
        sd=1.0, runs=runs, replicates=1, quantile=student_quantile(two_sided_level(0.95, points), runs - 1)
    )
    reference, mine = values[:, :runs], values[:, runs]
    held = np.abs(mine - reference.mean(axis=1)) <= one * reference.std(axis=1, ddof=1)
    assert held.all(axis=1).mean() >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / trials)


def test_a_sampling_margin_is_the_normal_quantile_times_the_standard_error() -> None:
    assert sampling_margin(standard_error=0.1, problems=50, level=0.975) == pytest.approx(0.1959964, abs=1e-6)


def test_without_any_spread_the_margin_is_the_exact_bound_and_not_zero() -> None:
    # 0 of 100 right: the share may be p with (1 - p)^100 = 0.025, that is 0.0362 (the rule of three says about 0.03)
    margin = sampling_margin(standard_error=0.0, problems=100, level=0.975)
    assert (1 - margin) ** 100 == pytest.approx(0.025)


@pytest.mark.parametrize(("error", "problems"), [(0.1, 0), (-0.1, 5), (math.inf, 5)])
def test_a_margin_of_nothing_is_refused(error: float, problems: int) -> None:
    with pytest.raises(ValueError, match="margin"):
        sampling_margin(standard_error=error, problems=problems, level=0.975)


def test_a_bootstrap_agrees_with_the_normal_interval_where_that_one_is_right() -> None:
    values = np.random.default_rng(3).normal(0.5, 1.0, size=2000)
    found = bootstrap_mean(values, confidence=0.95, resamples=4000, seed=4)
    error = 1.959964 * statistics.stdev(values.tolist()) / math.sqrt(2000)
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - error, abs=0.1 * error)
    assert found.high == pytest.approx(values.mean() + error, abs=0.1 * error)


def test_a_bootstrap_depends_on_its_seed_and_on_nothing_else() -> None:
    values = np.random.default_rng(5).normal(size=37)
    one = bootstrap_mean(values, confidence=0.9, resamples=501, seed=6)
    assert one == bootstrap_mean(values, confidence=0.9, resamples=501, seed=6)
    assert one == bootstrap_mean(values, confidence=0.9, resamples=501, seed=6, chunk=40)
    assert one == bootstrap_mean(values, confidence=0.9, resamples=501, seed=6, chunk=1)
    assert one != bootstrap_mean(values, confidence=0.9, resamples=501, seed=7)


@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3])
def test_equal_values_give_an_interval_without_width_or_rounding_noise(value: float) -> None:
    found = bootstrap_mean(np.full(30, value), confidence=0.95, resamples=100, seed=1)
    assert (found.mean, found.low, found.high) == (value, value, value)


@pytest.mark.parametrize("values", [[], [math.nan, 1.0], [math.inf]])
def test_a_bootstrap_of_nothing_or_of_undefined_values_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite values"):
        bootstrap_mean(np.array(values), confidence=0.95, resamples=100, seed=1)


def test_a_bootstrap_without_resamples_is_refused() -> None:
    with pytest.raises(ValueError, match="resample"):
        bootstrap_mean(np.array([1.0, 2.0]), confidence=0.95, resamples=0, seed=1)


@settings(deadline=None)
@given(st.lists(FINITE, min_size=1, max_size=30))
def test_an_interval_lies_within_the_values_and_is_ordered(values: list[float]) -> None:
    found = bootstrap_mean(np.array(values), confidence=0.95, resamples=50, seed=1)
    slack = 1e-9 * max(1.0, max(map(abs, values)))
    assert min(values) - slack <= found.low <= found.high <= max(values) + slack


def _coverage(problems: int, trials: int, shift: float = 0.0) -> float:
    """How often the interval of the mean of paired right/wrong differences with mean ``shift`` holds 0."""
    random = np.random.default_rng(8)
    held = 0
    for trial in range(trials):
        greater = random.random(problems) < 0.6 + shift / 2
        lesser = random.random(problems) < 0.6 - shift / 2
        values = greater.astype(float) - lesser.astype(float)
        found = bootstrap_mean(values, confidence=0.95, resamples=400, seed=trial)
        held += found.low <= 0 <= found.high
    return held / trials


def test_the_bootstrap_rarely_finds_an_order_where_there_is_none() -> None:
    assert 0.91 <= _coverage(200, 600) <= 0.98


def test_the_bootstrap_finds_an_order_where_there_is_one() -> None:
    assert _coverage(200, 300, shift=0.2) <= 0.05


def test_a_percentile_interval_of_few_problems_holds_less_than_it_promises() -> None:
    # The reason for MINIMUM_PROBLEMS, on a skewed metric: exponential values, mean 1.
    def coverage(problems: int) -> float:
        random = np.random.default_rng(9)
        held = 0
        for trial in range(1000):
            values = random.exponential(size=problems)
            found = bootstrap_mean(values, confidence=0.95, resamples=400, seed=trial)
            held += found.low <= 1 <= found.high
        return held / 1000

    assert coverage(6) < 0.85
    assert coverage(MINIMUM_PROBLEMS) > 0.87


def test_slopes_are_those_of_least_squares() -> None:
    random = np.random.default_rng(10)
    series, iterations = random.normal(size=(20, 5)), [1, 2, 4, 5, 9]
    expected = [stats.linregress(iterations, row).slope for row in series]
    assert slopes(series, iterations) == pytest.approx(expected)


def test_a_line_has_its_own_slope_whatever_the_order_of_the_iterations() -> None:
    assert slopes(np.array([[1.0, 3.0, 7.0]]), [1, 2, 4]).tolist() == [2.0]
    assert slopes(np.array([[7.0, 1.0, 3.0]]), [4, 1, 2]).tolist() == [2.0]


@settings(deadline=None)
@given(FINITE, st.lists(st.integers(0, 50), min_size=2, max_size=8, unique=True))
def test_a_constant_series_has_slope_zero_exactly(value: float, iterations: list[int]) -> None:
    assert slopes(np.full((3, len(iterations)), value), iterations).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("shape", "iterations"), [((3, 2), [1, 2, 3]), ((3,), [1, 2, 3]), ((3, 1), [1]), ((1, 2), [1, 1])]
)
def test_a_slope_without_meaning_is_refused(shape: tuple[int, ...], iterations: list[int]) -> None:
    with pytest.raises(ValueError, match="iterations"):
        slopes(np.zeros(shape), iterations)


def test_importing_the_verdict_does_not_import_scipy() -> None:
    program = "import sys, selfimp_bench.verdict.check; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
