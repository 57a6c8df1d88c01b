"""Logs of inspect_ai, ``.eval`` (a zip of JSON files) and ``.json``, read without inspect_ai.

A number that there is not stands in them as NaN (a score of a sample that was not scored, an error of one sample).
"""

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from selfimp_bench.errors import InputError
from selfimp_bench.plain_json import plain_json, shortened
from selfimp_bench.plural import plural
from selfimp_bench.runs.generations.source import Generation, Source, shown
from selfimp_bench.tasks.fields import INSPECT
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.recognise import problem_of_row, problem_of_target, task_of_name

_LARGEST: Final = 2**24
"""Bytes of one file in a log that are read: as plain data it may take thirty times as many, and takes seconds."""
_ZSTANDARD: Final = 93
"""A zip's number of the compression that Python 3.11 does not know."""

_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, _ZSTANDARD)
_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)
"""What reading a damaged zip raises."""

_Placed = Iterator[tuple[str, Mapping[str, Any]]]


def is_inspect(document: object) -> bool:
    """Whether a JSON document is a log."""
    return isinstance(document, dict) and "eval" in document and "version" in document


def json_source(path: Path, log: Mapping[str, Any]) -> Source:
    """A log in JSON, already read."""
    samples = log.get("samples")
    if not isinstance(samples, list) or not samples:
        raise InputError(f"{path}: the log has no samples; expected those of a finished evaluation")
    _refuse_fewer(path, log, len(samples))

    for number, sample in enumerate(samples, start=1):
        if not isinstance(sample, dict):
            raise InputError(f"{path}, sample {number}: expected a JSON object, found {type(sample).__name__}")

    def every() -> _Placed:
        for number, sample in enumerate(samples, start=1):
            yield f"{path}, sample {number}", sample

    return _source(path, log["eval"], every)


def eval_source(path: Path) -> Source:
    """A log in a zip."""
    try:
        with zipfile.ZipFile(path) as log:
            names = sorted(
                (name for name in log.namelist() if name.startswith("samples/") and name.endswith(".json")),
                key=_by_epoch,
            )
            if "header.json" not in log.namelist() or not names:
                raise InputError(f"{path}: a zip without header.json and samples/; expected a finished {INSPECT}")
            if len(set(names)) < len(names) or log.namelist().count("header.json") > 1:
                raise InputError(f"{path}: a file stands in the zip twice; expected every sample and the header once")
            if sum(each.compress_size for each in log.infolist()) > path.stat().st_size:
                raise InputError(f"{path}: its files are larger than the zip that holds them; copy it anew")
            header = _member(path, log, "header.json")
    except _DAMAGED as error:
        raise InputError(f"{path}: cannot be read as a zip ({error}); expected an {INSPECT}") from None
    _refuse_fewer(path, header, len(names))

    def every() -> _Placed:
        with zipfile.ZipFile(path) as log:
            for name in names:
                yield f"{path}, {name}", _member(path, log, name)

    return _source(path, header.get("eval"), every)


def _by_epoch(name: str) -> tuple[int, str]:
    """``samples/ID_epoch_12.json`` comes after the ninth epoch."""
    found = re.search(r"_epoch_(\d{1,9})\.json$", name)
    return int(found[1]) if found else 0, name


def _refuse_fewer(path: Path, header: Mapping[str, Any], there: int) -> None:
    """Of a log that says how many samples were completed, and holds fewer."""
    results = header.get("results")
    completed = results.get("completed_samples") if isinstance(results, dict) else None
    if isinstance(completed, int) and there < completed:
        raise InputError(
            f"{path}: {plural(there, 'sample')}, and the log says that {completed} were completed; copy the log anew"
        )


def _member(path: Path, log: zipfile.ZipFile, name: str) -> Mapping[str, Any]:
    entry = log.getinfo(name)
    if entry.file_size > _LARGEST:
        raise InputError(f"{path}, {name}: {entry.file_size} bytes; at most {_LARGEST} are read")
    try:
        found = plain_json(_unpacked(path, log, entry), without_numbers=True)
    except _DAMAGED as error:
        raise InputError(f"{path}, {name}: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}, {name}: expected a JSON object, found {type(found).__name__}")
    return found


