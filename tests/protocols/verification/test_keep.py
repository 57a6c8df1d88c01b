"""What self-improvement trains on."""

from dataclasses import replace
from typing import Any

import pytest

from selfimp_bench.protocols.verification.keep import KeepBlock, Pool, keep
from selfimp_bench.protocols.verification.manifest import Selection
from selfimp_bench.steps.rows import JudgedSample
from selfimp_bench.steps.training_rows import PairRow, PairSelection, SftRow
from selfimp_bench.tasks.grading.outcome import Outcome

from .judging import CODEC, PROBLEMS, sample_row

BLOCK = KeepBlock(
    prompt_template="Q: {question}\nA:",
    add_bos=False,
    selection=Selection(threshold=8.0),
    deduplicate="none",
    max_kept_per_problem=None,
    pairs=None,
    max_length=200,
)
PAIRS = PairSelection(deduplicate="none", pairing="all", pairs_per_problem=None, without_pair="drop", seed=1)


def pool(*responses: tuple[str, str, float | None, Outcome], iteration: int = 0, ended: bool = True) -> Pool:
    """Responses as (problem, text, score, outcome), numbered in order."""
    return Pool(
        samples=[
            JudgedSample(
                sample=sample_row(name, index, text, iteration=iteration, ended=ended),
                outcome=outcome,
                other_outcome=None,
            )
            for index, (name, text, _, outcome) in enumerate(responses)
        ],
        scores={(name, index): score for index, (name, _, score, _) in enumerate(responses)},
    )


RIGHT, WRONG, CRASHED = Outcome.CORRECT, Outcome.WRONG, Outcome.CRASHED
FOUR = pool(("p", "one", 9.0, WRONG), ("p", "two", 3.0, RIGHT), ("p", "three", None, RIGHT), ("q", "four", 8.0, RIGHT))


def kept(block: KeepBlock, *pools: Pool) -> list[tuple[str, int]]:
    rows = keep(block, list(PROBLEMS.values()), pools, CODEC).rows
    return [(row.problem_id, row.sample_index or 0) for row in rows if isinstance(row, SftRow)]


def pairs(block: KeepBlock, *pools: Pool) -> list[tuple[str, int, int]]:
    rows = keep(block, list(PROBLEMS.values()), pools, CODEC).rows
    return [(row.problem_id, row.chosen_index, row.rejected_index) for row in rows if isinstance(row, PairRow)]


def test_what_the_verifier_keeps_is_trained_on_whatever_the_gold_grade_says() -> None:
    assert kept(BLOCK, FOUR) == [("p", 0), ("q", 3)]
    row = keep(BLOCK, list(PROBLEMS.values()), [FOUR], CODEC).rows[0]
    assert isinstance(row, SftRow)
    assert row.prompt_ids == CODEC.encode("Q: What is p?\nA:")
    assert row.completion_ids == (*CODEC.encode("one"), CODEC.eos_id)


def test_a_kept_response_longer_than_training_takes_is_left_out_and_counted() -> None:
    many = pool(("p", "one", 9.0, WRONG), ("p", "two " * 50, 9.0, RIGHT), ("q", "four", 8.0, RIGHT))
    assert kept(BLOCK, many) == [("p", 0), ("p", 1), ("q", 2)]
    short = replace(BLOCK, max_length=60)
    assert kept(short, many) == [("p", 0), ("q", 2)]
    counts = keep(short, list(PROBLEMS.values()), [many], CODEC).counts
    assert (counts["rows"], counts["rows left out: longer than max_length"]) == (2, 1)


def test_with_gold_labels_the_correct_are_kept_and_the_unjudged_are_in_no_pair() -> None:
    gold = replace(pool(("p", "a", None, RIGHT), ("p", "b", None, WRONG), ("p", "c", None, CRASHED)), scores=None)
    assert kept(replace(BLOCK, selection=None), gold) == [("p", 0)]
    assert pairs(replace(BLOCK, selection=None, pairs=PAIRS), gold) == [("p", 0, 1)]


def test_a_pair_is_a_kept_and_a_dropped_response_and_none_without_a_score() -> None:
    block = replace(BLOCK, pairs=PAIRS)
    assert pairs(block, FOUR) == [("p", 0, 1)]
    counts = keep(block, list(PROBLEMS.values()), [FOUR], CODEC).counts
    assert counts["samples without a judgement"] == 1
    assert counts["problems without a pair"] == 1
    assert counts["kept samples that are correct"] == 1


def test_a_kept_text_of_an_earlier_pool_still_pairs_in_its_own() -> None:
    first = pool(("p", "good", 9.0, RIGHT), iteration=0)
    second = pool(("p", "good", 9.0, RIGHT), ("p", "bad", 1.0, WRONG), iteration=1)
    block = replace(BLOCK, deduplicate="exact", pairs=replace(PAIRS, deduplicate="exact"))
    assert pairs(block, second) == pairs(block, first, second) == [("p", 0, 1)]
    assert kept(replace(block, pairs=None), first, second) == [("p", 0)]


def test_a_quantile_is_taken_in_each_pool_for_itself_and_pairs_do_not_mix_pools() -> None:
    low = pool(("p", "a", 0.1, WRONG), ("p", "b", 0.2, WRONG))
    high = pool(("p", "c", 0.8, WRONG), ("p", "d", 0.9, WRONG), iteration=1)
    block = replace(BLOCK, selection=Selection(quantile=1.0))
    assert kept(block, low, high) == [("p", 1), ("p", 1)]
    rows = keep(replace(block, pairs=PAIRS), list(PROBLEMS.values()), [low, high], CODEC).rows
    assert [row.iteration for row in rows] == [0, 1]


def test_cut_and_repeated_responses_and_those_above_the_cap_are_left_out_and_counted() -> None:
    same = pool(*[("p", "same", 9.0, RIGHT)] * 3, ("p", "other", 9.0, RIGHT))
    assert kept(replace(BLOCK, deduplicate="exact"), same) == [("p", 0), ("p", 3)]
    assert kept(replace(BLOCK, max_kept_per_problem=2), same) == [("p", 0), ("p", 1)]
    assert kept(BLOCK, replace(same, samples=[_cut(each) for each in same.samples])) == []
    counts = keep(replace(BLOCK, max_kept_per_problem=1), list(PROBLEMS.values()), [same], CODEC).counts
    assert counts["kept samples left out as unfinished, duplicates or over the cap"] == 3
    assert counts["problems dropped: nothing kept"] == 1


def _cut(judged: JudgedSample) -> JudgedSample:
    sample: Any = sample_row(judged.sample.problem_id, judged.sample.sample_index, "cut", ended=False)
    return replace(judged, sample=sample)


def test_nothing_sampled_makes_an_empty_training_set() -> None:
    made = keep(BLOCK, list(PROBLEMS.values()), [pool()], CODEC)
    assert made.rows == ()
    assert made.counts["rows"] == 0


@pytest.mark.parametrize("selection", [Selection(), Selection(quantile=0.5, threshold=3.0)])
def test_a_selection_of_no_or_two_forms_is_a_bug(selection: Selection) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        keep(replace(BLOCK, selection=selection), list(PROBLEMS.values()), [FOUR], CODEC)
