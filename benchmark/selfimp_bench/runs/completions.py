"""What models wrote in a run, problem by problem, with its grades: from the run folder and the store of its home."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Split
from selfimp_bench.plural import plural
from selfimp_bench.protocols.verification.score import SCORES, ScoreBlock
from selfimp_bench.protocols.verification.tournament import MATCHES, TournamentBlock
from selfimp_bench.protocols.verification.verify import JUDGEMENTS
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.verifying.plans import plan_of
from selfimp_bench.steps.columns import grouped, labels
from selfimp_bench.steps.grade import GradeBlock
from selfimp_bench.steps.plan import Plan, Step
from selfimp_bench.steps.rows import GRADES, PROBLEMS, SAMPLES, Role, table_rows
from selfimp_bench.steps.store import StepRecord, Store
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome
from selfimp_bench.tasks.problem import Problem

_AT_ONCE: Final = 256
"""Rows of a table that are read together: a few take as long as one."""
_PLACE: Final = re.compile(r"(?P<model>[^/]*)/(?:seed(?P<seed>\d+)/)?(?:t\d+/)?(?:temp(?P<temperature>[^/]+)/)?")


@dataclass(frozen=True, kw_only=True)
class Column:
    """Completions of one kind and iteration: of a model, seed and setting (a temperature) in a role, of a split.

    What there is only one of may be empty.
    """

    model: str
    seed: str
    setting: str
    role: str
    split: str
    iteration: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """One completion or judgement. label: its number among those of its column. outcome: in words, as stored.

    answer: what was read of it; note: what else is to be said of it; both may be empty.
    """

    label: str
    text: str
    outcome: str
    answer: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A problem, and what was said of it; a column without any is left out."""

    split: str
    problem: Problem
    said: Mapping[Column, Sequence[Said]]


@dataclass(frozen=True, kw_only=True)
class Completions:
    """All that models wrote: ``count`` completions and judgements, about ``size`` bytes of text.

    columns: in the order of the plan, iterations of one kind together. problems: reads them one by one, split by split.
    """

    columns: tuple[Column, ...]
    count: int
    size: int
    problems: Callable[[], Iterator[Asked]]


ROLES: Final[Mapping[Role, str]] = {
    Role.GREEDY: "greedy answer",
    Role.SAMPLE: "test sample",
    Role.OOD: "out of distribution",
    Role.TRAIN: "training sample",
}
"""Roles of completions in words."""


def is_wrong(outcome: str) -> bool:
    """Whether an outcome counts as a wrong answer; not one of a judgement, or one that says nothing of it."""
    return outcome in {str(each) for each in Outcome} - {str(each) for each in (Outcome.CORRECT, *UNJUDGED)}


def completions_of(folder: Path) -> Completions:
    """The completions of an experiment's run folder, which lies in its home.

    Raises InputError where the steps are not there, or were changed since.
    """
    plan, store = plan_of(folder), Store(folder.resolve().parent.parent.parent / "store")
    records: dict[str, StepRecord] = {}
    for row in read_record(folder).steps:
        found = store.find(row.fingerprint)
        if found is None:
            raise InputError(f"{store.folder(row.fingerprint)}: not found; what models wrote lies in the home of a run")
        records[row.id] = found
    if lacking := [step.id for step in plan.steps if step.id not in records]:
        raise InputError(f"{folder}: its record lacks {plural(len(lacking), 'step')} of its plan, {lacking[0]} first")
    files = _Files(store=store, records=records)
    sources = sorted(_sources(plan, files), key=_order(plan))
    return Completions(
        columns=tuple(dict.fromkeys(source.column for source in sources)),
        count=sum(source.rows for source in sources),
        size=sum(source.size for source in sources),
        problems=lambda: _problems(sources, files),
    )


@dataclass(frozen=True, kw_only=True)
class _Files:
    store: Store
    records: Mapping[str, StepRecord]

    def path(self, step: str, name: str) -> Path:
        """A table that a step wrote, whose content is proved."""
        return self.store.proved(self.records[step], name)

    @contextmanager
    def look(self, step: str, name: str) -> Iterator[pq.ParquetFile]:
        """A table whose content is not proved. Raises InputError where it cannot be read."""
        path = self.store.folder(self.records[step].fingerprint) / name
        try:
            with pq.ParquetFile(path) as file:
                yield file
        except (OSError, pa.ArrowException) as error:
            again = f"delete {path.parent} to have the step done again"
            raise InputError(f"{path}: was changed since its step finished ({error}); {again}") from None

    def weight(self, step: str, name: str, column: str) -> tuple[int, int]:
        """Rows of a table, and about how many bytes a column of it has."""
        with self.look(step, name) as file:
            found = file.metadata
        groups = [found.row_group(number) for number in range(found.num_row_groups)]
        columns = [group.column(place) for group in groups for place in range(group.num_columns)]
        return found.num_rows, sum(
            each.total_uncompressed_size for each in columns if each.path_in_schema.partition(".")[0] == column
        )


