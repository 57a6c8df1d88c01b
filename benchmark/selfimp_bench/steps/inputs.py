"""What a step reads: the artifacts of the steps that made its inputs, checkpoints, and tokenizers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from selfimp_bench.engines.tokens import TokenCodec, load_codec
from selfimp_bench.steps.plan import Places, Plan, Step
from selfimp_bench.steps.proved import MODEL, prove, read_model_files
from selfimp_bench.steps.rows import (
    GRADES,
    PROBLEMS,
    SAMPLES,
    GradeRow,
    JudgedAnswer,
    JudgedSample,
    SampleRow,
    judge,
    judged_answers,
    table_rows,
)
from selfimp_bench.steps.store import StepRecord, Store
from selfimp_bench.tasks.problem import Problem

Row = TypeVar("Row")

TOKENIZER: Final = "tokenizer"
"""The folder in which a model's step keeps what is read of the model besides its weights."""


@dataclass(frozen=True, kw_only=True)
class StepInputs:
    """The inputs of one step by the names it gives them. ``records``: those of the steps done so far, by step id.

    without_weights: of checkpoints what their steps kept besides the weights is enough, and all there need be.
    """

    step: Step
    plan: Plan
    records: Mapping[str, StepRecord]
    store: Store
    places: Places
    without_weights: bool = False

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
        return table_rows(self.artifact(name, file), row)

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

    def judged_answers(self, samples: str, grades: str) -> Iterator[JudgedAnswer]:
        """What is measured of the completions of one input, with the grades of another."""
        return judged_answers(self.artifact(samples, SAMPLES), self.artifact(grades, GRADES))

    def codec(self, name: str) -> TokenCodec:
        """The tokenizer of a base model, as its step kept it."""
        return load_codec(self.kept(name))

    def kept(self, name: str) -> Path:
        """The folder of what a base model's step kept of it. Raises InputError for a file that was changed since."""
        record = self.records[self.step.inputs[name]]
        kept = [each.path for each in record.artifacts if each.path.startswith(f"{TOKENIZER}/")]
        for path in kept:
            self.store.proved(record, path)
        return self.store.folder(record.fingerprint) / TOKENIZER

    def checkpoint(self, name: str) -> Path:
        """The folder of a checkpoint: what a training step wrote, or where the base model lies.

        Raises InputError for a file of it that is missing or was changed since its step finished.
        """
        source = self.plan.by_id()[self.step.inputs[name]]
        found = self.plan.stage(source).checkpoint
        if found is None:
            raise ValueError(f"{self.step.id}: input {name} is {source.id}, which makes no checkpoint")
        record = self.records[source.id]
        own = self.store.folder(record.fingerprint)
        if self.without_weights:
            return own / TOKENIZER if (own / TOKENIZER).is_dir() else own
        folder = found(source.block, own, self.places)
        if folder == own:
            made = {each.path: each.sha256 for each in record.artifacts}
            prove(folder, made, advice=f"delete {own} to have it made again")
        else:
            base = read_model_files(self.store.proved(record, MODEL)).files
            prove(folder, base, advice=f"bring back the model that was proved, or delete {own} to take this one")
        return folder


def _numbered(name: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in name.split("."))
