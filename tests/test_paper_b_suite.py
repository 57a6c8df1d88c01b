"""The suite of "Mind the Gap": its claims on the paper's own numbers, what contradicts them and where that stands."""

from collections import Counter
from decimal import Decimal

import pytest
from support import ROOT, shipped_suite

from selfimp_bench.manifest.reference_table import read_table
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.verdict.comparisons import Truth
from selfimp_bench.verdict.compute import trainings
from selfimp_bench.verdict.paper_check import Outcome, SelfJudgement, suite_self_judgement, suite_tables

REFERENCES = ROOT / "reference_results"
PAPER_EXPERIMENTS = {
    "gsm8k-gv-gap",
    "math-gv-gap",
    "nq-gv-gap",
    "sudoku-gv-gap",
    "gsm8k-cross-verification",
    "gsm8k-verifier-ensemble",
    "gsm8k-iter-rejection",
    "gsm8k-iter-rpo",
    "math-iter-rejection",
    "gsm8k-iter-gold-verifier",
    "gsm8k-iter-strong-verifier",
    "gsm8k-gv-gap-temperature",
    "gsm8k-gv-gap-instruct",
    "math-gv-gap-instruct",
    "gsm8k-verifier-variance",
}


@pytest.fixture(scope="module")
def suite() -> Suite:
    return shipped_suite("mind-the-gap")


@pytest.fixture(scope="module")
def judged(suite: Suite) -> dict[str, SelfJudgement]:
    tables = [read_table(REFERENCES / name, name) for name in suite_tables(suite)]
    return {found.claim: found for found in suite_self_judgement(suite, tables)}


def test_all_experiments_of_the_paper_are_in_it(suite: Suite) -> None:
    assert {member.name for member in suite.experiments} >= PAPER_EXPERIMENTS
    (single,) = (member for member in suite.experiments if member.name == "gsm8k-gv-gap")
    assert len(single.models) == 21


def test_compute_is_that_of_the_table_of_models(suite: Suite) -> None:
    name = "mind-the-gap/models.csv"
    known = trainings(read_table(REFERENCES / name, name).rows)
    assert suite.compute is not None
    for each in suite.compute:
        assert each.flops == pytest.approx(known[each.model].flops, rel=1e-12), each.model


def test_families_go_from_the_least_compute_to_the_most(suite: Suite) -> None:
    flops = {each.model: each.flops for each in suite.compute or ()}
    for family in suite.families or ():
        series = [flops[model] for model in family.models]
        assert family.name == "all" or series == sorted(series), family.name


CONTRADICTED = {
    "small-models-do-not-improve.qwen2-0.5b": ("gap.mc.q0.7", "table3.csv#table3.qwen2-0.5b.gap.mc.q0.7"),
    "small-models-do-not-improve.llama-2-7b": ("gap.tournament.r5", "table3.csv#table3.llama-2-7b.gap.tournament.r5"),
    "relative-gap-is-monotone.cot-score": ("qwen1.5", "table4.csv#table4.qwen1.5-7b.relative-gap.cot-score.t8"),
    "relative-gap-is-monotone.cot-binary": ("qwen1.5", "table4.csv#table4.qwen1.5-14b.relative-gap.cot-binary.t1"),
    "nq-gap-is-near-zero": ("llama-2-13b, gap.mc.t0.8", "table5.csv#table5.llama-2-13b.gap.mc.t0.8"),
    "sudoku-improves-by-300-percent": ("llama-3.1-70b", "table6.csv#table6.llama-3.1-70b.gap.cot-binary.t1"),
    "ensemble-helps.mc-cot-binary": ("qwen1.5-1.8b", "table7.csv#table7.qwen1.5-1.8b.gap.mc.q0.8"),
    "ensemble-helps.mc-cot-score": ("qwen1.5-1.8b", "table7.csv#table7.qwen1.5-1.8b.gap.mc.q0.8"),
    "ensemble-helps.cot-binary-cot-score": ("llama-3.1-8b", "table7.csv#table7.llama-3.1-8b.gap.cot-binary.t1"),
    "ensemble-helps.all": ("llama-3.1-8b", "table7.csv#table7.llama-3.1-8b.gap.mc.q0.8"),
}


def test_the_paper_contradicts_these_claims_and_no_others(judged: dict[str, SelfJudgement]) -> None:
    found = {claim for claim, each in judged.items() if each.outcome is Outcome.CONTRADICTED}
    assert found == CONTRADICTED.keys()


