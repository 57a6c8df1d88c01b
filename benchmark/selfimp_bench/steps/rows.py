"""Rows that several stages read or write, their Parquet schemas, and the names of their files."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec
import pyarrow as pa

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.measurement import Split
from selfimp_bench.steps.store import iterate_columns, read_columns, read_table
from selfimp_bench.tasks.grading.outcome import Outcome

Row = TypeVar("Row")
Judged = TypeVar("Judged", bound="JudgedAnswer")

PROBLEMS: Final = "problems.parquet"
SAMPLES: Final = "samples.parquet"
GRADES: Final = "grades.parquet"


class Role(StrEnum):
    """What completions are for (the ``role`` of the samples format)."""

    GREEDY = "greedy"
    SAMPLE = "sample"
    TRAIN = "train"
    OOD = "ood"


SPLIT_OF_ROLE: Mapping[Role, Split] = {
    Role.GREEDY: Split.TEST,
    Role.SAMPLE: Split.TEST,
    Role.TRAIN: Split.TRAIN,
    Role.OOD: Split.OOD,
}


@dataclass(frozen=True, kw_only=True)
class SampleRow:
    """A completion (samples format). ``seed`` is a decimal string, because JSON readers lose digits above 2**53."""

    problem_id: str
    sample_index: int
    completion: str
    iteration: int
    role: Role
    finish_reason: FinishReason
    seed: str
    prompt_sha256: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class GradeRow:
    """A judged completion (grades format), with the judgement of the extraction rule that does not decide beside it."""

    problem_id: str
    sample_index: int
    iteration: int | None
    role: str | None
    outcome: Outcome
    extracted: str | None
    detail: str | None
    other_outcome: Outcome | None
    other_extracted: str | None


class Answer(Protocol):
    """What is measured of a completion."""

    @property
    def problem_id(self) -> str: ...

    @property
    def completion(self) -> str: ...

    @property
    def finish_reason(self) -> FinishReason: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerRow:
    """The columns of a ``SampleRow`` that are measured: a fiftieth of what its token ids take as objects."""

    problem_id: str
    completion: str
    finish_reason: FinishReason


@dataclass(frozen=True, kw_only=True, slots=True)
class GradedText:
    """The columns of a ``SampleRow`` that grading reads."""

    problem_id: str
    sample_index: int
    completion: str
    iteration: int
    role: str
    finish_reason: str


@dataclass(frozen=True, kw_only=True)
class JudgedAnswer:
    """A completion with its outcome, and that by the rule of extraction that does not decide.

    ``extracted`` is its answer by the rule that decides; None where it gives none.
    """

    sample: Answer
    outcome: Outcome
    other_outcome: Outcome | None
    extracted: str | None = None


@dataclass(frozen=True, kw_only=True)
class JudgedSample(JudgedAnswer):
    """The same of a whole sample of M_``iteration``."""

    sample: SampleRow


def table_rows(path: Path, row: type[Row]) -> tuple[Row, ...]:
    """The rows of a table that a step wrote. Raises ValueError where they are none of these."""
    return tuple(msgspec.convert(read_table(path), list[row]))  # type: ignore[valid-type]


def texts_to_grade(samples: Path) -> Iterator[GradedText]:
    """What is graded of a table that a sampling step wrote, one after the other."""
    names = [each.name for each in fields(GradedText)]
    return (GradedText(**dict(zip(names, values, strict=True))) for values in iterate_columns(samples, names))


def judge(samples: Iterable[SampleRow], grades: Iterable[GradeRow]) -> tuple[JudgedSample, ...]:
    """Samples with their grades, matched by problem and sample index."""
    graded = {(grade.problem_id, grade.sample_index): grade for grade in grades}
    matched = ((sample, graded[sample.problem_id, sample.sample_index]) for sample in samples)
    return tuple(
        JudgedSample(sample=sample, outcome=grade.outcome, other_outcome=grade.other_outcome, extracted=grade.extracted)
        for sample, grade in matched
    )


def judged_answers(samples: Path, grades: Path) -> Iterator[JudgedAnswer]:
    """Of the tables that two steps wrote: what is measured of the completions, with their grades."""
    problem, index, outcome, other, extracted = read_columns(
        grades, ("problem_id", "sample_index", "outcome", "other_outcome", "extracted")
    )
    judged = dict(zip(zip(problem, index, strict=True), zip(outcome, other, extracted, strict=True), strict=True))
    problem, index, completion, reason = read_columns(
        samples, ("problem_id", "sample_index", "completion", "finish_reason")
    )
    reasons = {each.value: each for each in FinishReason}
    for name, number, text, ended in zip(problem, index, completion, reason, strict=True):
        found, by_other, answer = judged[name, number]
        yield JudgedAnswer(
            sample=AnswerRow(problem_id=name, completion=text, finish_reason=reasons[ended]),
            outcome=Outcome(found),
            other_outcome=None if by_other is None else Outcome(by_other),
            extracted=answer,
        )


def by_problem(samples: Iterable[Judged]) -> Mapping[str, list[Judged]]:
    """Samples by the problem that they answer, in order."""
    groups: dict[str, list[Judged]] = defaultdict(list)
    for judged in samples:
        groups[judged.sample.problem_id].append(judged)
    return groups


IDS = pa.list_(pa.int32())
"""Token ids."""

PROBLEM_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("choices", pa.list_(pa.string())),
        ("answers", pa.list_(pa.string())),
        ("tests", pa.list_(pa.string())),
        ("setup", pa.string()),
        ("entry_point", pa.string()),
        ("puzzle", pa.string()),
        ("level", pa.int64()),
        ("subject", pa.string()),
    ]
)
SAMPLE_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample_index", pa.int32()),
        ("completion", pa.string()),
        ("iteration", pa.int32()),
        ("role", pa.string()),
        ("finish_reason", pa.string()),
        ("seed", pa.string()),
        ("prompt_sha256", pa.string()),
        ("token_ids", IDS),
    ]
)
GRADE_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample_index", pa.int32()),
        ("iteration", pa.int32()),
        ("role", pa.string()),
        ("outcome", pa.string()),
        ("extracted", pa.string()),
        ("detail", pa.string()),
        ("other_outcome", pa.string()),
        ("other_extracted", pa.string()),
    ]
)
