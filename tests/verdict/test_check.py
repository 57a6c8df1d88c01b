"""The verdict as a whole: claims, measurements and tables to findings, an exit code and bytes."""

import json
import random
from dataclasses import replace
from decimal import Decimal

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import (
    Bootstrap,
    Cell,
    Claim,
    ClaimReading,
    DatasetRef,
    OrderClaim,
    TrendClaim,
    ValueClaim,
    ValuePoint,
)
from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.measurement import Measurement, ProblemValue, Split
from selfimp_bench.verdict.check import check, find_claim_flaws, tables_of
from selfimp_bench.verdict.findings import (
    Findings,
    Kind,
    Verdict,
    combine,
    combine_readings,
    exit_code,
    from_json,
    show,
    to_json,
)

TEST = DatasetRef(id="test", path="test.jsonl", rows=40, digest="a" * 64)
DATASETS = {Split.TRAIN: replace(TEST, id="train", digest="c" * 64), Split.TEST: TEST}
BOOTSTRAP = Bootstrap(confidence=0.95, resamples=200, seed=1)


def row(name: str, printed: str, model: str = "tiny", metric: str = "pass@1") -> Reference:
    return Reference(
        id=name,
        model=model,
        dataset="gsm",
        method="sft",
        metric=metric,
        x=None,
        printed=printed,
        unit="fraction",
        read_error=None,
        source="our runs",
        conflicts_with=(),
        sd=Decimal("0.01"),
        runs=5,
        problems=40,
        digest="a" * 64,
    )


TABLE = ReferenceTable(
    name="tiny/t.csv", rows=(row("it1", "0.500"), row("it2", "0.750"), row("big-it1", "0.900", model="big"))
)


def point(iteration: int, reference: str) -> ValuePoint:
    return ValuePoint(metric="pass@1", split=Split.TEST, iteration=iteration, reference=reference)


def cell(iteration: int) -> Cell:
    return Cell(metric="pass@1", split=Split.TEST, iteration=iteration)


def value_claim(*points: ValuePoint, table: str = "tiny/t.csv") -> Claim:
    value = ValueClaim(table=table, points=points, rule="prediction-interval", confidence=0.95)
    return Claim(id="values", statement="As in the table.", source="Table 1", value=value)


def order_claim(greater: int, lesser: int) -> Claim:
    order = OrderClaim(greater=cell(greater), lesser=cell(lesser), bootstrap=BOOTSTRAP)
    return Claim(id="order", statement="Later is better.", source="Section 4", order=order)


def trend_claim(*iterations: int) -> Claim:
    trend = TrendClaim(metric="pass@1", split=Split.TEST, iterations=iterations, direction="up", bootstrap=BOOTSTRAP)
    return Claim(id="trend", statement="It rises.", source="Figure 1", trend=trend)


VALUES = [
    ProblemValue(
        model="tiny",
        metric="pass@1",
        split=Split.TEST,
        iteration=iteration,
        replicate=replicate,
        problem_id=f"p{index}",
        value=1.0 if index % 4 < share else 0.0,
    )
    for iteration, share in ((1, 2), (2, 3))
    for replicate in range(2)
    for index in range(40)
]
MEASUREMENTS = [
    Measurement(
        model="tiny",
        metric="pass@1",
        split=Split.TEST,
        iteration=iteration,
        replicate=replicate,
        value=value,
        unit="fraction",
        n=40,
        undefined=0,
        standard_error=0.07,
        reason=None,
    )
    for iteration, value in ((1, 0.5), (2, 0.75))
    for replicate in range(2)
]


def judge(
    *claims: Claim,
    models: tuple[str, ...] = ("tiny",),
    measurements: list[Measurement] = MEASUREMENTS,
    values: list[ProblemValue] = VALUES,
) -> Findings:
    return check(
        claims=claims,
        models=models,
        datasets=DATASETS,
        measurements=measurements,
        problem_values=values,
        tables=(TABLE,),
    )


ALL = (value_claim(point(1, "it1"), point(2, "it2")), order_claim(2, 1), trend_claim(1, 2))


