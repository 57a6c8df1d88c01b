"""What a finding says would have failed, held against the judge: a run on either side of every number that it names."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from verdict.test_comparisons import make
from verdict.test_groups import judge_claim, run, series
from verdict_support import cell, either, evidence_of, point, priors, row, value_claim

from selfimp_bench.manifest.model import Against, Apart, Claim, OrderClaim
from selfimp_bench.manifest.reference_table import ReferenceTable
from selfimp_bench.manifest.suite_model import Axis, Rule, Within
from selfimp_bench.verdict.check import check
from selfimp_bench.verdict.evidence import Evidence
from selfimp_bench.verdict.findings import Finding, Verdict

PROBLEMS = 200
ROWS = (row("first", "0.30", x=1), row("second", "0.50", x=2))


def right(count: int) -> list[float]:
    return [1.0] * count + [0.0] * (PROBLEMS - count)


def runs(*counts: int) -> Evidence:
    return evidence_of({("e", "m", cell(iteration=at)): [right(count)] for at, count in enumerate(counts, start=1)})


def found(claim: Claim, evidence: Evidence, rows: Sequence[object] = ROWS) -> Finding:
    table = ReferenceTable(name="t.csv", rows=tuple(rows))  # type: ignore[arg-type]
    (one,) = check(
        experiment="e", claims=[claim], models=["m"], evidence=evidence, tables=[table], priors=priors(sd=0.01)
    ).findings
    return one


def numbers(finding: Finding, words: str) -> list[float]:
    """The numbers in what would have failed, of the pattern ``words``."""
    match = re.search(words.replace("#", r"(-?[0-9.]+)"), finding.would_fail)
    assert match is not None, finding.would_fail
    return [float(each) for each in match.groups()]


def bounded(bound: float) -> Claim:
    order = OrderClaim(greater=cell(iteration=1), lesser=None, bound=bound)
    return Claim(id="bound", statement="It is above it.", source="Section 4", order=order)


@pytest.mark.parametrize("bound", [0.05, 0.5, 0.9])
def test_a_share_beside_its_bound(bound: float) -> None:
    words = "less than # would not have reproduced it, and less than # would have contradicted it"
    least, most = numbers(found(bounded(bound), runs(150)), words)
    for count in range(PROBLEMS + 1):
        verdict = found(bounded(bound), runs(count)).verdict
        assert (verdict is Verdict.REPRODUCED) == (count / PROBLEMS >= least - 1e-4), count
        assert (verdict is Verdict.NOT_REPRODUCED) == (count / PROBLEMS < most + 1e-4), count


def test_a_bound_that_so_few_problems_cannot_show_to_be_passed() -> None:
    assert "no number of 200 problems would have reproduced it" in found(bounded(0.99), runs(200)).would_fail


def test_a_difference_with_as_many_problems_that_differ() -> None:
    claim = Claim(
        id="order",
        statement="Later is better.",
        source="Section 4",
        order=OrderClaim(greater=cell(iteration=2), lesser=cell(iteration=1)),
    )

    def of(higher: int, lower: int) -> Finding:
        values = [[1.0] * higher + [0.0] * (PROBLEMS - higher), [0.0] * (PROBLEMS - lower) + [1.0] * lower]
        return found(claim, evidence_of({("e", "m", cell(iteration=2 - at)): [each] for at, each in enumerate(values)}))

    words = "less than # would not have reproduced it, and less than # would have contradicted it"
    least, most = numbers(of(30, 10), words)
    for higher in range(41):
        verdict, by = of(higher, 40 - higher).verdict, (2 * higher - 40) / PROBLEMS
        assert (verdict is Verdict.REPRODUCED) == (by >= least), by
        assert (verdict is Verdict.NOT_REPRODUCED) == (by < most), by


@pytest.mark.parametrize("against", ["frozen", "none", Apart(apart=0.05), Apart(apart=0.2)])
@pytest.mark.parametrize("problems", [PROBLEMS, None, 300])
def test_a_published_number_on_the_same_problems_on_others_or_on_nobody_says_how_many(
    against: Against, problems: int | None
) -> None:
    claim = value_claim(point("second", 2), against=against, problems=problems)
    for count in range(60, 141):
        one = found(claim, runs(60, count))
        share, verdict = count / PROBLEMS, one.verdict
        if "not have been reproduced" in one.would_fail:
            low, high = numbers(one, "outside of # to # share it would not have been reproduced")
            assert (verdict is Verdict.REPRODUCED) == (low - 1e-4 <= share <= high + 1e-4)
        elif "no number would reproduce it" in one.would_fail:
            assert verdict is not Verdict.REPRODUCED
        low, high = numbers(one, "outside of # to # share it would have been contradicted")
        assert (verdict is Verdict.NOT_REPRODUCED) == (not low - 1e-4 <= share <= high + 1e-4)


@pytest.mark.slow
def test_one_of_several_readings_pays_for_the_others_and_contradicts_nothing_by_itself() -> None:
    other = OrderClaim(greater=cell(iteration=2), lesser=None, bound=0.75)
    both = either(bounded(0.5), replace(bounded(0.5), order=other))
    words = "less than # would not have reproduced it; it alone contradicts nothing"
    (least,) = numbers(found(both, runs(150, 150)), words)
    (alone, _) = numbers(found(bounded(0.5), runs(150)), "less than # would not .* less than # would have")
    assert least > alone
    for count in range(PROBLEMS + 1):
        verdict = found(both, runs(count, 150)).verdict
        assert (verdict is Verdict.REPRODUCED) == (count / PROBLEMS >= least - 1e-4), count
        assert verdict is not Verdict.NOT_REPRODUCED
    assert "and neither would the others that do" in found(either(bounded(0.5), bounded(0.4)), runs(150)).would_fail


def test_both_sides_of_a_range_in_the_words_of_the_range() -> None:
    claim = make(None, within=Within(quantity=series(1), low=0.3, high=0.7))
    near = judge_claim(claim, run("sft", right(116)))
    assert "pass@1 t=1 below 0.7: 0.58 over 200 problems" in near.reason
    assert "below 0.7, as claimed" in near.reason
    most, refused = numbers(near, "below 0.7: more than # would not have reproduced it, and more than # would have")
    for count in range(100, PROBLEMS + 1):
        verdict = judge_claim(claim, run("sft", right(count))).verdict
        assert (verdict is Verdict.REPRODUCED) == (count / PROBLEMS <= most + 1e-4), count
        assert (verdict is Verdict.NOT_REPRODUCED) == (count / PROBLEMS > refused - 1e-4), count


@pytest.mark.slow
def test_the_condition_of_a_rule_whose_failing_is_what_the_claim_hangs_on() -> None:
    """The condition is above 0.5, and then dpo is to be the best, which it is not: all hangs on the condition."""
    claim = make(
        None,
        rule=Rule(
            condition=series(1),
            threshold=0.5,
            quantity=replace(series(3), method=None),
            axis=Axis.METHOD,
            among=("sft", "dpo"),
            above=("dpo",),
            below=("sft",),
        ),
    )

    def judged(count: int) -> Finding:
        return judge_claim(claim, run("sft", right(count), right(50), right(160)), run("dpo", *[right(20)] * 3))

    low = judged(60)
    assert low.verdict is Verdict.REPRODUCED
    most, refused = numbers(low, "more than # would not have reproduced it, and more than # would have contradicted it")
    for count in range(60, 160):
        verdict = judged(count).verdict
        assert (verdict is Verdict.REPRODUCED) == (count / PROBLEMS <= most + 1e-4), count
        assert (verdict is Verdict.NOT_REPRODUCED) == (count / PROBLEMS > refused - 1e-4), count