Reader = Callable[[str], list[Said]]


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A table of one column: the step whose problems it is of, and what opens it to be read by problem id."""

    column: Column
    problems: str
    rows: int
    size: int
    open: Callable[[], Reader]


class _Rows:
    """The rows of a table by problem: its texts stay in Arrow's memory until those of some problems are asked for."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        with pq.ParquetFile(path) as file:
            table = file.read(columns=["problem_id", *columns])
        problems = grouped(*labels(table["problem_id"]))
        together = bool((np.diff(problems.order) == 1).all())
        self._table = table if together else table.take(pa.array(problems.order))
        ends = problems.ends.tolist()
        self._places = dict(zip(problems.names, pairwise([0, *ends]), strict=True))
        self._first, self._read = 0, list[dict[str, Any]]()

    def of(self, problem_id: str) -> list[dict[str, Any]]:
        """A problem's rows, in order; those of the problems after it are read with them."""
        start, end = self._places.get(problem_id, (0, 0))
        if not self._first <= start <= end <= self._first + len(self._read):
            self._first, self._read = start, self._table.slice(start, max(end - start, _AT_ONCE)).to_pylist()
        return self._read[start - self._first : end - self._first]


def _sources(plan: Plan, files: _Files) -> Iterator[_Source]:
    steps, graded = plan.by_id(), {}
    for step in plan.steps:
        if isinstance(step.block, GradeBlock):
            graded[step.inputs["samples"]] = step
            yield from _sampled(step, files)
    for step in plan.steps:
        if isinstance(step.block, ScoreBlock):
            judging = steps[step.inputs["judgements"]]
            yield from _judged(step, judging, graded[judging.inputs["samples"]], files)
        elif isinstance(step.block, TournamentBlock):
            yield from _played(step, graded[step.inputs["samples"]], files)


def _column(samples: str, problems: str, files: _Files, judge: str = "") -> Column | None:
    """The column of a table of samples, or of what ``judge`` says of them; None where it is empty."""
    with files.look(samples, SAMPLES) as file:
        first = next(file.iter_batches(batch_size=1, columns=["iteration", "role"]), None)
    if first is None or not first.num_rows:
        return None
    ((iteration, role),) = zip(*(each.to_pylist() for each in first.columns), strict=True)
    place = _PLACE.match(samples)
    temperature = place and place["temperature"]
    return Column(
        model=place["model"] if place else samples,
        seed=(place["seed"] if place else None) or "",
        setting=f"temperature {temperature}" if temperature else "",
        role=f"judged by {judge}" if judge else ROLES.get(role, role),
        split=problems.rpartition("/")[2],
        iteration=iteration,
    )


def _sampled(grade: Step, files: _Files) -> Iterator[_Source]:
    """Completions, with their grades."""
    samples, problems = grade.inputs["samples"], grade.inputs["problems"]
    column = _column(samples, problems, files)
    if column is None:
        return
    assert isinstance(grade.block, GradeBlock)
    other = "flexible" if grade.block.grading.extraction == "strict" else "strict"

    def opened() -> Reader:
        texts = _Rows(files.path(samples, SAMPLES), ("sample_index", "completion", "finish_reason"))
        grades = _Rows(
            files.path(grade.id, GRADES), ("sample_index", "outcome", "extracted", "detail", "other_outcome")
        )

        def said(problem_id: str) -> list[Said]:
            judged = {row["sample_index"]: row for row in grades.of(problem_id)}
            return [_completion(row, judged[row["sample_index"]], other) for row in texts.of(problem_id)]

        return said

    rows, size = files.weight(samples, SAMPLES, "completion")
    yield _Source(column=column, problems=problems, rows=rows, size=size, open=opened)


def _completion(row: Mapping[str, Any], grade: Mapping[str, Any], other: str) -> Said:
    notes = [grade["detail"] or ""]
    if row["finish_reason"] == "length" and grade["outcome"] != Outcome.TRUNCATED:
        notes.append("cut at the token limit")
    if grade["other_outcome"] not in (None, grade["outcome"]):
        notes.append(f"{grade['other_outcome']} by the {other} rule")
    return Said(
        label=str(row["sample_index"]),
        text=row["completion"],
        outcome=grade["outcome"],
        answer=grade["extracted"] or "",
        note="; ".join(filter(None, notes)),
    )