def test_a_run_that_agrees_reproduces_every_kind_of_claim() -> None:
    findings = judge(*ALL)
    assert [finding.kind for finding in findings.findings] == [Kind.VALUE, Kind.ORDER, Kind.TREND]
    assert {finding.verdict for finding in findings.findings} == {Verdict.REPRODUCED}
    assert exit_code(findings) == 0
    assert findings.findings[0].reason.startswith(
        "2 of 2 points are REPRODUCED: pass@1 on test at iteration 1: measured"
    )


def either(*claims: Claim) -> Claim:
    named = tuple(
        ClaimReading(name=f"reading {index}", value=each.value, order=each.order, trend=each.trend)
        for index, each in enumerate(claims, start=1)
    )
    return Claim(id="either", statement="As in the table, or later is better.", source="Table 1", any_of=named)


def both(*claims: Claim) -> Claim:
    return replace(either(*claims), any_of=None, all_of=either(*claims).any_of)


def test_every_part_must_hold_and_all_are_reported() -> None:
    wrong, right = value_claim(point(1, "it2")), order_claim(2, 1)
    (finding,) = judge(both(right, wrong)).findings
    assert (finding.verdict, finding.kind, finding.model) == (Verdict.NOT_REPRODUCED, Kind.ALL_OF, "tiny")
    assert finding.reason.startswith("reading 1: REPRODUCED, ")
    assert "; reading 2: NOT_REPRODUCED, 1 of 1 points is NOT_REPRODUCED" in finding.reason
    (flaw,) = find_claim_flaws([both(right, value_claim(point(1, "it9")))], [TABLE])
    assert str(flaw).startswith("$.claims[0].all_of[1].value.points[0].reference")


@pytest.mark.parametrize(
    ("claims", "verdict"),
    [
        ((order_claim(2, 1), trend_claim(1, 2)), Verdict.REPRODUCED),
        ((order_claim(2, 1), order_claim(9, 1)), Verdict.NOT_MEASURED),
        ((order_claim(1, 1), order_claim(9, 1)), Verdict.INCONCLUSIVE),
        ((order_claim(1, 2), order_claim(1, 1), order_claim(9, 1)), Verdict.NOT_REPRODUCED),
    ],
)
def test_parts_are_reproduced_only_where_all_are(claims: tuple[Claim, ...], verdict: Verdict) -> None:
    (finding,) = judge(both(*claims)).findings
    assert finding.verdict is verdict


def test_one_reading_is_enough_and_all_are_reported() -> None:
    wrong, right = value_claim(point(1, "it2")), order_claim(2, 1)
    (finding,) = judge(either(wrong, right)).findings
    assert (finding.verdict, finding.kind, finding.model) == (Verdict.REPRODUCED, Kind.ANY_OF, "tiny")
    assert finding.reason.startswith("read as reading 1: NOT_REPRODUCED, 1 of 1 points is NOT_REPRODUCED")
    assert "; read as reading 2: REPRODUCED, " in finding.reason
    assert [each.verdict for each in finding.points] == [Verdict.NOT_REPRODUCED], "the points of every reading"
    assert "reading 2: mean" in {term.name for term in finding.terms}
    assert finding.interval is None


@pytest.mark.parametrize(
    ("claims", "verdict"),
    [
        ((order_claim(1, 2), trend_claim(1, 2)), Verdict.REPRODUCED),
        ((order_claim(1, 2), value_claim(point(1, "it2"))), Verdict.NOT_REPRODUCED),
        ((order_claim(1, 2), order_claim(9, 1)), Verdict.NOT_MEASURED),
        ((order_claim(1, 1), order_claim(9, 1)), Verdict.INCONCLUSIVE),
    ],
)
def test_readings_are_not_reproduced_only_where_none_can_be(claims: tuple[Claim, ...], verdict: Verdict) -> None:
    (finding,) = judge(either(*claims)).findings
    assert finding.verdict is verdict


def test_readings_make_one_finding_for_each_model() -> None:
    findings = judge(either(order_claim(2, 1), value_claim(point(1, "it1"))), models=("tiny", "big")).findings
    assert [(each.model, each.verdict) for each in findings] == [
        ("tiny", Verdict.REPRODUCED),
        ("big", Verdict.NOT_MEASURED),
    ]
    assert "reading 2" not in findings[1].reason, "the table has no row of this model for it"