@pytest.mark.parametrize("claim", CONTRADICTED)
def test_a_contradiction_names_its_group_and_its_rows(claim: str, judged: dict[str, SelfJudgement]) -> None:
    group, row = CONTRADICTED[claim]
    (case,) = (case for case in judged[claim].cases if case.group == group)
    assert case.truth is Truth.NO
    assert f"mind-the-gap/{row}" in case.rows


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ("small-models-do-not-improve.qwen1.5-0.5b", "most 8: 6 yes, 2 no, 0 within reading error"),
        ("small-models-do-not-improve.qwen2-0.5b", "most 8: 1 yes, 7 no, 0 within reading error"),
        ("small-models-do-not-improve.llama-2-7b", "most 8: 0 yes, 7 no, 1 within reading error"),
        ("cot-gap-is-positive", "all 48: 48 yes, 0 no, 0 within reading error"),
        ("relative-gap-is-monotone.cot-score", "all 6: 5 yes, 1 no, 0 within reading error"),
        ("nq-gap-is-below-one-percent", "all 42: 42 yes, 0 no, 0 within reading error"),
        ("nq-gap-is-near-zero", "all 42: 36 yes, 6 no, 0 within reading error"),
        ("sudoku-other-models-do-not", "all 18: 18 yes, 0 no, 0 within reading error"),
    ],
)
def test_groups_are_counted_as_in_the_tables(claim: str, reason: str, judged: dict[str, SelfJudgement]) -> None:
    assert judged[claim].reason == f"claimed of {reason}"


@pytest.mark.parametrize(
    ("claim", "outcome"),
    [
        ("mc-gap-is-not-always-positive.qwen1.5-14b", Outcome.SUPPORTED),
        ("mc-gap-is-not-always-positive.llama-3.1-8b", Outcome.SUPPORTED),
        ("relative-gap-is-in-order-of-compute", Outcome.SUPPORTED),
        ("relative-gap-is-linear", Outcome.SUPPORTED),
        ("gap-scales-less-than-relative-gap", Outcome.SUPPORTED),
        ("sudoku-largest-models-improve", Outcome.SUPPORTED),
        ("sudoku-improves-by-50-percent", Outcome.SUPPORTED),
        ("sudoku-improves-more-than-math", Outcome.SUPPORTED),
        ("ensemble-helps.all.mostly", Outcome.SUPPORTED),
        ("scores-correlate-little.qwen1.5-7b", Outcome.SUPPORTED),
        ("verifier-up-gap-up.qwen2.mc", Outcome.NO_NUMBERS),
        ("gap-saturates", Outcome.NO_NUMBERS),
        ("pass-at-large-k-falls", Outcome.NO_NUMBERS),
        ("cot-score-gap-rises-with-the-threshold", Outcome.NO_NUMBERS),
        ("sudoku-qwen2-72b-does-not-triple", Outcome.SUPPORTED),
        ("sudoku-most-models-do-not", Outcome.SUPPORTED),
        ("large-verifiers-vary-little", Outcome.NO_NUMBERS),
    ],
)
def test_the_other_claims_come_out_as_read(claim: str, outcome: Outcome, judged: dict[str, SelfJudgement]) -> None:
    assert judged[claim].outcome is outcome


def test_the_slope_of_a_family_is_that_of_the_table(judged: dict[str, SelfJudgement]) -> None:
    (case,) = (case for case in judged["relative-gap-rises-along-a-line"].cases if case.group == "llama-2")
    low, high = (Decimal(word) for word in case.detail.split(" t=0 ")[1].split(" (")[0].split(" to "))
    # 0.39, 1.79 and 12.22 percent at log10 of 8.4e22, 1.56e23 and 8.4e23: 12.34 points a decade
    assert low < Decimal("0.1234") < high


def test_every_claim_has_its_place_and_most_readings_of_words_a_reason(suite: Suite) -> None:
    assert all(claim.source.startswith("2412.02674, ") for claim in suite.claims)
    assert len({claim.id for claim in suite.claims}) == len(suite.claims) == 97


def test_outcomes_are_counted(judged: dict[str, SelfJudgement]) -> None:
    counts = Counter(found.outcome for found in judged.values())
    assert counts[Outcome.CONTRADICTED] == 10
    assert sum(counts.values()) == 97
