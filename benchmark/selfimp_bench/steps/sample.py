"""Sampling: problems become prompts of token ids with content-derived seeds; completions become rows."""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Final

from selfimp_bench.canonical import derive_seed
from selfimp_bench.engines.base import (
    NOT_ASKED,
    Completion,
    Decoding,
    FinishReason,
    Prompt,
    Sampler,
    SamplerSettings,
)
from selfimp_bench.engines.tokens import TokenCodec
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.manifest.model import TooLong
from selfimp_bench.steps.plan import Block, Counts, Stage
from selfimp_bench.steps.replay import Said, replaying
from selfimp_bench.steps.room import room_of, sampled
from selfimp_bench.steps.rows import SAMPLE_SCHEMA, SAMPLES, Role, SampleRow, table_rows
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.problem import Problem

_FIELD = re.compile(r"\{(question|choices|tests)\}")


@dataclass(frozen=True, kw_only=True)
class SampleBlock:
    """Generate ``samples_per_problem`` completions of every problem. Inputs: model, checkpoint, problems."""

    engine: str
    settings: SamplerSettings
    role: Role
    iteration: int
    seed: int
    samples_per_problem: int
    decoding: Decoding
    prompt_template: str
    add_bos: bool
    too_long: TooLong


def render_prompt(template: str, problem: Problem) -> str:
    """The prompt text of a problem: the template's fields filled in one pass, so that no text of a problem is a field.

    ``{choices}`` is a line for each choice, ``A. text``; ``{tests}`` a line for each test.
    Raises InputError when the problem lacks what a field needs.
    """
    return _FIELD.sub(lambda field: _FILL[field[1]](problem), template)


def _choices(problem: Problem) -> str:
    if problem.choices is None:
        raise InputError(f"problem {problem.problem_id} has no `choices`, and the prompt template has {{choices}}")
    return "\n".join(f"{label}. {text}" for label, text in zip(ascii_uppercase, problem.choices, strict=False))


def _tests(problem: Problem) -> str:
    if problem.tests is None:
        raise InputError(f"problem {problem.problem_id} has no `tests`, and the prompt template has {{tests}}")
    return "\n".join(problem.tests)


_FILL: Mapping[str, Callable[[Problem], str]] = {
    "question": lambda problem: problem.question,
    "choices": _choices,
    "tests": _tests,
}


def prompts_of(block: SampleBlock, problems: Sequence[Problem], codec: TokenCodec) -> tuple[Prompt, ...]:
    """Every problem as token ids, with one seed per completion wanted."""
    return tuple(
        Prompt(
            problem_id=problem.problem_id,
            token_ids=codec.encode_prompt(render_prompt(block.prompt_template, problem), add_bos=block.add_bos),
            seeds=tuple(
                derive_seed(block.seed, block.role, block.iteration, problem.problem_id, index)
                for index in range(block.samples_per_problem)
            ),
        )
        for problem in problems
    )


def sample(
    block: SampleBlock,
    problems: Sequence[Problem],
    codec: TokenCodec,
    sampler: Sampler,
    checkpoint: Path,
    on_progress: Callable[[int], None],
) -> tuple[SampleRow, ...]:
    """Generate every completion of a step; rows in the order of problems, then of sample index.

    A prompt that does not fit has rows, too, as ``block.too_long`` says (``room.py``).
    ``on_progress`` is told the number of completions so far. Raises StepFailed if the engine left any out.
    """
    prompts = prompts_of(block, problems, codec)
    completions: dict[tuple[str, int], Completion] = {}
    room = room_of(checkpoint, block.settings, block.too_long)
    for completion in sampled(sampler, checkpoint, prompts, block.decoding, room):
        completions[completion.problem_id, completion.sample_index] = completion
        on_progress(len(completions))
    wanted = sum(len(prompt.seeds) for prompt in prompts)
    if len(completions) != wanted:
        raise StepFailed(f"the sampler gave {len(completions)} of {wanted} completions; run again to retry the step")
    rows = []
    for problem, prompt in zip(problems, prompts, strict=True):
        text = render_prompt(block.prompt_template, problem)
        prompt_sha256 = hashlib.sha256(text.encode()).hexdigest()
        for index, seed in enumerate(prompt.seeds):
            completion = completions[problem.problem_id, index]
            rows.append(_row(block, completion, codec, seed, prompt_sha256))
    return tuple(rows)


