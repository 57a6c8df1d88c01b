"""Running a plan: for each step not in the store, have its stage do it, then write the record."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from selfimp_bench.engines.base import Embedder, EmbedderSettings, Sampler, SamplerSettings, Trainer
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.steps.inputs import StepInputs
from selfimp_bench.steps.plan import Places, Plan, Step, fingerprint
from selfimp_bench.steps.progress import Place, Progress
from selfimp_bench.steps.store import SCHEMA, StepFolder, StepRecord, Store
from selfimp_bench.steps.work import Work


@dataclass(frozen=True, kw_only=True)
class FinishedStep:
    """A step with its record, and whether this run found it done."""

    step: Step
    record: StepRecord
    reused: bool


OpenSampler = Callable[[str, SamplerSettings], Sampler]
"""Given a step's engine and settings, which may differ from model to model."""

OpenEmbedder = Callable[[str, Path, EmbedderSettings], Embedder]
"""Given the folder of an encoder, too."""


@dataclass(frozen=True, kw_only=True)
class Engines:
    """The engines of a run; they open their processes on first use.

    opened: those of runs before it, which this one finds open and leaves so; None where it closes what it opens.
    """

    open_sampler: OpenSampler
    open_embedder: OpenEmbedder
    trainer: Trainer
    opened: "OpenedEngines | None" = None


class Runner:
    """Does the steps of one plan in order."""

    def __init__(self, *, plan: Plan, store: Store, places: Places, engines: Engines) -> None:
        self._plan = plan
        self._store = store
        self._places = places
        opened = engines.opened or OpenedEngines(engines.open_sampler, engines.open_embedder)
        self._engines = _EnginesOfRun(opened=opened, trainer=engines.trainer)
        self._closes = engines.opened is None
        self._records: dict[str, StepRecord] = {}

    def run(self, progress: Progress) -> tuple[FinishedStep, ...]:
        """Do or find every step. Raises StepFailed or InputError; what is finished stays finished."""
        finished = []
        try:
            with self._store.in_use():
                for position, step in enumerate(self._plan.steps, start=1):
                    progress.start(step, Place(step=position, steps=len(self._plan.steps)))
                    done = self._do_or_find(step, progress)
                    self._records[step.id] = done.record
                    finished.append(done)
                    progress.finish(step, done.record.seconds, done.reused)
        finally:
            if self._closes:
                self._engines.close()
        return tuple(finished)

    def run_these(
        self, steps: Iterable[Step], inputs: Mapping[str, StepRecord], progress: Progress
    ) -> Iterator[StepRecord]:
        """Do or find some steps of the plan in turn, given the records of what they read, by ids: the records."""
        self._records.update(inputs)
        try:
            with self._store.in_use():
                for step in steps:
                    yield self._do_or_find(step, progress).record
        finally:
            if self._closes:
                self._engines.close()

    def _do_or_find(self, step: Step, progress: Progress) -> FinishedStep:
        inputs = {name: self._records[source].content_digest() for name, source in step.inputs.items()}
        key = fingerprint(step, inputs)
        if record := self._store.find(key):
            return FinishedStep(step=step, record=record, reused=True)
        with self._store.lock(key):
            if record := self._store.find(key):
                return FinishedStep(step=step, record=record, reused=True)
            with self._checkpoints(step, progress):
                return FinishedStep(step=step, record=self._do(step, key, inputs, progress), reused=False)

    @contextmanager
    def _checkpoints(self, step: Step, progress: Progress) -> Iterator[None]:
        """Meanwhile nobody takes weights out of what a step reads; those that were taken out are made again first.

        Raises StepFailed where they come out otherwise.
        """
        with ExitStack() as stack:
            for source in step.inputs.values():
                made, record = self._plan.by_id()[source], self._record(source)
                if self._plan.stage(made).checkpoint is not None:
                    stack.enter_context(self._store.reading(record.fingerprint))
                    self._bring_back(made, record, progress)
            yield

    def _bring_back(self, made: Step, record: StepRecord, progress: Progress) -> None:
        if self._store.taken_out(record.fingerprint):
            with self._store.lock(record.fingerprint):
                if self._store.taken_out(record.fingerprint):
                    with self._checkpoints(made, progress):
                        self._do(made, record.fingerprint, record.inputs, progress, before=record)

    def _record(self, step_id: str) -> StepRecord:
        """The record of a step that is done; a worker is given only those that its own step reads."""
        if step_id not in self._records:
            step = self._plan.by_id()[step_id]
            key = fingerprint(step, {name: self._record(each).content_digest() for name, each in step.inputs.items()})
            record = self._store.find(key)
            if record is None:
                raise StepFailed(f"step {step_id} is not done, and what it made is needed again")
            self._records[step_id] = record
        return self._records[step_id]

    def _do(
        self, step: Step, key: str, inputs: Mapping[str, str], progress: Progress, before: StepRecord | None = None
    ) -> StepRecord:
        began = time.monotonic()
        with self._store.step_folder(key) as folder:
            try:
                counts = self._plan.stage(step).do(step.block, self._work(step, key, folder, progress))
            except (InputError, StepFailed) as error:
                raise type(error)(f"step {step.id}: {error}") from error
            record = StepRecord(
                schema=SCHEMA,
                fingerprint=key,
                stage=step.stage,
                block=msgspec.to_builtins(step.block),
                version=step.version,
                inputs=inputs,
                artifacts=folder.artifacts(),
                counts=counts,
                seconds=round(time.monotonic() - began, 3),
            )
            if before is not None and record.artifacts != before.artifacts:
                raise StepFailed(
                    f"step {step.id}: its weights were taken out (`gc`, --keep), and made again they are others; "
                    f"delete {self._store.folder(key)} to go on with these"
                )
            if before is not None:
                self._store.put_back(folder, before)
                return before
            return self._store.finish(folder, record)

    def _work(self, step: Step, key: str, folder: StepFolder, progress: Progress) -> Work:
        inputs = StepInputs(step=step, plan=self._plan, records=self._records, store=self._store, places=self._places)
        told = partial(progress.advance, step)
        return Work(inputs=inputs, folder=folder, engines=self._engines, key=key, on_progress=told)


