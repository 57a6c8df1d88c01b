"""One step as a task for another process or machine, which sees the same home."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from selfimp_bench.engines.base import TrainOptions
from selfimp_bench.engines.trl.machines import Machines
from selfimp_bench.errors import InputError, MachineLost, StepFailed
from selfimp_bench.runs.execute import open_runner
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.store import StepRecord


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
    """What came of a task: its record, or the message of an error.

    input: the user can mend it. lost: a machine went away, so that the step may be tried again.
    """

    record: StepRecord | None
    error: str | None
    input: bool
    lost: bool


def do_step(task: StepTask, machines: Machines | None = None) -> StepResult:
    """Do the step, or find it done, in this process. Its errors come back as values, so that no executor wraps them.

    ``machines``: those that its training spans; None is this one.
    """
    runner = open_runner(task.experiment, task.home, replace(task.training, machines=machines))
    try:
        record = runner.run_one(task.step(), task.inputs, Silent()).record
    except (InputError, StepFailed) as error:
        is_input, is_lost = isinstance(error, InputError), isinstance(error, MachineLost)
        return StepResult(record=None, error=str(error), input=is_input, lost=is_lost)
    return StepResult(record=record, error=None, input=False, lost=False)
