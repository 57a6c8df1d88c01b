"""Values published from one run: the tolerance by hand, conflicts, fewer problems, and what cannot be judged."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Claim, DatasetRef, SingleRun, ValueClaim, ValuePoint
from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.verdict.check import check, find_claim_flaws, tables_of
from selfimp_bench.verdict.findings import PointFinding, Verdict
from selfimp_bench.verdict.single_run import judge_published_point
from selfimp_bench.verdict.value import PointCase

ROW = Reference(
    id="peak",
    model="m",
    dataset="gsm",
    method="sft",
    metric="pass@1",
    x=Decimal(3),
    printed="53.91",
    unit="percent",
    read_error=None,
    source="Figure 1, label",
    conflicts_with=(),
)
CURVE = replace(ROW, id="curve", printed="49.6", read_error=Decimal("0.15"), conflicts_with=("a.csv#peak",))
SINGLE = SingleRun(seed_sd=1.0, problems=1319, assumed="the spread of our own runs")
MEASURED = Measurement(
    model="m",
    metric="pass@1",
    split=Split.TEST,
    iteration=3,
    replicate=0,
    value=0.515,
    unit="share",
    n=1319,
    undefined=0,
    standard_error=0.013767,
    reason=None,
)
POINT = ValuePoint(metric="pass@1", split=Split.TEST, iteration=3, reference="peak")


def judge(
    *values: float | None,
    row: Reference = ROW,
    conflicting: tuple[Reference, ...] = (),
    like: Measurement = MEASURED,
    single: SingleRun = SINGLE,
    family: int = 1,
) -> PointFinding:
    measurements = tuple(replace(like, value=value, replicate=index) for index, value in enumerate(values))
    case = PointCase(
        point=POINT, table="p/a.csv", row=row, measurements=measurements, digest="d" * 64, conflicting=conflicting
    )
    return judge_published_point(case, single, confidence=0.95, family=family)


def term(finding: PointFinding, name: str) -> float | int | str:
    return next(term.value for term in finding.terms if term.name == name)


def test_the_worked_example_of_the_documentation_holds() -> None:
    finding = judge(0.515)
    assert finding.verdict is Verdict.REPRODUCED
    assert term(finding, "z quantile") == pytest.approx(1.95996, abs=1e-5)
    assert term(finding, "spread") == pytest.approx(4.7163, abs=1e-4)
    assert finding.low == pytest.approx(Decimal("49.1887"), abs=Decimal("1e-4"))
    assert finding.high == pytest.approx(Decimal("58.6313"), abs=Decimal("1e-4"))
    assert judge(0.4918).verdict is Verdict.NOT_REPRODUCED
    in_conflict = judge(0.4918, conflicting=(CURVE,))
    assert in_conflict.verdict is Verdict.REPRODUCED
    assert in_conflict.low == pytest.approx(Decimal("44.7337"), abs=Decimal("1e-4"))
    assert in_conflict.high == finding.high


def test_the_reason_says_the_numbers_and_both_sides_of_a_conflict() -> None:
    assert judge(0.44, conflicting=(CURVE,)).reason == (
        "pass@1 on test at iteration 3: measured 44 percent (1 replicate, 1319 problems); 44.733606 to 58.631394 "
        "allowed around 53.91 or 49.6: outside of what the published number allows"
    )


def test_every_term_is_in_the_finding_with_its_source() -> None:
    finding = judge(0.515, conflicting=(CURVE,))
    assert [each.name for each in finding.terms] == [
        "measured mean",
        "published value",
        "printed error",
        "conflicting value",
        "printed error",
        "seed sd",
        "replicates",
        "problems",
        "published problems",
        "standard error",
        "sampling error of both sides",
        "z quantile",
        "spread",
        "one problem",
        "lowest",
        "highest",
        "margin of fewer problems",
    ]
    sources = {each.name: each.source for each in finding.terms}
    assert sources["seed sd"] == "the claim's single_run: the spread of our own runs"
    assert sources["conflicting value"] == "row 'curve' (Figure 1, label)"


def test_without_any_spread_one_problem_is_allowed() -> None:
    none = replace(SINGLE, seed_sd=0.0, problems=200)
    like = replace(MEASURED, n=200, standard_error=0.0)
    assert judge(0.5441, single=none, like=like).verdict is Verdict.REPRODUCED
    assert judge(0.5442, single=none, like=like).verdict is Verdict.NOT_REPRODUCED


def test_more_replicates_and_a_larger_family_change_the_width_as_documented() -> None:
    four = judge(0.5, 0.5, 0.5, 0.5)
    assert term(four, "spread") == pytest.approx(1.95996 * (1.25 + 2 * 1.3767**2) ** 0.5, abs=1e-4)
    of_three = judge(0.5, family=3)
    assert term(of_three, "z quantile") == pytest.approx(2.39398, abs=1e-5)


def test_a_small_run_is_inconclusive_near_the_edge_and_decided_far_from_it() -> None:
    # e = 0.05, n = 100: H = 0.005 + 1.95996 sqrt(2 + 2 * 25 * 100 / 1319) = 4.721, E = 9.8 sqrt(1 - 100/1319) = 9.42
    small = replace(MEASURED, n=100, standard_error=0.05)
    near = judge(0.5, like=small)
    assert near.verdict is Verdict.INCONCLUSIVE
    assert near.problems_to_decide is not None and near.problems_to_decide > 100
    assert "fewer than were published on" in near.reason
    assert judge(0.3, like=small).verdict is Verdict.NOT_REPRODUCED
    assert judge(0.539, like=small, single=replace(SINGLE, seed_sd=6.0)).verdict is Verdict.REPRODUCED


def test_an_unpublished_number_of_problems_is_taken_for_this_runs() -> None:
    unknown = replace(SINGLE, problems=None)
    finding = judge(0.5, single=unknown, like=replace(MEASURED, n=44, standard_error=0.075))
    assert (term(finding, "published problems"), term(finding, "margin of fewer problems")) == (44, 0)
    assert finding.verdict is Verdict.REPRODUCED


def test_too_few_problems_or_no_standard_error_decide_nothing() -> None:
    few = judge(0.1, like=replace(MEASURED, n=17), single=replace(SINGLE, problems=None))
    assert few.verdict is Verdict.INCONCLUSIVE and "17 problems are too few" in few.reason
    blind = judge(0.1, like=replace(MEASURED, standard_error=None))
    assert blind.verdict is Verdict.INCONCLUSIVE and "no standard error" in blind.reason


def test_what_was_not_measured_is_not_judged() -> None:
    assert judge().verdict is Verdict.NOT_MEASURED
    undefined = judge(None, like=replace(MEASURED, reason="no improvement set"))
    assert undefined.reason == "pass@1 on test at iteration 3 was not measured: no improvement set"


def test_rows_in_different_units_cannot_be_in_conflict() -> None:
    with pytest.raises(InputError, match="only numbers in one unit can be in conflict"):
        judge(0.5, conflicting=(replace(CURVE, unit="share"),))


@settings(deadline=None)
@given(value=st.floats(0, 1), error=st.floats(0, 0.5), n=st.integers(20, 1319), sd=st.floats(0, 5))
def test_a_conflict_only_widens_and_fewer_problems_never_decide_the_other_way(
    value: float, error: float, n: int, sd: float
) -> None:
    single = replace(SINGLE, seed_sd=sd)
    like = replace(MEASURED, standard_error=error)
    whole = judge(value, like=like, single=single)
    wide = judge(value, like=like, single=single, conflicting=(CURVE,))
    assert whole.low is not None and wide.low is not None and whole.high is not None and wide.high is not None
    assert wide.low <= whole.low and wide.high >= whole.high
    part = judge(value, like=replace(like, n=n), single=single)
    assert part.low is not None and part.measured is not None and part.high is not None
    inside = part.low <= part.measured <= part.high
    assert part.verdict in (Verdict.INCONCLUSIVE, Verdict.REPRODUCED if inside else Verdict.NOT_REPRODUCED)


# ---- within check: rows by id, tables of the same folder ----

IS_ROW = replace(ROW, id="is", metric="is-pass@2")
TABLE = ReferenceTable(name="p/a.csv", rows=(replace(ROW, conflicts_with=("b.csv#curve",)), IS_ROW))
OTHER = ReferenceTable(name="p/b.csv", rows=(CURVE,))
DATASETS = {
    Split.TRAIN: DatasetRef(id="a", path="a", rows=1, digest="a" * 64),
    Split.TEST: DatasetRef(id="b", path="b", rows=1319, digest="b" * 64),
}


def claim(point: ValuePoint = POINT) -> Claim:
    value = ValueClaim(table="p/a.csv", points=(point,), rule="published-value", confidence=0.95, single_run=SINGLE)
    return Claim(id="v", statement="s", source="Figure 1", value=value)


def test_check_finds_the_other_side_of_a_conflict_in_its_table() -> None:
    read = {"p/a.csv": TABLE, "p/b.csv": OTHER}
    tables = tables_of([claim()], read.__getitem__)
    assert tables == (TABLE, OTHER)
    (finding,) = check(
        claims=[claim()],
        models=["m"],
        datasets=DATASETS,
        measurements=[replace(MEASURED, value=0.46)],
        problem_values=[],
        tables=tables,
    ).findings
    assert finding.verdict is Verdict.REPRODUCED
    assert "around 53.91 or 49.6" in finding.reason


def test_a_conflict_with_a_row_that_is_not_there_is_a_flaw() -> None:
    (flaw,) = find_claim_flaws([claim()], [TABLE])
    assert flaw.message == "p/a.csv: row 'peak' conflicts with row 'curve' of p/b.csv, which is not there"


def test_a_point_may_be_a_variant_of_its_row_but_no_other_metric_and_no_other_iteration() -> None:
    tables = [TABLE, OTHER]
    assert find_claim_flaws([claim(replace(POINT, metric="is-pass@2.first", reference="is"))], tables) == ()
    (metric,) = find_claim_flaws([claim(replace(POINT, metric="is-pass@20", reference="is"))], tables)
    assert metric.message == "p/a.csv: row 'is' is about is-pass@2, but the point is about is-pass@20"
    (place,) = find_claim_flaws([claim(replace(POINT, iteration=4))], tables)
    assert place.message == "p/a.csv: row 'peak' is about x = 3, but the point is about iteration 4"