def _row(block: SampleBlock, completion: Completion, codec: TokenCodec, seed: int, prompt_sha256: str) -> SampleRow:
    used = until_stop(completion.token_ids, block.decoding.stop, codec)
    stopped = len(used) < len(completion.token_ids)
    return SampleRow(
        problem_id=completion.problem_id,
        sample_index=completion.sample_index,
        completion=codec.decode(used),
        iteration=block.iteration,
        role=block.role,
        finish_reason=FinishReason.STOP if stopped else completion.finish_reason,
        seed=str(seed),
        prompt_sha256=prompt_sha256,
        token_ids=used,
    )


def until_stop(token_ids: tuple[int, ...], stop: Sequence[str], codec: TokenCodec) -> tuple[int, ...]:
    """The longest beginning of a completion, in whole tokens, whose text ends before the first stop text."""
    text = codec.decode(token_ids)
    places = [place for each in stop if (place := text.find(each)) >= 0]
    if not places:
        return token_ids
    kept = bisect_right(range(len(token_ids) + 1), min(places), key=lambda n: len(codec.decode(token_ids[:n]))) - 1
    while not text.startswith(codec.decode(token_ids[:kept])):  # half a character
        kept -= 1
    return token_ids[:kept]


def draw(block: SampleBlock, problems: Sequence[Problem], work: Work) -> tuple[SampleRow, ...]:
    """Every completion of these problems by a step's own model, checkpoint and engine."""
    inputs, of = work.inputs, len(problems) * block.samples_per_problem
    return sample(
        block,
        problems,
        inputs.codec("model"),
        work.resuming(block.engine, block.settings),
        inputs.checkpoint("checkpoint"),
        lambda done: work.on_progress(done, of),
    )


def write(made: Sequence[SampleRow], work: Work) -> Counts:
    """Write a step's completions, and count them."""
    work.folder.write_table(SAMPLES, made, SAMPLE_SCHEMA)
    unasked = len({row.problem_id for row in made if row.finish_reason in NOT_ASKED})
    counts = {"completions": len(made), "tokens": sum(len(row.token_ids) for row in made)}
    return counts | ({"problems whose prompt did not fit": unasked} if unasked else {})


def _do(block: SampleBlock, work: Work) -> Counts:
    return write(draw(block, work.inputs.problems(), work), work)


def recorded(work: Work, own: Path, first: int = 0) -> Work:
    """The work with a sampler that says what is in the rows of ``own``, token ids and the reason why they ended.

    first: the sample index that the rows begin with.
    """
    rows = table_rows(own / SAMPLES, SampleRow)
    kept = {
        (row.problem_id, row.sample_index): Said(answer=row.token_ids, finish_reason=row.finish_reason) for row in rows
    }
    return replaying(work, lambda prompt, index: kept.get((prompt.problem_id, first + index)))


def _again(block: SampleBlock, work: Work, own: Path) -> Counts:
    return _do(block, recorded(work, own))


def sampling(
    block: type[Block],
    do: Callable[[Block, Work], Counts],
    again: Callable[[Block, Work, Path], Counts],
    asked: Callable[[Block], SampleBlock],
) -> Stage[Block]:
    """A stage that writes completions of a model. ``asked``: the part of its block that says how they are drawn."""
    return Stage(
        name="sample",
        block=block,
        do=do,
        engine=lambda own: asked(own).engine,
        on_device=True,
        tokens="generated",
        rated_by_rows=True,
        again=again,
    )


STAGE: Final = sampling(SampleBlock, _do, _again, lambda block: block)
