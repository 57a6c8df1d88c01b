"""Finding a file's format by looking at it, and what a folder holds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from selfimp_bench.errors import InputError
from selfimp_bench.plain_json import plain_json, shortened
from selfimp_bench.plural import plural
from selfimp_bench.runs.generations.batch import batch_source, is_batch
from selfimp_bench.runs.generations.inspect_log import eval_source, is_inspect, json_source
from selfimp_bench.runs.generations.lm_eval import is_lm_eval, lm_eval_source
from selfimp_bench.runs.generations.own_rows import own_source
from selfimp_bench.runs.generations.source import Source
from selfimp_bench.steps.dataset import PARQUET, iterate_rows
from selfimp_bench.tasks.fields import FORMATS

_SUFFIXES: Final = (".jsonl", ".json", ".parquet", ".eval", ".ndjson")
_ZIP: Final = b"PK"
EXPECTED: Final = f"expected one of: {'; '.join(FORMATS)}"


def sources_at(path: Path) -> tuple[Source, ...]:
    """The generations at a path: of a file one source, of a folder one for each file of generations in it.

    Raises InputError for what is no file of generations, and for a folder that holds none, or several evaluations.
    """
    if not path.is_dir():
        return (open_source(path),)
    files = sorted(each for each in path.rglob("*") if each.is_file() and each.suffix in _SUFFIXES)
    found = [source for each in files if (source := _tried(each)) is not None]
    if not found:
        raise InputError(f"{path}: no file of generations among its {plural(len(files), 'file')}; {EXPECTED}")
    evaluations = sorted({each.evaluation for each in found if each.evaluation is not None})
    if len(evaluations) > 1:
        raise InputError(
            f"{path}: samples of {len(evaluations)} evaluations ({', '.join(evaluations)}); give the files of one"
        )
    return tuple(found)


def _tried(path: Path) -> Source | None:
    """A file in a folder, where others may lie beside the samples: problems, results, requests."""
    try:
        return open_source(path)
    except _Other:
        return None


class _Other(InputError):
    """A file that can be read and holds no generations."""


def open_source(path: Path) -> Source:
    """The file's generations, its format found by its content. Raises InputError where it is none of ``FORMATS``."""
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; {EXPECTED}")
    with path.open("rb") as stream:
        magic = stream.read(4)
    if magic == PARQUET:
        return _by_row(path, next(iterate_rows(path), None), parquet=True)
    if magic.startswith(_ZIP):
        return eval_source(path)
    if not magic:
        raise InputError(f"{path}: no sample in it, the file is empty; {EXPECTED}")
    document = _whole_document(path)
    if document is not None:
        if is_inspect(document):
            return json_source(path, document)
        if isinstance(document, list):
            raise InputError(f"{path}: one list in JSON; expected one JSON object a line, or another of {FORMATS}")
        if path.suffix == ".json":
            raise _Other(f"{path}: a JSON document with {_keys(document)}; {EXPECTED}")
    return _by_row(path, next(iterate_rows(path), None), parquet=False)


def _whole_document(path: Path) -> Any:
    """The file as one JSON document; None of JSON Lines, and of what is no JSON."""
    with path.open("rb") as stream:
        if _is_json(stream.readline()) and stream.read(1):
            return None
    try:
        return plain_json(path.read_bytes(), without_numbers=True)
    except ValueError:
        return None


def _is_json(line: bytes) -> bool:
    try:
        plain_json(line)
    except ValueError:
        return False
    return True


def _by_row(path: Path, row: Mapping[str, Any] | None, *, parquet: bool) -> Source:
    if row is None:
        raise InputError(f"{path}: no sample in it; expected one or more rows")
    if is_lm_eval(row):
        return lm_eval_source(path, row)
    if is_batch(row):
        return batch_source(path)
    if "completion" in row:
        return own_source(path, parquet=parquet, judged=isinstance(row.get("correct"), bool))
    if "custom_id" in row and "body" in row:
        raise _Other(f"{path}:1: a request of a batch, and no output of it; give the file of outputs")
    raise _Other(f"{path}:1: a row with {_keys(row)}; {EXPECTED}")


def _keys(row: Mapping[str, Any]) -> str:
    return shortened(", ".join(map(str, row)) or "nothing", 200)


def formats_of(sources: Sequence[Source]) -> str:
    """The formats of these, in words, each once."""
    return " and ".join(dict.fromkeys(each.format for each in sources))
