"""The verdict as a whole: claims and evidence to findings, an exit code and bytes."""

import json
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from verdict_support import (
    Values,
    both,
    cell,
    either,
    evidence_of,
    of_runs,
    order_claim,
    point,
    priors,
    row,
    share,
    trend_claim,
    value_claim,
)

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Apart, Claim
from selfimp_bench.manifest.reference_table import ReferenceTable
from selfimp_bench.verdict.check import check, find_claim_flaws, tables_of
from selfimp_bench.verdict.evidence import Evidence, Key
from selfimp_bench.verdict.findings import Findings, Kind, Verdict, brief, combine, exit_code, show, to_json

TABLE = ReferenceTable(
    name="t.csv",
    rows=(
        of_runs(row("it1", "0.500", x=1), "0.01", 5, problems=200),
        of_runs(row("it2", "0.750", x=2), "0.01", 5, problems=200),
        of_runs(row("big-it1", "0.900", x=1, model="big"), "0.01", 5, problems=200),
    ),
)
CELLS: dict[Key, list[Values]] = {
    ("e", "m", cell(iteration=1)): [share(2, 200)] * 2,
    ("e", "m", cell(iteration=2)): [share(3, 200)] * 2,
}
NOTHING = Evidence(values={}, measurements={}, digests={})


def later(greater: int, lesser: int) -> Claim:
    return order_claim(cell(iteration=greater), cell(iteration=lesser))


def values(*points: tuple[str, int], table: str = "t.csv") -> Claim:
    return value_claim(*(point(name, iteration) for name, iteration in points), table=table, against="none")


def judge(*claims: Claim, models: tuple[str, ...] = ("m",), evidence: Evidence | None = None) -> Findings:
    return check(
        experiment="e",
        claims=claims,
        models=models,
        evidence=evidence_of(CELLS) if evidence is None else evidence,
        tables=(TABLE,),
        priors=priors(),
    )


ALL = (values(("it1", 1), ("it2", 2)), later(2, 1), trend_claim(1, 2))


def test_a_run_that_agrees_reproduces_every_kind_of_claim() -> None:
    findings = judge(*ALL)
    assert [finding.kind for finding in findings.findings] == [Kind.VALUE, Kind.ORDER, Kind.TREND]
    assert {finding.verdict for finding in findings.findings} == {Verdict.REPRODUCED}
    assert all(finding.p_for <= 0.01 < 0.5 < finding.p_against for finding in findings.findings)
    assert exit_code(findings) == 0
    assert findings.findings[0].reason.startswith(
        "2 of 2 points are REPRODUCED: pass@1 on test at iteration 1: measured"
    )


def test_a_finding_says_what_would_have_failed_and_how_far_off_a_truth_it_can_tell() -> None:
    value, order, trend = judge(*ALL).findings
    assert value.would_fail.startswith("outside of 0.7")
    assert "at pass@1 on test at iteration 2 it would have been contradicted; likewise at any other" in value.would_fail
    assert order.would_fail.startswith("pass@1 on test at iteration 2 less pass@1 on test at iteration 1: less than 0.")
    assert order.smallest_effect is not None and 0.03 < order.smallest_effect < 0.2
    assert value.smallest_effect is not None and 0.02 < value.smallest_effect < 0.1
    assert trend.interval is not None and trend.interval.low > 0


def test_what_is_open_says_how_many_problems_or_replicates_would_decide() -> None:
    near = [
        [1.0 if index % 10 < 5 else 0.0 for index in range(200)],
        [1.0 if index % 10 < 5 else 0.0 for index in range(200)],
    ]
    better = [[1.0 if index % 20 < 11 else 0.0 for index in range(200)]] * 2
    cells = {("e", "m", cell(iteration=1)): near, ("e", "m", cell(iteration=2)): better}
    (finding,) = judge(later(2, 1), evidence=evidence_of(cells)).findings
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.problems_to_decide is not None and finding.problems_to_decide > 200
    assert f"about {finding.problems_to_decide} problems like these" in finding.reason
    assert all(one.problems_to_decide is None for one in judge(*ALL).findings)


