"""What GPUs wait for, on a machine that does a plan's steps one after the other: all of them, as long as it takes.

Each constant is assumed and printed as that. ``--executor ray`` grades beside sampling, and then waits for less.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from selfimp_bench.engines.base import SAVE_MINUTES
from selfimp_bench.protocols.post_training.embed import EmbedBlock
from selfimp_bench.runs.hardware.cost import Range, StepCost, total
from selfimp_bench.runs.hardware.device import Hardware
from selfimp_bench.steps.grade import GradeBlock
from selfimp_bench.steps.plan import Plan, Step
from selfimp_bench.steps.train import TrainBlock
from selfimp_bench.tasks.grading.kinds import PARALLEL

START_SECONDS: Final = 60.0
"""From a command to the first pass, without weights: imports, compilation, CUDA graphs, DeepSpeed's buffers."""

DISK: Final = 1e9
"""Bytes a second from and to a disk; engines that start together read the same bytes from it once."""

CORES: Final = 8
"""Processor cores for each GPU."""

TEXT_SECONDS: Final = 1e-4
"""To read, judge and write one completion: 3e-5 s for GSM8K's judgement alone, as measured on a core."""

FORMAL_SECONDS: Final = 1.1e-2
"""To judge one that is a formula or a program, on one of all cores: 11 ms and 10 ms, as measured (0032)."""

EMBED_SECONDS: Final = 1e-3
"""To embed one completion, on one GPU."""

STARTS: Final = "engine starts"
SAVING: Final = "checkpoints to resume from"
GRADING: Final = "grading"
EMBEDDING: Final = "embedding"
"""What is waited for, in words."""


@dataclass(frozen=True, kw_only=True)
class Wait:
    """GPU hours in which nothing is computed, of all GPUs; ``counted``: what they are worked out from."""

    kind: str
    gpu_hours: Range
    counted: str


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Checkpoints to resume from: bytes there at most beside all else, bytes written, and how many are."""

    peak_bytes: float
    written_bytes: Range
    written: Range


def waits(plan: Plan, costs: Iterable[StepCost], hardware: Hardware) -> tuple[Wait, ...]:
    """Everything that a machine's GPUs wait for in a plan, of which ``costs`` are the steps that use and fit them."""
    able = {cost.step: cost for cost in costs if not cost.misfits}
    started = list(_sampler_starts(plan, able))
    trained = [able[step.id] for step in plan.steps if isinstance(step.block, TrainBlock) and step.id in able]
    disk = f"{DISK / 1e9:.0f} GB a second"
    return (
        _wait(STARTS, _starting(started), hardware, f"{len(started)} times {START_SECONDS:.0f} s and weights"),
        _wait(
            "training starts and ends",
            _starting(trained) + Range(expected=1, at_most=1) * (sum(each.read_bytes for each in trained) / DISK),
            hardware,
            f"{len(trained)} times {START_SECONDS:.0f} s, weights read and written at {disk}",
        ),
        saving_wait(trained, hardware, SAVE_MINUTES),
        _wait(GRADING, _fixed(_grading(plan.steps, hardware)), hardware, f"{CORES} cores a GPU"),
        _wait(EMBEDDING, _fixed(_embedding(plan.steps)), hardware, "on one GPU"),
    )


def saving_wait(trained: Iterable[StepCost], hardware: Hardware, minutes: float) -> Wait:
    """For checkpoints to resume from, one every so many minutes."""
    seconds = resume(trained, minutes).written_bytes * (1 / DISK)
    return _wait(SAVING, seconds, hardware, f"every {minutes:.0f} minutes, at {DISK / 1e9:.0f} GB a second")


def starts_apart(costs: Iterable[StepCost], hardware: Hardware) -> Range:
    """GPU hours of engine starts if every one of these steps had engines of its own."""
    return _starting(costs) * (hardware.count / 3600)


def resume(trained: Iterable[StepCost], minutes: float = SAVE_MINUTES) -> Resume:
    """What training steps write to go on from, every so many minutes of the clock.

    A run that ends within the time between two checkpoints writes none.
    """
    counts = [(cost, _checkpoints(cost, minutes)) for cost in trained]
    kept = [cost.resume_bytes * min(2, int(count.at_most)) for cost, count in counts]
    return Resume(
        peak_bytes=max(kept, default=0.0),
        written_bytes=total(count * cost.resume_bytes for cost, count in counts),
        written=total(count for _, count in counts),
    )


def _checkpoints(cost: StepCost, minutes: float) -> Range:
    between = cost.devices * minutes / 60
    return Range(expected=cost.gpu_hours.expected // between, at_most=cost.gpu_hours.at_most // between)


def _sampler_starts(plan: Plan, able: Mapping[str, StepCost]) -> Iterable[StepCost]:
    """The steps before which engines start: another checkpoint than the step before, or a training between."""
    there = None
    for step in plan.steps:
        if isinstance(step.block, TrainBlock):
            there = None
        elif step.id in able:
            if there != (wanted := step.inputs["checkpoint"]):
                yield able[step.id]
            there = wanted


def _starting(costs: Iterable[StepCost]) -> Range:
    return _fixed(sum(START_SECONDS + cost.read_bytes / DISK for cost in costs))


def _grading(steps: Iterable[Step], hardware: Hardware) -> float:
    seconds = 0.0
    for step in steps:
        if isinstance(step.block, GradeBlock):
            formal = step.block.grading.task in PARALLEL
            each = FORMAL_SECONDS / (CORES * hardware.count) if formal else TEXT_SECONDS
            seconds += step.rows_at_most * each
    return seconds


def _embedding(steps: Iterable[Step]) -> float:
    return sum(EMBED_SECONDS * step.rows_at_most for step in steps if isinstance(step.block, EmbedBlock))


def _fixed(seconds: float) -> Range:
    return Range(expected=seconds, at_most=seconds)


def _wait(kind: str, seconds: Range, hardware: Hardware, counted: str) -> Wait:
    return Wait(kind=kind, gpu_hours=seconds * (hardware.count / 3600), counted=counted)
