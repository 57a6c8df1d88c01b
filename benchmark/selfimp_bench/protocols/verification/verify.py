"""Verifying: a model judges responses, by the probability of a label or in writing."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa

from selfimp_bench.canonical import derive_seed
from selfimp_bench.engines.base import (
    NOT_ASKED,
    Completion,
    Decoding,
    FinishReason,
    LabelPrompt,
    LabelScores,
    Prompt,
    Sampler,
    SamplerSettings,
)
from selfimp_bench.engines.tokens import TokenCodec
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.manifest.model import TooLong
from selfimp_bench.protocols.verification.manifest import Labels
from selfimp_bench.protocols.verification.shown import clean_response
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.replay import Said, replaying
from selfimp_bench.steps.room import Room, room_of, sampled
from selfimp_bench.steps.rows import Role, SampleRow, table_rows
from selfimp_bench.steps.sample import until_stop
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.problem import Problem

JUDGEMENTS: Final = "judgements.parquet"

_FIELD = re.compile(r"\{(question|response|response_a|response_b)\}")


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How judgements are written: decoding, how many of each response or pair, and what their seeds follow from."""

    decoding: Decoding
    repeats: int
    seed: int
    role: Role
    iteration: int


@dataclass(frozen=True, kw_only=True)
class VerifyBlock:
    """Judge every response once (by the labels' probabilities) or ``writing.repeats`` times (in writing).

    Inputs: samples, problems, and of the verifier model and checkpoint. ``task`` says what of a completion is shown.
    """

    engine: str
    settings: SamplerSettings
    task: str
    prompt_template: str
    add_bos: bool
    labels: Labels | None
    writing: Writing | None
    too_long: TooLong


@dataclass(frozen=True, kw_only=True)
class JudgementRow:
    """A verifier's judgement of one response: the labels' log-probabilities, or a written text; the others are None.

    ``finish_reason`` is one of ``NOT_ASKED`` where the verifier was not asked: there is no response, or no room.
    """

    problem_id: str
    sample_index: int
    repeat: int
    logprob_correct: float | None
    logprob_incorrect: float | None
    text: str | None
    finish_reason: FinishReason | None
    seed: str | None


