"""What a step reads: the artifacts of the steps that made its inputs, and checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from selfimp_bench.steps.plan import Places, Plan, Step
from selfimp_bench.steps.proved import MODEL, prove, read_model_files
from selfimp_bench.steps.rows import GRADES, PROBLEMS, SAMPLES, GradeRow, JudgedSample, SampleRow, judge
from selfimp_bench.steps.store import StepRecord, Store, read_table
from selfimp_bench.tasks.problem import Problem

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class StepInputs:
    """The inputs of one step by the names it gives them. ``records``: those of the steps done so far, by step id."""

    step: Step
    plan: Plan
    records: Mapping[str, StepRecord]
    store: Store
    places: Places

    def named(self, prefix: str) -> list[str]:
        """The inputs whose names begin so, ``samples.10`` after ``samples.9``."""
        return sorted((name for name in self.step.inputs if name.startswith(prefix)), key=_numbered)

    def has(self, name: str) -> bool:
        """Whether the step has this input."""
        return name in self.step.inputs

    def artifact(self, name: str, file: str) -> Path:
        """A file that the step behind an input wrote. Raises InputError when it is missing or was changed since."""
        return self.store.proved(self.records[self.step.inputs[name]], file)

    def counts(self, name: str) -> Mapping[str, int]:
        """What the step behind an input counted."""
        return self.records[self.step.inputs[name]].counts

    def rows(self, name: str, file: str, row: type[Row]) -> tuple[Row, ...]:
        """The rows of a table that the step behind an input wrote."""
        return tuple(msgspec.convert(read_table(self.artifact(name, file)), list[row]))  # type: ignore[valid-type]

    def problems(self) -> tuple[Problem, ...]:
        """The rows of the input ``problems``."""
        return self.problems_of("problems")

    def problems_of(self, name: str) -> tuple[Problem, ...]:
        """The problems of an input."""
        return self.rows(name, PROBLEMS, Problem)

    def problems_by_id(self) -> dict[str, Problem]:
        """The same by problem id."""
        return {problem.problem_id: problem for problem in self.problems()}

    def samples(self, name: str) -> tuple[SampleRow, ...]:
        """The completions of an input."""
        return self.rows(name, SAMPLES, SampleRow)

    def grades(self, name: str) -> tuple[GradeRow, ...]:
        """The grades of an input."""
        return self.rows(name, GRADES, GradeRow)

    def judged(self, samples: str, grades: str) -> tuple[JudgedSample, ...]:
        """The completions of one input with the grades of another."""
        return judge(self.samples(samples), self.grades(grades))

    def checkpoint(self, name: str) -> Path:
        """The folder of a checkpoint: what a training step wrote, or where the base model lies.

        Raises InputError for a file of it that is missing or was changed since its step finished.
        """
        return self._checkpoint(name, weights=True)

    def tokenizer(self, name: str) -> Path:
        """The same folder for who reads no weights: they are not proved."""
        return self._checkpoint(name, weights=False)

    def _checkpoint(self, name: str, *, weights: bool) -> Path:
        source = self.plan.by_id()[self.step.inputs[name]]
        found = self.plan.stage(source).checkpoint
        if found is None:
            raise ValueError(f"{self.step.id}: input {name} is {source.id}, which makes no checkpoint")
        record = self.records[source.id]
        own = self.store.folder(record.fingerprint)
        folder = found(source.block, own, self.places)
        if folder == own:
            made = {each.path: each.sha256 for each in record.artifacts}
            prove(folder, made, weights=weights, advice=f"delete {own} to have it made again")
        else:
            base = read_model_files(self.store.proved(record, MODEL)).files
            prove(folder, base, weights=weights, advice="bring the model there that the run began with")
        return folder


def _numbered(name: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in name.split("."))
