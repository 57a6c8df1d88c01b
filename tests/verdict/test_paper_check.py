"""Papers against their own numbers: each form by hand, conflicts, gaps, and what paper A contradicts."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from support import ROOT, shipped_suite
from verdict.test_comparisons import METHODS, SUITE, make

from selfimp_bench.manifest.model import (
    Cell,
    Claim,
    ClaimReading,
    OrderClaim,
    TrendClaim,
    ValueClaim,
    ValuePoint,
)
from selfimp_bench.manifest.reference_table import Reference, ReferenceTable, read_table
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
    Published,
    PublishedBest,
    Quantity,
    Reading,
    Renamed,
    Rule,
    Suite,
    Within,
)
from selfimp_bench.measurement import Split
from selfimp_bench.verdict.paper_check import (
    Outcome,
    SelfJudgement,
    self_judgement,
    suite_self_judgement,
    suite_tables,
)


def row(name: str, printed: str, x: int | None, method: str = "sft", metric: str = "pass@1", **more: Any) -> Reference:
    fields: dict[str, Any] = {
        "id": name,
        "model": "m",
        "dataset": "a",
        "method": method,
        "metric": metric,
        "x": None if x is None else Decimal(x),
        "printed": printed,
        "unit": "percent",
        "read_error": None,
        "source": "Figure 1",
        "conflicts_with": (),
    }
    return Reference(**(fields | more))


ROWS = (
    row("m1", "40.0", 1, method=""),
    row("s2", "50.0", 2),
    row("s3", "45.0", 3),
    row("d2", "48.0", 2, method="dpo"),
    row("d3", "50.0", 3, method="dpo"),
    row("cov", "0.6", 1, method="", metric="coverage", unit="share"),
)


def judge(*rows: Reference, published: dict[str, Any] | None = None, over: Over | None = None, **form: Any) -> Any:
    table = ReferenceTable(name="p/t.csv", rows=rows or ROWS)
    names = Published(**({"tables": ("p/t.csv",), "renamed": (), "best": ()} | (published or {})))
    suite = replace(SUITE, published=names, claims=(make(over or Over(dataset=("a",), model=("m",)), **form),))
    (found,) = suite_self_judgement(suite, [table])
    return found


def series(*iterations: int, method: str = "sft", **more: Any) -> Quantity:
    return Quantity(metric="pass@1", split=Split.TEST, iterations=iterations, method=method, **more)


def test_numbers_that_are_apart_support_or_contradict_and_name_their_rows() -> None:
    found = judge(above=Above(greater=series(2), lesser=series(1)))
    assert found.outcome is Outcome.SUPPORTED
    assert found.cases[0].rows == ("p/t.csv#s2", "p/t.csv#m1")
    against = judge(above=Above(greater=series(3), lesser=series(2)))
    assert against.outcome is Outcome.CONTRADICTED
    assert against.cases[0].detail == (
        "a sft m pass@1 t=3 0.4495 to 0.4505 (t.csv#s3) against a sft m pass@1 t=2 0.4995 to 0.5005 (t.csv#s2)"
    )


def test_numbers_whose_errors_meet_decide_nothing() -> None:
    found = judge(above=Above(greater=series(2), lesser=series(3, method="dpo")))
    assert (found.outcome, found.reason) == (
        Outcome.WITHIN_READING_ERROR,
        "claimed of all 1: 0 yes, 0 no, 1 within reading error",
    )


def test_bounds_are_in_the_measurements_unit() -> None:
    assert judge(above=Above(greater=series(2), bound=0.49)).outcome is Outcome.SUPPORTED
    assert judge(above=Above(greater=series(2), bound=0.51)).outcome is Outcome.CONTRADICTED


def test_what_is_not_published_is_said_so() -> None:
    found = judge(above=Above(greater=series(4), lesser=series(1)))
    assert found.outcome is Outcome.NO_NUMBERS
    assert found.cases[0].detail == "nothing published for a sft m pass@1 t=4"


def test_groups_without_numbers_are_set_aside_and_counted() -> None:
    over = Over(dataset=("a",), model=("m",), iteration=(2, 4))
    quantity = Quantity(metric="pass@1", split=Split.TEST, method="sft")
    found = judge(over=over, above=Above(greater=quantity, bound=0.4))
    assert found.outcome is Outcome.SUPPORTED
    assert found.reason == "claimed of all 2: 1 yes, 0 no, 0 within reading error, 1 without numbers"


def test_the_best_the_peak_and_the_rule_are_judged_by_hand() -> None:
    best = Quantity(metric="pass@1", split=Split.TEST, iterations=(1, 3))
    form = Best(quantity=best, axis=Axis.METHOD, among=METHODS, winners=("dpo",))
    assert judge(best=form).outcome is Outcome.SUPPORTED
    assert judge(peak=Peak(quantity=series(1, 2, 3), at=(2,))).outcome is Outcome.SUPPORTED
    assert judge(peak=Peak(quantity=series(1, 2, 3), at=(3,))).outcome is Outcome.CONTRADICTED
    coverage = Quantity(metric="coverage", split=Split.TRAIN, iterations=(1,), method="sft")
    for threshold, outcome in ((0.5, Outcome.SUPPORTED), (0.7, Outcome.CONTRADICTED)):
        rule = Rule(
            condition=coverage,
            threshold=threshold,
            quantity=best,
            axis=Axis.METHOD,
            among=METHODS,
            above=("dpo",),
            below=("sft",),
        )
        assert judge(rule=rule).outcome is outcome


def test_a_series_that_turns_back_is_not_monotone() -> None:
    assert judge(monotone=Monotone(quantity=series(1, 2), direction="up")).outcome is Outcome.SUPPORTED
    assert judge(monotone=Monotone(quantity=series(1, 2, 3), direction="up")).outcome is Outcome.CONTRADICTED
    missing = judge(monotone=Monotone(quantity=series(1, 2, 3, 4), direction="up"))
    assert missing.outcome is Outcome.CONTRADICTED, "two known steps already go both ways"
    assert judge(monotone=Monotone(quantity=series(1, 2, 4), direction="up")).outcome is Outcome.NO_NUMBERS


def test_within_names_the_quantity_and_its_bound() -> None:
    assert judge(within=Within(quantity=series(2), low=0.4, high=0.6)).outcome is Outcome.SUPPORTED
    found = judge(within=Within(quantity=series(2), high=0.45))
    assert found.outcome is Outcome.CONTRADICTED
    assert found.cases[0].detail == "a sft m pass@1 t=2 0.4995 to 0.5005 (t.csv#s2) against 0.45"
    assert judge(within=Within(quantity=series(2), high=0.5)).outcome is Outcome.WITHIN_READING_ERROR


def test_a_factor_scales_the_lesser_side() -> None:
    for times, outcome in ((1.2, Outcome.SUPPORTED), (1.25, Outcome.WITHIN_READING_ERROR), (1.3, Outcome.CONTRADICTED)):
        assert judge(above=Above(greater=series(2), lesser=series(1), times=times)).outcome is outcome
    found = judge(above=Above(greater=series(2), lesser=series(1), times=1.3))
    assert "against 1.3 times a sft m pass@1 t=1 0.3995 to 0.4005 (t.csv#m1)" in found.cases[0].detail


def test_any_group_is_enough_or_so_many_of_those_with_numbers() -> None:
    over = Over(dataset=("a",), model=("m",), iteration=(1, 2, 3))
    above = Above(greater=Quantity(metric="pass@1", split=Split.TEST, method="sft"), bound=0.44)
    for holds, at_least, outcome in (
        ("any", None, Outcome.SUPPORTED),
        ("at-least", 2, Outcome.SUPPORTED),
        ("at-least", 3, Outcome.CONTRADICTED),
    ):
        claim = replace(make(over, above=above), holds=holds, at_least=at_least)  # type: ignore[arg-type]
        published = Published(tables=("p/t.csv",), renamed=(), best=())
        suite = replace(SUITE, published=published, claims=(claim,))
        (found,) = suite_self_judgement(suite, [ReferenceTable(name="p/t.csv", rows=ROWS)])
        assert found.outcome is outcome, holds


def test_so_many_groups_may_be_among_those_without_numbers() -> None:
    over = Over(dataset=("a",), model=("m",), iteration=(1, 2, 7, 8))
    above = Above(greater=Quantity(metric="pass@1", split=Split.TEST, method="sft"), bound=0.44)
    claim = replace(make(over, above=above), holds="at-least", at_least=2)
    published = Published(tables=("p/t.csv",), renamed=(), best=())
    suite = replace(SUITE, published=published, claims=(claim,))
    (found,) = suite_self_judgement(suite, [ReferenceTable(name="p/t.csv", rows=ROWS)])
    assert found.outcome is Outcome.NO_NUMBERS
    assert found.reason == "claimed of at least 2 of 4: 1 yes, 1 no, 0 within reading error, 2 without numbers"


def test_parts_are_judged_one_by_one_and_all_must_be_supported() -> None:
    high, low = (
        Reading(name=name, within=Within(quantity=series(2), low=bound))
        for name, bound in (("above 0.6", 0.6), ("above 0.4", 0.4))
    )
    missing = Reading(name="later", within=Within(quantity=series(9), low=0.4))
    found = judge(all_of=(low, high))
    assert found.outcome is Outcome.CONTRADICTED
    assert found.reason.startswith("above 0.4: supported, claimed of all 1: 1 yes, 0 no")
    assert judge(all_of=(low, replace(low, name="again"))).outcome is Outcome.SUPPORTED
    assert judge(all_of=(low, missing)).outcome is Outcome.NO_NUMBERS
    assert judge(all_of=(high, missing)).outcome is Outcome.CONTRADICTED


def test_readings_are_judged_one_by_one_and_one_is_enough() -> None:
    high, low = (
        Reading(name=name, within=Within(quantity=series(2), low=bound))
        for name, bound in (("above 0.6", 0.6), ("above 0.4", 0.4))
    )
    missing = Reading(name="later", within=Within(quantity=series(9), low=0.4))
    found = judge(any_of=(high, low))
    assert found.outcome is Outcome.SUPPORTED
    assert found.reason.startswith("read as above 0.6: contradicted, claimed of all 1: 0 yes, 1 no")
    assert [case.group for case in found.cases] == ["above 0.6: a, m", "above 0.4: a, m"]
    assert judge(any_of=(high, replace(high, name="again"))).outcome is Outcome.CONTRADICTED
    assert judge(any_of=(high, missing)).outcome is Outcome.NO_NUMBERS


SIZES = ("s", "m", "l")
LARGE = replace(
    SUITE,
    experiments=tuple(replace(member, models=SIZES) for member in SUITE.experiments),
    families=(Family(name="all", models=SIZES),),
    compute=tuple(Compute(model=model, flops=10.0 ** (20 + number)) for number, model in enumerate(SIZES)),
    published=Published(tables=("p/t.csv",), renamed=(), best=()),
)


def of_family(*printed: str, **form: Any) -> SelfJudgement:
    rows = tuple(row(model, digits, 1, model=model) for model, digits in zip(SIZES, printed, strict=True))
    claim = make(Over(dataset=("a",), family=("all",)), **form)
    (found,) = suite_self_judgement(replace(LARGE, claims=(claim,)), [ReferenceTable(name="p/t.csv", rows=rows)])
    return found


def test_a_family_is_monotone_where_every_step_is_decided() -> None:
    up = Monotone(quantity=series(1), direction="up", axis=Axis.MODEL)
    assert of_family("10.0", "20.0", "30.0", monotone=up).outcome is Outcome.SUPPORTED
    assert of_family("10.0", "20.0", "20.1", monotone=up).outcome is Outcome.WITHIN_READING_ERROR
    found = of_family("10.0", "30.0", "20.0", monotone=up)
    assert found.outcome is Outcome.CONTRADICTED
    assert found.cases[0].rows == ("p/t.csv#m", "p/t.csv#s", "p/t.csv#l")


def test_a_line_through_published_numbers_has_an_interval() -> None:
    slope = Above(greater=replace(series(1), fit=Fit.SLOPE), bound=0.1)
    assert of_family("10.0", "20.0", "30.1", above=slope).outcome is Outcome.WITHIN_READING_ERROR
    found = of_family("10.0", "20.0", "30.2", above=slope)
    assert found.outcome is Outcome.SUPPORTED
    assert found.cases[0].detail.startswith(
        "slope of a sft all pass@1 t=1 0.1005 to 0.1015 (t.csv#s, t.csv#m, t.csv#l)"
    )


def test_a_gain_is_a_difference_with_both_errors() -> None:
    said = row("said", "10.1", None, metric="gain")
    wrong = row("wrong", "10.5", None, metric="gain")
    gain = series(1, 2, 3, minus_iteration=1)
    for reference, outcome in (("said", Outcome.SUPPORTED), ("wrong", Outcome.CONTRADICTED)):
        equals = Equals(quantity=gain, table="p/t.csv", reference=reference, against="none")
        assert judge(*ROWS, said, wrong, equals=equals).outcome is outcome


def test_rows_of_the_best_value_and_rows_of_another_name_are_found() -> None:
    rows = (*ROWS, row("label", "70.0", 2, metric="top"), row("is", "97", 2, metric="is-pass@64"))
    published = {
        "renamed": (Renamed(measured="is-pass@64.first", published="is-pass@64"),),
        "best": (PublishedBest(measured="pass@1", iterations=(1, 2, 3), published="top"),),
    }
    assert judge(*rows, published=published, above=Above(greater=series(1, 2, 3), bound=0.69)).outcome is (
        Outcome.SUPPORTED
    )
    first = Quantity(metric="is-pass@64.first", split=Split.TEST, iterations=(2,), method="sft")
    assert judge(*rows, published=published, above=Above(greater=first, bound=0.95)).outcome is Outcome.SUPPORTED


def test_two_readings_of_one_number_leave_what_they_share_and_a_conflict_leaves_both() -> None:
    rough = row("rough", "50.3", 2, read_error=Decimal("0.5"))
    high = Above(greater=series(2), bound=0.4990)
    assert judge(*ROWS, rough, above=high).outcome is Outcome.SUPPORTED, "the printed 50.0 is the sharper"
    other = row("other", "40.0", 2, conflicts_with=("s2",))
    linked = tuple(replace(each, conflicts_with=("other",)) if each.id == "s2" else each for each in ROWS)
    assert judge(*linked, other, above=high).outcome is Outcome.WITHIN_READING_ERROR
    apart = row("apart", "45.0", 2)
    assert judge(*ROWS, apart, above=high).outcome is Outcome.WITHIN_READING_ERROR, "nobody linked them; still both"


# ---- a manifest's own claims: numbers by the rows that its value claims name ----

TABLE = ReferenceTable(
    name="p/t.csv",
    rows=(
        row("t1", "40.0", 1),
        row("t2", "50.0", 2, conflicts_with=("t2b",)),
        row("t2b", "52.0", 2, conflicts_with=("t2",)),
        row("t3", "60.0", 3),
    ),
)
POINTS = tuple(
    ValuePoint(metric="pass@1", split=Split.TEST, iteration=iteration, reference=f"t{iteration}")
    for iteration in (1, 2, 3)
)


def of_manifest(**form: Any) -> SelfJudgement:
    value = ValueClaim(
        table="p/t.csv",
        points=POINTS,
        against="none",
    )
    values = Claim(id="values", statement="s", source="t", value=value)
    asked = Claim(id="asked", statement="s", source="t", **form) if form else values
    return self_judgement([values, asked], ["m"], [TABLE])[-1]


def test_a_published_value_in_conflict_is_contradicted_by_its_own_paper() -> None:
    found = of_manifest()
    assert found.outcome is Outcome.CONTRADICTED
    assert [case.truth.value for case in found.cases] == ["yes", "no", "yes"]
    assert "p/t.csv#t2b" in found.cases[1].rows


def test_orders_and_trends_find_the_rows_of_their_cells() -> None:
    one, three = (Cell(metric="pass@1", split=Split.TEST, iteration=each) for each in (1, 3))
    assert of_manifest(order=OrderClaim(greater=three, lesser=one)).outcome is Outcome.SUPPORTED
    assert of_manifest(order=OrderClaim(greater=one, lesser=three)).outcome is (Outcome.CONTRADICTED)

    def trend(*iterations: int, metric: str = "pass@1") -> SelfJudgement:
        return of_manifest(trend=TrendClaim(metric=metric, split=Split.TEST, iterations=iterations, direction="up"))

    assert trend(1, 2, 3).outcome is Outcome.SUPPORTED
    assert "slope 0.0995 to 0.1005" in trend(1, 3).cases[0].detail.replace("0.0995 to 0.1005", "0.0995 to 0.1005")
    assert trend(1, 2, metric="coverage").outcome is Outcome.NO_NUMBERS


def test_one_reading_of_a_manifest_s_claim_is_enough() -> None:
    one, three = (Cell(metric="pass@1", split=Split.TEST, iteration=each) for each in (1, 3))
    up, down = (
        ClaimReading(name=name, order=OrderClaim(greater=greater, lesser=lesser))
        for name, greater, lesser in (("up", three, one), ("down", one, three))
    )
    found = of_manifest(any_of=(down, up))
    assert found.outcome is Outcome.SUPPORTED
    assert [case.group for case in found.cases] == ["down: m", "up: m"]
    assert of_manifest(any_of=(down, replace(down, name="again"))).outcome is Outcome.CONTRADICTED


# ---- paper A ----


@pytest.fixture(scope="module")
def paper_a() -> dict[str, SelfJudgement]:
    suite: Suite = shipped_suite("progress-or-regress")
    tables = [read_table(ROOT / "reference_results" / name, name) for name in suite_tables(suite)]
    return {found.claim: found for found in suite_self_judgement(suite, tables)}


@pytest.mark.parametrize(
    ("claim", "group", "locator"),
    [
        (
            "coverage-rule",
            "coverage of the training problems: math, mistral-7b-v0.1",
            "figure2.csv#fig2.math.mistral-7b-v0.1.best.sft-dpo",
        ),
        (
            "coverage-rule",
            "coverage of the test problems: math, mistral-7b-v0.1",
            "figure2.csv#fig2.math.mistral-7b-v0.1.coverage",
        ),
        ("llama-2-gain-after-5", "the claim", "text.csv#text.gain.gsm8k.llama-2-7b.sft"),
        ("plateau-after-4-5.iter-sft", "gsm8k, llama-2-7b", "figure1-curves.csv#fig1.gsm8k.llama-2-7b.sft.t3"),
        ("consistent-improvement", "mbpp, iter-sft, llama-2-7b, 5", "figure1-curves.csv#fig1.mbpp.llama-2-7b.sft.t5"),
        (
            "near-perfect-pass-at-n.math",
            "IS(t) against M_1: iter-sft, 5",
            "figure3.csv#fig3.math.mistral-7b-v0.1.sft.t5.n64",
        ),
        (
            "near-perfect-pass-at-n.mbpp",
            "IS(t) against M_t-1: iter-sft, 5",
            "figure3.csv#fig3.mbpp.mistral-7b-v0.1.sft.t5.n64",
        ),
        (
            "diversity-decreases-consistently",
            "csqa, iter-dpo, distinct-n.correct",
            "figure4.csv#fig4.csqa.mistral-7b-v0.1.dpo.distinct-n.correct.t3",
        ),
        (
            "disparity-widens-at-every-iteration",
            "iter-sft-dpo, 4",
            "figure5.csv#fig5.math-algebra.mistral-7b-v0.1.sft-dpo.group-disparity.t4",
        ),
        ("gains-csqa-over-math", "iter-sft, llama-3-8b", "figure2.csv#fig2.math.llama-3-8b.best.sft"),
    ],
)
def test_the_papers_contradictions_are_found_and_named(
    paper_a: dict[str, SelfJudgement], claim: str, group: str, locator: str
) -> None:
    found = paper_a[claim]
    assert found.outcome is Outcome.CONTRADICTED
    (case,) = (case for case in found.cases if case.group == group)
    assert case.truth.value == "no"
    assert f"progress-or-regress/{locator}" in case.rows


def test_the_coverage_rule_fails_in_one_of_twelve_cells_only(paper_a: dict[str, SelfJudgement]) -> None:
    one = "contradicted, claimed of all 12: 11 yes, 1 no, 0 within reading error"
    named = [f"read as coverage of the {problems} problems: {one}" for problems in ("training", "test")]
    assert paper_a["coverage-rule"].reason == "; ".join(named)


@pytest.mark.parametrize(
    ("claim", "outcome"),
    [
        ("improvement-with-iterations", Outcome.SUPPORTED),
        ("mistral-csqa-best-method", Outcome.SUPPORTED),
        ("llama-2-gain-at-best", Outcome.SUPPORTED),
        ("near-perfect-pass-at-n.gsm8k", Outcome.SUPPORTED),
        ("diversity-is-lower-at-the-end", Outcome.SUPPORTED),
        ("disparity-widens", Outcome.WITHIN_READING_ERROR),
        ("llama-2-70b-peaks-at-4", Outcome.NO_NUMBERS),
    ],
)
def test_the_other_claims_come_out_as_read(paper_a: dict[str, SelfJudgement], claim: str, outcome: Outcome) -> None:
    assert paper_a[claim].outcome is outcome


def test_every_claim_of_the_shipped_suite_has_its_section(paper_a: dict[str, SelfJudgement]) -> None:
    assert all("2407.05013, Section" in each.source or "Appendix" in each.source for each in paper_a.values())
