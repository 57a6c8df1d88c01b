"""The tables of the miniature are those of the reference tables."""

import csv

from docs_pages import ROOT

TEXT = (ROOT / "docs/explanation/miniature.md").read_text(encoding="utf-8")

MINIATURE = {
    "greedy pass@1": "test.pass@1",
    "pass@8": "test.pass@8",
    "coverage": "test.coverage",
    "distinct-n of correct outputs": "test.distinct-n.correct",
    "distinct equations of correct outputs": "test.distinct-equations.correct",
    "Sentence-BERT diversity of correct outputs": "test.sbert-diversity.correct",
    "greedy pass@1, out of distribution": "ood.pass@1",
    "group disparity, out of distribution": "ood.group-disparity",
}


GAP = {
    "accuracy": "accuracy",
    "pass@8": "pass@8",
    "gap, multiple choice (quantile 0.8)": "gap.mc.q0.8",
    "gap, chain of thought, binary": "gap.cot-binary.t1",
    "gap, chain of thought, score 8 and more": "gap.cot-score.t8",
    "gap, tournament of three rounds": "gap.tournament.r3",
    "gap, the first three together": "gap.and(mc.q0.8+cot-binary.t1+cot-score.t8)",
    "relative gap, multiple choice (quantile 0.7)": "relative-gap.mc.q0.7",
}

ROUNDS = {
    "accuracy": "test.accuracy",
    "pass@8": "test.pass@8",
    "gap, chain of thought, binary": "test.gap.cot-binary.t1",
    "share that the verifier keeps": "test.kept-share.cot-binary.t1",
}


def cells(name: str) -> dict[str, str]:
    """Mean and standard deviation, as the page writes them, by row of a reference table."""
    with (ROOT / f"reference_results/tiny/{name}.v1.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: f"{float(row['printed']):.3f} ± {float(row['sd']):.3f}" for row in csv.DictReader(file)}


def test_what_the_miniature_says_is_what_its_reference_tables_say() -> None:
    columns = (("sft", 1), ("sft", 5), ("dpo", 5), ("sft-dpo", 5))
    tables = {method: cells(f"tiny-iter-{method}") for method, _ in columns}
    for words, cell in MINIATURE.items():
        row = " | ".join(tables[method][f"{cell}.t{t}"] for method, t in columns)
        assert f"\n| {words} | {row} |\n" in TEXT


def test_what_the_miniature_says_of_the_gap_is_what_its_reference_tables_say() -> None:
    table = cells("tiny-gv-gap")
    for words, cell in GAP.items():
        row = " | ".join(table[f"tiny-verifier-{size}.test.{cell}.t0"] for size in ("xs", "s", "m", "l"))
        assert f"\n| {words} | {row} |\n" in TEXT
    table = cells("tiny-iter-rejection")
    for words, cell in ROUNDS.items():
        row = " | ".join(table[f"{cell}.t{t}"] for t in range(4))
        assert f"\n| {words} | {row} |\n" in TEXT
