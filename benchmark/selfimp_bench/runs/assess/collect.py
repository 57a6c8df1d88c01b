"""Reading and grading what checkpoints generated: files in, judged samples by checkpoint out."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Grading
from selfimp_bench.plural import plural
from selfimp_bench.protocols.post_training.embed import SideValue
from selfimp_bench.protocols.post_training.measure import MeasureBlock
from selfimp_bench.runs.generations.look import sources_at
from selfimp_bench.runs.generations.problem_files import checked, problems_of
from selfimp_bench.runs.generations.source import Generation, Source, shown
from selfimp_bench.steps.grade import grade
from selfimp_bench.steps.rows import GradeRow, JudgedSample, Role, SampleRow
from selfimp_bench.tasks.grading.graders import GRADERS, with_stops
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.grading.stops import USUAL_STOPS
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.recognise import task_of_name, task_of_problem

AS_SCORED: Final = "as-scored"
"""In place of a task: the judgement that the files hold."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Files or folders, a checkpoint each, in order; and how they are read. role: of every sample, if one is set."""

    files: Sequence[Path]
    problems: Path | None = None
    task: str | None = None
    extraction: Literal["strict", "flexible"] = "strict"
    stops: str = USUAL_STOPS
    role: Role | None = None


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one checkpoint generated, judged. scores: a verifier's, by role, problem and sample."""

    files: tuple[str, ...]
    formats: tuple[str, ...]
    graded_by: str
    judged: Mapping[Role, Sequence[JudgedSample]]
    scores: Mapping[tuple[Role, str, int], float]


@dataclass(frozen=True, kw_only=True)
class AsRun:
    """How a run of post-training measured its own iterations.

    block: its stage's. embeddings: by iteration the Sentence-BERT diversities that it found, if it looked for any.
    """

    block: MeasureBlock
    embeddings: Mapping[int, Sequence[SideValue]]


@dataclass(frozen=True, kw_only=True)
class Collected:
    """Every checkpoint's answers in order, the problems, the task, and what is to be said of the reading.

    extraction: the rule that decides, of the task's two. as_run: where they are a run's iterations, how it measured.
    """

    task: str
    extraction: Literal["strict", "flexible"]
    problems: Mapping[str, Problem]
    answers: tuple[Answers, ...]
    notes: tuple[str, ...]
    as_run: AsRun | None = None


def collect(asked: Asked, told: Callable[[int], None]) -> Collected:
    """Read and grade. ``told`` hears how many samples are done.

    One file whose rows name several iterations holds as many checkpoints. Raises InputError with file and line.
    """
    by_file = [sources_at(path) for path in asked.files]
    every = [source for sources in by_file for source in sources]
    if not every:
        raise InputError("no file of generations; give one file or folder for each checkpoint, in order")
    task, problems = _task_and_problems(asked, every)
    read = [_by_iteration(sources, problems, one=len(by_file) == 1) for sources in by_file]
    parts = [(sources, part) for sources, found in zip(by_file, read, strict=True) for part in found]
    grading = None
    if task != AS_SCORED:
        fields = {"task": task, "extraction": asked.extraction, "source": "command line"}
        grading = msgspec.convert(fields, Grading)
    done = Counter[str]()

    def counted(rows: Iterator[GradeRow]) -> Iterator[GradeRow]:
        for row in rows:
            done["all"] += 1
            told(done["all"])
            yield row

    answers = tuple(_judged(asked, grading, problems, sources, part, counted) for sources, part in parts)
    failed = [failure for source in every for failure in source.failed()]
    lost = [f"{plural(len(failed), 'request')} that failed, the first: {failed[0]}"] if failed else []
    return Collected(
        task=task,
        extraction=asked.extraction,
        problems=problems,
        answers=answers,
        notes=(*lost, *_notes(task, answers)),
    )


