"""What a verifier is asked, and what becomes of its answers."""

from dataclasses import replace

import pytest
from support import quiet

from selfimp_bench.engines.base import FinishReason, SamplerSettings
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.manifest.model import TooLong
from selfimp_bench.protocols.verification.manifest import Labels
from selfimp_bench.protocols.verification.verify import VerifyBlock, fill, label_ids, verify
from selfimp_bench.steps.room import Room

from .judging import CODEC, PROBLEMS, WRITING, Scripted, sample_row

LABELS = Labels(correct="Correct", incorrect="Incorrect")
BLOCK = VerifyBlock(
    engine="fake",
    settings=SamplerSettings(device="cpu", precision="float32", max_batch_rows=8, threads=1, vllm=None),
    task="gsm8k",
    prompt_template="Problem: {question}\nSolution: {response}\nJudge:",
    add_bos=False,
    labels=LABELS,
    writing=None,
    too_long=TooLong.COUNTED_WRONG,
)
WRITTEN = replace(BLOCK, labels=None, writing=replace(WRITING, repeats=2))
SAMPLES = [
    sample_row("p", 0, " 1 + 1 = 2"),
    sample_row("p", 1, "3\n"),
    sample_row("p", 2, "3"),
    sample_row("q", 0, "3"),
]


def test_a_response_that_looks_like_a_field_stays_text() -> None:
    assert fill("{question}|{response}", {"question": "{response}", "response": "{question}"}) == (
        "{response}|{question}"
    )


def test_equal_responses_are_weighed_once_and_each_row_has_its_own_scores() -> None:
    sampler = Scripted(weigh=lambda text: (-0.5, -2.0) if "1 + 1 = 2" in text else (-3.0, -0.1))
    rows = verify(BLOCK, PROBLEMS, SAMPLES, sampler.verifier(), quiet)
    asked = [CODEC.decode(prompt.token_ids) for prompt in sampler.weighed]
    assert asked == [
        "Problem: What is p?\nSolution: 1 + 1 = 2\nJudge:",
        "Problem: What is p?\nSolution: 3\nJudge:",
        "Problem: What is q?\nSolution: 3\nJudge:",
    ]
    assert [(row.problem_id, row.sample_index, row.logprob_correct, row.logprob_incorrect) for row in rows] == [
        ("p", 0, -0.5, -2.0),
        ("p", 1, -3.0, -0.1),
        ("p", 2, -3.0, -0.1),
        ("q", 0, -3.0, -0.1),
    ]


def test_labels_are_known_by_their_first_token() -> None:
    assert label_ids(LABELS, CODEC) == (CODEC.encode("Correct")[0], CODEC.encode("Incorrect")[0])


@pytest.mark.parametrize(("correct", "incorrect"), [("Correct", "Correctly not"), ("", "no")])
def test_labels_that_no_probability_tells_apart_are_refused(correct: str, incorrect: str) -> None:
    with pytest.raises(InputError, match="cannot be told apart"):
        label_ids(Labels(correct=correct, incorrect=incorrect), CODEC)


def test_every_response_has_judgements_and_seeds_of_its_own_also_where_texts_are_equal() -> None:
    sampler = Scripted(answer=lambda _text, seed: f"seed {seed}")
    rows = verify(WRITTEN, PROBLEMS, SAMPLES, sampler.verifier(), quiet)
    assert [(row.problem_id, row.sample_index, row.repeat) for row in rows] == [
        (sample.problem_id, sample.sample_index, repeat) for sample in SAMPLES for repeat in (0, 1)
    ]
    assert [row.text for row in rows] == [f"seed {row.seed}" for row in rows]
    assert len({row.seed for row in rows}) == len(rows)
    assert len(sampler.asked) == 3  # the equal ones are read once


