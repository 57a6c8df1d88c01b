"""The share of training rows from hard problems, worked by hand."""

from statistics import fmean

import pytest

from selfimp_bench.protocols.post_training.metrics.tail_share import tail_share, tail_values

LEVELS = {"a": 1, "b": 3, "c": 4, "d": 5}


def test_three_of_ten_rows_are_of_the_tail() -> None:
    values = tail_values({"a": 4, "b": 3, "c": 2, "d": 1}, LEVELS, tail_from=4)
    assert fmean(values.values()) == pytest.approx(0.3)
    # s + (h - s) r / m, with s = 0.3 and m = 2.5 rows a problem
    assert values == pytest.approx({"a": -0.18, "b": -0.06, "c": 0.86, "d": 0.58})
    assert tail_share(values).value == pytest.approx(0.3)


def test_a_problem_without_rows_counts_as_none() -> None:
    found = tail_share(tail_values({"a": 1, "d": 1}, LEVELS, tail_from=4))
    assert found.value == pytest.approx(0.5)
    assert found.n == 4


@pytest.mark.parametrize(("rows", "levels"), [({}, LEVELS), ({"a": 1}, LEVELS | {"e": None})])
def test_undefined_without_rows_or_without_levels(rows: dict[str, int], levels: dict[str, int | None]) -> None:
    found = tail_share(tail_values(rows, levels, tail_from=4))
    assert found.value is None
    assert found.reason == "no training rows, or a training problem without a level"