def test_what_leaves_a_number_open_of_which_nobody_says_on_how_many_problems_it_is_is_named() -> None:
    off = evidence_of({("e", "m", cell(iteration=1)): [[1.0] * 46 + [0.0] * 34]})
    table = ReferenceTable(name="t.csv", rows=(row("a", "0.50", x=1),))
    claims = [value_claim(point("a")), value_claim(point("a"), problems=80)]
    unsaid, said = (
        check(experiment="e", claims=[each], models=["m"], evidence=off, tables=[table], priors=priors()).findings[0]
        for each in claims
    )
    assert (unsaid.verdict, said.verdict) == (Verdict.INCONCLUSIVE, Verdict.NOT_REPRODUCED)
    assert "nobody says on how many problems the number is" in unsaid.reason
    assert "own spread" not in unsaid.reason


def test_a_run_that_never_improves_would_look_the_same_where_the_published_one_hardly_does() -> None:
    table = ReferenceTable(name="t.csv", rows=(row("one", "0.50", x=1), row("two", "0.52", x=2)))
    claim = value_claim(point("one", 1), point("two", 2), against="frozen")
    cells = {("e", "m", cell(iteration=each)): [share(2, 200)] for each in (1, 2)}
    (finding,) = check(
        experiment="e", claims=[claim], models=["m"], evidence=evidence_of(cells), tables=[table], priors=priors()
    ).findings
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "inside at all 2 points, but not told from what would refute it: it would look the same" in finding.reason


def test_a_collapsed_model_whose_ratio_has_no_error_to_speak_of_is_not_reproduced() -> None:
    rows = [0.6 + (30.0 if index % 2 else -30.0) for index in range(200)]
    table = ReferenceTable(name="t.csv", rows=(row("d", "0.6", metric="group-disparity"),))
    key = ("e", "m", cell("group-disparity"))
    claim = value_claim(point("d", metric="group-disparity"), against="none")
    for values_, verdict in (
        (rows, Verdict.INCONCLUSIVE),
        ([0.6 + 0.01 * (i % 3) for i in range(200)], Verdict.REPRODUCED),
    ):
        (finding,) = check(
            experiment="e",
            claims=[claim],
            models=["m"],
            evidence=evidence_of({key: [values_]}),
            tables=[table],
            priors=priors(sd=0.05),
        ).findings
        assert finding.verdict is verdict, finding.reason


def test_every_part_must_hold_and_all_are_reported() -> None:
    wrong, right = values(("it2", 1)), later(2, 1)
    (finding,) = judge(both(right, replace(wrong, value=replace(wrong.value, points=(point("it1", 1),))))).findings  # type: ignore[type-var]
    assert (finding.verdict, finding.kind, finding.model) == (Verdict.REPRODUCED, Kind.ALL_OF, "m")
    opposite = judge(both(right, later(1, 2))).findings[0]
    assert opposite.verdict is Verdict.NOT_REPRODUCED
    assert opposite.reason.startswith("claimed of all of 2: 1 yes, 1 no, 0 open, 0 unknown; reading 2: ")
    assert {"reading 1: yes", "reading 2: no"} <= {term.name for term in opposite.terms}
    (flaw,) = find_claim_flaws([both(right, values(("it9", 1)))], [TABLE])
    assert str(flaw).startswith("$.claims[0].all_of[1].value.points[0].reference")


@pytest.mark.parametrize(
    ("claims", "verdict"),
    [
        ((later(2, 1), trend_claim(1, 2)), Verdict.REPRODUCED),
        ((later(2, 1), later(9, 1)), Verdict.NOT_MEASURED),
        ((later(1, 1), later(9, 1)), Verdict.INCONCLUSIVE),
        ((later(1, 2), later(1, 1), later(9, 1)), Verdict.NOT_REPRODUCED),
    ],
)
def test_parts_are_reproduced_only_where_all_are(claims: tuple[Claim, ...], verdict: Verdict) -> None:
    (finding,) = judge(both(*claims)).findings
    assert finding.verdict is verdict


