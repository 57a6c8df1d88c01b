"""Grading: completions and problems become outcomes."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from selfimp_bench.errors import InputError
from selfimp_bench.grading.graders import GRADERS
from selfimp_bench.grading.outcome import Grade
from selfimp_bench.manifest.model import Grading
from selfimp_bench.stages.rows import GradeRow
from selfimp_bench.tasks.problem import Problem


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


def grade_sample(grading: Grading, problem: Problem, sample: Gradable) -> GradeRow:
    """One sample judged by the deciding extraction rule, with the other rule's judgement beside it."""
    both = GRADERS[grading.task](sample.completion, problem, truncated=sample.finish_reason == "length")
    decides, other = (both.strict, both.flexible) if grading.extraction == "strict" else (both.flexible, both.strict)
    return _row(sample, decides, other)


def grade(grading: Grading, problems: Mapping[str, Problem], samples: Sequence[Gradable]) -> tuple[GradeRow, ...]:
    """Every sample judged, in order. Raises InputError for a sample of a problem that is not there."""
    rows = []
    for sample in samples:
        problem = problems.get(sample.problem_id)
        if problem is None:
            raise InputError(
                f"sample {sample.sample_index} is of problem {sample.problem_id!r}, which is not among the "
                f"{len(problems)} problems; give the problems file the samples were made from"
            )
        rows.append(grade_sample(grading, problem, sample))
    return tuple(rows)


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
