"""Sampling more where a model rarely succeeds: further completions of the training problems with few correct ones."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from selfimp_bench.canonical import derive_seed
from selfimp_bench.manifest.model import Resample
from selfimp_bench.steps.plan import Counts
from selfimp_bench.steps.rows import JudgedSample
from selfimp_bench.steps.sample import SampleBlock, draw, recorded, sampling, write
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.problem import Problem


@dataclass(frozen=True, kw_only=True)
class MoreBlock:
    """Draw ``resample.most`` more completions of every problem with fewer than ``resample.below`` correct ones.

    Inputs: model, checkpoint, problems, and samples and grades of what ``sample`` drew before.
    """

    sample: SampleBlock
    resample: Resample


def hard_problems(problems: Sequence[Problem], samples: Iterable[JudgedSample], *, below: int) -> tuple[Problem, ...]:
    """The problems with fewer than ``below`` correct samples, in order.

    Source: 2411.00750 (its code's ``min_correct_num``, Yiwen-Ding/Guided-Self-Improvement,
    scripts/llama3/cot_train_uniform.sh, revision 77ba9edaca544af8b551198fe5eca1cb1c2781ff).
    """
    correct = Counter(each.sample.problem_id for each in samples if each.outcome is Outcome.CORRECT)
    return tuple(each for each in problems if correct[each.problem_id] < below)


def _do(block: MoreBlock, work: Work) -> Counts:
    inputs, before = work.inputs, block.sample.samples_per_problem
    hard = hard_problems(inputs.problems(), inputs.judged("samples", "grades"), below=block.resample.below)
    seed = derive_seed(block.sample.seed, "more")
    made = draw(replace(block.sample, samples_per_problem=block.resample.most, seed=seed), hard, work)
    rows = [replace(row, sample_index=before + row.sample_index) for row in made]
    return {**write(rows, work), "problems with few correct samples": len(hard)}


def _again(block: MoreBlock, work: Work, own: Path) -> Counts:
    return _do(block, recorded(work, own, first=block.sample.samples_per_problem))


STAGE: Final = sampling(MoreBlock, _do, _again, lambda block: block.sample)