def test_flaws_of_a_reading_name_it_and_its_tables_are_read() -> None:
    claim = either(order_claim(2, 1), value_claim(point(1, "it9")))
    (flaw,) = find_claim_flaws([claim], [TABLE])
    assert str(flaw).startswith("$.claims[0].any_of[1].value.points[0].reference: tiny/t.csv has no row 'it9'")
    assert tables_of([claim], lambda name: replace(TABLE, name=name)) == (TABLE,)


def test_a_run_that_differs_contradicts_and_exits_1() -> None:
    findings = judge(value_claim(point(1, "it2"), point(2, "it2")), order_claim(1, 2))
    assert {finding.verdict for finding in findings.findings} == {Verdict.NOT_REPRODUCED}
    assert findings.findings[0].reason.startswith("1 of 2 points is NOT_REPRODUCED")
    assert exit_code(findings) == 1


def test_a_run_on_eight_of_the_problems_is_inconclusive_and_exits_3() -> None:
    few = [replace(measurement, n=8, standard_error=0.18) for measurement in MEASUREMENTS]
    values = [value for value in VALUES if int(value.problem_id[1:]) < 8]
    findings = judge(*ALL, measurements=few, values=values)
    assert {finding.verdict for finding in findings.findings} == {Verdict.INCONCLUSIVE}
    assert exit_code(findings) == 3


def test_an_empty_run_measures_nothing_leaves_no_claim_out_and_exits_3() -> None:
    findings = judge(*ALL, measurements=[], values=[])
    assert {finding.verdict for finding in findings.findings} == {Verdict.NOT_MEASURED}
    assert len(findings.findings) == 3
    assert exit_code(findings) == 3


def test_a_run_where_everything_is_undefined_measures_nothing() -> None:
    undefined = [
        replace(each, value=None, n=0, undefined=40, standard_error=None, reason="no correct sample")
        for each in MEASUREMENTS
    ]
    findings = judge(*ALL, measurements=undefined, values=[replace(value, value=None) for value in VALUES])
    assert {finding.verdict for finding in findings.findings} == {Verdict.NOT_MEASURED}
    assert "no correct sample" in findings.findings[0].reason


def test_no_claims_give_no_findings_and_nothing_judged_is_no_success() -> None:
    assert judge().findings == ()
    assert exit_code(judge()) == 3


def test_orders_and_trends_are_judged_for_every_model_and_values_for_those_of_their_rows() -> None:
    claims = (value_claim(point(1, "it1"), point(1, "big-it1")), order_claim(2, 1))
    findings = judge(*claims, models=("big", "tiny")).findings
    assert [(finding.claim, finding.model, finding.verdict) for finding in findings] == [
        ("values", "tiny", Verdict.REPRODUCED),
        ("values", "big", Verdict.NOT_MEASURED),
        ("order", "big", Verdict.NOT_MEASURED),
        ("order", "tiny", Verdict.REPRODUCED),
    ]


def test_the_family_counts_the_points_of_all_models() -> None:
    both = judge(value_claim(point(1, "it1"), point(1, "big-it1"))).findings[0].points[0]
    one = judge(value_claim(point(1, "it1"))).findings[0].points[0]
    assert both.high is not None and one.high is not None and both.high > one.high


def test_the_order_of_measurements_and_values_does_not_change_a_byte() -> None:
    first = to_json(judge(*ALL))
    for seed in range(5):
        measurements, values = list(MEASUREMENTS), list(VALUES)
        random.Random(seed).shuffle(measurements)
        random.Random(seed).shuffle(values)
        assert to_json(judge(*ALL, measurements=measurements, values=values)) == first


def test_the_measurements_of_other_cells_do_not_change_a_byte() -> None:
    more = [*MEASUREMENTS, *(replace(each, iteration=3) for each in MEASUREMENTS)]
    assert to_json(judge(*ALL, measurements=more)) == to_json(judge(*ALL))


