"""A run of this kit as checkpoints: what its models answered at every iteration, as the run graded it."""

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.post_training.embed import EMBEDDINGS, SideValue
from selfimp_bench.protocols.post_training.measure import MeasureBlock
from selfimp_bench.runs.assess.collect import Answers, AsRun, Collected
from selfimp_bench.runs.folders import RECORD, STUDY_RECORD, is_of_several
from selfimp_bench.runs.generated import GeneratedSet, generated_sets, proved, reading
from selfimp_bench.runs.judge import read_run
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.verifying.open import home_of, whole_bundle
from selfimp_bench.runs.verifying.parts import BUNDLE, run_folders
from selfimp_bench.runs.verifying.plans import plan_of
from selfimp_bench.steps.dataset import read_problems
from selfimp_bench.steps.plan import Plan
from selfimp_bench.steps.rows import JudgedSample, Role, SampleRow, table_rows
from selfimp_bench.steps.store import read_columns
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.problem import Problem

FORMAT: Final = "a run of this kit"


def is_run(path: Path) -> bool:
    """Whether this is a finished run's folder, or a bundle of one."""
    if path.is_dir():
        return (path / RECORD).is_file() or (path / STUDY_RECORD).is_file()
    try:
        with zipfile.ZipFile(path) as archive:
            return BUNDLE in archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


def collect_run(path: Path, only: Sequence[str]) -> tuple[Collected, Collected | None]:
    """The run's answers to the test and, where there are any, to the out-of-distribution problems.

    only: ``KEY=VALUE``, which of several series of checkpoints; keys are model, seed and temperature. Raises InputError
    where that leaves several or none, and for a run or bundle that was changed.
    """
    with _opened(path) as (folder, store):
        read_run(folder)  # refuses what is none
        plan = plan_of(folder)
        series = _one_series(path, generated_sets(folder, plan, store), only)
        of = {split: [each for each in series if each.split is split] for split in (Split.TEST, Split.OOD)}
        test = replace(_collected(path, of[Split.TEST]), as_run=_as_run(folder, plan, store, series[0]))
        return test, _collected(path, of[Split.OOD]) if of[Split.OOD] else None


def _as_run(folder: Path, plan: Plan, store: Path, of: GeneratedSet) -> AsRun | None:
    """How the series that this set is of was measured; None of a run of another kind."""
    done = {step.id: step for step in read_record(folder).steps}
    for step in plan.steps:
        if isinstance(step.block, MeasureBlock) and step.id.rpartition("/")[0] == of.name.rpartition("/")[0]:
            with reading(of, folder):
                embeddings = {
                    int(name.removeprefix(_EMBEDDINGS)): table_rows(proved(done, made, EMBEDDINGS, store), SideValue)
                    for name, made in step.inputs.items()
                    if name.startswith(_EMBEDDINGS)
                }
            return AsRun(block=step.block, embeddings=embeddings)
    return None


_EMBEDDINGS: Final = "embeddings."
"""What the inputs of a measuring step are called that come from a sentence encoder, before the iteration."""


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Path, Path]]:
    """The run folder of one experiment, and the store that it came from."""
    if path.is_dir():
        folder = path.resolve()
        yield _of_one(path, folder), home_of(folder, folder) / "store"
        return
    with whole_bundle(path) as (folder, store):
        yield _of_one(path, folder), store


def _of_one(path: Path, folder: Path) -> Path:
    if not is_of_several(folder):
        return folder
    own = [each for each in run_folders(folder) if not is_of_several(each)]
    if len(own) > 1:
        where = ", ".join(map(str, own)) if path.is_dir() else "export one of them by itself"
        raise InputError(f"{path}: a run of {len(own)} experiments; give the run of one: {where}")
    return own[0]


_KEYS: Final = ("model", "seed", "temperature")


def _place(each: GeneratedSet) -> dict[str, str]:
    """What tells its series from others of the run; temperatures only where several were tried."""
    found = {"model": each.model, "seed": str(each.seed)}
    if "/temp" in each.name:
        found["temperature"] = f"{each.asked.decoding.temperature:g}"
    return found


def _one_series(path: Path, sets: Sequence[GeneratedSet], only: Sequence[str]) -> list[GeneratedSet]:
    wanted = {}
    for each in only:
        key, _, value = each.partition("=")
        if key not in _KEYS or not value:
            raise InputError(f"--only {each}: expected {', '.join(f'{known}=...' for known in _KEYS)}")
        wanted[key] = value
    kept = [each for each in sets if wanted.items() <= _place(each).items()]
    among = kept or sets
    for key in _KEYS:
        values = dict.fromkeys(_place(each)[key] for each in among if key in _place(each))
        if len(values) > 1 or not kept:
            several = f"its checkpoints are of {len(values)} {key}s" if kept else f"none is of {', '.join(only)}"
            if len(values) > 1 or key in wanted:
                choices = " or ".join(f"--only {key}={value}" for value in values)
                raise InputError(f"{path}: {several}; give {choices}")
    return list(kept)


def _collected(path: Path, sets: Sequence[GeneratedSet]) -> Collected:
    (grading,) = {each.grading for each in sets}
    iterations = sorted({each.iteration for each in sets})
    with reading(sets[0], path):
        problems, notes = _problems(sets[0])
    answers = []
    for iteration in iterations:
        of_this = [each for each in sets if each.iteration == iteration]
        answers.append(
            Answers(
                files=(f"{path}: {of_this[0].name}",),
                formats=(FORMAT,),
                graded_by=f"{grading.task}, {grading.extraction}, by the run",
                judged={each.role: _judged(each, path) for each in of_this},
                scores={},
            )
        )
    if iterations[0] != 1:
        notes.append(f"the checkpoints are t = {', '.join(map(str, iterations))} of the run")
    return Collected(
        task=grading.task,
        extraction=grading.extraction,
        problems=problems,
        answers=tuple(answers),
        notes=tuple(notes),
    )


def _problems(of: GeneratedSet) -> tuple[dict[str, Problem], list[str]]:
    if of.problems is not None:
        return {each.problem_id: each for each in read_problems(of.problems)}, []
    names = dict.fromkeys(read_columns(of.samples, ["problem_id"])[0])
    note = f"the rows of the {of.split} problems, which the bundle leaves out: no levels"
    return {name: Problem(problem_id=name, question="") for name in names}, [note]


def _judged(of: GeneratedSet, path: Path) -> list[JudgedSample]:
    with reading(of, path):
        return _read(of)


def _read(of: GeneratedSet) -> list[JudgedSample]:
    """By problem and number, without token ids, which nothing here is measured of."""
    rows = zip(*read_columns(of.samples, ["problem_id", "sample_index", "completion", "finish_reason"]), strict=True)
    graded = zip(
        *read_columns(of.grades, ["problem_id", "sample_index", "outcome", "other_outcome", "extracted"]), strict=True
    )
    grades = {(name, index): rest for name, index, *rest in graded}
    found = []
    for name, index, completion, reason in rows:
        outcome, other, extracted = grades[name, index]
        sample = SampleRow(
            problem_id=name,
            sample_index=index,
            completion=completion,
            iteration=of.iteration,
            role=Role(of.role),
            finish_reason=FinishReason(reason),
            seed="0",
            prompt_sha256="",
            token_ids=(),
        )
        found.append(
            JudgedSample(
                sample=sample,
                outcome=Outcome(outcome),
                other_outcome=None if other is None else Outcome(other),
                extracted=extracted,
            )
        )
    return sorted(found, key=lambda each: (each.sample.problem_id, each.sample.sample_index))
