"""Assessing generations, from files to the answer."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from selfimp_bench.engines.base import Embedder, EmbedderSettings
from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Split
from selfimp_bench.plural import plural
from selfimp_bench.runs.assess.collect import Answers, Asked, Collected, collect
from selfimp_bench.runs.assess.essentials import accuracy_of, judged
from selfimp_bench.runs.assess.headline import ONE_CHECKPOINT
from selfimp_bench.runs.assess.measuring import UNIT, Cell, Found, Material, measured
from selfimp_bench.runs.assess.of_run import collect_run, is_run
from selfimp_bench.runs.assess.results import (
    Assessment,
    Change,
    Checkpoint,
    Direction,
    Headline,
    Measured,
    ProblemOutcome,
)
from selfimp_bench.steps.rows import JudgedSample, Role
from selfimp_bench.tasks.grading.stops import USUAL_STOPS

SCHEMA: Final = 1

File = str | os.PathLike[str]


def assess(
    files: Sequence[File],
    *,
    problems: File | None = None,
    task: str | None = None,
    ood: Sequence[File] = (),
    ood_problems: File | None = None,
    ood_task: str | None = None,
    extraction: Literal["strict", "flexible"] = "strict",
    stops: str = USUAL_STOPS,
    encoder: File | None = None,
    only: Sequence[str] = (),
    told: Callable[[int], None] | None = None,
) -> Assessment:
    """Progress or regress, of generations: one file or folder for each checkpoint, in order.

    Formats are found by looking (``runs/generations``). problems: their file, where the generations hold none. task: a
    grader's name, or ``as-scored`` for the judgement in the files; else told by the evaluation's name or the problems.
    ood: files of other problems, one for each checkpoint; ood_problems and ood_task are theirs. extraction, stops: as
    of `grade`. encoder: a folder of a sentence-transformers model. told: hears how many samples are graded.

    Or ``files`` is one run of this kit (its folder, or a bundle), whose iterations are the checkpoints, with its own
    problems and grades, measured as the run did; only: ``model=M``, ``seed=S``, ``temperature=X``, where it has
    several.

    Raises InputError, with file and line, for what cannot be used.
    """
    read = read_generations(
        files,
        problems=problems,
        task=task,
        ood=ood,
        ood_problems=ood_problems,
        ood_task=ood_task,
        extraction=extraction,
        stops=stops,
        only=only,
        told=told,
    )
    return assess_read(read, encoder)


@dataclass(frozen=True, kw_only=True)
class Read:
    """Generations, read and graded: of the test problems, and of other files out of distribution, if there are any."""

    test: Collected
    ood: Collected | None


def read_generations(
    files: Sequence[File],
    *,
    problems: File | None = None,
    task: str | None = None,
    ood: Sequence[File] = (),
    ood_problems: File | None = None,
    ood_task: str | None = None,
    extraction: Literal["strict", "flexible"] = "strict",
    stops: str = USUAL_STOPS,
    only: Sequence[str] = (),
    told: Callable[[int], None] | None = None,
) -> Read:
    """The first half of ``assess``, which says what it takes and raises."""
    hear = told or _nothing
    if any(is_run(each) for each in _paths(files)):
        given: dict[str, object] = {
            "--problems": problems,
            "--task": task,
            "--ood": ood,
            "--ood-problems": ood_problems,
        }
        given |= {"--ood-task": ood_task, "--extraction": extraction != "strict", "--stops": stops != USUAL_STOPS}
        test, other = _of_run(_paths(files), [name for name, value in given.items() if value], only)
        return Read(test=test, ood=other)
    if only:
        raise InputError(f"--only {only[0]}: only a run of this kit has several models, seeds or temperatures")
    asked = Asked(files=_paths(files), problems=_path(problems), task=task, extraction=extraction, stops=stops)
    test = collect(asked, hear)
    other = None
    if ood:
        asked_ood = Asked(
            files=_paths(ood),
            problems=_path(ood_problems),
            task=ood_task,
            extraction=extraction,
            stops=stops,
            role=Role.OOD,
        )
        other = collect(asked_ood, hear)
        if len(other.answers) != len(test.answers):
            raise InputError(
                f"--ood: {plural(len(other.answers), 'checkpoint')}, and {len(test.answers)} of the others; expected "
                "one out-of-distribution file for each checkpoint, in the same order"
            )
    return Read(test=test, ood=other)


def assess_read(read: Read, encoder: File | None = None) -> Assessment:
    """The second half of ``assess``."""
    return _assessed(read.test, read.ood, _encoder(_path(encoder)))


def _of_run(paths: Sequence[Path], given: Sequence[str], only: Sequence[str]) -> tuple[Collected, Collected | None]:
    run = next(each for each in paths if is_run(each))
    if len(paths) > 1:
        raise InputError(f"{run}: a run, whose iterations are several checkpoints; give it alone")
    if given:
        raise InputError(f"{run}: a run, with problems and grades of its own; leave out {', '.join(given)}")
    return collect_run(run, only)


def _nothing(_: int) -> None:
    pass


def _path(path: File | None) -> Path | None:
    return None if path is None else Path(path)


def _paths(files: Sequence[File]) -> list[Path]:
    if isinstance(files, str | os.PathLike):
        raise InputError(f"files is {str(files)!r}; expected a list of files, one for each checkpoint")
    paths = [Path(each) for each in files]
    if not paths:
        raise InputError("no file of generations; give one file or folder for each checkpoint, in order")
    return paths


def _encoder(folder: Path | None) -> Callable[[], Embedder] | str:
    if folder is None:
        return "no sentence encoder (--encoder FOLDER)"
    if find_spec("sentence_transformers") is None:
        raise InputError(
            "--encoder needs sentence-transformers, which is not installed: pip install sentence-transformers"
        )
    if not (folder / "config.json").is_file():
        raise InputError(
            f"--encoder {folder}: no config.json in it; expected the folder of a sentence-transformers model"
        )
    from selfimp_bench.engines.embed.encoder import SentenceEmbedder

    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    settings = EmbedderSettings(device="cpu", max_batch_rows=64, threads=threads)
    return partial(SentenceEmbedder, folder, settings)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """Checkpoints with the samples that count, how many problems those are of, and what was left out."""

    answers: tuple[Answers, ...]
    problems: frozenset[str]
    left_out: tuple[str, ...]


def _assessed(test: Collected, ood: Collected | None, encoder: Callable[[], Embedder] | str) -> Assessment:
    kept = _in_common(test, (Role.GREEDY, Role.SAMPLE), "")
    other = _other(test, ood)
    levels = {
        Split.TEST: {name: test.problems[name].level for name in kept.problems},
        Split.OOD: {name: (ood or test).problems[name].level for name in other.problems},
    }
    found = measured(
        Material(
            task=test.task,
            extraction=test.extraction,
            ood_extraction=(ood or test).extraction,
            test=kept.answers,
            ood=[each.judged[Role.OOD] for each in other.answers],
            levels=levels,
            encoder=encoder,
            as_run=test.as_run,
        )
    )
    answer, changes = _judged(found, len(kept.answers))
    notes = (*test.notes, *(ood.notes if ood else ()))
    return Assessment(
        schema=SCHEMA,
        headline=answer,
        checkpoints=tuple(_checkpoints(test, kept, ood, other)),
        common=len(kept.problems),
        ood_common=len(other.problems),
        measurements=tuple(map(_measurement, found.cells)),
        changes=tuple(changes),
        missing=found.missing,
        left_out=(*kept.left_out, *other.left_out, *notes),
        problem_values=tuple(
            ProblemOutcome(
                metric=str(cell.metric), split=cell.split, checkpoint=cell.checkpoint, problem_id=name, value=value
            )
            for cell in found.cells
            for name, value in cell.values.items()
        ),
    )


def _other(test: Collected, ood: Collected | None) -> _Kept:
    """The out-of-distribution samples: of files of their own, or the rows of that role among the others."""
    if ood is not None:
        return _in_common(ood, (Role.OOD,), "out of distribution: ")
    if all(Role.OOD in each.judged for each in test.answers):
        return _in_common(test, (Role.OOD,), "out of distribution: ")
    return _Kept(answers=(), problems=frozenset(), left_out=())


def _in_common(collected: Collected, roles: Sequence[Role], what: str) -> _Kept:
    """What every checkpoint has: roles, and of these the problems."""
    answers, left_out = collected.answers, []
    shared = [role for role in roles if all(role in each.judged for each in answers)]
    for role in roles:
        having = [number for number, each in enumerate(answers, start=1) if role in each.judged]
        if having and role not in shared:
            left_out.append(f"{what}{_ROLES[role]} of checkpoint {_listed(having)}: the others have none")
    if not shared:
        raise InputError(
            f"{answers[0].files[0]}: {what}the checkpoints have no kind of samples in common; expected of every one "
            "one answer a problem, or of every one several"
        )
    having_all = [
        frozenset.intersection(*(frozenset(each.sample.problem_id for each in one.judged[role]) for role in shared))
        for one in answers
    ]
    common = frozenset.intersection(*having_all)
    if not common:
        raise InputError(
            f"{answers[-1].files[0]}: {what}none of its {len(having_all[-1])} problems is one of all checkpoints'; "
            f"{answers[0].files[0]} has {len(having_all[0])}; expected the same problems in every file"
        )
    for number, (own, one) in enumerate(zip(having_all, answers, strict=True), start=1):
        if more := len(own - common):
            left_out.append(f"{what}{plural(more, 'problem')} of checkpoint {number} that not all checkpoints have")
        trained = len(one.judged.get(Role.TRAIN, ()))
        if trained and not what:
            left_out.append(f"{plural(trained, 'sample')} of checkpoint {number} for training (role train)")
    return _Kept(
        answers=tuple(_only(one, shared, common) for one in answers), problems=common, left_out=tuple(left_out)
    )


_ROLES: Final = {Role.GREEDY: "single answers", Role.SAMPLE: "samples", Role.OOD: "samples"}


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _only(answers: Answers, roles: Sequence[Role], problems: frozenset[str]) -> Answers:
    judged: dict[Role, list[JudgedSample]] = {
        role: [each for each in answers.judged[role] if each.sample.problem_id in problems] for role in roles
    }
    return replace(answers, judged=judged)


def _checkpoints(test: Collected, kept: _Kept, ood: Collected | None, other: _Kept) -> Iterator[Checkpoint]:
    for index, each in enumerate(test.answers):
        of = other.answers[index] if other.answers else None
        yield Checkpoint(
            number=index + 1,
            files=each.files,
            format=" and ".join(each.formats),
            task=test.task,
            graded_by=each.graded_by,
            problems=len({one.sample.problem_id for found in each.judged.values() for one in found}),
            answered=len(kept.problems),
            samples=sum(map(len, each.judged.values())),
            ood_files=of.files if of is not None and ood is not None else (),
            ood_task=None if of is None else (ood or test).task,
            ood_problems=len(other.problems),
        )


def _measurement(cell: Cell) -> Measured:
    return Measured(
        metric=str(cell.metric),
        split=cell.split,
        checkpoint=cell.checkpoint,
        value=cell.estimate.value,
        standard_error=cell.estimate.standard_error,
        n=cell.estimate.n,
        undefined=cell.estimate.undefined,
        unit=UNIT,
        reason=cell.estimate.reason,
    )


def _judged(found: Found, checkpoints: int) -> tuple[Headline, Sequence[Change]]:
    if checkpoints < 2:
        on_test = {str(cell.metric) for cell in found.cells if cell.split is Split.TEST}
        return Headline(direction=Direction.MEASURED, sentence=ONE_CHECKPOINT, accuracy=accuracy_of(on_test)), []
    cells = {(str(cell.metric), cell.split, cell.checkpoint): cell for cell in found.cells}
    ends = {
        (metric, split): (cell.values, cells[metric, split, checkpoints].values)
        for (metric, split, t), cell in cells.items()
        if t == 1 and not metric.startswith("is-pass@")
    }
    answer = judged(ends, first=1, last=checkpoints)
    return answer.headline, answer.changes
