"""Prompts are counted, and training rows that could not be trained on are refused, before anything is done."""

from dataclasses import replace

import pytest

from selfimp_bench.engines.base import SamplerSettings
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.manifest.model import TooLong
from selfimp_bench.measurement import Split
from selfimp_bench.places import ASSETS
from selfimp_bench.steps.gold import gold_solutions
from selfimp_bench.steps.prompts import (
    LongPrompt,
    PromptsBlock,
    PromptUse,
    TrainingUse,
    prompt_lengths,
    too_long_words,
)
from selfimp_bench.steps.room import Room
from selfimp_bench.tasks.problem import Problem

CODEC = load_codec(ASSETS / "tiny-gsm-base")
TEMPLATE = "Question: {question}\nAnswer:"
USE = PromptUse(what="greedy", split=Split.TEST, template=TEMPLATE, max_tokens=8, response_tokens=0)
GOLD = TrainingUse(
    what="training by sft-gold",
    split=Split.TEST,
    template=TEMPLATE,
    completion_prefix=" ",
    max_tokens=None,
    max_length=100,
)
BLOCK = PromptsBlock(
    settings=SamplerSettings(device="cpu", precision="float32", max_batch_rows=8, threads=1, vllm=None),
    add_bos=False,
    too_long=TooLong.COUNTED_WRONG,
    uses=(USE,),
    training=(),
)
PROBLEMS = [Problem(problem_id=f"p{n}", question=" ".join(["one"] * n), answer="1 + 1 = 2") for n in (1, 20, 10)]
TOKENS = {
    problem.problem_id: len(CODEC.encode(TEMPLATE.replace("{question}", problem.question))) for problem in PROBLEMS
}


def _found(block: PromptsBlock = BLOCK, limit: int | None = None, rule: TooLong = TooLong.COUNTED_WRONG) -> str:
    room = Room(limit=limit, rule=rule)
    return too_long_words(prompt_lengths(block, {Split.TEST: PROBLEMS}, CODEC, room)[-1])


def test_where_all_fit_the_longest_is_said() -> None:
    assert _found(limit=TOKENS["p20"] + 8) == f"greedy: all 3 test prompts fit (longest {TOKENS['p20']} tokens)"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (TooLong.COUNTED_WRONG, "counted wrong"),
        (TooLong.SHORTENED, "completions shortened"),
        (TooLong.DROPPED, "left out"),
    ],
)
def test_what_does_not_fit_is_named_with_its_tokens_and_what_becomes_of_it(rule: TooLong, words: str) -> None:
    limit = TOKENS["p20"] + 7
    assert _found(limit=limit, rule=rule) == (
        f"greedy: 1 of 3 test prompts did not fit {limit} tokens: {words}: p20 ({TOKENS['p20']} tokens)"
    )


def test_the_longest_comes_first_and_a_shortened_one_has_its_room() -> None:
    room = Room(limit=TOKENS["p10"] + 1, rule=TooLong.SHORTENED)
    (found,) = prompt_lengths(BLOCK, {Split.TEST: PROBLEMS}, CODEC, room)
    assert found.longest == TOKENS["p20"]
    assert found.too_long == (
        LongPrompt(problem_id="p20", tokens=TOKENS["p20"], new_tokens=None),
        LongPrompt(problem_id="p10", tokens=TOKENS["p10"], new_tokens=1),
    )


def test_the_responses_that_a_verifier_reads_count_at_their_longest() -> None:
    use = replace(USE, what="verify by mc", template="{question}{response}", max_tokens=1, response_tokens=50)
    (found,) = prompt_lengths(
        replace(BLOCK, uses=(use,)), {Split.TEST: PROBLEMS[:1]}, CODEC, Room(limit=51, rule=TooLong.COUNTED_WRONG)
    )
    assert found.longest == 50 + len(CODEC.encode("one"))
    assert too_long_words(found).startswith("verify by mc: 1 of 1 test prompts may not fit 51 tokens: counted wrong")


def test_a_gold_row_longer_than_training_takes_is_named_and_left_out() -> None:
    needed = TOKENS["p20"] + len(CODEC.encode(" 1 + 1 = 2")) + 1
    assert _found(replace(BLOCK, training=(replace(GOLD, max_length=needed),))) == (
        f"training by sft-gold: all 3 test rows fit (longest {needed} tokens)"
    )
    assert _found(replace(BLOCK, training=(replace(GOLD, max_length=needed - 1),))) == (
        f"training by sft-gold: 1 of 3 test rows did not fit {needed - 1} tokens: left out of training: "
        f"p20 ({needed} tokens)"
    )


def test_the_longest_of_a_problem_s_rationales_counts() -> None:
    rows = [Problem(problem_id="p1", question="", answer=text) for text in ("Why?", "one " * 20)]
    solutions = gold_solutions("{rationale} {answer}", rows, PROBLEMS)
    block = replace(BLOCK, training=(GOLD,))
    room = Room(limit=None, rule=TooLong.COUNTED_WRONG)
    found = prompt_lengths(block, {Split.TEST: PROBLEMS}, CODEC, room, solutions)[-1]
    assert found.longest == TOKENS["p1"] + len(CODEC.encode(" " + "one " * 20 + " 1 + 1 = 2")) + 1


def test_own_samples_count_at_their_longest_and_may_not_fit() -> None:
    own = replace(GOLD, what="training by dpo", max_tokens=30)
    most = TOKENS["p20"] + 30
    assert f"all 3 test rows fit (longest at most {most} tokens)" in _found(
        replace(BLOCK, training=(replace(own, max_length=most),))
    )
    found = _found(replace(BLOCK, training=(replace(own, max_length=most - 1),)))
    assert found.startswith("training by dpo: 1 of 3 test rows may not fit")


def test_a_prompt_that_is_not_sampled_gives_no_training_row() -> None:
    own = replace(GOLD, what="training by dpo", max_tokens=30, max_length=TOKENS["p10"] + 30)
    found = _found(replace(BLOCK, training=(own,)), limit=TOKENS["p10"] + 30)
    assert found.startswith("training by dpo: all 3 test rows fit")