def test_a_seed_depends_on_the_response_s_place_alone() -> None:
    def seeds(samples: list[int], **changes: object) -> dict[tuple[str, int, int], str | None]:
        block = replace(WRITTEN, writing=replace(WRITING, repeats=2, **changes))
        rows = verify(block, PROBLEMS, [SAMPLES[index] for index in samples], Scripted().verifier(), quiet)
        return {(row.problem_id, row.sample_index, row.repeat): row.seed for row in rows}

    whole = seeds([0, 1, 2, 3])
    assert seeds([3, 1]).items() <= whole.items()
    for changes in ({"seed": 4}, {"iteration": 1}):
        assert not set(seeds([0, 1, 2, 3], **changes).values()) & set(whole.values())


def test_a_judgement_ends_before_a_stop_text_and_says_when_it_was_cut() -> None:
    def answer(text: str, _seed: int) -> str:
        return "Score: 3\nProblem: another" if "1 + 1" in text else "so " * 200

    rows = verify(WRITTEN, PROBLEMS, SAMPLES[:2], Scripted(answer=answer).verifier(), quiet)
    assert (rows[0].text, rows[0].finish_reason) == ("Score: 3\n", FinishReason.STOP)
    assert rows[2].finish_reason is FinishReason.LENGTH


def test_progress_is_told_and_a_missing_judgement_fails_the_step() -> None:
    told: list[tuple[int, int]] = []
    verify(WRITTEN, PROBLEMS, SAMPLES, Scripted().verifier(), lambda done, of: told.append((done, of)))
    assert told[-1] == (8, 8)
    sampler = Scripted()
    sampler.sample = lambda *_: iter(())  # type: ignore[method-assign]
    with pytest.raises(StepFailed, match="0 of 8 judgements"):
        verify(WRITTEN, PROBLEMS, SAMPLES, sampler.verifier(), quiet)


def test_nothing_to_judge_gives_no_rows() -> None:
    assert verify(BLOCK, PROBLEMS, [], Scripted().verifier(), quiet) == ()
    assert verify(WRITTEN, PROBLEMS, [], Scripted().verifier(), quiet) == ()


def _fit(limit: int, rule: TooLong = TooLong.COUNTED_WRONG) -> Room:
    return Room(limit=limit, rule=rule)


def test_a_response_that_no_model_was_asked_for_is_not_judged() -> None:
    absent = replace(sample_row("p", 1, ""), finish_reason=FinishReason.TOO_LONG, token_ids=())
    for block, rows in ((BLOCK, 1), (WRITTEN, 2)):
        sampler = Scripted(answer=lambda _text, _seed: "Correctness: correct")
        judged = verify(block, PROBLEMS, [SAMPLES[0], absent, SAMPLES[3]], sampler.verifier(), quiet)
        assert len(sampler.asked or sampler.weighed) == 2
        assert [row.sample_index for row in judged] == [0] * rows + [1] * rows + [0] * rows
        assert {row.finish_reason for row in judged if row.sample_index == 1} == {FinishReason.TOO_LONG}
        assert {row.text for row in judged if row.sample_index == 1} == {None}


def test_a_judgement_that_does_not_fit_is_not_asked_for_and_the_others_are() -> None:
    long = sample_row("p", 7, "3 " * 200)
    limit = 150
    for block in (BLOCK, WRITTEN):
        sampler = Scripted(answer=lambda _text, _seed: "Correctness: correct")
        judged = verify(block, PROBLEMS, [*SAMPLES, long], sampler.verifier(_fit(limit)), quiet)
        assert all(len(prompt.token_ids) < limit for prompt in (*sampler.asked, *sampler.weighed))
        assert {row.sample_index for row in judged if row.finish_reason is FinishReason.TOO_LONG} == {7}


def test_labels_are_weighed_behind_a_prompt_that_fills_the_model() -> None:
    sampler = Scripted()
    prompt = CODEC.encode(fill(BLOCK.prompt_template, {"question": PROBLEMS["q"].question, "response": "3"}))
    rows = verify(BLOCK, PROBLEMS, SAMPLES[3:], sampler.verifier(_fit(len(prompt))), quiet)
    assert rows[0].logprob_correct is not None
    rows = verify(BLOCK, PROBLEMS, SAMPLES[3:], sampler.verifier(_fit(len(prompt) - 1)), quiet)
    assert (rows[0].logprob_correct, rows[0].finish_reason) == (None, FinishReason.TOO_LONG)
