"""The kit's own samples format: one row a completion, JSONL or Parquet."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import msgspec

from selfimp_bench.errors import InputError
from selfimp_bench.runs.generations.source import Generation, Number, Source, no_problems
from selfimp_bench.steps.dataset import iterate_rows
from selfimp_bench.tasks.fields import OWN_JSONL, OWN_PARQUET


@dataclass(frozen=True, kw_only=True)
class OwnSample:
    """A row of a samples file: the fields that are read; the format's others may be there.

    ``score`` is a verifier's of this completion, ``correct`` a judgement that is already made.
    """

    problem_id: str
    sample_index: Number
    completion: str
    iteration: Number | None = None
    role: str | None = None
    finish_reason: str | None = None
    score: float | None = None
    correct: bool | None = None


def own_source(path: Path, *, parquet: bool, judged: bool) -> Source:
    """A samples file. ``judged``: its rows have the field ``correct``."""
    return Source(
        path=path,
        format=OWN_PARQUET if parquet else OWN_JSONL,
        problems=no_problems,
        generations=lambda: _generations(path),
        judged_by="correct" if judged else None,
    )


def _generations(path: Path) -> Iterator[Generation]:
    for number, row in enumerate(iterate_rows(path), start=1):
        place = f"{path}:{number}"
        try:
            sample = msgspec.convert(row, OwnSample)
        except msgspec.ValidationError as error:
            raise InputError(f"{place}: {error}; a sample needs problem_id, sample_index and completion") from None
        if sample.score is not None and not isfinite(sample.score):
            raise InputError(f"{place}: the score {sample.score} is no finite number; expected one, or null")
        yield Generation(
            place=place,
            problem_id=sample.problem_id,
            sample_index=sample.sample_index,
            completion=sample.completion,
            iteration=sample.iteration,
            role=sample.role,
            finish_reason=sample.finish_reason,
            score=sample.score,
            correct=sample.correct,
        )