@dataclass(frozen=True, kw_only=True)
class _OpenSampler:
    """A sampler and what it was opened with."""

    engine: str
    settings: SamplerSettings
    sampler: Sampler


class OpenedEngines:
    """Samplers and embedders that are open, one sampler at a time, for it fills the device, and every embedder that was
    asked for; ``close`` ends them, and the next use opens them again."""

    def __init__(self, open_sampler: OpenSampler, open_embedder: OpenEmbedder) -> None:
        self._open_sampler = open_sampler
        self._open_embedder = open_embedder
        self._sampler: _OpenSampler | None = None
        self._embedders: dict[tuple[str, Path, EmbedderSettings], Embedder] = {}

    def sampler(self, engine: str, settings: SamplerSettings) -> Sampler:
        """See ``OpenEngines.sampler``."""
        if self._sampler is None or (self._sampler.engine, self._sampler.settings) != (engine, settings):
            self.close()
            sampler = self._open_sampler(engine, settings)
            self._sampler = _OpenSampler(engine=engine, settings=settings, sampler=sampler)
        return self._sampler.sampler

    def embedder(self, engine: str, folder: Path, settings: EmbedderSettings) -> Embedder:
        """See ``OpenEngines.embedder``."""
        key = (engine, folder, settings)
        if key not in self._embedders:
            self._embedders[key] = self._open_embedder(engine, folder, settings)
        return self._embedders[key]

    def close(self) -> None:
        """See ``OpenEngines.close``."""
        if self._sampler is not None:
            self._sampler.sampler.close()
        for embedder in self._embedders.values():
            embedder.close()


@dataclass(frozen=True, kw_only=True)
class _EnginesOfRun:
    """See ``OpenEngines``: those that are open, and the trainer of the run."""

    opened: OpenedEngines
    trainer: Trainer

    def sampler(self, engine: str, settings: SamplerSettings) -> Sampler:
        return self.opened.sampler(engine, settings)

    def embedder(self, engine: str, folder: Path, settings: EmbedderSettings) -> Embedder:
        return self.opened.embedder(engine, folder, settings)

    def close(self) -> None:
        self.opened.close()
