"""Group disparity: hand-worked values, undefined cases, and its standard error against simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.measurement import mean_over_problems
from selfimp_bench.protocols.post_training.metrics.group_disparity import (
    LevelValue,
    disparity_pseudo_values,
    group_disparity,
)


def problems(**levels: list[float | None]) -> list[LevelValue]:
    """``L1=[1, 0]`` is two problems of level 1, one of them solved."""
    return [LevelValue(level=int(name[1:]), value=value) for name, values in levels.items() for value in values]


@pytest.mark.parametrize(
    ("levels", "value"),
    [
        ({"L1": [1, 1, 1, 0], "L5": [1, 0, 0, 0]}, (3 / 4 - 1 / 4) / (3 / 4)),
        ({"L1": [1, 0], "L5": [0, 0, 0]}, 1.0),
        ({"L1": [1, 0], "L5": [0, 1]}, 0.0),
        ({"L1": [1, 0, 0, 0], "L5": [1, 0]}, -1.0),  # the "worst" level is better
        ({"L1": [1, 1], "L2": [0] * 9, "L5": [1, 0], "L9": [1]}, 0.5),  # other levels play no part
        ({"L1": [0.5, 0.5], "L5": [0.1, 0.2]}, (0.5 - 0.15) / 0.5),  # shares of samples do as well
    ],
)
def test_hand_worked_values(levels, value):
    assert group_disparity(problems(**levels), best=1, worst=5).value == pytest.approx(value, abs=1e-15)


def test_the_standard_error_is_the_delta_methods_worked_by_hand():
    estimate = group_disparity(problems(L1=[1, 1, 1, 0], L5=[1, 0, 0, 0]), best=1, worst=5)
    # Both variances of the mean are (3/4 * 1/4) / 3 = 1/16. (1/16) / (9/16) + (1/16)(1/16) / (81/256) = 1/9 + 1/81.
    assert estimate.standard_error == pytest.approx((10 / 81) ** 0.5, abs=1e-15)
    assert (estimate.n, estimate.undefined, estimate.reason) == (8, 0, None)


def test_any_two_levels_can_be_named_and_problems_without_a_level_or_value_are_left_out():
    graded = [*problems(L2=[1, 1, None], L3=[1, 0, None, None]), LevelValue(level=None, value=1.0)]
    estimate = group_disparity(graded, best=2, worst=3)
    assert (estimate.value, estimate.n, estimate.undefined) == (0.5, 4, 3)


@pytest.mark.parametrize(
    ("levels", "reason"),
    [
        ({}, "level 1: no problems"),
        ({"L5": [1, 0]}, "level 1: no problems"),
        ({"L1": [1, 0], "L4": [1]}, "level 5: no problems"),
        ({"L1": [1, 0], "L5": [None]}, "level 5: undefined on all 1 problems"),
        ({"L1": [0, 0], "L5": [1, 0]}, "pass@1 of level 1 is 0, and the disparity is relative to it"),
        ({"L1": [0, 0], "L5": [0, 0]}, "pass@1 of level 1 is 0, and the disparity is relative to it"),
    ],
)
def test_a_missing_level_or_no_accuracy_on_the_best_leaves_it_undefined(levels, reason):
    estimate = group_disparity(problems(**levels), best=1, worst=5)
    assert (estimate.value, estimate.standard_error, estimate.reason) == (None, None, reason)


@pytest.mark.parametrize("levels", [{"L1": [1], "L5": [1, 0]}, {"L1": [1, 0], "L5": [0]}])
def test_a_level_with_one_problem_gives_a_value_without_an_error(levels):
    estimate = group_disparity(problems(**levels), best=1, worst=5)
    assert estimate.value is not None
    assert (estimate.standard_error, estimate.reason) == (None, "a level with one problem has no standard error")


@pytest.mark.parametrize(
    ("levels", "worst", "message"),
    [({"L1": [1]}, 1, "expected two levels"), ({"L1": [1], "L5": [float("nan")]}, 5, "expected a finite number")],
)
def test_one_level_twice_and_values_that_are_not_finite_are_refused(levels, worst, message):
    with pytest.raises(ValueError, match=message):
        group_disparity(problems(**levels), best=1, worst=worst)


@pytest.mark.parametrize(("easy", "hard"), [(0.3, 0.02), (0.3, 0.2), (0.8, 0.5)])
def test_the_standard_error_is_the_spread_of_repeated_experiments(easy, hard):
    rng = np.random.default_rng(11)
    runs = [
        group_disparity(
            problems(L1=(rng.random(300) < easy).astype(float), L5=(rng.random(400) < hard).astype(float)),
            best=1,
            worst=5,
        )
        for _ in range(600)
    ]
    spread = np.std([run.value for run in runs], ddof=1)
    assert np.mean([run.standard_error for run in runs]) == pytest.approx(spread, rel=0.09)
    covered = np.mean([abs(run.value - (easy - hard) / easy) < 1.96 * run.standard_error for run in runs])
    assert covered > 0.91


@given(st.lists(st.integers(0, 1), min_size=2, max_size=20), st.lists(st.integers(0, 1), min_size=2, max_size=20))
def test_it_never_exceeds_one_and_grows_when_the_worst_level_loses_a_problem(easy, hard):
    estimate = group_disparity(problems(L1=easy, L5=hard), best=1, worst=5)
    if estimate.value is None:
        assert not any(easy)
        return
    assert estimate.value <= 1
    if any(hard):
        worse = list(hard)
        worse[worse.index(1)] = 0
        assert group_disparity(problems(L1=easy, L5=worse), best=1, worst=5).value > estimate.value


def test_the_pseudo_values_have_the_disparity_as_their_mean_and_nearly_its_standard_error():
    rng = np.random.default_rng(4)
    graded = {f"p{i}": LevelValue(level=1 if i < 200 else 5, value=float(rng.random() < 0.4)) for i in range(500)}
    graded |= {"other": LevelValue(level=3, value=1.0), "lost": LevelValue(level=5, value=None)}
    found = group_disparity(graded.values(), best=1, worst=5)
    values = disparity_pseudo_values(graded, best=1, worst=5)
    assert (len(values), values["lost"]) == (501, None)
    mean = mean_over_problems(list(values.values()))
    assert mean.value == pytest.approx(found.value, abs=1e-12)
    assert mean.standard_error == pytest.approx(found.standard_error, rel=0.01)
    assert disparity_pseudo_values({"p": LevelValue(level=5, value=1.0)}, best=1, worst=5) == {}
