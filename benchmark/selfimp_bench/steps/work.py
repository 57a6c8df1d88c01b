"""What a stage is given to do a step: its inputs, a folder for what it writes, and engines that open on first use."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from selfimp_bench.engines.base import Embedder, EmbedderSettings, Sampler, SamplerSettings, Trainer
from selfimp_bench.steps.inputs import StepInputs
from selfimp_bench.steps.resume import ResumingSampler
from selfimp_bench.steps.store import Chunks, StepFolder


class OpenEngines(Protocol):
    """The engines of a run. What one step opened, the next finds open."""

    @property
    def trainer(self) -> Trainer:
        """What trains."""
        ...

    def sampler(self, engine: str, settings: SamplerSettings) -> Sampler:
        """The sampler of this name and with these settings; one with others is closed first."""
        ...

    def embedder(self, engine: str, folder: Path, settings: EmbedderSettings) -> Embedder:
        """The embedder of this name with the encoder in this folder."""
        ...

    def close(self) -> None:
        """End every engine's process and give back its memory; the next use opens it again."""
        ...


@dataclass(frozen=True, kw_only=True)
class Work:
    """One step to be done. ``key`` is its fingerprint; ``on_progress`` is told what is done, and of how much."""

    inputs: StepInputs
    folder: StepFolder
    engines: OpenEngines
    key: str
    on_progress: Callable[[int, int], None]

    def scratch(self) -> Path:
        """A folder that outlives a kill: the same step finds it as it left it."""
        return self.inputs.store.partial(self.key)

    def logs(self) -> Path:
        """A folder for what a step says of its speed and memory, which differ from run to run."""
        return self.inputs.store.logs(self.key)

    def resuming(self, engine: str, settings: SamplerSettings) -> Sampler:
        """A sampler that a kill cannot undo: what it answered before is not asked again."""
        return ResumingSampler(self.engines.sampler(engine, settings), Chunks(self.scratch()))
