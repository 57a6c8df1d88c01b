"""What the models of a finished run wrote, set by set: found by the plan, read from the store, proved by the record."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from selfimp_bench.canonical import file_sha256
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Grading
from selfimp_bench.measurement import Split
from selfimp_bench.plural import plural
from selfimp_bench.runs.record import RecordedStep, read_record
from selfimp_bench.steps.grade import GradeBlock
from selfimp_bench.steps.plan import Plan, Step
from selfimp_bench.steps.rows import GRADES, PROBLEMS, SAMPLES, Role
from selfimp_bench.steps.sample import SampleBlock


@dataclass(frozen=True, kw_only=True)
class GeneratedSet:
    """Everything that one checkpoint of a model answered in one role, and its grades: files that steps wrote.

    name: where its steps stand (``model/seed1/t2``). problems: None where their rows are not kept, as in a bundle of
    data that users fetch themselves. asked: the step's block; its temperature may have been chosen later.
    """

    name: str
    model: str
    seed: int
    iteration: int
    role: Role
    split: Split
    asked: SampleBlock
    grading: Grading
    samples: Path
    grades: Path
    problems: Path | None


def generated_sets(folder: Path, plan: Plan, store: Path) -> tuple[GeneratedSet, ...]:
    """The answers to test and out-of-distribution problems of the run in ``folder``, whose steps lie in ``store``.

    plan: the run's own, made anew (``plan_of``).

    Raises InputError where a file is missing, or is not the one that the run's record names, and for a run of other
    code, which planned other steps.
    """
    steps, done = plan.by_id(), {step.id: step for step in read_record(folder).steps}
    graded = [step for step in plan.steps if isinstance(step.block, GradeBlock)]
    if lacking := [name for step in graded for name in (*step.inputs.values(), step.id) if name not in done]:
        raise InputError(
            f"{folder}: its record lacks {plural(len(lacking), 'step')} that the installed version plans, {lacking[0]} "
            "first; install the version that did the run, or run it again"
        )
    found = (_set(step, steps, done, store) for step in graded)
    return tuple(each for each in found if each is not None)


@contextmanager
def reading(of: GeneratedSet, run: Path) -> Iterator[None]:
    """While the tables of ``run`` are read. Raises InputError for such as no run writes, or that do not go together."""
    try:
        yield
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        words = f"are no samples with their grades ({type(error).__name__}: {error})"
        files = f"{of.samples.parent.name}/{of.samples.name} and {of.grades.parent.name}/{of.grades.name}"
        raise InputError(f"{run}: {of.name}: {files} {words}; `selfimp-bench verify {run}` says more") from None


def _set(step: Step, steps: Mapping[str, Step], done: Mapping[str, RecordedStep], store: Path) -> GeneratedSet | None:
    """None of training problems' answers."""
    assert isinstance(step.block, GradeBlock)
    source, problems = (steps[step.inputs[name]] for name in ("samples", "problems"))
    asked = getattr(source.block, "sample", source.block)
    assert isinstance(asked, SampleBlock)
    if asked.role is Role.TRAIN:
        return None
    rows = _unchanged(done, problems.id, PROBLEMS, store)
    samples, grades = proved(done, source.id, SAMPLES, store), proved(done, step.id, GRADES, store)
    name = step.id.rpartition("/")[0]
    return GeneratedSet(
        name=name,
        model=name.partition("/")[0],
        seed=asked.seed,
        iteration=asked.iteration,
        role=asked.role,
        split=Split(problems.id.rpartition("/")[2]),
        asked=asked,
        grading=step.block.grading,
        samples=samples,
        grades=grades,
        problems=rows if rows.is_file() else None,
    )


def proved(done: Mapping[str, RecordedStep], step: str, name: str, store: Path) -> Path:
    """A step's file, which is the recorded one. Raises InputError where it is missing or was changed."""
    path = _unchanged(done, step, name, store)
    if not path.is_file():
        raise InputError(f"{path}: not found; expected what step {step} wrote: run again, or give a bundle")
    return path


def _unchanged(done: Mapping[str, RecordedStep], step: str, name: str, store: Path) -> Path:
    """A step's file, which is the recorded one if it is there."""
    path = store / done[step].fingerprint / name
    expected = {artifact.path: artifact.sha256 for artifact in done[step].artifacts}
    if path.is_file() and file_sha256(path) != expected.get(name):
        raise InputError(f"{path}: changed since step {step} wrote it; run again")
    return path