def _outcomes(grade: Step, files: _Files) -> Callable[[str], dict[int, str]]:
    """Of a problem: the outcome of every sample."""
    grades = _Rows(files.path(grade.id, GRADES), ("sample_index", "outcome"))
    return lambda problem_id: {row["sample_index"]: row["outcome"] for row in grades.of(problem_id)}


def _judge(step: Step, kind: str) -> str:
    """A judge's name, of a step called KIND.NAME.ROLE."""
    return step.id.rpartition("/")[2].removeprefix(f"{kind}.").rpartition(".")[0]


def _judged(score: Step, judging: Step, grade: Step, files: _Files) -> Iterator[_Source]:
    """Judgements of single responses, with the scores that were read of them."""
    problems = judging.inputs["problems"]
    column = _column(judging.inputs["samples"], problems, files, _judge(judging, "verify"))
    if column is None:
        return

    def opened() -> Reader:
        texts = _Rows(files.path(judging.id, JUDGEMENTS), ("sample_index", "repeat", "text"))
        scores = _Rows(files.path(score.id, SCORES), ("sample_index", "repeat", "outcome", "score"))
        outcomes = _outcomes(grade, files)

        def said(problem_id: str) -> list[Said]:
            read = {(row["sample_index"], row["repeat"]): row for row in scores.of(problem_id)}
            responses = outcomes(problem_id)
            return [
                Said(
                    label=f"{row['sample_index']}" + (f", again {row['repeat']}" if row["repeat"] else ""),
                    text=row["text"] or "",
                    outcome=found["outcome"],
                    answer="" if found["score"] is None else f"score {found['score']:.4g}",
                    note=f"of a response that is: {responses[row['sample_index']]}",
                )
                for row in texts.of(problem_id)
                for found in [read[row["sample_index"], row["repeat"]]]
            ]

        return said

    rows, size = files.weight(judging.id, JUDGEMENTS, "text")
    yield _Source(column=column, problems=problems, rows=rows, size=size, open=opened)


def _played(step: Step, grade: Step, files: _Files) -> Iterator[_Source]:
    """Matches of a tournament."""
    problems = step.inputs["problems"]
    column = _column(step.inputs["samples"], problems, files, _judge(step, "tournament"))
    if column is None:
        return

    def opened() -> Reader:
        matches = _Rows(files.path(step.id, MATCHES), ("round", "a", "b", "outcome", "winner", "text"))
        outcomes = _outcomes(grade, files)

        def said(problem_id: str) -> list[Said]:
            responses = outcomes(problem_id)
            return [
                Said(
                    label=f"round {row['round']}: {row['a']}, {row['b']}",
                    text=row["text"],
                    outcome=row["outcome"],
                    answer=f"{row['winner']} wins",
                    note=f"{row['a']} is {responses[row['a']]}, {row['b']} is {responses[row['b']]}",
                )
                for row in matches.of(problem_id)
            ]

        return said

    rows, size = files.weight(step.id, MATCHES, "text")
    yield _Source(column=column, problems=problems, rows=rows, size=size, open=opened)


def _order(plan: Plan) -> Callable[[_Source], tuple[int, ...]]:
    """What is tested before what is trained on, kinds by model, seed and setting as they come, iterations in order."""
    steps = [step.id for step in plan.steps]
    kinds: dict[tuple[str, ...], int] = {}

    def key(source: _Source) -> tuple[int, ...]:
        own = source.column
        kind = (own.model, own.seed, own.setting, own.role, own.split)
        trained = own.split == Split.TRAIN
        return trained, steps.index(source.problems), kinds.setdefault(kind, len(kinds)), own.iteration

    return key


def _problems(sources: Sequence[_Source], files: _Files) -> Iterator[Asked]:
    """Of one split after another, so that only its tables are in memory."""
    for problems in dict.fromkeys(source.problems for source in sources):
        readers = [(source.column, source.open()) for source in sources if source.problems == problems]
        for problem in table_rows(files.path(problems, PROBLEMS), Problem):
            said: dict[Column, list[Said]] = defaultdict(list)
            for column, read in readers:
                said[column] += read(problem.problem_id)
            found = {column: each for column, each in said.items() if each}
            if found:
                yield Asked(split=problems.rpartition("/")[2], problem=problem, said=found)
