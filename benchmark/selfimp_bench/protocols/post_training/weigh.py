"""Weighing choices: how likely a model finds each label of a multiple-choice problem, and how sure that makes it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import exp, fsum
from typing import Final

import pyarrow as pa

from selfimp_bench.engines.base import LabelPrompt, SamplerSettings
from selfimp_bench.engines.tokens import TokenCodec
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.manifest.model import TooLong
from selfimp_bench.protocols.post_training.metrics.calibration import Confident
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.room import room_of
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.commonsense_qa import choice_labels, gold_answer
from selfimp_bench.tasks.problem import Problem

CHOICES: Final = "choices.parquet"


@dataclass(frozen=True, kw_only=True)
class WeighBlock:
    """Weigh the labels of every problem behind its prompt and ``lead``. Inputs: model, checkpoint, problems."""

    engine: str
    settings: SamplerSettings
    prompt_template: str
    lead: str
    add_bos: bool


@dataclass(frozen=True, kw_only=True)
class WeighedChoice:
    """The likeliest label's share of the labels' probability, 0 to 1, and whether it is right; None where the prompt
    did not fit."""

    problem_id: str
    confidence: float | None
    correct: bool | None


CHOICE_SCHEMA = pa.schema([("problem_id", pa.string()), ("confidence", pa.float64()), ("correct", pa.bool_())])


@dataclass(frozen=True, kw_only=True)
class LabelQuestion:
    """A prompt up to where the labels part, and the token that each label goes on with."""

    token_ids: tuple[int, ...]
    label_ids: tuple[int, ...]


def label_question(text: str, labels: Sequence[str], codec: TokenCodec, *, add_bos: bool) -> LabelQuestion:
    """What is asked: the tokens that ``text`` and a label have in common for all labels, and each label's next one.

    Tokens are those of the whole text, as a tokenizer that joins a label with what stands before it has them. Raises
    InputError for labels whose next tokens are not all different, as where it has a token for " A" and none for " B".
    """
    whole = [codec.encode_prompt(text + label, add_bos=add_bos) for label in labels]
    shared = sum(1 for _ in takewhile(lambda ids: len(set(ids)) == 1, zip(*whole, strict=False)))
    following = tuple(ids[shared] if len(ids) > shared else -1 for ids in whole)
    if len(set(following)) < len(labels) or -1 in following:
        raise InputError(
            f"{codec.folder}: the labels {', '.join(labels)} behind {text[-20:]!r} go on with the tokens {following}, "
            "which cannot be told apart; choose a choice_lead behind which every label is a token of its own"
        )
    return LabelQuestion(token_ids=tuple(whole[0][:shared]), label_ids=following)


def confident(problem: Problem, logprobs: Sequence[float]) -> Confident:
    """The likeliest label and its share, by a softmax over the labels; the first of equals."""
    labels = choice_labels(problem)
    highest = max(logprobs)
    shares = fsum(exp(each - highest) for each in logprobs)
    likeliest = labels[list(logprobs).index(highest)]
    return Confident(confidence=1 / shares, correct=likeliest == gold_answer(problem))


def _do(block: WeighBlock, work: Work) -> Counts:
    inputs = work.inputs
    codec, checkpoint = inputs.codec("model"), inputs.checkpoint("checkpoint")
    room = room_of(checkpoint, block.settings, TooLong.DROPPED)
    asked: dict[str, LabelQuestion] = {}
    problems = inputs.problems_by_id()
    for problem in problems.values():
        text = render_prompt(block.prompt_template, problem) + block.lead
        question = label_question(text, choice_labels(problem), codec, add_bos=block.add_bos)
        if room.new_tokens(len(question.token_ids), 1) is not None:
            asked[problem.problem_id] = question
    scores = dict(_scores(block, work, asked))
    found = {name: confident(problem, scores[name]) if name in scores else None for name, problem in problems.items()}
    rows = [
        WeighedChoice(
            problem_id=name,
            confidence=None if each is None else each.confidence,
            correct=None if each is None else each.correct,
        )
        for name, each in found.items()
    ]
    work.folder.write_table(CHOICES, rows, CHOICE_SCHEMA)
    return {"problems": len(asked), "problems whose prompt did not fit": len(problems) - len(asked)}


def _scores(
    block: WeighBlock, work: Work, asked: Mapping[str, LabelQuestion]
) -> Iterator[tuple[str, tuple[float, ...]]]:
    """The labels' log-probabilities by problem. Raises StepFailed if the engine left any out."""
    sampler, checkpoint = work.resuming(block.engine, block.settings), work.inputs.checkpoint("checkpoint")
    groups: dict[tuple[int, ...], list[LabelPrompt]] = defaultdict(list)
    for name, question in asked.items():
        groups[question.label_ids].append(LabelPrompt(prompt_id=name, token_ids=question.token_ids))
    done = 0
    for label_ids, prompts in groups.items():
        for found in sampler.label_logprobs(checkpoint, prompts, label_ids):
            done += 1
            work.on_progress(done, len(asked))
            yield found.prompt_id, tuple(found.logprobs)
    if done != len(asked):
        raise StepFailed(f"the sampler weighed {done} of {len(asked)} prompts; run again to retry the step")


def _engine(block: WeighBlock) -> str:
    return block.engine


STAGE: Final = Stage(name="weigh", block=WeighBlock, do=_do, engine=_engine, on_device=True)
