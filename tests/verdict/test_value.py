"""Value claims: the tolerance by hand, on the reference's problems and on others."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import ValuePoint
from selfimp_bench.manifest.reference_table import Reference
from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.verdict.findings import PointFinding, Verdict
from selfimp_bench.verdict.value import Divergence, PointCase, judge_point

SAME, OTHER = "a" * 64, "b" * 64

ROW = Reference(
    id="it1",
    model="tiny",
    dataset="gsm",
    method="sft",
    metric="pass@1",
    x=Decimal(1),
    printed="0.775",
    unit="fraction",
    read_error=None,
    source="our five runs",
    conflicts_with=(),
    sd=Decimal("0.010"),
    runs=5,
    problems=200,
    digest=SAME,
)

MEASURED = Measurement(
    model="tiny",
    metric="pass@1",
    split=Split.TEST,
    iteration=1,
    replicate=0,
    value=0.79,
    unit="fraction",
    n=200,
    undefined=0,
    standard_error=0.0289,
    reason=None,
)


def judge(
    *values: float | None,
    row: Reference = ROW,
    like: Measurement = MEASURED,
    digest: str | None = SAME,
    family: int = 1,
    divergence: Divergence | None = None,
) -> PointFinding:
    measurements = tuple(replace(like, value=value, replicate=index) for index, value in enumerate(values))
    point = ValuePoint(metric="pass@1", split=Split.TEST, iteration=1, reference="it1")
    case = PointCase(
        point=point, table="tiny/t.csv", row=row, measurements=measurements, digest=digest, divergence=divergence
    )
    return judge_point(case, confidence=0.95, family=family)


def term(finding: PointFinding, name: str) -> float | int | str:
    return next(term.value for term in finding.terms if term.name == name)


def test_the_worked_example_of_the_documentation_holds() -> None:
    finding = judge(0.79)
    assert finding.verdict is Verdict.REPRODUCED
    assert term(finding, "t quantile") == pytest.approx(2.7764, abs=5e-5)
    assert term(finding, "allowed half-width") == pytest.approx(0.0304, abs=5e-5)
    assert finding.low == pytest.approx(Decimal("0.7446"), abs=Decimal("5e-5"))
    assert finding.high == pytest.approx(Decimal("0.8054"), abs=Decimal("5e-5"))
    assert judge(0.81).verdict is Verdict.NOT_REPRODUCED
    of_three = judge(0.81, family=3)
    assert term(of_three, "t quantile") == pytest.approx(3.9608, abs=5e-5)
    assert term(of_three, "allowed half-width") == pytest.approx(0.0434, abs=5e-5)
    assert of_three.verdict is Verdict.REPRODUCED
    eight = judge(0.75, like=replace(MEASURED, n=8, standard_error=0.1637))
    assert eight.verdict is Verdict.INCONCLUSIVE


def test_the_reason_says_the_numbers() -> None:
    assert judge(0.81).reason == (
        "pass@1 on test at iteration 1: measured 0.81 fraction (1 replicate, 200 problems), reference 0.775 "
        "(5 runs, sd 0.010); 0.035 apart, 0.030414 allowed: further off than the allowed distance"
    )


def test_a_distance_equal_to_the_allowed_one_is_inside_although_floats_would_say_outside() -> None:
    assert 0.79 - 0.775 > 0.015
    row = replace(ROW, sd=Decimal(0), read_error=Decimal("0.015"))
    assert judge(0.79, row=row).verdict is Verdict.REPRODUCED
    assert judge(0.7901, row=row).verdict is Verdict.NOT_REPRODUCED
    assert judge(0.76, row=row).verdict is Verdict.REPRODUCED


def test_several_replicates_narrow_the_interval_and_are_averaged() -> None:
    # 2.776445 * 0.010 * sqrt(1/4 + 1/5) = 0.018625
    finding = judge(0.78, 0.80, 0.79, 0.81)
    assert finding.measured == Decimal("0.795")
    assert term(finding, "allowed half-width") == pytest.approx(0.018625, abs=1e-6)
    assert finding.verdict is Verdict.NOT_REPRODUCED


def test_a_reference_without_variance_allows_one_problem() -> None:
    row = replace(ROW, sd=Decimal(0))
    assert term(judge(0.78, row=row), "allowed half-width") == 0.005
    assert judge(0.78, row=row).verdict is Verdict.REPRODUCED
    assert judge(0.785, row=row).verdict is Verdict.NOT_REPRODUCED


def test_coarsely_printed_digits_allow_their_rounding() -> None:
    row = replace(ROW, printed="0.8", sd=Decimal("0.001"))
    assert term(judge(0.75, row=row), "allowed half-width") == 0.05
    assert judge(0.75, row=row).verdict is Verdict.REPRODUCED


@pytest.mark.parametrize("unit", ["percent", "%"])
def test_a_fraction_is_compared_with_percent_in_percent(unit: str) -> None:
    row = replace(ROW, printed="77.5", unit=unit, sd=Decimal("1.0"))
    finding = judge(0.79, row=row)
    assert (finding.measured, finding.unit) == (Decimal("79.00"), unit)
    assert term(finding, "allowed half-width") == pytest.approx(3.0414, abs=1e-4)
    assert term(finding, "one problem") == 0.5
    assert finding.verdict is Verdict.REPRODUCED
    in_percent = judge(79.0, row=replace(row, unit="percent"), like=replace(MEASURED, unit="percent"))
    assert term(in_percent, "one problem") == 0.5


def test_a_share_is_a_fraction() -> None:
    assert judge(0.79, like=replace(MEASURED, unit="share")).measured == Decimal("0.79")


def test_units_that_cannot_be_compared_are_refused_by_table_and_row() -> None:
    with pytest.raises(InputError, match=r"tiny/t.csv: row 'it1' is in tokens, but pass@1 is measured in fraction"):
        judge(0.79, row=replace(ROW, unit="tokens"))


def test_a_row_without_spread_cannot_judge() -> None:
    with pytest.raises(InputError, match="row 'it1' has no sd and runs"):
        judge(0.79, row=replace(ROW, sd=None, runs=None))


@pytest.mark.parametrize("value", [0.0, 0.5, 0.75, 0.775, 0.875, 1.0])
@pytest.mark.parametrize("error", [0.0, 0.0625, 0.1637, 0.189])
def test_eight_other_problems_decide_nothing(value: float, error: float) -> None:
    finding = judge(value, like=replace(MEASURED, n=8, standard_error=error))
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "8 problems are too few" in finding.reason
    assert "the reference's own data set (its 200 problems) would" in finding.reason


def test_eight_problems_that_are_the_references_own_do_decide() -> None:
    row = replace(ROW, problems=8)
    assert judge(0.775, row=row, like=replace(MEASURED, n=8)).verdict is Verdict.REPRODUCED


def test_other_problems_within_their_own_error_reproduce() -> None:
    # e = 1.959964 * 0.005 = 0.0098; 0.01 + 0.0098 <= 0.0304
    finding = judge(0.785, like=replace(MEASURED, standard_error=0.005), digest=OTHER)
    assert finding.verdict is Verdict.REPRODUCED
    assert term(finding, "sampling error") == pytest.approx(0.0098, abs=1e-5)


def test_other_problems_further_off_than_both_errors_contradict() -> None:
    # 0.775 - 0.65 = 0.125; 0.125 - 1.96 * 0.0337 = 0.0589 > 0.0304
    finding = judge(0.65, like=replace(MEASURED, standard_error=0.0337), digest=OTHER)
    assert finding.verdict is Verdict.NOT_REPRODUCED
    assert "the reference has another data set" in finding.reason


def test_other_problems_in_between_are_inconclusive_and_say_how_many_would_decide() -> None:
    # e = 1.959964 * 0.0289 = 0.0566; the gap 0.0304 - 0.015 = 0.0154; 200 * (0.0566 / 0.0154)^2 = 2701
    finding = judge(0.79, digest=OTHER)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.problems_to_decide == pytest.approx(2701, abs=10)
    assert f"about {finding.problems_to_decide} problems like these" in finding.reason


def test_as_many_problems_as_would_decide_do_decide() -> None:
    needed = judge(0.79, digest=OTHER).problems_to_decide
    assert needed is not None
    error = 0.0289 * (200 / needed) ** 0.5
    more = judge(0.79, digest=OTHER, like=replace(MEASURED, n=needed, standard_error=error))
    assert more.verdict is Verdict.REPRODUCED


def test_the_sampling_error_uses_the_familys_level() -> None:
    finding = judge(0.79, digest=OTHER, family=3)
    assert term(finding, "sampling error") == pytest.approx(2.3940 * 0.0289, abs=1e-5)


def test_a_sample_without_spread_does_not_pretend_to_have_no_error() -> None:
    finding = judge(
        1.0, digest=OTHER, row=replace(ROW, printed="0.975"), like=replace(MEASURED, n=30, standard_error=0.0)
    )
    assert finding.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("row", "digest", "like"),
    [
        (replace(ROW, digest=None), SAME, MEASURED),
        (ROW, OTHER, MEASURED),
        (ROW, None, MEASURED),
        (ROW, SAME, replace(MEASURED, n=199)),
        (ROW, SAME, replace(MEASURED, undefined=1)),
    ],
    ids=["no digest", "another digest", "no data set", "fewer problems", "more problems"],
)
def test_problems_that_are_not_shown_to_be_the_same_count_as_others(
    row: Reference, digest: str | None, like: Measurement
) -> None:
    assert judge(0.79, row=row, digest=digest, like=like).verdict is Verdict.INCONCLUSIVE


def test_problems_where_the_metric_is_undefined_still_belong_to_the_data_set() -> None:
    assert judge(0.79, like=replace(MEASURED, n=150, undefined=50)).verdict is Verdict.REPRODUCED


def test_what_was_not_measured_is_not_judged() -> None:
    finding = judge()
    assert finding.verdict is Verdict.NOT_MEASURED
    assert finding.reason == "pass@1 on test at iteration 1 was not measured: this run has no such number for tiny"
    assert (finding.measured, finding.low, finding.terms) == (None, None, ())


def test_an_undefined_measurement_is_not_measured_with_its_reason() -> None:
    like = replace(MEASURED, n=0, undefined=200, standard_error=None, reason="no problem has a correct sample")
    assert judge(None, like=like).reason.endswith("was not measured: no problem has a correct sample")
    both = judge(None, None, like=like)
    assert both.verdict is Verdict.NOT_MEASURED
    assert both.reason.endswith("(replicate 0)")


def test_one_undefined_replicate_leaves_the_point_unmeasured_rather_than_picking_the_others() -> None:
    assert judge(0.79, None).verdict is Verdict.NOT_MEASURED


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_measurement_that_is_not_finite_is_our_bug(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        judge(value)


def test_two_measurements_for_one_replicate_are_our_bug() -> None:
    point = ValuePoint(metric="pass@1", split=Split.TEST, iteration=1, reference="it1")
    case = PointCase(point=point, table="t.csv", row=ROW, measurements=(MEASURED, MEASURED), digest=SAME)
    with pytest.raises(ValueError, match="one replicate"):
        judge_point(case, confidence=0.95, family=1)


def test_a_value_over_no_problems_is_our_bug() -> None:
    with pytest.raises(ValueError, match="at least one problem"):
        judge(0.5, like=replace(MEASURED, n=0))


def test_a_conflict_in_the_source_is_among_the_terms() -> None:
    assert term(judge(0.79, row=replace(ROW, conflicts_with=("other", "third"))), "conflicting rows") == "other, third"


@settings(deadline=None)
@given(
    value=st.floats(0, 1),
    mean=st.decimals(0, 1, places=3),
    sd=st.decimals(0, 1, places=3),
    error=st.floats(0, 0.5),
    problems=st.integers(1, 5000),
)
def test_other_problems_never_decide_against_the_same_problems(
    value: float, mean: Decimal, sd: Decimal, error: float, problems: int
) -> None:
    row = replace(ROW, printed=str(mean), sd=sd, problems=problems)
    like = replace(MEASURED, n=problems, standard_error=error)
    same = judge(value, row=row, like=like)
    other = judge(value, row=row, like=like, digest=OTHER)
    assert same.verdict in (Verdict.REPRODUCED, Verdict.NOT_REPRODUCED)
    assert other.verdict in (same.verdict, Verdict.INCONCLUSIVE)
    assert same.low is not None and same.high is not None and same.measured is not None
    assert (same.low <= same.measured <= same.high) == (same.verdict is Verdict.REPRODUCED)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(1, 20))
def test_a_larger_family_never_turns_a_reproduced_point(values: list[float], family: int) -> None:
    if judge(*values, family=family).verdict is Verdict.REPRODUCED:
        assert judge(*values, family=family + 1).verdict is Verdict.REPRODUCED


def test_completions_that_change_with_their_batch_widen_what_is_allowed() -> None:
    # rerun noise sqrt(0.02 / 200) = 0.01; t x sqrt(0.010^2 x 1.2 + 0.01^2) = 2.776445 x 0.0148324 = 0.0411813
    finding = judge(0.81, divergence=Divergence(rate=0.02, completions=1))
    assert term(finding, "rerun noise") == pytest.approx(0.01)
    assert term(finding, "divergence rate") == 0.02
    assert term(finding, "allowed half-width") == pytest.approx(0.0411813, abs=1e-6)
    assert finding.verdict is Verdict.REPRODUCED
    assert judge(0.81).verdict is Verdict.NOT_REPRODUCED
    assert judge(0.817, divergence=Divergence(rate=0.02, completions=1)).verdict is Verdict.NOT_REPRODUCED


def test_a_problem_of_many_completions_changes_more_often_but_not_more_than_always() -> None:
    assert term(judge(0.78, divergence=Divergence(rate=0.02, completions=8)), "rerun noise") == pytest.approx(
        (8 * 0.02 / 200) ** 0.5
    )
    assert term(judge(0.78, divergence=Divergence(rate=0.5, completions=8)), "rerun noise") == pytest.approx(
        (1 / 200) ** 0.5
    )


def test_replicates_average_the_rerun_noise_and_a_percentage_has_a_hundredfold_one() -> None:
    diverging = Divergence(rate=0.02, completions=1)
    assert term(judge(0.78, 0.8, divergence=diverging), "rerun noise") == pytest.approx((0.02 / 400) ** 0.5)
    percent = replace(ROW, printed="77.5", unit="percent", sd=Decimal("1.0"))
    assert term(judge(0.78, row=percent, divergence=diverging), "rerun noise") == pytest.approx(1.0)


def test_without_divergence_there_is_no_word_of_it() -> None:
    assert not {"rerun noise", "divergence rate", "completions per problem"} & {each.name for each in judge(0.79).terms}


@given(st.floats(0, 1), st.integers(1, 64), st.floats(0.5, 1))
def test_divergence_never_turns_a_reproduced_point(rate: float, completions: int, value: float) -> None:
    if judge(value).verdict is Verdict.REPRODUCED:
        found = judge(value, divergence=Divergence(rate=rate, completions=completions))
        assert found.verdict is Verdict.REPRODUCED
