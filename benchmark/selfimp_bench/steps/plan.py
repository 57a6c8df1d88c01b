"""A plan: a manifest resolved for one profile into an ordered graph of steps, each with a fingerprint.

A step is its ``block`` (everything of the manifest that it depends on, and nothing else), its inputs (other steps) and
the version of what does it. Two steps with equal blocks, versions and inputs are one piece of work, whichever
manifests they come from. What does a step is its stage: one module with the block, the function and the rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec

from selfimp_bench.canonical import NOT_IDENTITY, digest
from selfimp_bench.installed import Brought

if TYPE_CHECKING:
    from selfimp_bench.steps.work import Work

Block = TypeVar("Block")
Counts = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One piece of work. ``inputs`` maps what the stage calls an input to the id of the step that makes it.

    ``version`` names the engine or code that does it; ``rows_at_most`` and ``tokens_at_most`` bound what it handles.
    """

    id: str
    stage: str
    block: object
    inputs: Mapping[str, str]
    version: str
    rows_at_most: int
    tokens_at_most: int


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where things lie: ``base`` is the manifest's folder, ``hub`` holds what was fetched."""

    base: Path
    hub: Path


def _no_engine(_block: object) -> str | None:
    """The stage is our own code alone."""
    return None


def _no_libraries(_block: object) -> tuple[str, ...]:
    """No library decides what comes out."""
    return ()


def _nothing_brought(_block: object) -> tuple[Brought, ...]:
    """The stage needs no code of other packages."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Stage(Generic[Block]):
    """How steps with this block are done: read the inputs, do it, write artifacts, and say what was counted.

    name: of the stage, a part of fingerprints; two stages may share it. engine: the name of the engine that does the
    step. libraries: those whose versions decide what comes out. brings: functions of other packages that do a part of
    it. on_device: it wants the GPU, where the manifest says
    so. tokens: what a step's ``tokens_at_most`` are, where a model reads or writes them. rated_by_rows: its time grows
    with its rows. checkpoint: where the checkpoint lies that a step makes or finds, given the step's own folder.
    again: does a finished step again without its engine or what only its machine has, from what it wrote (the folder
    given last); None where ``do`` needs neither, or where an engine's work was not kept.
    """

    name: str
    block: type[Block]
    do: "Callable[[Block, Work], Counts]"
    engine: Callable[[Block], str | None] = field(default=_no_engine)
    libraries: Callable[[Block], tuple[str, ...]] = field(default=_no_libraries)
    brings: Callable[[Block], tuple[Brought, ...]] = field(default=_nothing_brought)
    on_device: bool = False
    tokens: Literal["generated", "trained on"] | None = None
    rated_by_rows: bool = False
    checkpoint: Callable[[Block, Path, Places], Path] | None = None
    again: "Callable[[Block, Work, Path], Counts] | None" = None


Stages = Mapping[type, Stage[Any]]


def stages_by_block(*stages: Stage[Any]) -> Stages:
    """The table that a runner asks: the stage of every block. Raises ValueError for a block with two."""
    table: dict[type, Stage[Any]] = {}
    for stage in stages:
        if stage.block in table:
            raise ValueError(f"{stage.block.__name__} is the block of two stages")
        table[stage.block] = stage
    return table


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Steps in an order in which every input comes before its use, and the stages that do them."""

    steps: tuple[Step, ...]
    stages: Stages

    def by_id(self) -> dict[str, Step]:
        """Steps by their ids."""
        return {step.id: step for step in self.steps}

    def stage(self, step: Step) -> Stage[Any]:
        """The stage that does a step."""
        return self.stages[type(step.block)]


def fingerprint(step: Step, input_digests: Mapping[str, str]) -> str:
    """The name of a step's result in the store: block, version and the contents of its inputs, nothing else."""
    return digest([step.stage, _identity(step.block), step.version, dict(input_digests)])


def plan_keys(plan: Plan) -> dict[str, str]:
    """For every step id a key that is equal where the work is the same, known before anything has run."""
    keys: dict[str, str] = {}
    for step in plan.steps:
        keys[step.id] = fingerprint(step, {name: keys[source] for name, source in step.inputs.items()})
    return keys


def _identity(value: object) -> object:
    """A block as plain data without its provenance remarks and what only a forecast reads: they change no result."""
    return _without_remarks(msgspec.to_builtins(value, str_keys=True))


def _without_remarks(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_remarks(inner) for key, inner in value.items() if key not in NOT_IDENTITY}
    if isinstance(value, list):
        return [_without_remarks(inner) for inner in value]
    return value