JUDGEMENT_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample_index", pa.int32()),
        ("repeat", pa.int32()),
        ("logprob_correct", pa.float64()),
        ("logprob_incorrect", pa.float64()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("seed", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Verifier:
    """Who judges: a tokenizer, an engine and a checkpoint."""

    codec: TokenCodec
    sampler: Sampler
    checkpoint: Path
    room: Room


def fill(template: str, fields: Mapping[str, str]) -> str:
    """A verification prompt: the template's fields filled in one pass, so that no text put in is a field itself."""
    return _FIELD.sub(lambda field: fields[field[1]], template)


def verify(
    block: VerifyBlock,
    problems: Mapping[str, Problem],
    samples: Sequence[SampleRow],
    verifier: Verifier,
    on_progress: Callable[[int, int], None],
) -> tuple[JudgementRow, ...]:
    """Every judgement of every sample, in the order of samples, then of repeats.

    A sample that no model was asked for is not judged, nor is one that does not fit the verifier: it has unusable rows.
    ``on_progress`` is told the judgements done and those in all. Raises StepFailed if the engine left any out,
    InputError for labels that the verifier cannot tell apart.
    """
    there = [sample for sample in samples if sample.finish_reason not in NOT_ASKED]
    prompts = {_key(each): _prompt_ids(block, problems[each.problem_id], each, verifier.codec) for each in there}
    if block.writing is not None:
        rows = _written(block.writing, there, list(prompts.values()), verifier, on_progress)
    elif block.labels is None:
        raise ValueError("a verification weighs labels or writes judgements")
    else:
        most = label_tokens(block.settings)
        fitting = [each for each in there if verifier.room.new_tokens(len(prompts[_key(each)]), most) == most]
        rows = _weighed(block.labels, fitting, [prompts[_key(each)] for each in fitting], verifier, on_progress)
    judged: dict[tuple[str, int], list[JudgementRow]] = defaultdict(list)
    for row in rows:
        judged[row.problem_id, row.sample_index].append(row)
    return tuple(row for each in samples for row in judged.get(_key(each)) or _unjudged(block, each, verifier.room))


def _key(sample: SampleRow) -> tuple[str, int]:
    return sample.problem_id, sample.sample_index


def label_tokens(settings: SamplerSettings) -> int:
    """New tokens that an engine makes to weigh labels behind a prompt."""
    return 0 if settings.vllm is None else 1


def _unjudged(block: VerifyBlock, sample: SampleRow, room: Room) -> list[JudgementRow]:
    """The rows of a sample about which the verifier is not asked."""
    return [
        JudgementRow(
            problem_id=sample.problem_id,
            sample_index=sample.sample_index,
            repeat=repeat,
            logprob_correct=None,
            logprob_incorrect=None,
            text=None,
            finish_reason=room.unasked,
            seed=None,
        )
        for repeat in range(1 if block.writing is None else block.writing.repeats)
    ]


def _prompt_ids(block: VerifyBlock, problem: Problem, sample: SampleRow, codec: TokenCodec) -> tuple[int, ...]:
    shown = clean_response(block.task, sample.completion)
    text = fill(block.prompt_template, {"question": problem.question, "response": shown})
    return codec.encode_prompt(text, add_bos=block.add_bos)


def label_ids(labels: Labels, codec: TokenCodec) -> tuple[int, int]:
    """The first token of each label. Raises InputError where they are the same token, or there is none."""
    first = [codec.encode(text)[:1] for text in (labels.correct, labels.incorrect)]
    if not all(first) or first[0] == first[1]:
        raise InputError(
            f"{codec.folder}: the labels {labels.correct!r} and {labels.incorrect!r} begin with the tokens "
            f"{[list(each) for each in first]}, which cannot be told apart; choose labels that differ from their first "
            "token on"
        )
    return first[0][0], first[1][0]


def _weighed(
    labels: Labels,
    samples: Sequence[SampleRow],
    prompts: Sequence[tuple[int, ...]],
    verifier: Verifier,
    on_progress: Callable[[int, int], None],
) -> tuple[JudgementRow, ...]:
    """Equal prompts are weighed once: equal responses get equal scores, to the last bit."""
    ids = label_ids(labels, verifier.codec)
    names = {token_ids: str(number) for number, token_ids in enumerate(dict.fromkeys(prompts))}
    asked = [LabelPrompt(prompt_id=name, token_ids=token_ids) for token_ids, name in names.items()]
    found: dict[str, LabelScores] = {}
    for scores in verifier.sampler.label_logprobs(verifier.checkpoint, asked, ids):
        found[scores.prompt_id] = scores
        on_progress(len(found), len(asked))
    _refuse_missing(len(found), len(asked))
    return tuple(
        _weighed_row(sample, found[names[token_ids]]) for sample, token_ids in zip(samples, prompts, strict=True)
    )


def _weighed_row(sample: SampleRow, scores: LabelScores) -> JudgementRow:
    correct, incorrect = scores.logprobs
    return JudgementRow(
        problem_id=sample.problem_id,
        sample_index=sample.sample_index,
        repeat=0,
        logprob_correct=correct,
        logprob_incorrect=incorrect,
        text=None,
        finish_reason=None,
        seed=None,
    )


def _written(
    writing: Writing,
    samples: Sequence[SampleRow],
    prompts: Sequence[tuple[int, ...]],
    verifier: Verifier,
    on_progress: Callable[[int, int], None],
) -> tuple[JudgementRow, ...]:
    seeds = [
        [
            derive_seed(writing.seed, "verify", writing.role, writing.iteration, s.problem_id, s.sample_index, repeat)
            for repeat in range(writing.repeats)
        ]
        for s in samples
    ]
    texts = list(write(prompts, seeds, writing, verifier, on_progress))
    return tuple(
        JudgementRow(
            problem_id=sample.problem_id,
            sample_index=sample.sample_index,
            repeat=repeat,
            logprob_correct=None,
            logprob_incorrect=None,
            text=text.text,
            finish_reason=text.finish_reason,
            seed=str(seed),
        )
        for sample, own_texts, own_seeds in zip(samples, texts, seeds, strict=True)
        for repeat, (text, seed) in enumerate(zip(own_texts, own_seeds, strict=True))
    )


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A written judgement up to the first stop text, and why it ended."""

    text: str
    finish_reason: FinishReason


def write(
    prompts: Sequence[tuple[int, ...]],
    seeds: Sequence[Sequence[int]],
    writing: Writing,
    verifier: Verifier,
    on_progress: Callable[[int, int], None],
) -> Iterator[tuple[Judgement, ...]]:
    """For every prompt one judgement a seed. Equal prompts are one request, so that an engine reads each once."""
    places: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for number, token_ids in enumerate(prompts):
        places.setdefault(token_ids, []).extend((number, index) for index in range(len(seeds[number])))
    asked = [
        Prompt(problem_id=str(name), token_ids=token_ids, seeds=tuple(seeds[number][index] for number, index in own))
        for name, (token_ids, own) in enumerate(places.items())
    ]
    wanted = list(places.values())
    found: dict[tuple[int, int], Completion] = {}
    for completion in sampled(verifier.sampler, verifier.checkpoint, asked, writing.decoding, verifier.room):
        found[wanted[int(completion.problem_id)][completion.sample_index]] = completion
        on_progress(len(found), sum(map(len, wanted)))
    _refuse_missing(len(found), sum(map(len, wanted)))
    for number, own_seeds in enumerate(seeds):
        yield tuple(
            _judgement(found[number, index], writing.decoding.stop, verifier.codec) for index in range(len(own_seeds))
        )


def _judgement(completion: Completion, stop: Iterable[str], codec: TokenCodec) -> Judgement:
    used = until_stop(completion.token_ids, tuple(stop), codec)
    stopped = len(used) < len(completion.token_ids)
    return Judgement(text=codec.decode(used), finish_reason=FinishReason.STOP if stopped else completion.finish_reason)


def _refuse_missing(found: int, wanted: int) -> None:
    if found != wanted:
        raise StepFailed(f"the sampler gave {found} of {wanted} judgements; run again to retry the step")


def verifier_of(engine: str, settings: SamplerSettings, too_long: TooLong, work: Work) -> Verifier:
    """Who judges in a step: its inputs ``model`` and ``checkpoint``, asked by this engine."""
    return Verifier(
        room=room_of(work.inputs.checkpoint("checkpoint"), settings, too_long),
        codec=work.inputs.codec("model"),
        sampler=work.resuming(engine, settings),
        checkpoint=work.inputs.checkpoint("checkpoint"),
    )


def count_tokens(texts: Iterable[str | None], codec: TokenCodec) -> int:
    """The tokens of what was written."""
    return sum(len(codec.encode(text)) for text in texts if text is not None)


def _do(block: VerifyBlock, work: Work) -> Counts:
    inputs = work.inputs
    verifier = verifier_of(block.engine, block.settings, block.too_long, work)
    judged = verify(block, inputs.problems_by_id(), inputs.samples("samples"), verifier, work.on_progress)
    work.folder.write_table(JUDGEMENTS, judged, JUDGEMENT_SCHEMA)
    counts = {"judgements": len(judged), "tokens": count_tokens((row.text for row in judged), verifier.codec)}
    unasked = sum(row.finish_reason in NOT_ASKED for row in judged)
    return counts | ({"judgements not asked for: they did not fit": unasked} if unasked else {})


def _again(block: VerifyBlock, work: Work, own: Path) -> Counts:
    """Every row from its text, by its seed, or from the labels' log-probabilities, by its prompt."""
    rows = table_rows(own / JUDGEMENTS, JudgementRow)
    return _do(block, replaying(work, said_by_seed(rows), _weights(block, work, rows)))


def _weights(block: VerifyBlock, work: Work, rows: Sequence[JudgementRow]) -> dict[tuple[int, ...], tuple[float, ...]]:
    """The labels' log-probabilities by prompt; empty where judgements were written."""
    if block.writing is not None:
        return {}
    problems, codec = work.inputs.problems_by_id(), work.inputs.codec("model")
    samples = {_key(sample): sample for sample in work.inputs.samples("samples")}
    weighed: dict[tuple[int, ...], tuple[float, ...]] = {}
    for row in rows:
        if row.logprob_correct is not None and row.logprob_incorrect is not None:
            prompt = _prompt_ids(block, problems[row.problem_id], samples[row.problem_id, row.sample_index], codec)
            weighed[prompt] = (row.logprob_correct, row.logprob_incorrect)
    return weighed


class Written(Protocol):
    """A row with a text that was written after a seed; without either where nobody was asked."""

    @property
    def text(self) -> str | None: ...
    @property
    def finish_reason(self) -> FinishReason | None: ...
    @property
    def seed(self) -> str | None: ...


def said_by_seed(rows: Iterable[Written]) -> Callable[[Prompt, int], Said | None]:
    """What was written after each seed."""
    kept = {
        row.seed: Said(answer=row.text, finish_reason=row.finish_reason)
        for row in rows
        if row.text is not None and row.finish_reason is not None
    }
    return lambda prompt, index: kept.get(str(prompt.seeds[index]))


def _engine(block: VerifyBlock) -> str:
    return block.engine


STAGE: Final = Stage(
    name="verify",
    block=VerifyBlock,
    do=_do,
    engine=_engine,
    on_device=True,
    tokens="generated",
    rated_by_rows=True,
    again=_again,
)
