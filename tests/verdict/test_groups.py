"""Suite claims on runs, by hand: every form, paired and across data sets, undecided and unmeasured."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from verdict.test_comparisons import METHODS, SUITE, make

from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.manifest.suite_model import (
    Above,
    Axis,
    Best,
    Compute,
    Equals,
    Family,
    Fit,
    Monotone,
    Over,
    Peak,
    Quantity,
    Reading,
    Rule,
    SuiteClaim,
    Within,
)
from selfimp_bench.measurement import ProblemValue, Split
from selfimp_bench.verdict.findings import Finding, Kind, Verdict
from selfimp_bench.verdict.groups import ALL_MODELS, MemberRun, judge_suite

Values = Sequence[float | None]
ROW = Reference(
    id="gain",
    model="m",
    dataset="a",
    method="sft",
    metric="gain",
    x=None,
    printed="25.0",
    unit="percent",
    read_error=None,
    source="Section 4",
    conflicts_with=(),
)
TABLE = ReferenceTable(name="t.csv", rows=(ROW,))


def share(quarters: int, problems: int = 80) -> list[float]:
    """Right on so many of every four problems: equal shares are right on the same problems."""
    return [1.0 if index % 4 < quarters else 0.0 for index in range(problems)]


def run(method: str, *series: Values, data: str = "a", metric: str = "pass@1", digest: str | None = None) -> MemberRun:
    values = tuple(
        ProblemValue(
            model="m",
            metric=metric,
            split=Split.TEST,
            iteration=iteration,
            replicate=0,
            problem_id=f"p{index}",
            value=value,
        )
        for iteration, values in enumerate(series, start=1)
        for index, value in enumerate(values)
    )
    return MemberRun(experiment=f"{data}-{method}", digests={Split.TEST: digest or data}, values=values)


SFT = run("sft", share(1), share(2), share(1))
DPO = run("dpo", share(1), share(1), share(3))


def judge(*runs: MemberRun, over: Over | None = None, holds: str = "all", **form: Any) -> Finding:
    claim: SuiteClaim = replace(make(over, **form), holds=holds)  # type: ignore[arg-type]
    (finding,) = judge_suite(replace(SUITE, claims=(claim,)), runs or (SFT, DPO), [TABLE]).findings
    return finding


def series(*iterations: int, method: str | None = "sft", data: str | None = "a", **more: Any) -> Quantity:
    return Quantity(
        metric="pass@1", split=Split.TEST, iterations=iterations, method=method, dataset=data, model="m", **more
    )


def test_a_cell_of_one_experiment_is_compared_with_one_of_another() -> None:
    finding = judge(above=Above(greater=series(3, method="dpo"), lesser=series(3)))
    assert (finding.verdict, finding.kind, finding.model) == (Verdict.REPRODUCED, Kind.ABOVE, "m")
    assert "a dpo m pass@1 t=3 less a sft m pass@1 t=3: 0.5 (" in finding.reason
    assert judge(above=Above(greater=series(3), lesser=series(3, method="dpo"))).verdict is Verdict.NOT_REPRODUCED


def test_equal_cells_and_few_problems_are_inconclusive() -> None:
    equal = judge(above=Above(greater=series(1), lesser=series(1, method="dpo")))
    assert equal.verdict is Verdict.INCONCLUSIVE
    few = judge(run("sft", share(4, 19)), above=Above(greater=series(1), bound=0.5))
    assert few.verdict is Verdict.INCONCLUSIVE
    assert "of only 19 problems" in few.reason
    assert judge(run("sft", share(4, 20)), above=Above(greater=series(1), bound=0.5)).verdict is Verdict.REPRODUCED


def test_a_bound_is_decided_by_the_interval_not_by_the_mean() -> None:
    assert judge(above=Above(greater=series(2), bound=0.3)).verdict is Verdict.REPRODUCED
    assert judge(above=Above(greater=series(2), bound=0.7)).verdict is Verdict.NOT_REPRODUCED
    assert judge(above=Above(greater=series(2), bound=0.48)).verdict is Verdict.INCONCLUSIVE


def test_the_best_is_the_one_with_the_highest_best_value() -> None:
    quantity = series(1, 2, 3, method=None)
    assert judge(best=Best(quantity=quantity, axis=Axis.METHOD, among=METHODS, winners=("dpo",))).verdict is (
        Verdict.REPRODUCED
    )
    assert judge(best=Best(quantity=quantity, axis=Axis.METHOD, among=METHODS, winners=("sft",))).verdict is (
        Verdict.NOT_REPRODUCED
    )


@pytest.mark.parametrize(
    ("coverage", "verdict"),
    [(share(3), Verdict.REPRODUCED), (share(1), Verdict.NOT_REPRODUCED), (share(2), Verdict.INCONCLUSIVE)],
)
def test_a_rule_judges_the_branch_that_the_measured_condition_chooses(coverage: Values, verdict: Verdict) -> None:
    measured = run("sft", coverage, metric="coverage")
    with_coverage = replace(SFT, values=(*SFT.values, *measured.values))
    rule = Rule(
        condition=Quantity(metric="coverage", split=Split.TEST, iterations=(1,), method="sft", dataset="a", model="m"),
        threshold=0.5,
        quantity=series(1, 2, 3, method=None),
        axis=Axis.METHOD,
        among=METHODS,
        above=("dpo",),
        below=("sft",),
    )
    assert judge(with_coverage, DPO, rule=rule).verdict is verdict
    assert judge(rule=rule).verdict is Verdict.NOT_MEASURED


def test_peaks_and_series() -> None:
    assert judge(peak=Peak(quantity=series(1, 2, 3), at=(2,))).verdict is Verdict.REPRODUCED
    assert judge(peak=Peak(quantity=series(1, 2, 3), at=(1, 3))).verdict is Verdict.NOT_REPRODUCED
    assert judge(peak=Peak(quantity=series(1, 3), at=(3,))).verdict is Verdict.INCONCLUSIVE
    assert judge(monotone=Monotone(quantity=series(1, 2), direction="up")).verdict is Verdict.REPRODUCED
    assert judge(monotone=Monotone(quantity=series(1, 2, 3), direction="up")).verdict is Verdict.NOT_REPRODUCED


def test_within_is_decided_by_both_bounds() -> None:
    assert judge(within=Within(quantity=series(2), low=0.3, high=0.7)).verdict is Verdict.REPRODUCED
    assert judge(within=Within(quantity=series(2), low=0.3)).kind is Kind.WITHIN
    assert judge(within=Within(quantity=series(2), high=0.3)).verdict is Verdict.NOT_REPRODUCED
    assert judge(within=Within(quantity=series(2), low=0.3, high=0.52)).verdict is Verdict.INCONCLUSIVE


def test_a_factor_scales_the_lesser_side() -> None:
    double = Above(greater=series(2), lesser=series(1), times=1.5)
    finding = judge(above=double)
    assert finding.verdict is Verdict.REPRODUCED
    assert "a sft m pass@1 t=2 less 1.5 times a sft m pass@1 t=1: 0.125 (" in finding.reason
    assert judge(above=replace(double, times=4.0)).verdict is Verdict.NOT_REPRODUCED


MODELS = ("m", "n", "o")
SCALED = replace(
    SUITE,
    experiments=tuple(replace(member, models=MODELS) for member in SUITE.experiments),
    families=(Family(name="all", models=MODELS),),
    compute=tuple(Compute(model=model, flops=10.0 ** (20 + number)) for number, model in enumerate(MODELS)),
)


def by_model(*quarters: int) -> MemberRun:
    runs = [run("sft", share(each)) for each in quarters]
    values = [replace(value, model=model) for model, of in zip(MODELS, runs, strict=True) for value in of.values]
    return replace(SFT, values=tuple(values))


def scaled(run: MemberRun, **form: Any) -> Finding:
    claim = make(Over(family=("all",)), **form)
    (finding,) = judge_suite(replace(SCALED, claims=(claim,)), (run,), [TABLE]).findings
    return finding


def test_a_family_is_compared_model_by_model() -> None:
    up = Monotone(quantity=replace(series(1), model=None), direction="up", axis=Axis.MODEL)
    assert scaled(by_model(1, 2, 3), monotone=up).verdict is Verdict.REPRODUCED
    assert scaled(by_model(1, 3, 2), monotone=up).verdict is Verdict.NOT_REPRODUCED
    assert scaled(by_model(1, 2, 2), monotone=up).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("fit", "bound"), [(Fit.SLOPE, 0.2), (Fit.R_SQUARED, 0.9), (Fit.KENDALL, 0.9)])
def test_a_line_through_a_family_is_fitted_on_every_resample(fit: Fit, bound: float) -> None:
    form = Above(greater=replace(series(1), model=None, fit=fit), bound=bound)
    assert scaled(by_model(1, 2, 3), above=form).verdict in (Verdict.REPRODUCED, Verdict.INCONCLUSIVE)
    assert scaled(by_model(3, 1, 2), above=form).verdict is Verdict.NOT_REPRODUCED
    slope = Above(greater=replace(series(1), model=None, fit=Fit.SLOPE), bound=0.0)
    finding = scaled(by_model(1, 2, 3), above=slope)
    assert finding.verdict is Verdict.REPRODUCED
    assert "slope of a sft all pass@1 t=1 less 0: 0.25 (" in finding.reason


def test_every_part_must_hold_and_all_are_reported() -> None:
    yes = Reading(name="the greater", above=Above(greater=series(3, method="dpo"), lesser=series(3)))
    no = Reading(name="the lesser", above=Above(greater=series(3), lesser=series(3, method="dpo")))
    unmeasured = Reading(name="another", above=Above(greater=series(9), bound=0.5))
    both = judge(all_of=(yes, no))
    assert (both.verdict, both.kind) == (Verdict.NOT_REPRODUCED, Kind.ALL_OF)
    assert both.reason.startswith("the greater: REPRODUCED, claimed of all 1: 1 yes, 0 no")
    assert "; the lesser: NOT_REPRODUCED" in both.reason
    assert judge(all_of=(yes, replace(yes, name="again"))).verdict is Verdict.REPRODUCED
    assert judge(all_of=(yes, unmeasured)).verdict is Verdict.NOT_MEASURED
    assert judge(all_of=(no, unmeasured)).verdict is Verdict.NOT_REPRODUCED
    assert {term.name: term.value for term in both.terms}["comparisons"] == 2


def test_one_reading_is_enough_and_all_are_reported() -> None:
    yes = Reading(name="the greater", above=Above(greater=series(3, method="dpo"), lesser=series(3)))
    no = Reading(name="the lesser", above=Above(greater=series(3), lesser=series(3, method="dpo")))
    unmeasured = Reading(name="another", above=Above(greater=series(9), bound=0.5))
    both = judge(any_of=(no, yes))
    assert (both.verdict, both.kind) == (Verdict.REPRODUCED, Kind.ANY_OF)
    assert both.reason.startswith("read as the lesser: NOT_REPRODUCED, claimed of all 1: 0 yes, 1 no")
    assert "read as the greater: REPRODUCED" in both.reason
    assert judge(any_of=(no, replace(no, name="again"))).verdict is Verdict.NOT_REPRODUCED
    assert judge(any_of=(no, unmeasured)).verdict is Verdict.NOT_MEASURED
    terms = {term.name: term.value for term in both.terms}
    assert terms["comparisons"] == 2
    assert "read as the lesser: the claim: no" in terms


def test_any_group_or_at_least_so_many_may_be_enough() -> None:
    over, above = Over(iteration=(1, 2, 3)), Above(greater=replace(series(), iterations=None), bound=0.4)
    once = run("sft", share(0), share(3), share(0))
    assert judge(once, over=over, above=above, holds="any").verdict is Verdict.REPRODUCED
    claim = replace(make(over, above=above), holds="at-least", at_least=2)
    (finding,) = judge_suite(replace(SUITE, claims=(claim,)), (once,), [TABLE]).findings
    assert finding.verdict is Verdict.NOT_REPRODUCED
    assert finding.reason.startswith("claimed of at least 2 of 3: 1 yes, 2 no")


def test_a_gain_is_held_against_the_published_one() -> None:
    gain = series(1, 2, 3, minus_iteration=1)
    near = judge(equals=Equals(quantity=gain, table="t.csv", reference="gain", seed_sd=1.0))
    assert (near.verdict, near.kind) == (Verdict.REPRODUCED, Kind.EQUALS)
    far = series(3, method="dpo", minus_iteration=1)
    assert judge(equals=Equals(quantity=far, table="t.csv", reference="gain", seed_sd=1.0)).verdict is (
        Verdict.NOT_REPRODUCED
    )
    # sd = sqrt(0.25 x 0.75 / 80) = 0.0484; z sqrt(2 x 0.14^2 + 2 x 0.0484^2) = 0.41 is more than the 0.25 apart
    assert judge(equals=Equals(quantity=far, table="t.csv", reference="gain", seed_sd=14.0)).verdict is (
        Verdict.REPRODUCED
    )
    wide = ReferenceTable(name="t.csv", rows=(replace(ROW, conflicts_with=("other",)), replace(ROW, id="other")))
    assert wide.neighbours(wide.rows[0]) == (("t.csv", "other"),)


def test_the_two_sides_of_a_conflict_are_both_allowed() -> None:
    other = replace(ROW, id="other", printed="50.0", conflicts_with=("gain",))
    table = ReferenceTable(name="t.csv", rows=(replace(ROW, conflicts_with=("other",)), other))
    far = series(3, method="dpo", minus_iteration=1)
    claim = make(equals=Equals(quantity=far, table="t.csv", reference="gain", seed_sd=0.0))
    (finding,) = judge_suite(replace(SUITE, claims=(claim,)), (SFT, DPO), [table]).findings
    assert finding.verdict is Verdict.REPRODUCED


def test_cells_on_different_data_sets_are_resampled_independently() -> None:
    # The same share on the same problems: paired the difference is 0 exactly, unpaired it has a width.
    other = run("sft", share(1), share(2), data="b")
    apart = judge(SFT, other, above=Above(greater=series(2), lesser=series(2, data="b")))
    same = judge(SFT, replace(other, digests=SFT.digests), above=Above(greater=series(2), lesser=series(2, data="b")))
    assert (apart.verdict, same.verdict) == (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE)
    assert "0 (0 to 0)" in same.reason and "0 (0 to 0)" not in apart.reason
    gain = judge(
        SFT,
        other,
        above=Above(greater=series(2, data="b"), lesser=series(1)),
    )
    assert gain.verdict is Verdict.REPRODUCED


def test_problems_undefined_in_one_cell_count_in_none() -> None:
    gaps: list[float | None] = [None, *share(4)[1:]]
    finding = judge(run("sft", gaps), run("dpo", share(1)), above=Above(greater=series(1), bound=0.9))
    assert finding.verdict is Verdict.REPRODUCED
    nothing = judge(run("sft", [None] * 80), above=Above(greater=series(1), bound=0.9))
    assert nothing.verdict is Verdict.NOT_MEASURED
    assert "none of 80 problems has a defined value" in nothing.reason


def test_what_an_experiment_has_not_measured_is_named() -> None:
    finding = judge(SFT, above=Above(greater=series(1), lesser=series(1, method="dpo")))
    assert finding.verdict is Verdict.NOT_MEASURED
    assert "a-dpo, m: pass@1 test t=1 was not measured" in finding.reason


def test_most_groups_may_hold_where_all_do_not_and_missing_groups_leave_it_open() -> None:
    over = Over(iteration=(2, 3))
    quantity = Quantity(metric="pass@1", split=Split.TEST, dataset="a", model="m", method="sft")
    better = Above(greater=quantity, lesser=series(1))
    assert judge(over=over, above=better).verdict is Verdict.INCONCLUSIVE, "t=3 equals t=1"
    worse = run("sft", share(2), share(3), share(1))
    assert judge(worse, over=over, above=better).verdict is Verdict.NOT_REPRODUCED
    three = Over(iteration=(2, 3, 4))
    longer = run("sft", share(2), share(3), share(1), share(4))
    assert judge(longer, over=three, holds="most", above=better).verdict is Verdict.REPRODUCED
    assert judge(longer, over=Over(iteration=(2, 4, 5)), above=better).verdict is Verdict.NOT_MEASURED
    assert judge(longer, over=Over(iteration=(2, 4, 5)), holds="most", above=better).verdict is Verdict.REPRODUCED


def test_a_finding_about_several_models_says_so_and_counts_its_comparisons() -> None:
    lesser = replace(series(1), model="n")
    finding = judge(above=Above(greater=series(2), lesser=lesser))
    assert finding.model == ALL_MODELS
    terms = {term.name: term.value for term in finding.terms}
    assert (terms["comparisons"], terms["level"]) == (1, 0.975)


def test_the_same_runs_give_the_same_findings_in_any_order() -> None:
    form = Best(quantity=series(1, 2, 3, method=None), axis=Axis.METHOD, among=METHODS, winners=("dpo",))
    turned = tuple(replace(each, values=each.values[::-1]) for each in (DPO, SFT))
    assert judge(*turned, best=form) == judge(SFT, DPO, best=form)


def test_printed_digits_of_the_row_are_in_the_reason() -> None:
    gain = series(1, 2, 3, minus_iteration=1)
    finding = judge(equals=Equals(quantity=gain, table="t.csv", reference="gain", seed_sd=1.0))
    assert "allowed around 25.0 percent" in finding.reason
    assert ROW.value == Decimal("25.0")
    missing = judge(equals=Equals(quantity=gain, table="t.csv", reference="nothing", seed_sd=1.0))
    assert missing.verdict is Verdict.NOT_MEASURED
