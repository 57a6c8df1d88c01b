"""Every shipped claim against the panel of worlds: none that no run could fail, none that none could meet."""

from collections import Counter
from functools import cache

import pytest
from support import slow_but

from selfimp_bench.cli.screen import validation_lines
from selfimp_bench.runs.validate import PaperJudgement, Validation, validate

STUDIES = ("progress-or-regress", "mind-the-gap", "tiny", "tiny-gap")


@cache
def examined(study: str, *, judged: bool) -> Validation:
    report = validate([study], judged=judged)
    assert report.flaws == ()
    return report


def looked_at(study: str, *, judged: bool) -> PaperJudgement:
    (paper,) = examined(study, judged=judged).papers
    return paper


@pytest.mark.parametrize("study", slow_but(["tiny", "tiny-gap"], STUDIES))
def test_every_claim_can_fail_and_can_hold(study: str) -> None:
    assert all(each.flaw is None for each in looked_at(study, judged=False).panel)


@pytest.mark.parametrize("study", slow_but(["tiny", "tiny-gap"], STUDIES))
def test_hardly_a_claim_is_true_in_as_many_worlds_as_the_published_one(study: str) -> None:
    """A panel that told no world from another would find no flaw in any claim."""
    true_in = Counter(world for each in looked_at(study, judged=False).panel for world in each.holds_in)
    published = true_in.pop("published")
    assert published > 0
    assert min(true_in.values()) <= 0.5 * published


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES)
def test_no_claim_is_reproduced_in_a_world_where_it_is_false(study: str) -> None:
    seen = looked_at(study, judged=True).panel
    wrong = [
        (each.claim, each.model, world.world)
        for each in seen
        for world in each.worlds
        if world.holds is False and world.verdict == "REPRODUCED"
    ]
    assert wrong == []
    passed = Counter(world for each in seen for world in each.passes)
    assert passed["published"] == max(passed.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("paper", "lines"),
    [
        (
            "mind-the-gap",
            (
                "  the paper's own numbers contradict relative-gap-is-monotone.cot-score (2412.02674, Figure 1, ",
                "table4.csv#table4.qwen1.5-7b.relative-gap.cot-score.t8",
                "  recorded: table4-two-formulas: Table 4 mixes two formulas.",
                "the paper's own numbers contradict nq-gap-is-near-zero (2412.02674, Table 5, caption",
                "    Section 4.1 against the data set card of openai/gsm8k (text.csv#text.gsm8k.problems, ",
                "  recorded: sudoku-example: The Sudoku verification example ",
            ),
        ),
        (
            "progress-or-regress",
            (
                "    says: LLaMA2-7B with Iterative SFT improves by 12.31 on GSM8K after 5 iterations.",
                "  recorded: gains-on-math: ",
                "    Section 4.2 (Problem-solving Tasks) against ",
            ),
        ),
    ],
)
def test_what_contradicts_a_paper_s_numbers_is_printed_with_its_place(paper: str, lines: tuple[str, ...]) -> None:
    printed = "\n".join(validation_lines(examined(paper, judged=True), verbose=True))
    for line in lines:
        assert line in printed
