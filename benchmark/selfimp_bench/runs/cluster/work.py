"""Steps as a task for another process or machine, which sees the same home."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from selfimp_bench.engines.base import TrainOptions
from selfimp_bench.engines.trl.machines import Machines
from selfimp_bench.errors import InputError, MachineLost, StepFailed
from selfimp_bench.runs.execute import open_runner
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.progress import SILENT, Progress
from selfimp_bench.steps.runner import OpenedEngines
from selfimp_bench.steps.store import StepRecord


@dataclass(frozen=True, kw_only=True)
class StepTask:
    """Steps of an experiment that share an engine, mostly one, and the records of what they read, by steps' ids.

    ``home`` is absolute.
    """

    experiment: Experiment
    home: Path
    training: TrainOptions
    step_ids: tuple[str, ...]
    inputs: Mapping[str, StepRecord]

    def steps(self) -> tuple[Step, ...]:
        """The steps themselves."""
        known = self.experiment.plan().by_id()
        return tuple(known[step_id] for step_id in self.step_ids)


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """What came of a task: the records of its steps by id, or of those before one that failed, and why.

    input: the user can mend it. lost: a machine went away, so that the step may be tried again.
    """

    records: Mapping[str, StepRecord]
    error: str | None
    input: bool
    lost: bool


def do_steps(
    task: StepTask,
    machines: Machines | None = None,
    opened: OpenedEngines | None = None,
    progress: Progress = SILENT,
) -> TaskResult:
    """Do the steps, or find them done, in this process. Their errors come back as values, so no executor wraps them.

    machines: those that training spans; None is this one. opened: engines that are left open; None ends what it opens.
    """
    runner = open_runner(task.experiment, task.home, replace(task.training, machines=machines), opened)
    records: dict[str, StepRecord] = {}
    try:
        for step_id, record in zip(task.step_ids, runner.run_these(task.steps(), task.inputs, progress), strict=True):
            records[step_id] = record
    except (InputError, StepFailed) as error:
        is_input, is_lost = isinstance(error, InputError), isinstance(error, MachineLost)
        return TaskResult(records=records, error=str(error), input=is_input, lost=is_lost)
    return TaskResult(records=records, error=None, input=False, lost=False)
