"""Grading anybody's own generations: problems and samples files in, a grades file out, streamed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Grading
from selfimp_bench.problems import read_problems, read_rows
from selfimp_bench.stages.grade import grade
from selfimp_bench.stages.rows import GRADE_SCHEMA, GradeRow
from selfimp_bench.store import write_atomically
from selfimp_bench.tasks.problem import Problem


@dataclass(frozen=True, kw_only=True)
class OwnSample:
    """A row of a samples file: the fields that grading reads; the format's others may be there."""

    problem_id: str
    sample_index: int
    completion: str
    iteration: int | None = None
    role: str | None = None
    finish_reason: str | None = None


def grade_files(grading: Grading, *, problems: Path, samples: Sequence[Path], out: Path) -> Mapping[str, int]:
    """Grade samples files (JSONL or Parquet) into ``out`` (by suffix), and count the outcomes.

    Raises InputError naming file and row of what cannot be used; ``out`` is then not written.
    """
    if out.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"--out {out}: expected a name ending in .jsonl or .parquet")
    by_id = {problem.problem_id: problem for problem in read_problems(problems)}
    rows: list[GradeRow] = []
    for path in samples:
        rows.extend(_graded(path, grading, by_id))
    write_atomically(out, _encoded(rows, out.suffix))
    return dict(sorted(Counter(str(row.outcome) for row in rows).items()))


def _graded(path: Path, grading: Grading, problems: Mapping[str, Problem]) -> tuple[GradeRow, ...]:
    try:
        return grade(grading, problems, tuple(_samples(path)))
    except InputError as error:
        raise InputError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from None


def _samples(path: Path) -> Iterator[OwnSample]:
    seen: set[tuple[int | None, str | None, str, int]] = set()
    for number, row in enumerate(read_rows(path), start=1):
        try:
            sample = msgspec.convert(row, OwnSample)
        except msgspec.ValidationError as error:
            raise InputError(
                f"{path}:{number}: {error}; a sample needs problem_id, sample_index and completion"
            ) from None
        key = (sample.iteration, sample.role, sample.problem_id, sample.sample_index)
        if key in seen:
            raise InputError(
                f"{path}:{number}: sample {sample.sample_index} of problem {sample.problem_id!r} stands there twice "
                "(same iteration and role); number the samples of a problem 0, 1, 2 ..."
            )
        seen.add(key)
        yield sample


def _encoded(rows: Sequence[GradeRow], suffix: str) -> bytes:
    if suffix == ".jsonl":
        return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist([msgspec.to_builtins(row) for row in rows], schema=GRADE_SCHEMA)
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())
