"""Samples files of lm-evaluation-harness (``--log_samples``): one row a document and filter.

Every filter's row has the same ``resps``, the raw completions; only those are read, of the first filter's rows.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from selfimp_bench.canonical import digest
from selfimp_bench.errors import InputError
from selfimp_bench.plural import plural
from selfimp_bench.runs.generations.source import Generation, Source, shown
from selfimp_bench.steps.dataset import iterate_rows
from selfimp_bench.tasks.fields import LM_EVAL
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.recognise import problem_of_row

_OF_EVERY_ROW = frozenset({"exact_match", "acc", "pass_at_1", "pass@1", "math_verify", "acc_norm", "em"})


def is_lm_eval(row: Mapping[str, Any]) -> bool:
    """Whether a row of JSON Lines is one of these."""
    return "doc" in row and "resps" in row


def lm_eval_source(path: Path, first: Mapping[str, Any]) -> Source:
    """The file, of which ``first`` is the first row; its name, ``samples_NAME_DATE.jsonl``, names the evaluation."""
    metric = next((name for name in _metrics(first) if name in first), None)
    return Source(
        path=path,
        format=LM_EVAL,
        problems=lambda: _problems(path),
        generations=lambda: _generations(path, metric),
        evaluation=evaluation_of(path),
        judged_by=metric,
    )


def evaluation_of(path: Path) -> str | None:
    """``gsm8k`` of ``samples_gsm8k_2026-01-01T00-00-00.000000.jsonl``; None of a file that is called otherwise."""
    stem = path.name.removesuffix(".jsonl")
    if not stem.startswith("samples_"):
        return None
    name, _, date = stem.removeprefix("samples_").rpartition("_")
    return name if name and date[:4].isdigit() else stem.removeprefix("samples_")


def _metrics(row: Mapping[str, Any]) -> list[str]:
    named = row.get("metrics")
    names = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
    return [*names, *sorted(_OF_EVERY_ROW)]


def _rows(path: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Place, document and row, of the first filter alone; the other filters' rows must say the same."""
    chosen: object = None
    seen: set[tuple[str, str]] = set()
    said: dict[str, str] = {}
    for number, row in enumerate(iterate_rows(path), start=1):
        place = f"{path}:{number}"
        if not is_lm_eval(row):
            raise InputError(f"{place}: no doc and resps, as the rows before; expected {LM_EVAL} throughout")
        document, filtered = row.get("doc_id"), row.get("filter")
        if isinstance(document, bool) or not isinstance(document, int | str):
            raise InputError(f"{place}: doc_id is {shown(document)}; expected a number")
        if number == 1:
            chosen = filtered
        key = (str(document), str(filtered))
        if key in seen:
            raise InputError(
                f"{place}: document {shown(document)} of filter {shown(filtered)} stands there twice; expected the "
                "samples of one evaluation"
            )
        seen.add(key)
        content = digest([row["doc"], row["resps"]])
        if said.setdefault(key[0], content) != content:
            raise InputError(
                f"{place}: document {shown(document)} has another doc or other resps than in another filter's row; "
                "expected the samples of one evaluation"
            )
        if filtered == chosen:
            yield place, str(document), row
    if lost := [document for document in said if (document, str(chosen)) not in seen]:
        raise InputError(
            f"{path}: no row of filter {shown(chosen)} for {len(lost)} of {plural(len(said), 'document')}, the first "
            f"{shown(lost[0])}; expected every document of every filter"
        )


def _problems(path: Path) -> Mapping[str, Problem]:
    found: dict[str, Problem] = {}
    for place, document, row in _rows(path):
        problem = _problem(place, document, row)
        if problem.problem_id in found:
            raise InputError(
                f"{place}: a second document has the id {shown(problem.problem_id)}; expected ids of their own"
            )
        found[problem.problem_id] = problem
    return found


def _problem(place: str, document: str, row: Mapping[str, Any]) -> Problem:
    doc = row["doc"]
    if not isinstance(doc, dict):
        raise InputError(f"{place}: doc is {type(doc).__name__}; expected an object")
    try:
        return problem_of_row(doc, document)
    except InputError as error:
        raise InputError(f"{place}: doc: {error}") from None


def _generations(path: Path, metric: str | None) -> Iterator[Generation]:
    for place, document, row in _rows(path):
        problem_id = _own_id(row["doc"], document)
        texts = _texts(place, row["resps"])
        judged = row.get(metric) if metric is not None else None
        correct = bool(judged) if judged in (0, 1) and len(texts) == 1 else None
        for index, completion in enumerate(texts):
            yield Generation(
                place=place, problem_id=problem_id, sample_index=index, completion=completion, correct=correct
            )


def _own_id(doc: object, document: str) -> str:
    """The id that ``problem_of_row`` gives, also of a document that is no problem known here."""
    try:
        return problem_of_row(doc, document).problem_id if isinstance(doc, dict) else document
    except InputError:
        return document


def _texts(place: str, resps: object) -> list[str]:
    """The completions of a row: ``[[first, second, ...]]``, of one request."""
    if isinstance(resps, list) and len(resps) == 1 and isinstance(resps[0], list):
        if resps[0] and all(isinstance(text, str) for text in resps[0]):
            return list(resps[0])
        raise InputError(
            f"{place}: resps holds no completion; expected a list of texts: the samples of a generating task"
        )
    raise InputError(
        f"{place}: resps holds {len(resps) if isinstance(resps, list) else type(resps).__name__} answers of scored "
        "choices, and no completion; expected a task with `output_type: generate_until`"
    )