def _task_and_problems(asked: Asked, sources: Sequence[Source]) -> tuple[str, Mapping[str, Problem]]:
    if asked.task == AS_SCORED:
        return AS_SCORED, _any_problems(asked, sources)
    if asked.task is not None and asked.task not in GRADERS:
        raise InputError(f"--task {asked.task}: no such task; known: {', '.join(GRADERS)}, {AS_SCORED}")
    try:
        problems = problems_of(sources, asked.problems)
    except InputError as error:
        raise InputError(f"{error}{_advice(asked, sources)}") from None
    return asked.task or _told_task(sources, problems), problems


def _advice(asked: Asked, sources: Sequence[Source]) -> str:
    judged = next((each.judged_by for each in sources if each.judged_by is not None), None)
    if asked.task is not None or judged is None:
        return ""
    return f"; or --task {AS_SCORED}, which takes the file's own judgement ({judged})"


def _told_task(sources: Sequence[Source], problems: Mapping[str, Problem]) -> str:
    named = {each.evaluation: task_of_name(each.evaluation) for each in sources if each.evaluation is not None}
    tasks = {task for task in named.values() if task is not None}
    if len(tasks) == 1:
        return tasks.pop()
    if len(tasks) > 1:
        raise InputError(f"files of several tasks ({', '.join(map(str, named))}); give the files of one, or --task")
    known = {task_of_problem(problem) for problem in problems.values()}
    if len(known) == 1 and (found := known.pop()) is not None:
        return found
    of = f" of {next(iter(named))}" if named else ""
    raise InputError(
        f"{sources[0].path}: whose answers these{of} are cannot be told from the problems; give --task: "
        f"{', '.join(GRADERS)}, or {AS_SCORED} for the judgement that the files hold"
    )


def _any_problems(asked: Asked, sources: Sequence[Source]) -> Mapping[str, Problem]:
    """Where the files judge themselves, a problem need be no more than its id."""
    if asked.problems is not None:
        return problems_of(sources, asked.problems)
    try:
        return problems_of(sources, None)
    except InputError:
        names = dict.fromkeys(each.problem_id for source in sources for each in source.generations())
        return {name: Problem(problem_id=name, question="") for name in names}


_Placed = tuple[Role, Generation]


def _by_iteration(
    sources: Sequence[Source], problems: Mapping[str, Problem], *, one: bool
) -> list[list[tuple[Source, list[Generation]]]]:
    """The generations of each checkpoint of a file or folder: one, or as many as iterations are named where alone."""
    read = [(source, list(checked(source, problems))) for source in sources]
    for source, generations in read:
        if not generations:
            failed = source.failed()
            why = f"; {len(failed)} failed, the first: {failed[0]}" if failed else ""
            raise InputError(f"{source.path}: no sample in it ({source.format}); expected one or more{why}")
    iterations = sorted(
        {each.iteration for _, generations in read for each in generations if each.iteration is not None}
    )
    if len(iterations) < 2:
        return [read]
    if not one:
        raise InputError(
            f"{sources[0].path}: samples of iterations {', '.join(map(str, iterations))}; expected one checkpoint a "
            "file, or this file alone"
        )
    nameless = next((each for _, found in read for each in found if each.iteration is None), None)
    if nameless is not None:
        raise InputError(
            f"{nameless.place}: no iteration, where other rows have one; expected one in every row or none"
        )
    return [
        [(source, [each for each in generations if each.iteration == iteration]) for source, generations in read]
        for iteration in iterations
    ]


