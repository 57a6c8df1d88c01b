"""Grading: completions and problems become outcomes."""

import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Grading
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.rows import GRADE_SCHEMA, GRADES, SAMPLES, GradeRow, texts_to_grade
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.grading.graders import CHECKS, GRADERS, LIBRARIES, Grader
from selfimp_bench.tasks.grading.kinds import PARALLEL
from selfimp_bench.tasks.grading.outcome import Grade, Outcome
from selfimp_bench.tasks.problem import Problem

_AHEAD: Final = 16

UNASKED: Final[Mapping[str, Outcome]] = {
    FinishReason.TOO_LONG: Outcome.TOO_LONG,
    FinishReason.DROPPED: Outcome.DROPPED,
}
"""The outcome of a completion that no engine was asked for, by its reason to end."""


@dataclass(frozen=True, kw_only=True)
class GradeBlock:
    """Judge completions. Inputs: samples, problems."""

    grading: Grading


class Gradable(Protocol):
    """What grading needs of a sample."""

    @property
    def problem_id(self) -> str: ...
    @property
    def sample_index(self) -> int: ...
    @property
    def completion(self) -> str: ...
    @property
    def iteration(self) -> int | None: ...
    @property
    def role(self) -> str | None: ...
    @property
    def finish_reason(self) -> str | None: ...


def grade_sample(
    grading: Grading, problem: Problem, sample: Gradable, graders: Mapping[str, Grader] = GRADERS
) -> GradeRow:
    """One sample judged by the deciding extraction rule, with the other rule's judgement beside it.

    One that no model was asked for is judged by no grader: it says itself what it counts for.
    """
    unasked = UNASKED.get(sample.finish_reason or "")
    if unasked is not None:
        return _row(sample, *[Grade(outcome=unasked, extracted=None, detail=None)] * 2)
    both = graders[grading.task](sample.completion, problem, truncated=sample.finish_reason == "length")
    decides, other = (both.strict, both.flexible) if grading.extraction == "strict" else (both.flexible, both.strict)
    return _row(sample, decides, other)


def grade(
    grading: Grading,
    problems: Mapping[str, Problem],
    samples: Iterable[Gradable],
    graders: Mapping[str, Grader] = GRADERS,
) -> Iterator[GradeRow]:
    """Every sample judged, in order, as they come; programs on all cores, a bounded number of samples ahead.

    Raises InputError for a problem that cannot be graded, before the first sample is; for a sample of a problem that is
    not there.
    """
    for problem in problems.values():
        CHECKS.get(grading.task, _no_check)(problem)
    if grading.task not in PARALLEL:
        for sample in samples:
            yield grade_sample(grading, _problem(problems, sample), sample, graders)
        return
    workers = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[GradeRow]] = deque()
        try:
            for sample in samples:
                waiting.append(pool.submit(grade_sample, grading, _problem(problems, sample), sample, graders))
                if len(waiting) >= _AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()


def _no_check(_problem: Problem) -> None:
    pass


def _problem(problems: Mapping[str, Problem], sample: Gradable) -> Problem:
    if sample.problem_id not in problems:
        raise InputError(
            f"sample {sample.sample_index} is of problem {sample.problem_id!r}, which is not among the "
            f"{len(problems)} problems; give the problems file the samples were made from"
        )
    return problems[sample.problem_id]


def _row(sample: Gradable, decides: Grade, other: Grade) -> GradeRow:
    return GradeRow(
        problem_id=sample.problem_id,
        sample_index=sample.sample_index,
        iteration=sample.iteration,
        role=sample.role,
        outcome=decides.outcome,
        extracted=decides.extracted,
        detail=decides.detail,
        other_outcome=other.outcome,
        other_extracted=other.extracted,
    )


def _do(block: GradeBlock, work: Work) -> Counts:
    samples = texts_to_grade(work.inputs.artifact("samples", SAMPLES))
    counts: Counter[Outcome] = Counter()

    def counted() -> Iterator[GradeRow]:
        for row in grade(block.grading, work.inputs.problems_by_id(), samples):
            counts[row.outcome] += 1
            yield row

    work.folder.write_table(GRADES, counted(), GRADE_SCHEMA)
    return {str(outcome): count for outcome, count in counts.items()}


def _libraries(block: GradeBlock) -> tuple[str, ...]:
    return tuple(LIBRARIES.get(block.grading.task, ()))


STAGE: Final = Stage(name="grade", block=GradeBlock, do=_do, libraries=_libraries)
