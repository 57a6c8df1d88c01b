"""Sampling: problems become prompts of token ids with content-derived seeds; completions become rows."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from selfimp_bench.canonical import derive_seed
from selfimp_bench.engines.base import Completion, Prompt, Sampler
from selfimp_bench.engines.tokens import TokenCodec
from selfimp_bench.errors import StepFailed
from selfimp_bench.plan import SampleBlock
from selfimp_bench.stages.rows import SampleRow
from selfimp_bench.tasks.problem import Problem

REVISION = 1  # raise when a change here would give other prompts or seeds


def render_prompt(template: str, question: str) -> str:
    """The prompt text of a question: the template with its one field filled, and nothing else interpreted."""
    return template.replace("{question}", question)


def prompts_of(block: SampleBlock, problems: Sequence[Problem], codec: TokenCodec) -> tuple[Prompt, ...]:
    """Every problem as token ids, with one seed per completion wanted."""
    return tuple(
        Prompt(
            problem_id=problem.problem_id,
            token_ids=codec.encode_prompt(
                render_prompt(block.prompt_template, problem.question), add_bos=block.add_bos
            ),
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

    ``on_progress`` is told the number of completions so far. Raises StepFailed if the engine left any out.
    """
    prompts = prompts_of(block, problems, codec)
    completions: dict[tuple[str, int], Completion] = {}
    for completion in sampler.sample(checkpoint, prompts, block.decoding):
        completions[completion.problem_id, completion.sample_index] = completion
        on_progress(len(completions))
    wanted = sum(len(prompt.seeds) for prompt in prompts)
    if len(completions) != wanted:
        raise StepFailed(f"the sampler gave {len(completions)} of {wanted} completions; run again to retry the step")
    rows = []
    for problem, prompt in zip(problems, prompts, strict=True):
        text = render_prompt(block.prompt_template, problem.question)
        prompt_sha256 = hashlib.sha256(text.encode()).hexdigest()
        for index, seed in enumerate(prompt.seeds):
            completion = completions[problem.problem_id, index]
            rows.append(_row(block, completion, codec, seed, prompt_sha256))
    return tuple(rows)


def _row(block: SampleBlock, completion: Completion, codec: TokenCodec, seed: int, prompt_sha256: str) -> SampleRow:
    return SampleRow(
        problem_id=completion.problem_id,
        sample_index=completion.sample_index,
        completion=codec.decode(completion.token_ids),
        iteration=block.iteration,
        role=block.role,
        finish_reason=completion.finish_reason,
        seed=str(seed),
        prompt_sha256=prompt_sha256,
        token_ids=completion.token_ids,
    )