def test_one_reading_is_enough_pays_for_the_others_and_all_are_reported() -> None:
    (finding,) = judge(either(later(1, 2), later(2, 1))).findings
    alone = judge(later(2, 1)).findings[0]
    assert (finding.verdict, finding.kind, finding.model) == (Verdict.REPRODUCED, Kind.ANY_OF, "m")
    assert finding.p_for == pytest.approx(2 * alone.p_for)
    assert finding.reason.startswith("claimed of one of 2: 1 yes, 1 no, 0 open, 0 unknown; reading 2: ")
    assert {"reading 1: no", "reading 2: yes"} <= {term.name for term in finding.terms}
    assert finding.interval is None
    with_points = judge(either(values(("it1", 1)), later(1, 2))).findings[0]
    assert [each.verdict for each in with_points.points] == [Verdict.REPRODUCED], "the points of every reading"


@pytest.mark.parametrize(
    ("claims", "verdict"),
    [
        ((later(1, 2), trend_claim(1, 2)), Verdict.REPRODUCED),
        ((later(1, 2), trend_claim(1, 2, up=False)), Verdict.NOT_REPRODUCED),
        ((later(1, 2), later(9, 1)), Verdict.NOT_MEASURED),
        ((later(1, 1), later(9, 1)), Verdict.NOT_MEASURED),
        ((later(1, 2), later(1, 1)), Verdict.INCONCLUSIVE),
    ],
)
def test_readings_are_not_reproduced_only_where_none_can_be(claims: tuple[Claim, ...], verdict: Verdict) -> None:
    (finding,) = judge(either(*claims)).findings
    assert finding.verdict is verdict


def test_readings_make_one_finding_for_each_model() -> None:
    findings = judge(either(later(2, 1), values(("it1", 1))), models=("m", "big")).findings
    assert [(each.model, each.verdict) for each in findings] == [
        ("m", Verdict.REPRODUCED),
        ("big", Verdict.NOT_MEASURED),
    ]


def test_flaws_of_a_reading_name_it_and_its_tables_are_read() -> None:
    claim = either(later(2, 1), values(("it9", 1)))
    (flaw,) = find_claim_flaws([claim], [TABLE])
    assert str(flaw).startswith("$.claims[0].any_of[1].value.points[0].reference: t.csv has no row 'it9'")
    assert tables_of([claim], lambda name: replace(TABLE, name=name)) == (TABLE,)


def test_a_run_that_differs_contradicts_and_exits_1() -> None:
    swapped = {key: CELLS["e", "m", cell(iteration=3 - key[2].iteration)] for key in CELLS}
    findings = judge(values(("it1", 1), ("it2", 2)), later(2, 1), evidence=evidence_of(swapped))
    assert {finding.verdict for finding in findings.findings} == {Verdict.NOT_REPRODUCED}
    assert findings.findings[0].reason.startswith("2 of 2 points are NOT_REPRODUCED")
    assert exit_code(findings) == 1


def test_a_run_on_eight_of_the_problems_is_inconclusive_and_exits_3() -> None:
    few = {key: [row_[:8] for row_ in rows] for key, rows in CELLS.items()}
    findings = judge(*ALL, evidence=evidence_of(few))
    assert {finding.verdict for finding in findings.findings} == {Verdict.INCONCLUSIVE}
    assert exit_code(findings) == 3


def test_an_empty_run_measures_nothing_leaves_no_claim_out_and_exits_3() -> None:
    findings = judge(*ALL, evidence=NOTHING)
    assert {finding.verdict for finding in findings.findings} == {Verdict.NOT_MEASURED}
    assert len(findings.findings) == 3
    assert exit_code(findings) == 3


