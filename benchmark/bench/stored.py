"""A stage done on inputs that were made up: what the runner gives it, without the steps before."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfimp_bench.canonical import digest
from selfimp_bench.engines.base import Embedder, EmbedderSettings, Sampler, SamplerSettings, Trainer
from selfimp_bench.steps.inputs import StepInputs
from selfimp_bench.steps.plan import Places, Plan, Stage, Step
from selfimp_bench.steps.store import SCHEMA, StepFolder, StepRecord, Store
from selfimp_bench.steps.work import Work


@dataclass(frozen=True, kw_only=True)
class Engines:
    """No engine but an embedder that is open, for a stage that wants one."""

    open_embedder: Embedder | None = None

    @property
    def trainer(self) -> Trainer:
        """None is here."""
        raise ValueError("a stage that was not to train asked for a trainer")

    def sampler(self, engine: str, settings: SamplerSettings) -> Sampler:
        """None is here."""
        raise ValueError(f"a stage that was not to sample asked for {engine} with {settings}")

    def embedder(self, engine: str, folder: Path, settings: EmbedderSettings) -> Embedder:
        """The one that was given."""
        if self.open_embedder is None:
            raise ValueError(f"a stage that was not to embed asked for {engine} in {folder} with {settings}")
        return self.open_embedder

    def close(self) -> None:
        """Whoever opened it closes it."""


def put(store: Store, name: str, write: Callable[[Path], object]) -> None:
    """Have ``write`` make the artifacts of a step called ``name``."""
    with store.step_folder(digest(name)) as folder:
        write(folder.path)
        record = StepRecord(
            schema=SCHEMA,
            fingerprint=digest(name),
            stage=name,
            block={},
            version="made",
            inputs={},
            artifacts=folder.artifacts(),
            counts={},
            seconds=0.0,
        )
        store.finish(folder, record)


def do(
    stage: Stage[Any], block: object, store: Store, inputs: Mapping[str, str], to: Path, engines: Engines | None = None
) -> None:
    """Do ``stage`` on steps that ``put`` made, in ``inputs`` by the names of the stage, and write into ``to``."""
    found = {name: store.find(digest(name)) for name in inputs.values()}
    step = Step(id="step", stage=stage.name, block=block, inputs=inputs, version="1", rows_at_most=0, tokens_at_most=0)
    work = Work(
        inputs=StepInputs(
            step=step,
            plan=Plan(steps=(step,), stages={type(block): stage}),
            records={name: record for name, record in found.items() if record is not None},
            store=store,
            places=Places(base=store.root, hub=store.root),
        ),
        folder=StepFolder(to),
        engines=engines or Engines(),
        key="0" * 64,
        on_progress=lambda _done, _of: None,
    )
    to.mkdir(parents=True, exist_ok=True)
    stage.do(block, work)
