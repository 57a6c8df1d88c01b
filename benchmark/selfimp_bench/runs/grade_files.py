"""Grading anybody's own generations: problems and samples files in, a grades file out, streamed."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Annotated, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Meta

from selfimp_bench.canonical import digest, file_sha256
from selfimp_bench.durable import put_in_place
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Grading
from selfimp_bench.steps.dataset import iterate_rows, read_problems
from selfimp_bench.steps.grade import STAGE, GradeBlock, grade
from selfimp_bench.steps.rows import GRADE_SCHEMA, GradeRow
from selfimp_bench.steps.versions import version_of
from selfimp_bench.tasks.grading.graders import Grader, with_stops
from selfimp_bench.tasks.grading.stops import USUAL_STOPS
from selfimp_bench.tasks.problem import Problem

_ROWS_AT_ONCE: Final = 4096


Number = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""What the 32 bits of a column hold."""


@dataclass(frozen=True, kw_only=True)
class OwnSample:
    """A row of a samples file: the fields that grading reads; the format's others may be there."""

    problem_id: str
    sample_index: Number
    completion: str
    iteration: Number | None = None
    role: str | None = None
    finish_reason: str | None = None


def grade_files(
    grading: Grading,
    *,
    problems: Path,
    samples: Sequence[Path],
    out: Path,
    told: Callable[[int], None],
    stops: str = USUAL_STOPS,
) -> Mapping[str, int]:
    """Grade samples files (JSONL or Parquet) into ``out`` (by suffix), and count the outcomes.

    Samples are read, graded and written one after the other; ``told`` hears how many are done. What is done lies in
    ``.NAME.partial`` beside ``out``: the same call with the same files and the same grader goes on from there.
    ``stops`` names the rule by which a program ends in a completion (``code_run.py``).
    Raises InputError naming file and row of what cannot be used; ``out`` is then not written.
    """
    if out.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"--out {out}: expected a name ending in .jsonl or .parquet")
    by_id = {problem.problem_id: problem for problem in read_problems(problems)}
    missing = [path for path in samples if not path.is_file()]
    if missing:
        raise InputError(f"{missing[0]}: no such file; expected a .jsonl or .parquet file")
    partial = out.with_name(f".{out.name}.partial")
    for path in (problems, *samples):
        if any(made.exists() and made.samefile(path) for made in (out, partial)):
            raise InputError(f"--out {out}: would write over the input {path}; expected a file of its own")
    version = version_of(STAGE, GradeBlock(grading=grading))
    inputs = digest([grading, stops, version, *(file_sha256(path) for path in (problems, *samples))])
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        done, last = _resume(partial, inputs)
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror}; expected a file in a folder that can be written to") from None
    counts = Counter(str(row.outcome) for row in _rows(partial))
    with partial.open("ab") as stream:
        for row in _graded(samples, grading, by_id, with_stops(stops), skip=done):
            line = msgspec.json.encode(row) + b"\n"
            last = _link(last, line)
            stream.write(last + b" " + line)
            counts[str(row.outcome)] += 1
            told(counts.total())
    if not counts:
        partial.unlink()
        raise InputError(f"{', '.join(map(str, samples))}: no sample in it; expected one or more rows")
    _finish(partial, out)
    return dict(sorted(counts.items()))


def _resume(partial: Path, inputs: str) -> tuple[int, bytes]:
    """How many samples are done, and the digest of the last.

    A file of other inputs is begun anew; from the first line that is not as it was written all is cut off. Every line
    begins with a digest of the digest before it and of its row; the one before the first is that of the inputs.
    """
    header = msgspec.json.encode({"inputs": inputs}) + b"\n"
    last = _link(b"", header)
    try:
        with partial.open("r+b") as stream:
            if stream.readline() == header:
                end, done = stream.tell(), 0
                for line in stream:
                    link, _, row = line.partition(b" ")
                    if not line.endswith(b"\n") or link != _link(last, row):
                        break
                    end, done, last = end + len(line), done + 1, link
                stream.truncate(end)
                return done, last
    except FileNotFoundError:
        pass
    partial.write_bytes(header)
    return 0, last


def _link(last: bytes, row: bytes) -> bytes:
    return sha256(last + row).hexdigest()[:32].encode()


def _lines(partial: Path) -> Iterator[bytes]:
    """The rows of a partial file, each with the end of its line."""
    with partial.open("rb") as stream:
        stream.readline()
        for line in stream:
            yield line.partition(b" ")[2]


def _rows(partial: Path) -> Iterator[GradeRow]:
    return (msgspec.json.decode(line, type=GradeRow) for line in _lines(partial))


def _graded(
    paths: Sequence[Path],
    grading: Grading,
    problems: Mapping[str, Problem],
    graders: Mapping[str, Grader],
    *,
    skip: int,
) -> Iterator[GradeRow]:
    for path in paths:
        samples = _samples(path, problems)
        skipped = sum(1 for _ in islice(samples, skip))
        skip -= skipped
        yield from grade(grading, problems, samples, graders)


def _samples(path: Path, problems: Mapping[str, Problem]) -> Iterator[OwnSample]:
    seen: set[tuple[int | None, str | None, str, int]] = set()
    for number, row in enumerate(iterate_rows(path), start=1):
        try:
            sample = msgspec.convert(row, OwnSample)
        except msgspec.ValidationError as error:
            raise InputError(
                f"{path}:{number}: {error}; a sample needs problem_id, sample_index and completion"
            ) from None
        if sample.problem_id not in problems:
            raise InputError(
                f"{path}:{number}: problem {sample.problem_id!r}, which is not among the {len(problems)} problems; "
                "give the problems file the samples were made from"
            )
        key = (sample.iteration, sample.role, sample.problem_id, sample.sample_index)
        if key in seen:
            raise InputError(
                f"{path}:{number}: sample {sample.sample_index} of problem {sample.problem_id!r} stands there twice "
                "(same iteration and role); number the samples of a problem 0, 1, 2 ..."
            )
        seen.add(key)
        yield sample


def _finish(partial: Path, out: Path) -> None:
    """Make ``out`` of a finished partial file, whole or not at all."""
    made = out.with_name(f".{out.name}.made")
    if out.suffix == ".jsonl":
        with made.open("wb") as target:
            target.writelines(_lines(partial))
    else:
        with pq.ParquetWriter(made, GRADE_SCHEMA, compression="zstd") as writer:
            rows = _rows(partial)
            while batch := [msgspec.to_builtins(row) for row in islice(rows, _ROWS_AT_ONCE)]:
                writer.write_table(pa.Table.from_pylist(batch, schema=GRADE_SCHEMA))
    put_in_place(made, out)
    partial.unlink()