def test_a_run_where_everything_is_undefined_measures_nothing() -> None:
    undefined = evidence_of({key: [[None] * 200] for key in CELLS})
    findings = judge(*ALL, evidence=undefined)
    assert {finding.verdict for finding in findings.findings} == {Verdict.NOT_MEASURED}
    assert "undefined on all 200 problems" in findings.findings[0].reason


def test_no_claims_give_no_findings_and_nothing_judged_is_no_success() -> None:
    assert judge().findings == ()
    assert exit_code(judge()) == 3


def test_orders_and_trends_are_judged_for_every_model_and_values_for_those_of_their_rows() -> None:
    claims = (values(("it1", 1), ("big-it1", 1)), later(2, 1))
    findings = judge(*claims, models=("big", "m")).findings
    assert [(finding.claim, finding.model, finding.verdict) for finding in findings] == [
        ("values", "m", Verdict.REPRODUCED),
        ("values", "big", Verdict.NOT_MEASURED),
        ("order", "big", Verdict.NOT_MEASURED),
        ("order", "m", Verdict.REPRODUCED),
    ]


def test_the_points_of_one_model_share_the_level_and_those_of_other_models_have_their_own() -> None:
    one = judge(values(("it1", 1))).findings[0].points[0]
    with_another_model = judge(values(("it1", 1), ("big-it1", 1))).findings[0].points[0]
    two = judge(values(("it1", 1), ("it2", 2))).findings[0].points[0]
    assert two.high is not None and one.high is not None and two.high > one.high
    assert with_another_model.high == one.high


def test_the_same_evidence_gives_the_same_bytes_and_other_cells_do_not_change_one() -> None:
    more = {**CELLS, ("e", "m", cell(iteration=3)): [share(1, 200)] * 2}
    assert to_json(judge(*ALL)) == to_json(judge(*ALL, evidence=evidence_of(more)))


@pytest.mark.parametrize("evidence", [None, NOTHING])
def test_findings_come_back_from_json_as_they_were(evidence: Evidence | None) -> None:
    findings = judge(*ALL, evidence=evidence)
    data = to_json(findings)
    again = msgspec.json.decode(data, type=Findings)
    assert again == findings
    assert to_json(again) == data
    plain = json.loads(data)
    assert list(plain) == sorted(plain)
    assert plain["findings"][0]["points"][0]["reference"] == "0.500"


def test_every_claim_that_cannot_be_judged_is_named_at_once() -> None:
    table = replace(TABLE, rows=(*TABLE.rows, row("coverage", "0.5", metric="coverage")))
    claims = (
        values(("it", 1), ("coverage", 1), ("it2", 1)),
        values(("it1", 1), table="absent.csv"),
        values(),
        trend_claim(3),
        trend_claim(1, 1),
        Claim(id="nothing", statement="", source=""),
        value_claim(point("it1", 1), against="frozen"),
        value_claim(point("it1", 1), against=Apart(apart=0.05)),
        value_claim(point("it1", 1), point("it2", 2), against="frozen"),
    )
    assert [str(flaw) for flaw in find_claim_flaws(claims, [table])] == [
        "$.claims[0].value.points[0].reference: t.csv has no row 'it'; did you mean it2 or it1?",
        "$.claims[0].value.points[1].reference: t.csv: row 'coverage' is about coverage, but the point is about pass@1",
        "$.claims[0].value.points[2].reference: t.csv: row 'it2' is about x = 2, but the point is about iteration 1",
        "$.claims[1].value.table: reference table absent.csv was not given; tables: t.csv",
        "$.claims[2].value.points: a value claim needs at least one point",
        "$.claims[3].trend.iterations: a trend needs at least two iterations, all different, found [3]",
        "$.claims[4].trend.iterations: a trend needs at least two iterations, all different, found [1, 1]",
        "$.claims[5]: claim 'nothing' must be exactly one of value, order and trend",
        "$.claims[6].value: is against a model that stays as it was, but t.csv has no number of an earlier iteration "
        "for any of its points; say 'against: none' or {apart: X}",
    ]


