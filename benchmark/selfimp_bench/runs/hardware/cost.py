"""What one step asks of GPUs, as values, and what a step's cost is worked out from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from selfimp_bench.runs.hardware.calibration import Rates
from selfimp_bench.runs.hardware.device import Hardware
from selfimp_bench.runs.hardware.footprint import Footprint
from selfimp_bench.steps.plan import Step


@dataclass(frozen=True, kw_only=True)
class Range:
    """An expected amount, and the amount if every completion ran to its limit and every sample were trained on."""

    expected: float
    at_most: float

    def __add__(self, other: "Range") -> "Range":
        return Range(expected=self.expected + other.expected, at_most=self.at_most + other.at_most)

    def __sub__(self, other: "Range") -> "Range":
        return Range(expected=self.expected - other.expected, at_most=self.at_most - other.at_most)

    def __mul__(self, factor: float) -> "Range":
        return Range(expected=self.expected * factor, at_most=self.at_most * factor)


def total(ranges: Iterable[Range]) -> Range:
    """The sum, 0 for none."""
    return sum(ranges, start=Range(expected=0.0, at_most=0.0))


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """What a step asks of the hardware.

    model: the base model's id. kind: what the step does, in a word or two. devices: how many it uses at a time.
    per_device: rows of a training pass on one device, or completions in flight were all the longest. accumulation:
    passes to an optimiser step; None in sampling, and where it is not whole. tokens: generated, or trained on (over
    all passes). read_bytes: weights that its start reads. resume_bytes: of one checkpoint to resume from, 0 in
    sampling. misfits: why it cannot run, with what would; empty when it can.
    """

    step: str
    model: str
    kind: str
    devices: int
    per_device: int
    accumulation: int | None
    footprint: Footprint
    tokens: Range
    gpu_hours: Range
    disk_bytes: Range
    read_bytes: float
    resume_bytes: float
    misfits: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """All steps of the plan by id, and what they are to run on."""

    steps: Mapping[str, Step]
    hardware: Hardware
    rates: Rates


def sources(step: Step, block: type, steps: Mapping[str, Step]) -> tuple[Step, ...]:
    """The steps with such a block among what a step is made from, nearest first, each once."""
    found: dict[str, Step] = {}
    waiting = list(step.inputs.values())
    seen = set(waiting)
    while waiting:
        source = steps[waiting.pop(0)]
        if isinstance(source.block, block):
            found[source.id] = source
        new = [name for name in source.inputs.values() if name not in seen]
        seen.update(new)
        waiting.extend(new)
    return tuple(found.values())
