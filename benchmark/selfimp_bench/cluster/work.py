"""One step as a task for another process or machine, which sees the same home."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from selfimp_bench.engines.base import TrainOptions
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.execute import open_runner
from selfimp_bench.experiment import Experiment
from selfimp_bench.plan import Step
from selfimp_bench.progress import Silent
from selfimp_bench.store import StepRecord


@dataclass(frozen=True, kw_only=True)
class StepTask:
    """A step of an experiment, and the records of the steps that it reads, by their ids. ``home`` is absolute."""

    experiment: Experiment
    home: Path
    training: TrainOptions
    step_id: str
    inputs: Mapping[str, StepRecord]

    def step(self) -> Step:
        """The step itself."""
        return self.experiment.plan().by_id()[self.step_id]


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What came of a task: its record, or the message of an error, which the user can mend (``input``) or not."""

    record: StepRecord | None
    error: str | None
    input: bool


def do_step(task: StepTask) -> StepResult:
    """Do the step, or find it done, in this process. Its errors come back as values, so that no executor wraps them."""
    runner = open_runner(task.experiment, task.home, task.training)
    try:
        record = runner.run_one(task.step(), task.inputs, Silent()).record
    except (InputError, StepFailed) as error:
        return StepResult(record=None, error=str(error), input=isinstance(error, InputError))
    return StepResult(record=record, error=None, input=False)
