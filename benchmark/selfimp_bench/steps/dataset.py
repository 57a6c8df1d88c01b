"""Problems files and data sets: reading them, and proving that they are the pinned ones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from selfimp_bench.canonical import digest
from selfimp_bench.engines.hub.fetched import pinned_dataset, prove_fetched, snapshot_folder
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import DatasetRef, Generator
from selfimp_bench.plain_json import plain_json, shortened
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.rows import PROBLEM_SCHEMA, PROBLEMS
from selfimp_bench.steps.spelled_out import bytes_at_least
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.tables import GENERATORS, PROBLEM_READERS

_ROWS_AT_ONCE: Final = 4096
LARGEST_TABLE: Final = 2**32
"""Bytes of a Parquet file's rows that are read, every text counted as often as it stands there."""
PARQUET: Final = b"PAR1"
"""What a Parquet file begins with, whatever it is called."""


@dataclass(frozen=True, kw_only=True)
class ProblemsBlock:
    """Load a data set and prove that it is the pinned one. ``task`` tells how rows of a hub are laid out."""

    dataset: DatasetRef
    task: str


def problems_digest(problems: Iterable[Problem]) -> str:
    """sha256 over the canonical JSON of the problems in order, fields that are None left out."""
    return digest([problem_row(problem) for problem in problems])


def read_problems(path: Path) -> tuple[Problem, ...]:
    """Problems from JSONL or Parquet (by suffix). Raises InputError with file and line for the first bad row."""
    rows = read_rows(path)
    problems = []
    for number, row in enumerate(rows, start=1):
        try:
            problems.append(msgspec.convert(row, Problem))
        except msgspec.ValidationError as error:
            raise InputError(f"{path}:{number}: {error}; a problem needs problem_id and question (strings)") from None
    _refuse_duplicates(path, problems)
    return tuple(problems)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL or Parquet file as plain data. Raises InputError naming file and line."""
    return list(iterate_rows(path))


def iterate_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL or Parquet file one by one, in bounded memory. Raises InputError naming file and line."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a .jsonl or .parquet file")
    with path.open("rb") as stream:
        parquet = path.suffix == ".parquet" or stream.read(len(PARQUET)) == PARQUET
    if not parquet:
        yield from _read_jsonl(path)
        return
    try:
        if (size := bytes_at_least(path, LARGEST_TABLE)) > LARGEST_TABLE:
            raise InputError(
                f"{path}: its rows are {size:,} bytes or more when they are read; at most {LARGEST_TABLE:,} are: give "
                "its rows in several files, and leave out columns that are not needed"
            )
        with pq.ParquetFile(path) as table:
            names = table.schema_arrow.names
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise InputError(f"{path}: the column {shortened(twice)!r} stands there twice; expected every one once")
            for batch in table.iter_batches(batch_size=_ROWS_AT_ONCE):
                yield from batch.to_pylist()
    except (OSError, ValueError, OverflowError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({error})") from None


def load_dataset(ref: DatasetRef, task: str, base: Path, hub: Path) -> tuple[Problem, ...]:
    """The problems of a data set, checked against ``rows`` and ``digest``.

    ``path`` is relative to ``base``; what `fetch` brought lies under ``hub``, its rows laid out as those of ``task``.
    Raises InputError when it is not there or its content is not the pinned one.
    """
    pinned = pinned_dataset(ref)
    if ref.generator is not None:
        problems = _generate(ref.generator)
    elif pinned is None:
        problems = read_problems(base / str(ref.path))
    else:
        folder = snapshot_folder(pinned, hub)
        problems = read_hub_files(ref, task, [folder / file.path for file in prove_fetched(pinned, hub).files])
    refuse_other_content(ref, problems)
    return problems


def read_hub_files(ref: DatasetRef, task: str, files: Sequence[Path]) -> tuple[Problem, ...]:
    """The problems in files of a hub data set, in the files' order. Raises InputError for rows that are none."""
    read, problems = PROBLEM_READERS[task], []
    name, part = ref.part_of_split()
    rows = enumerate(row for file in files for row in read_rows(file))
    for index, row in islice(rows, part.start, part.stop):
        try:
            problems.append(read(row, f"{name}-{index}"))
        except KeyError as error:
            raise InputError(
                f"data set {ref.id}: row {index} has no column {error}; it has {shortened(', '.join(row), 400)}; "
                f"expected the columns of task {task}: correct the data set or `grading.task` in the manifest"
            ) from None
    return tuple(problems)


def refuse_other_content(ref: DatasetRef, problems: Sequence[Problem]) -> None:
    """Raises InputError unless these are as many problems as the manifest pins, with the digest where it pins one."""
    found = problems_digest(problems)
    if len(problems) != ref.rows or ref.digest not in (found, None):
        raise InputError(
            f"data set {ref.id}: found {len(problems)} rows with digest {found}; the manifest pins {ref.rows} rows "
            f"with digest {ref.digest}; use the pinned data, or write a manifest for this data"
        )


def _generate(generator: Generator) -> tuple[Problem, ...]:
    return GENERATORS[generator.task](generator.split, count=generator.count, seed=generator.seed)


def _read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield _parse_line(path, number, line)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}); expected JSON Lines in UTF-8") from None


def _parse_line(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = plain_json(line)
    except ValueError as error:
        raise InputError(f"{path}:{number}: {error}; expected one JSON object a line") from None
    if not isinstance(row, dict):
        raise InputError(f"{path}:{number}: expected a JSON object, found {type(row).__name__}")
    return row


def _refuse_duplicates(path: Path, problems: list[Problem]) -> None:
    seen: dict[str, int] = {}
    for number, problem in enumerate(problems, start=1):
        if problem.problem_id in seen:
            first = seen[problem.problem_id]
            raise InputError(f"{path}:{number}: problem_id {problem.problem_id!r} stands in row {first} already")
        seen[problem.problem_id] = number


def problem_row(problem: Problem) -> Mapping[str, Any]:
    """A problem as a row of a problems file: the fields that it has."""
    return {key: value for key, value in msgspec.to_builtins(problem).items() if value is not None}


def _do(block: ProblemsBlock, work: Work) -> Counts:
    places = work.inputs.places
    problems = load_dataset(block.dataset, block.task, places.base, places.hub)
    work.folder.write_table(PROBLEMS, problems, PROBLEM_SCHEMA)
    return {"problems": len(problems)}


def _again(block: ProblemsBlock, work: Work, own: Path) -> Counts:
    """Problems that are not made by a program are those kept, if they are the pinned ones; what was not kept is read
    where it was fetched to."""
    if block.dataset.generator is not None or not (own / PROBLEMS).is_file():
        return _do(block, work)
    problems = read_problems(own / PROBLEMS)
    refuse_other_content(block.dataset, problems)
    work.folder.write_table(PROBLEMS, problems, PROBLEM_SCHEMA)
    return {"problems": len(problems)}


STAGE: Final = Stage(name="problems", block=ProblemsBlock, do=_do, again=_again)