def _unpacked(path: Path, log: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """A file of the log: never more bytes than the zip says, and those that its checksum is of. Else ValueError."""
    if entry.compress_type not in _METHODS:
        raise ValueError(f"compression {entry.compress_type}; expected none, deflate or zstandard")
    if entry.compress_type == _ZSTANDARD:
        found = _zstandard(path, entry)
    else:
        with log.open(entry) as stream:
            found = stream.read(entry.file_size + 1)
    if len(found) != entry.file_size or zlib.crc32(found) != entry.CRC:
        raise ValueError("damaged: not the bytes that were packed; copy the log anew")
    return found


def _zstandard(path: Path, entry: zipfile.ZipInfo) -> bytes:
    with path.open("rb") as stream:
        stream.seek(entry.header_offset + 26)
        lengths = stream.read(4)
        stream.seek(int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little"), 1)
        packed = stream.read(entry.compress_size)
    with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as unpacked:
        return bytes(unpacked.read(entry.file_size + 1))


def _source(path: Path, evaluation: object, every: Callable[[], _Placed]) -> Source:
    name = evaluation.get("task") if isinstance(evaluation, dict) else None
    name = name if isinstance(name, str) else None
    _, first = next(every())
    scores = first.get("scores")
    scorer = next(iter(scores), None) if isinstance(scores, dict) else None
    return Source(
        path=path,
        format=INSPECT,
        problems=lambda: _problems(every, name),
        generations=lambda: _generations(every, scorer),
        failed=lambda: [f"{place}: {_error(sample)}" for place, sample in every() if not _choices(sample)],
        evaluation=name,
        judged_by=scorer,
    )


def _problems(every: Callable[[], _Placed], evaluation: str | None) -> Mapping[str, Problem]:
    """From a sample's metadata where that is a row of a data set, else from its input and target."""
    found: dict[str, Problem] = {}
    for place, sample in every():
        name = _id(place, sample)
        if name not in found:
            problem = _problem(sample, name, evaluation)
            if problem is not None:
                found[name] = problem
    return found


def _problem(sample: Mapping[str, Any], name: str, evaluation: str | None) -> Problem | None:
    metadata = sample.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    try:
        return problem_of_row({**metadata, "problem_id": name}, name)
    except InputError:
        pass
    task = None if evaluation is None else task_of_name(evaluation)
    question, target = _text(sample.get("input")), sample.get("target")
    if task is None or question is None or not isinstance(target, str):
        return None
    return problem_of_target(task, name, question, target, metadata.get("level"))


def _id(place: str, sample: Mapping[str, Any]) -> str:
    name = sample.get("id") if isinstance(sample, dict) else None
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise InputError(f"{place}: its id is {shown(name)}; expected a text or a number")
    return str(name)


def _generations(every: Callable[[], _Placed], scorer: str | None) -> Iterator[Generation]:
    """All choices of an epoch, then those of the next; an epoch that failed keeps its number."""
    seen: set[tuple[str, int]] = set()
    drawn: dict[str, int] = {}
    for place, sample in every():
        name, choices, epoch = _id(place, sample), _choices(sample), sample.get("epoch", 1)
        if isinstance(epoch, bool) or not isinstance(epoch, int) or not 1 <= epoch < 2**31:
            raise InputError(f"{place}: its epoch is {shown(epoch)}; expected a number from 1 to {2**31 - 1}")
        if (name, epoch) in seen:
            raise InputError(f"{place}: epoch {epoch} of sample {shown(name)} stands there twice; expected it once")
        seen.add((name, epoch))
        first = drawn.get(name, 0)
        drawn[name] = first + max(1, len(choices))
        for index, choice in enumerate(choices, start=first):
            message = choice.get("message") if isinstance(choice, dict) else None
            text = _text(message.get("content")) if isinstance(message, dict) else None
            if text is None:
                raise InputError(f"{place}: its output has no message with a text")
            yield Generation(
                place=place,
                problem_id=name,
                sample_index=index,
                completion=text,
                finish_reason="length" if choice.get("stop_reason") in ("max_tokens", "model_length") else "stop",
                correct=_correct(sample, scorer) if len(choices) == 1 else None,
            )


def _choices(sample: Mapping[str, Any]) -> list[Any]:
    """What the model gave; empty of a sample that ended in an error."""
    output = sample.get("output")
    found = output.get("choices") if isinstance(output, dict) and sample.get("error") is None else None
    return found if isinstance(found, list) else []


def _error(sample: Mapping[str, Any]) -> str:
    error = sample.get("error")
    message = error.get("message") if isinstance(error, dict) else None
    return shortened(message, 200) if isinstance(message, str) else "no output"


def _text(content: object) -> str | None:
    """A message's text, which may be in parts; of an input that is a conversation, its last message's."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    if content and isinstance(content[-1], dict) and "role" in content[-1]:
        return _text(content[-1].get("content"))
    parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
    return "".join(part for part in parts if isinstance(part, str))


def _correct(sample: Mapping[str, Any], scorer: str | None) -> bool | None:
    scores = sample.get("scores")
    score = scores.get(scorer) if isinstance(scores, dict) else None
    value = score.get("value") if isinstance(score, dict) else None
    if value in ("C", "I", "N"):  # correct, incorrect, no answer
        return str(value) == "C"
    return bool(value) if isinstance(value, int | float) and value in (0, 1) else None
