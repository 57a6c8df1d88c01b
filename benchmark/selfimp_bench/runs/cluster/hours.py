"""How long a step takes on one machine of a cluster, by the plan's own hours and the assumptions of ``waiting.py``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from selfimp_bench.protocols.post_training.embed import EmbedBlock
from selfimp_bench.runs.hardware.cost import Range, StepCost
from selfimp_bench.runs.hardware.device import Hardware
from selfimp_bench.runs.hardware.outlook import outlook
from selfimp_bench.runs.hardware.waiting import (
    CORES,
    DISK,
    EMBED_SECONDS,
    FORMAL_SECONDS,
    START_SECONDS,
    TEXT_SECONDS,
)
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.grade import GradeBlock
from selfimp_bench.steps.plan import Plan, Step
from selfimp_bench.steps.train import TrainBlock
from selfimp_bench.tasks.grading.kinds import PARALLEL


@dataclass(frozen=True, kw_only=True)
class StepHours:
    """Hours of a step on one machine, with all of its GPUs: at work, and before and after that (starts, weights)."""

    work: Range
    start: Range

    @property
    def whole(self) -> Range:
        """Both."""
        return self.work + self.start


_NONE = Range(expected=0.0, at_most=0.0)


def step_hours(plan: Plan, machine: Hardware) -> Mapping[str, StepHours]:
    """Of every step by id. Steps that cannot run on such a machine have none.

    Raises InputError for a model of unknown sizes.
    """
    costs = {cost.step: cost for cost in outlook(plan, machine, done=frozenset()).costs}
    able = {step.id for step in plan.steps if step.id not in costs or not costs[step.id].misfits}
    return {step.id: _hours(step, costs.get(step.id), machine) for step in plan.steps if step.id in able}


def _hours(step: Step, cost: StepCost | None, machine: Hardware) -> StepHours:
    if cost is not None:
        training = isinstance(step.block, TrainBlock)
        gpus = cost.devices if training else machine.count  # engines that span fewer lie beside each other
        start = (START_SECONDS + (2 if training else 1) * cost.read_bytes / DISK) / 3600
        return StepHours(work=cost.gpu_hours * (1 / gpus), start=Range(expected=start, at_most=start))
    seconds = 0.0
    if isinstance(step.block, GradeBlock):
        formal = step.block.grading.task in PARALLEL
        seconds = step.rows_at_most * (FORMAL_SECONDS / CORES if formal else TEXT_SECONDS)
    elif isinstance(step.block, EmbedBlock):
        seconds = step.rows_at_most * EMBED_SECONDS
    return StepHours(work=Range(expected=seconds / 3600, at_most=seconds / 3600), start=_NONE)


def longest(experiments: Iterable[Experiment], machine: Hardware) -> tuple[str, Range] | None:
    """The step that takes longest at most, and its hours; None where none takes any that are known."""
    found = [
        (step, hours.whole)
        for experiment in experiments
        for step, hours in step_hours(experiment.plan(), machine).items()
    ]
    return max(found, key=lambda each: each[1].at_most, default=None)
