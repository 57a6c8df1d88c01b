"""Fits over log10 FLOPs: by hand, against SciPy, and on the paper's own Table 4 with the shipped table of models."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import linregress, spearmanr

from selfimp_bench.manifest.reference_table import Reference, read_table
from selfimp_bench.verdict.compute import trainings
from selfimp_bench.verdict.scaling import ScalePoint, family_trends, fit_scaling

TABLES = Path(__file__).parents[2] / "reference_results" / "mind-the-gap"
VALUES = st.lists(st.tuples(st.integers(20, 26), st.integers(-9, 9)), min_size=3, max_size=12)


def points(*pairs, family="f"):
    return [ScalePoint(model=str(i), family=family, flops=flops, value=y) for i, (flops, y) in enumerate(pairs)]


def cell(model, metric, printed, unit, family="f"):
    return Reference(
        id=f"{model}.{metric}", model=model, dataset=family, method="", metric=metric, x=None,
        printed=printed, unit=unit, read_error=None, source="s", conflicts_with=(),
    )  # fmt: skip


SIZE = cell("m", "parameters", "7", "billion parameters")
DATA = cell("m", "training-tokens", "2.0", "trillion tokens")


def test_a_slope_is_per_decade():
    found = fit_scaling(points((1e22, 1), (1e23, 3), (1e24, 5)))
    assert (found.n, found.slope, found.r_squared, found.spearman) == (3, pytest.approx(2), pytest.approx(1), 1)
    assert found.slope_error == pytest.approx(0, abs=1e-7)
    assert found.intercept == pytest.approx(1 - 2 * 22)


@given(VALUES)
def test_it_is_scipy_s_regression_and_rank_correlation(pairs):
    x, y = zip(*pairs, strict=True)
    assume(len(set(x)) > 1 and len(set(y)) > 1)
    found, expected = fit_scaling(points(*[(10.0**a, b) for a, b in pairs])), linregress(x, y)
    assert found.slope == pytest.approx(expected.slope, abs=1e-9)
    assert found.intercept == pytest.approx(expected.intercept, abs=1e-7)
    assert found.slope_error**2 == pytest.approx(expected.stderr**2, abs=1e-12)  # SciPy: of 1 - r^2, not of residuals
    assert found.r_squared == pytest.approx(expected.rvalue**2, abs=1e-9)
    assert found.spearman == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


def test_what_a_fit_cannot_say_is_none():
    assert fit_scaling([]) is None
    assert fit_scaling(points((1e22, 1), (1e22, 2))) is None
    flat = fit_scaling(points((1e22, 0.1), (1e23, 0.1), (1e24, 0.1)))
    assert (flat.slope, flat.slope_error, flat.r_squared, flat.spearman) == (0, 0, None, None)
    two = fit_scaling(points((1e22, 1), (1e23, 2)))
    assert (two.slope_error, two.r_squared) == (None, 1)


def test_families_have_slopes_of_their_own_and_every_step_is_named():
    found = family_trends([*points((1e24, 4), (1e22, 1), (1e23, 5), family="a"), *points((1e22, 0), family="b")])
    one, other = found
    assert [(s.smaller, s.larger, s.rise) for s in one.steps] == [("1", "2", 4), ("2", "0", -1)]
    assert (one.monotone, other.monotone, other.fit) == (False, None, None)
    assert one.fit.slope == pytest.approx(1.5)


def test_models_of_equal_compute_are_each_compared_with_the_next_level_only():
    (found,) = family_trends(points((1e22, 1), (1e22, 2), (1e23, 2)))
    assert [(s.smaller, s.larger) for s in found.steps] == [("0", "2"), ("1", "2")]
    assert found.monotone is False


@pytest.mark.parametrize("flops", [0, -1, float("inf"), float("nan")])
def test_compute_is_a_number_above_0(flops):
    with pytest.raises(ValueError, match="flops > 0"):
        points((flops, 1))


def test_compute_is_six_times_parameters_times_tokens():
    (found,) = trainings([SIZE, DATA, cell("m", "layers", "32", "layers")]).values()
    assert (found.family, found.parameters, found.tokens) == ("f", 7 * 10**9, 2 * 10**12)
    assert found.flops == 8.4e22


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([SIZE], "has only parameters"),
        ([SIZE, DATA, SIZE], "given twice"),
        ([SIZE, cell("m", "training-tokens", "2", "trillion tokens", family="g")], "two families"),
        ([SIZE, cell("m", "training-tokens", "2", "tokens")], "expected a positive number in"),
        ([SIZE, cell("m", "training-tokens", "0", "trillion tokens")], "expected a positive number in"),
    ],
)
def test_a_table_that_does_not_give_both_numbers_once_is_refused(cells, message):
    with pytest.raises(ValueError, match=message):
        trainings(cells)


def table4(metric):
    """Relative gaps in percent over compute, in order of Table 4."""
    models = trainings(read_table(TABLES / "models.csv", "models").rows)
    rows = [row for row in read_table(TABLES / "table4.csv", "table4").rows if row.metric == metric]
    assert len(rows) == 21
    return [
        ScalePoint(model=r.model, family=models[r.model].family, flops=models[r.model].flops, value=float(r.value))
        for r in rows
    ]


def test_the_shipped_models_have_these_flops():
    models = trainings(read_table(TABLES / "models.csv", "models").rows)
    expected = {
        "qwen1.5-0.5b": 7.2e21, "qwen1.5-1.8b": 2.592e22, "qwen1.5-4b": 5.76e22, "qwen1.5-7b": 1.68e23,
        "qwen1.5-14b": 3.36e23, "qwen1.5-32b": 7.68e23, "qwen1.5-72b": 1.296e24,
        "qwen2-0.5b": 3.6e22, "qwen2-1.5b": 6.3e22, "qwen2-7b": 2.94e23, "qwen2-72b": 3.024e24,
        "llama-2-7b": 8.4e22, "llama-2-13b": 1.56e23, "llama-2-70b": 8.4e23,
        "llama-3-8b": 7.2e23, "llama-3-70b": 6.3e24, "llama-3.1-8b": 7.2e23, "llama-3.1-70b": 6.3e24,
        "yi-1.5-6b": 1.296e23, "yi-1.5-9b": 1.944e23, "yi-1.5-34b": 7.344e23,
    }  # fmt: skip
    assert {name: models[name].flops for name in expected} == pytest.approx(expected)
    bases = {name for name in models if not name.endswith(("-chat", "-instruct"))}
    assert {name for name in bases if not name.startswith("qwen2.5")} == set(expected)


def test_a_chat_or_instruct_model_has_the_compute_of_its_base_and_a_family_of_its_own():
    models = trainings(read_table(TABLES / "models.csv", "models").rows)
    tuned = {name: name.rpartition("-") for name in models if name.endswith(("-chat", "-instruct"))}
    assert len(tuned) == 17
    for name, (base, dash, kind) in tuned.items():
        assert models[name].flops == models[base].flops
        assert models[name].family == f"{models[base].family}{dash}{kind}"


@pytest.mark.parametrize(
    ("metric", "spearman"),
    [
        ("relative-gap.cot-binary.t1", 0.86),
        ("relative-gap.cot-score.t8", 0.73),
        ("relative-gap.cot-score.t9", 0.70),
        ("relative-gap.tournament.r5", 0.42),
    ],
)
def test_table_4_pooled_over_all_models_rises_with_compute_most_with_chains_of_thought(metric, spearman):
    assert fit_scaling(table4(metric)).spearman == pytest.approx(spearman, abs=0.005)


def test_table_4_by_family_with_the_score_of_8_is_monotone_in_all_families_but_one():
    trends = {each.family: each for each in family_trends(table4("relative-gap.cot-score.t8"))}
    assert {name: each.monotone for name, each in trends.items()} == {
        "qwen1.5": False, "qwen2": True, "llama-2": True, "llama-3": True, "llama-3.1": True, "yi-1.5": True,
    }  # fmt: skip
    assert [(s.smaller, s.larger) for s in trends["qwen1.5"].steps if s.rise < 0] == [("qwen1.5-4b", "qwen1.5-7b")]
    slopes = {"qwen1.5": (5.3, 0.83), "qwen2": (5.4, 0.63), "llama-2": (12.3, 0.98), "yi-1.5": (11.1, 0.69)}
    for name, (slope, r_squared) in slopes.items():
        assert trends[name].fit.slope == pytest.approx(slope, abs=0.06)
        assert trends[name].fit.r_squared == pytest.approx(r_squared, abs=0.006)


def test_counted_instead_of_nominal_parameters_move_the_compute_by_less_than_0_02_decades():
    rows = read_table(TABLES / "models.csv", "models").rows
    nominal = {row.model: row.value for row in rows if row.metric == "parameters"}
    counted = {row.model: row.value for row in rows if row.metric == "parameters-counted"}
    assert len(counted) == 8
    for model, value in counted.items():
        assert abs((value / nominal[model]).log10()) < Decimal("0.02"), model
