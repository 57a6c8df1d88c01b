"""Order and trend claims: the paired bootstrap over problems, by hand and at its edges."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfimp_bench.manifest.model import Bootstrap, Cell, Claim, OrderClaim, TrendClaim
from selfimp_bench.measurement import ProblemValue, Split
from selfimp_bench.verdict.findings import Finding, Verdict
from selfimp_bench.verdict.paired import CellValues, judge_order, judge_trend

BOOTSTRAP = Bootstrap(confidence=0.95, resamples=300, seed=1)
Values = Sequence[float | None]


def values_of(iteration: int, *replicates: Values) -> CellValues:
    cell = Cell(metric="pass@1", split=Split.TEST, iteration=iteration)
    return CellValues(
        cell=cell,
        values=tuple(
            ProblemValue(
                model="tiny",
                metric="pass@1",
                split=Split.TEST,
                iteration=iteration,
                replicate=replicate,
                problem_id=f"p{index}",
                value=value,
            )
            for replicate, values in enumerate(replicates)
            for index, value in enumerate(values)
        ),
    )


def order(greater: CellValues, lesser: CellValues) -> Finding:
    asserted = OrderClaim(greater=greater.cell, lesser=lesser.cell, bootstrap=BOOTSTRAP)
    claim = Claim(id="more", statement="Later is better.", source="Section 4", order=asserted)
    return judge_order(claim=claim, order=asserted, model="tiny", greater=greater, lesser=lesser)


def trend(*series: Values, direction: Literal["up", "down"] = "up") -> Finding:
    cells = [values_of(index, values) for index, values in enumerate(series, start=1)]
    asserted = TrendClaim(
        metric="pass@1",
        split=Split.TEST,
        iterations=tuple(range(1, len(series) + 1)),
        direction=direction,
        bootstrap=BOOTSTRAP,
    )
    claim = Claim(id="rise", statement="It rises.", source="Figure 1", trend=asserted)
    return judge_trend(claim=claim, trend=asserted, model="tiny", cells=cells)


ONES, ZEROS = [1.0] * 40, [0.0] * 40
MIXED = [float(index % 2) for index in range(40)]
BETTER = [1.0 if index % 4 else 0.0 for index in range(40)]


def test_a_cell_that_is_clearly_greater_reproduces_the_order() -> None:
    finding = order(values_of(2, BETTER), values_of(1, MIXED))
    assert finding.verdict is Verdict.REPRODUCED
    assert finding.interval is not None
    assert (finding.interval.mean, finding.interval.problems, finding.interval.dropped) == (0.25, 40, 0)
    assert 0 < finding.interval.low < 0.25 < finding.interval.high
    assert finding.reason.startswith(
        "pass@1 on test at iteration 2 minus pass@1 on test at iteration 1: 0.25 on average"
    )
    assert finding.reason.endswith("all of it above 0, as claimed")


def test_the_opposite_order_contradicts() -> None:
    finding = order(values_of(2, MIXED), values_of(1, BETTER))
    assert finding.verdict is Verdict.NOT_REPRODUCED
    assert finding.reason.endswith("none of it above 0, against the claim")


def test_an_interval_that_holds_zero_is_inconclusive_and_says_how_many_problems_would_decide() -> None:
    finding = order(values_of(2, [1.0, *MIXED[1:]]), values_of(1, MIXED))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.problems_to_decide is not None and finding.problems_to_decide >= 40
    assert f"about {finding.problems_to_decide} problems like these would decide" in finding.reason


def test_equal_cells_are_inconclusive_and_no_number_of_problems_is_named() -> None:
    finding = order(values_of(2, MIXED), values_of(1, MIXED))
    assert (finding.verdict, finding.problems_to_decide) == (Verdict.INCONCLUSIVE, None)


def test_the_same_difference_on_every_problem_decides() -> None:
    assert order(values_of(2, ONES), values_of(1, ZEROS)).verdict is Verdict.REPRODUCED
    assert order(values_of(2, ZEROS), values_of(1, ONES)).verdict is Verdict.NOT_REPRODUCED


@pytest.mark.parametrize("problems", [1, 8, 19])
def test_few_problems_decide_nothing_however_clear(problems: int) -> None:
    finding = order(values_of(2, ONES[:problems]), values_of(1, ZEROS[:problems]))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "fewer than 20 problems" in finding.reason
    assert finding.problems_to_decide == 20


def test_twenty_problems_are_enough() -> None:
    assert order(values_of(2, ONES[:20]), values_of(1, ZEROS[:20])).verdict is Verdict.REPRODUCED


def test_problems_undefined_in_a_cell_are_dropped_and_counted() -> None:
    finding = order(values_of(2, [None, None, *ONES[2:]]), values_of(1, [0.0, None, None, *ZEROS[3:]]))
    assert finding.interval is not None
    assert (finding.interval.problems, finding.interval.dropped, finding.interval.mean) == (37, 3, 1.0)
    assert "3 dropped as undefined in a cell" in finding.reason


def test_a_problem_that_one_cell_lacks_is_dropped() -> None:
    finding = order(values_of(2, ONES), values_of(1, ZEROS[:30]))
    assert finding.interval is not None
    assert (finding.interval.problems, finding.interval.dropped) == (30, 10)


def test_nothing_measured_is_not_measured() -> None:
    finding = order(values_of(2, ONES), values_of(1))
    assert finding.verdict is Verdict.NOT_MEASURED
    assert finding.reason.startswith("pass@1 on test at iteration 1 was not measured")
    assert finding.interval is None


def test_nothing_defined_is_not_measured() -> None:
    finding = order(values_of(2, [None] * 40), values_of(1, ZEROS))
    assert finding.verdict is Verdict.NOT_MEASURED
    assert "none of 40 problems has a defined value" in finding.reason


def test_replicates_are_averaged_before_the_problems_are_compared() -> None:
    finding = order(values_of(2, ONES, ZEROS), values_of(1, [0.5] * 40, [0.5] * 40))
    assert finding.interval is not None
    assert (finding.interval.mean, finding.interval.low, finding.interval.high) == (0.0, 0.0, 0.0)


def test_only_replicates_that_have_every_cell_count() -> None:
    finding = order(values_of(2, ONES, ZEROS), values_of(1, ZEROS))
    assert finding.interval is not None and finding.interval.mean == 1.0
    other = replace(values_of(1, ZEROS), values=tuple(replace(v, replicate=7) for v in values_of(1, ZEROS).values))
    assert order(values_of(2, ONES), other).verdict is Verdict.NOT_MEASURED


def test_a_problem_undefined_in_one_replicate_is_undefined() -> None:
    finding = order(values_of(2, ONES, [None, *ONES[1:]]), values_of(1, ZEROS, ZEROS))
    assert finding.interval is not None and finding.interval.dropped == 1


def test_two_values_for_a_problem_are_our_bug() -> None:
    twice = values_of(2, ONES)
    with pytest.raises(ValueError, match="two values"):
        order(replace(twice, values=twice.values * 2), values_of(1, ZEROS))


def test_a_value_that_is_not_finite_is_our_bug() -> None:
    with pytest.raises(ValueError, match="finite"):
        order(values_of(2, [float("nan")] * 40), values_of(1, ZEROS))


def test_a_rise_reproduces_an_upward_trend_and_contradicts_a_downward_one() -> None:
    up = trend(ZEROS, MIXED, ONES)
    assert up.verdict is Verdict.REPRODUCED
    assert up.interval is not None and up.interval.mean == 0.5
    assert up.reason.startswith("slope of pass@1 on test per iteration over 1, 2, 3: 0.5 on average over 40 problems")
    assert trend(ZEROS, MIXED, ONES, direction="down").verdict is Verdict.NOT_REPRODUCED


def test_a_fall_reproduces_a_downward_trend_and_contradicts_an_upward_one() -> None:
    down = trend(ONES, MIXED, ZEROS, direction="down")
    assert down.verdict is Verdict.REPRODUCED
    assert down.reason.endswith("all of it below 0, as claimed")
    assert trend(ONES, MIXED, ZEROS).verdict is Verdict.NOT_REPRODUCED


def test_a_flat_series_has_no_trend() -> None:
    flat = [0.1] * 40
    assert trend(flat, flat, flat).verdict is Verdict.INCONCLUSIVE
    assert trend(flat, flat, flat, direction="down").verdict is Verdict.INCONCLUSIVE


def test_a_trend_needs_problems_defined_at_every_iteration() -> None:
    finding = trend(ZEROS, [None, *MIXED[1:]], ONES)
    assert finding.interval is not None and finding.interval.dropped == 1
    assert trend(ZEROS, [None] * 40, ONES).verdict is Verdict.NOT_MEASURED


SHARES = st.lists(st.one_of(st.none(), st.integers(0, 4).map(lambda hits: hits / 4)), min_size=1, max_size=40)


@settings(deadline=None)
@given(greater=SHARES, lesser=SHARES, seed=st.integers(0, 99))
def test_the_order_of_the_rows_does_not_matter(greater: Values, lesser: Values, seed: int) -> None:
    one, two = values_of(2, greater, greater[::-1]), values_of(1, lesser, lesser)
    shuffled = list(one.values)
    random.Random(seed).shuffle(shuffled)
    assert order(replace(one, values=tuple(shuffled)), two) == order(one, two)


@settings(deadline=None)
@given(greater=SHARES, lesser=SHARES)
def test_a_claim_and_its_opposite_are_never_both_reproduced(greater: Values, lesser: Values) -> None:
    one, other = order(values_of(2, greater), values_of(1, lesser)), order(values_of(1, lesser), values_of(2, greater))
    assert (one.verdict, other.verdict) != (Verdict.REPRODUCED, Verdict.REPRODUCED)
    assert (one.verdict is Verdict.NOT_MEASURED) == (other.verdict is Verdict.NOT_MEASURED)