@pytest.mark.parametrize("measurements", [MEASUREMENTS, []])
def test_findings_come_back_from_json_as_they_were(measurements: list[Measurement]) -> None:
    findings = judge(*ALL, measurements=measurements)
    data = to_json(findings)
    assert from_json(data) == findings
    assert to_json(from_json(data)) == data
    plain = json.loads(data)
    assert list(plain) == sorted(plain)
    assert plain["findings"][0]["points"][0]["reference"] == "0.500"


def test_every_claim_that_cannot_be_judged_is_named_at_once() -> None:
    no_spread = replace(row("single", "0.5"), sd=None, runs=None)
    table = replace(TABLE, rows=(*TABLE.rows, no_spread, row("coverage", "0.5", metric="coverage")))
    claims = (
        value_claim(point(1, "it"), point(1, "single"), point(1, "coverage")),
        value_claim(point(1, "it1"), table="absent.csv"),
        value_claim(),
        trend_claim(3),
        trend_claim(1, 1),
        Claim(id="nothing", statement="", source=""),
    )
    assert [str(flaw) for flaw in find_claim_flaws(claims, [table])] == [
        "$.claims[0].value.points[0].reference: tiny/t.csv has no row 'it'; did you mean it2 or it1?",
        "$.claims[0].value.points[1].reference: tiny/t.csv: row 'single' has no sd and runs; a prediction interval "
        "needs the spread over at least two reference runs (rule published-value is for numbers from one run)",
        "$.claims[0].value.points[2].reference: tiny/t.csv: row 'coverage' is about coverage, but the point is about "
        "pass@1",
        "$.claims[1].value.table: reference table absent.csv was not given; tables: tiny/t.csv",
        "$.claims[2].value.points: a value claim needs at least one point",
        "$.claims[3].trend.iterations: a trend needs at least two iterations, all different, found [3]",
        "$.claims[4].trend.iterations: a trend needs at least two iterations, all different, found [1, 1]",
        "$.claims[5]: claim 'nothing' must be exactly one of value, order and trend",
    ]


def test_a_claim_on_a_missing_row_is_wrong_input_that_names_table_and_row() -> None:
    with pytest.raises(InputError, match=r"tiny/t\.csv has no row 'it9'"):
        judge(value_claim(point(1, "it9")))


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["REPRODUCED", "NOT_MEASURED", "INCONCLUSIVE", "NOT_REPRODUCED"], "NOT_REPRODUCED"),
        (["REPRODUCED", "NOT_MEASURED", "INCONCLUSIVE"], "INCONCLUSIVE"),
        (["REPRODUCED", "NOT_MEASURED"], "NOT_MEASURED"),
        (["REPRODUCED", "REPRODUCED"], "REPRODUCED"),
    ],
)
def test_the_worst_point_decides(verdicts: list[str], expected: str) -> None:
    assert combine([Verdict(verdict) for verdict in verdicts]) is Verdict(expected)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["NOT_REPRODUCED", "NOT_MEASURED", "INCONCLUSIVE", "REPRODUCED"], "REPRODUCED"),
        (["NOT_REPRODUCED", "NOT_MEASURED", "INCONCLUSIVE"], "INCONCLUSIVE"),
        (["NOT_REPRODUCED", "NOT_MEASURED"], "NOT_MEASURED"),
        (["NOT_REPRODUCED", "NOT_REPRODUCED"], "NOT_REPRODUCED"),
    ],
)
def test_the_best_reading_decides(verdicts: list[str], expected: str) -> None:
    assert combine_readings([Verdict(verdict) for verdict in verdicts]) is Verdict(expected)


def test_no_readings_have_no_verdict() -> None:
    with pytest.raises(ValueError, match="no verdicts"):
        combine_readings([])


def test_no_points_have_no_verdict() -> None:
    with pytest.raises(ValueError, match="no verdicts"):
        combine([])


@pytest.mark.parametrize(
    ("number", "text"), [(0.5, "0.5"), (-1e-9, "0"), (1319.0, "1319"), (Decimal("77.50"), "77.5"), (1 / 3, "0.333333")]
)
def test_numbers_in_sentences_have_no_noise(number: float, text: str) -> None:
    assert show(number) == text
