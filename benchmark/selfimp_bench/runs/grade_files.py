"""Grading anybody's own generations: problems and samples files in, a grades file out, streamed."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from selfimp_bench.canonical import digest, file_sha256
from selfimp_bench.durable import put_in_place
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Grading
from selfimp_bench.runs.generations.look import sources_at
from selfimp_bench.runs.generations.problem_files import checked, problems_of, read_problem_file
from selfimp_bench.runs.generations.source import Source
from selfimp_bench.steps.grade import STAGE, GradeBlock, grade
from selfimp_bench.steps.rows import GRADE_SCHEMA, GradeRow
from selfimp_bench.steps.versions import version_of
from selfimp_bench.tasks.grading.graders import Grader, with_stops
from selfimp_bench.tasks.grading.stops import USUAL_STOPS
from selfimp_bench.tasks.problem import Problem

_ROWS_AT_ONCE: Final = 4096


def grade_files(
    grading: Grading,
    *,
    problems: Path | None,
    samples: Sequence[Path],
    out: Path,
    told: Callable[[int], None],
    stops: str = USUAL_STOPS,
) -> Mapping[str, int]:
    """Grade samples (files or folders of any known format) into ``out`` (by suffix), and count the outcomes.

    problems: their file; None where the samples hold them.

    Samples are read, graded and written one after the other; ``told`` hears how many are done. What is done lies in
    ``.NAME.partial`` beside ``out``: the same call with the same files and the same grader goes on from there.
    ``stops`` names the rule by which a program ends in a completion (``code_run.py``).
    Raises InputError naming file and row of what cannot be used; ``out`` is then not written.
    """
    if out.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"--out {out}: expected a name ending in .jsonl or .parquet")
    by_id = None if problems is None else read_problem_file(problems)
    sources = [source for path in samples for source in sources_at(path)]
    by_id = problems_of(sources, None) if by_id is None else by_id
    read = [*([problems] if problems is not None else []), *(source.path for source in sources)]
    partial = out.with_name(f".{out.name}.partial")
    for path in read:
        if any(made.exists() and made.samefile(path) for made in (out, partial)):
            raise InputError(f"--out {out}: would write over the input {path}; expected a file of its own")
    version = version_of(STAGE, GradeBlock(grading=grading))
    inputs = digest([grading, stops, version, *map(file_sha256, read)])
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        done, last = _resume(partial, inputs)
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror}; expected a file in a folder that can be written to") from None
    counts = Counter(str(row.outcome) for row in _rows(partial))
    with partial.open("ab") as stream:
        for row in _graded(sources, grading, by_id, with_stops(stops), skip=done):
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
    sources: Sequence[Source],
    grading: Grading,
    problems: Mapping[str, Problem],
    graders: Mapping[str, Grader],
    *,
    skip: int,
) -> Iterator[GradeRow]:
    for source in sources:
        samples = checked(source, problems)
        skipped = sum(1 for _ in islice(samples, skip))
        skip -= skipped
        yield from grade(grading, problems, samples, graders)


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
