"""The case study of a run: one test problem followed through the iterations, from the artifacts into the run folder.

The run folder must tell the whole story without the store, so the few texts that a reader sees are copied into it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from selfimp_bench.errors import InputError
from selfimp_bench.protocols.post_training.measure import MeasureBlock
from selfimp_bench.protocols.post_training.metrics.case_study import CaseStep, GradedText, case_step, choose_case
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.rows import GRADES, PROBLEMS, SAMPLES, Role
from selfimp_bench.steps.runner import FinishedStep
from selfimp_bench.steps.store import StepRecord, Store, read_table
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.problem import Problem

FILE = "case_study.json"


@dataclass(frozen=True, kw_only=True)
class CaseStudy:
    """One problem of the test split at every iteration of a model's first replicate.

    turned: how many of ``problems`` the first iteration got wrong and the last right, of which ``choose_case`` took
    this one; without any there is no problem and there are no steps.
    """

    model: str
    problems: int
    turned: int
    problem: Problem | None
    steps: tuple[CaseStep, ...]


@dataclass(frozen=True, kw_only=True)
class CaseStudies:
    """What ``case_study.json`` holds: a study of every model, in the order of the plan."""

    schema: int
    studies: tuple[CaseStudy, ...]


def case_studies(finished: Sequence[FinishedStep], store: Store) -> CaseStudies:
    """The study of every model of a finished run."""
    artifacts = _Artifacts(store=store, records={done.step.id: done.record for done in finished})
    steps = {done.step.id: done.step for done in finished}
    return CaseStudies(
        schema=1,
        studies=tuple(
            _study(step, step.block, steps, artifacts)
            for step in steps.values()
            if isinstance(step.block, MeasureBlock) and step.block.replicate == 0
        ),
    )


def read_case_studies(folder: Path) -> CaseStudies:
    """The case studies of a run folder. Raises InputError when they are not there or cannot be read."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=CaseStudies)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; the run is incomplete, run it again") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not case studies of this version ({error}); run it again") from None


@dataclass(frozen=True, kw_only=True)
class _Artifacts:
    store: Store
    records: Mapping[str, StepRecord]

    def texts(
        self, step: Step, role: Role, iteration: int, wanted: Collection[str] | None
    ) -> dict[str, list[GradedText]]:
        """The graded completions of the wanted problems (None: of all), in the order of sampling."""
        samples, grades = (step.inputs[f"{kind}.{role}.{iteration}"] for kind in ("samples", "grades"))
        outcomes = {
            (row["problem_id"], row["sample_index"]): Outcome(row["outcome"])
            for row in self.rows(grades, GRADES, ("problem_id", "sample_index", "outcome"))
        }
        found: dict[str, list[GradedText]] = {}
        for row in self.rows(samples, SAMPLES, ("problem_id", "sample_index", "completion")):
            name = row["problem_id"]
            if wanted is None or name in wanted:
                outcome = outcomes[name, row["sample_index"]]
                found.setdefault(name, []).append(GradedText(completion=row["completion"], outcome=outcome))
        return found

    def rows(self, step_id: str, name: str, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        return read_table(self.store.proved(self.records[step_id], name), columns)


def _study(step: Step, block: MeasureBlock, steps: Mapping[str, Step], artifacts: _Artifacts) -> CaseStudy:
    iterations = range(1, block.iterations + 1)
    greedy = {t: artifacts.texts(step, Role.GREEDY, t, None) for t in iterations}
    turned = [
        name
        for name in greedy[1]
        if choose_case({name: [_without_samples(t, texts[name][0]) for t, texts in greedy.items()]}) == name
    ]
    sampled = {t: artifacts.texts(step, Role.SAMPLE, t, frozenset(turned)) for t in iterations}
    candidates = {
        name: [case_step(iteration=t, greedy=greedy[t][name][0], samples=sampled[t][name]) for t in iterations]
        for name in turned
    }
    chosen = choose_case(candidates)
    graded = steps[step.inputs[f"grades.{Role.GREEDY}.1"]]
    problems = artifacts.rows(graded.inputs["problems"], PROBLEMS)
    return CaseStudy(
        model=block.model,
        problems=len(problems),
        turned=len(turned),
        problem=next((msgspec.convert(row, Problem) for row in problems if row["problem_id"] == chosen), None),
        steps=() if chosen is None else tuple(candidates[chosen]),
    )


def _without_samples(iteration: int, greedy: GradedText) -> CaseStep:
    """Enough to tell whether a problem turned; only of those that did are the samples looked at, which takes time."""
    return case_step(iteration=iteration, greedy=greedy, samples=())
