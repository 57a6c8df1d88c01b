"""Training sets that a function of another package chooses: a rule of one's own (``selfimp_bench.methods``).

The rule runs in a process of its own, twice, with other orders of sets and dictionaries; what it returns is held
against what it was given before anything is trained on it.
"""

import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.engines.worker import child
from selfimp_bench.errors import StepFailed
from selfimp_bench.installed import Brought
from selfimp_bench.manifest.model import OwnCode
from selfimp_bench.methods import Kind, ProblemSamples, Sample
from selfimp_bench.protocols.post_training.rule_worker import Refusal, Rows, RuleJob
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.rows import JudgedSample, SampleRow, by_problem
from selfimp_bench.steps.training_rows import (
    PairRow,
    RowMaker,
    SftRow,
    TrainingSet,
    deduplicated,
    without_long_rows,
    write_training_set,
)
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome
from selfimp_bench.tasks.problem import Problem

_WORKER: Final = "selfimp_bench.protocols.post_training.rule_worker"
_HASH_SEEDS: Final = ("0", "1")
"""Of Python's string hashes, which order sets: a rule whose rows hang on them is told by the second."""


@dataclass(frozen=True, kw_only=True)
class OwnSelectBlock:
    """Build a training set as a rule says. Inputs: model, problems, ``samples.i`` and ``grades.i``.

    pairs: it is a pair rule's, for DPO. most: rows of a problem at most; None is no cap.
    """

    prompt_template: str
    add_bos: bool
    deduplicate: str
    max_length: int
    rule: OwnCode
    pairs: bool
    most: int | None
    seed: int


def rule_of(block: OwnSelectBlock) -> Brought:
    """What the rule is called."""
    return block.rule.brought(Kind.PAIR_RULE if block.pairs else Kind.SAMPLE_RULE)


def offered(
    block: OwnSelectBlock, problems: Sequence[Problem], samples: Sequence[JudgedSample]
) -> tuple[tuple[ProblemSamples, ...], tuple[tuple[SampleRow, ...], ...]]:
    """What the rule is given, and the rows behind its samples: of every problem the judged completions of some
    length."""
    groups = by_problem(samples)
    given: list[ProblemSamples] = []
    rows: list[tuple[SampleRow, ...]] = []
    for problem in problems:
        usable = [
            each
            for each in groups.get(problem.problem_id, [])
            if each.outcome not in UNJUDGED and each.sample.token_ids
        ]
        own = {(each.sample.iteration, each.sample.sample_index): each for each in usable}
        kept = deduplicated([each.sample for each in usable], block.deduplicate, by_model=block.pairs)
        shown = tuple(_sample(own[each.iteration, each.sample_index]) for each in kept)
        rows.append(tuple(kept))
        given.append(
            ProblemSamples(
                problem_id=problem.problem_id,
                question=problem.question,
                answer=problem.answer,
                level=problem.level,
                samples=shown,
            )
        )
    return tuple(given), tuple(rows)


def _sample(judged: JudgedSample) -> Sample:
    return Sample(
        problem_id=judged.sample.problem_id,
        iteration=judged.sample.iteration,
        sample_index=judged.sample.sample_index,
        text=judged.sample.completion,
        answer=judged.extracted,
        correct=judged.outcome is Outcome.CORRECT,
        finished=judged.sample.finish_reason is FinishReason.STOP,
        tokens=len(judged.sample.token_ids),
    )


def chosen_by(block: OwnSelectBlock, problems: Sequence[ProblemSamples]) -> tuple[tuple[int, ...], ...]:
    """The rule's rows: the problem's place, and that of one sample, or of chosen and rejected, among its samples.

    Raises StepFailed, with the rule's name, for a rule that fails, returns what it must not, or other rows when it is
    asked again.
    """
    rule = rule_of(block)
    job = RuleJob(
        rule=rule,
        most=block.most,
        seed=block.seed,
        problems=tuple(problems),
    )
    with tempfile.TemporaryDirectory(prefix="selfimp-rule-") as folder:
        first, second = (_asked(rule, job, Path(folder), seed) for seed in _HASH_SEEDS)
    if first != second:
        other = next(iter({*first} ^ {*second}))
        problem = problems[other[0]].problem_id
        raise StepFailed(
            f"{rule}: it returned other rows when it was asked again, the first of problem {problem}; a rule's rows "
            "must follow from its arguments alone (the order of a set, a random number without the seed, a clock?)"
        )
    return first


def _asked(rule: Brought, job: RuleJob, folder: Path, hash_seed: str) -> tuple[tuple[int, ...], ...]:
    (folder / "job.json").write_bytes(msgspec.json.encode(job))
    result = folder / f"result.{hash_seed}.json"
    environment = child.environment(device="cpu", threads=1, scratch=folder, gpus=())
    run = subprocess.run(
        child.command(_WORKER, str(folder / "job.json"), str(result)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        cwd=folder,
        env=environment | {"PYTHONHASHSEED": hash_seed},
    )
    if not result.is_file():
        words = f"{rule}: its process {child.exit_words(run.returncode)}. The end of its log:\n{child.tail(run.stderr)}"
        raise StepFailed(words)
    found = msgspec.json.decode(result.read_bytes(), type=Rows | Refusal)
    if isinstance(found, Refusal):
        raise StepFailed(f"{rule}: {found.words}")
    return found.rows


def select_by_rule(
    block: OwnSelectBlock, rows: RowMaker, problems: Sequence[Problem], samples: Sequence[JudgedSample]
) -> TrainingSet:
    """The rows of a step."""
    given, behind = offered(block, problems, samples)
    found = chosen_by(block, given)
    made: list[SftRow | PairRow] = []
    for place, *own in found:
        kept = [behind[place][each] for each in own]
        row = rows.pair_row if block.pairs else rows.sample_row
        made.append(row(problems[place], *kept))
    counts: Mapping[str, int] = Counter(
        {
            "problems": len(problems),
            "samples": len(samples),
            "correct samples": sum(each.outcome is Outcome.CORRECT for each in samples),
            "samples offered to the rule": sum(len(each.samples) for each in given),
            "problems dropped: the rule chose nothing": len(problems) - len({place for place, *_ in found}),
            "rows": len(made),
        }
    )
    return without_long_rows(TrainingSet(rows=tuple(made), counts=dict(counts)), block.max_length)  # type: ignore[arg-type]


def _do(block: OwnSelectBlock, work: Work) -> Counts:
    inputs = work.inputs
    judged: list[JudgedSample] = []
    for name in inputs.named("samples."):
        judged.extend(inputs.judged(name, name.replace("samples", "grades")))
    rows = RowMaker(prompt_template=block.prompt_template, add_bos=block.add_bos, codec=inputs.codec("model"))
    return write_training_set(work.folder, select_by_rule(block, rows, inputs.problems(), judged), pairs=block.pairs)


def _brings(block: OwnSelectBlock) -> tuple[Brought, ...]:
    return (rule_of(block),)


STAGE: Final = Stage(name="select", block=OwnSelectBlock, do=_do, brings=_brings, rated_by_rows=True)