def _judged(
    asked: Asked,
    grading: Grading | None,
    problems: Mapping[str, Problem],
    sources: Sequence[Source],
    part: Sequence[tuple[Source, list[Generation]]],
    counted: Callable[[Iterator[GradeRow]], Iterator[GradeRow]],
) -> Answers:
    placed = list(_roles(part, asked.role))
    _refuse_twice(placed)
    generations = [generation for _, generation in placed]
    if grading is None:
        rows: Iterable[GradeRow] = map(_as_scored, generations)
        by = " and ".join(dict.fromkeys(each.judged_by or "the file" for each in sources))
    else:
        rows, by = (
            grade(grading, problems, generations, with_stops(asked.stops)),
            f"{grading.task}, {grading.extraction}",
        )
    judged: dict[Role, list[JudgedSample]] = {}
    scores: dict[tuple[Role, str, int], float] = {}
    for (role, generation), row in zip(placed, counted(iter(rows)), strict=True):
        sample = JudgedSample(
            sample=_sample(generation, role),
            outcome=row.outcome,
            other_outcome=row.other_outcome,
            extracted=row.extracted,
        )
        judged.setdefault(role, []).append(sample)
        if generation.score is not None:
            scores[role, generation.problem_id, generation.sample_index] = generation.score
    return Answers(
        files=tuple(str(each.path) for each in sources),
        formats=tuple(dict.fromkeys(each.format for each in sources)),
        graded_by=by,
        judged={role: sorted(found, key=_order) for role, found in judged.items()},
        scores=scores,
    )


def _order(judged: JudgedSample) -> tuple[str, int]:
    return judged.sample.problem_id, judged.sample.sample_index


def _roles(part: Sequence[tuple[Source, list[Generation]]], role: Role | None) -> Iterator[_Placed]:
    """Rows that name no role are answers (greedy) where a file has one of each problem, and samples else."""
    known = {each.value for each in Role}
    for _, generations in part:
        most = max(Counter(each.problem_id for each in generations if each.role is None).values(), default=0)
        for each in generations:
            if each.role is not None and each.role not in known:
                raise InputError(
                    f"{each.place}: role {shown(each.role)}; expected one of {', '.join(sorted(known))}, or none"
                )
            usual = Role.GREEDY if most == 1 else Role.SAMPLE
            yield role or (Role(each.role) if each.role is not None else usual), each


def _refuse_twice(placed: Iterable[_Placed]) -> None:
    seen: dict[tuple[Role, str, int], str] = {}
    for role, each in placed:
        key = (role, each.problem_id, each.sample_index)
        if key in seen:
            raise InputError(
                f"{each.place}: sample {each.sample_index} of problem {shown(each.problem_id)} stands in {seen[key]} "
                f"already ({role}); expected the samples of one checkpoint, each once"
            )
        seen[key] = each.place


def _as_scored(generation: Generation) -> GradeRow:
    if generation.correct is None:
        raise InputError(
            f"{generation.place}: no judgement of sample {generation.sample_index} of problem "
            f"{shown(generation.problem_id)} that is right or wrong alone; expected one, or another --task than "
            f"{AS_SCORED}"
        )
    return GradeRow(
        problem_id=generation.problem_id,
        sample_index=generation.sample_index,
        iteration=generation.iteration,
        role=generation.role,
        outcome=Outcome.CORRECT if generation.correct else Outcome.WRONG,
        extracted=None,
        detail=None,
        other_outcome=None,
        other_extracted=None,
    )


def _sample(generation: Generation, role: Role) -> SampleRow:
    known = {each.value for each in FinishReason}
    reason = FinishReason(generation.finish_reason) if generation.finish_reason in known else FinishReason.STOP
    return SampleRow(
        problem_id=generation.problem_id,
        sample_index=generation.sample_index,
        completion=generation.completion,
        iteration=generation.iteration or 0,
        role=role,
        finish_reason=reason,
        seed="0",
        prompt_sha256="",
        token_ids=(),
    )


_MOSTLY: Final = 0.5


def _notes(task: str, answers: Sequence[Answers]) -> Iterator[str]:
    for number, each in enumerate(answers, start=1):
        outcomes = Counter(judged.outcome for found in each.judged.values() for judged in found)
        share = outcomes[Outcome.UNPARSED] / outcomes.total()
        if share > _MOSTLY:
            yield (
                f"checkpoint {number}: {share:.0%} of the samples give no answer that the rule of {task} reads; is "
                "that their task? (--task, --extraction flexible)"
            )