def test_a_claim_on_a_missing_row_is_wrong_input_that_names_table_and_row() -> None:
    with pytest.raises(InputError, match=r"t\.csv has no row 'it9'"):
        judge(values(("it9", 1)))


def test_both_sides_of_a_conflict_are_found_in_their_tables_and_allowed() -> None:
    one = ReferenceTable(name="p/a.csv", rows=(row("peak", "0.70", x=1, conflicts_with=("b.csv#curve",)),))
    other = ReferenceTable(name="p/b.csv", rows=(row("curve", "0.50", x=1),))
    claim = value_claim(point("peak", 1), table="p/a.csv", against="none")
    assert tables_of([claim], {"p/a.csv": one, "p/b.csv": other}.__getitem__) == (one, other)
    (finding,) = check(
        experiment="e",
        claims=[claim],
        models=["m"],
        evidence=evidence_of(CELLS),
        tables=[one, other],
        priors=priors(),
    ).findings
    assert finding.verdict is Verdict.REPRODUCED
    assert "0.70 or 0.50 published" in finding.reason
    (flaw,) = find_claim_flaws([claim], [one])
    assert flaw.message == "p/a.csv: row 'peak' conflicts with row 'curve' of p/b.csv, which is not there"


def test_a_run_must_be_told_from_every_number_that_a_model_that_stays_as_it_was_may_have() -> None:
    """Of two numbers in conflict the nearer one counts, though the claim is about another point."""
    start, end = row("start", "0.30", x=1), row("end", "0.75", x=2)
    other = ReferenceTable(name="p/b.csv", rows=(row("again", "0.74", x=1),))
    claim = value_claim(point("end", 2), table="p/a.csv", against="frozen", problems=200)
    for conflicts, expected in (((), Verdict.REPRODUCED), (("b.csv#again",), Verdict.INCONCLUSIVE)):
        one = ReferenceTable(name="p/a.csv", rows=(replace(start, conflicts_with=conflicts), end))
        tables = tables_of([claim], {"p/a.csv": one, "p/b.csv": other}.__getitem__)
        (finding,) = check(
            experiment="e",
            claims=[claim],
            models=["m"],
            evidence=evidence_of(CELLS),
            tables=tables,
            priors=priors(),
        ).findings
        assert finding.verdict is expected


def test_a_point_may_be_a_variant_of_its_row_but_no_other_metric() -> None:
    table = ReferenceTable(name="t.csv", rows=(row("is", "0.5", metric="is-pass@2"),))
    variant = value_claim(point("is", metric="is-pass@2.first"))
    assert find_claim_flaws([variant], [table]) == ()
    (flaw,) = find_claim_flaws([value_claim(point("is", metric="is-pass@20"))], [table])
    assert flaw.message == "t.csv: row 'is' is about is-pass@2, but the point is about is-pass@20"


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


def test_no_points_have_no_verdict() -> None:
    with pytest.raises(ValueError, match="no verdicts"):
        combine([])


@pytest.mark.parametrize(
    ("number", "text"), [(0.5, "0.5"), (-1e-9, "0"), (1319.0, "1319"), (Decimal("77.50"), "77.5"), (1 / 3, "0.333333")]
)
def test_numbers_in_sentences_have_no_noise(number: float, text: str) -> None:
    assert show(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.29491, "0.2949"),
        (53.912, "53.91"),
        (1319, "1319"),
        (0.00003127, "3.1e-05"),
        (1.2e-12, "1.2e-12"),
        (12345.6, "12350"),
        (0.0, "0"),
        ("words", "words"),
    ],
)
def test_numbers_of_a_finding_have_at_most_four_digits(number: float | str, text: str) -> None:
    assert brief(number) == text
