"""Running a plan: for each step not in the store, read its inputs, do the stage, write artifacts, then the record."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from selfimp_bench.canonical import digest
from selfimp_bench.engines.base import Checkpoint, Sampler, SamplerSettings, Trainer, TrainFolders, TrainJob
from selfimp_bench.engines.embed.encoder import Embedder, EmbedderSettings
from selfimp_bench.engines.open import open_embedder
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.manifest.model import Method, ModelRef
from selfimp_bench.protocols.any_manifest import AnyManifest, models_of
from selfimp_bench.protocols.post_training.embed import sbert_values
from selfimp_bench.protocols.post_training.encoder import locate_encoder
from selfimp_bench.protocols.post_training.measure import Evidence, JudgedSet, measure
from selfimp_bench.protocols.verification.stages import VerificationBlock, judge, use_judgements
from selfimp_bench.steps import rows as schemas
from selfimp_bench.steps.dataset import load_dataset
from selfimp_bench.steps.grade import grade
from selfimp_bench.steps.inputs import GRADES, PROBLEMS, SAMPLES, StepInputs
from selfimp_bench.steps.model import examine_model, fetched_hashes, locate_model
from selfimp_bench.steps.outputs import TRAINING_SET, Counts, write_measured, write_training_set
from selfimp_bench.steps.plan import (
    EmbedBlock,
    GradeBlock,
    KeepBlock,
    MeasureBlock,
    MeasureGapBlock,
    ModelBlock,
    Plan,
    ProbeBlock,
    ProblemsBlock,
    Role,
    SampleBlock,
    ScoreBlock,
    SelectBlock,
    Step,
    TournamentBlock,
    TrainBlock,
    VerifyBlock,
    fingerprint,
)
from selfimp_bench.steps.probe import REPLAYS, probe
from selfimp_bench.steps.progress import Progress
from selfimp_bench.steps.resume import ResumingSampler
from selfimp_bench.steps.rows import SideValue
from selfimp_bench.steps.sample import sample
from selfimp_bench.steps.select import JudgedSample, select
from selfimp_bench.steps.store import SCHEMA, Chunks, StepFolder, StepRecord, Store

MODEL = "model.json"
PROBE = "probe.json"
EMBEDDINGS = "embeddings.parquet"


@dataclass(frozen=True, kw_only=True)
class FinishedStep:
    """A step with its record, and whether this run found it done."""

    step: Step
    record: StepRecord
    reused: bool


@dataclass(frozen=True, kw_only=True)
class Engines:
    """The engines of a run; they open their processes on first use.

    ``open_sampler`` is given a step's engine and settings, which may differ from model to model.
    """

    open_sampler: Callable[[str, SamplerSettings], Sampler]
    trainer: Trainer


_Asking = SampleBlock | VerifyBlock | TournamentBlock


@dataclass(frozen=True, kw_only=True)
class _OpenSampler:
    """A sampler and what it was opened with."""

    engine: str
    settings: SamplerSettings
    sampler: Sampler


class Runner:
    """Does the steps of one plan in order. ``base`` is the manifest's folder, ``hub`` holds what was fetched."""

    def __init__(
        self, *, manifest: AnyManifest, base: Path, plan: Plan, store: Store, hub: Path, engines: Engines
    ) -> None:
        self._models: Mapping[str, ModelRef] = {model.id: model for model in models_of(manifest)}
        self._base = base
        self._plan = plan
        self._store = store
        self._hub = hub
        self._engines = engines
        self._records: dict[str, StepRecord] = {}
        self._embedders: dict[str, Embedder] = {}
        self._sampler: _OpenSampler | None = None

    def run(self, progress: Progress) -> tuple[FinishedStep, ...]:
        """Do or find every step. Raises StepFailed or InputError; what is finished stays finished."""
        finished = []
        try:
            for position, step in enumerate(self._plan.steps, start=1):
                progress.start(step, position, len(self._plan.steps))
                done = self._do_or_find(step, progress)
                self._records[step.id] = done.record
                finished.append(done)
                progress.finish(step, done.record.seconds, done.reused)
        finally:
            self._close()
        return tuple(finished)

    def _close(self) -> None:
        if self._sampler is not None:
            self._sampler.sampler.close()
        for embedder in self._embedders.values():
            embedder.close()

    def run_one(self, step: Step, inputs: Mapping[str, StepRecord], progress: Progress) -> FinishedStep:
        """Do or find one step of the plan, given the records of the steps that it reads, by their ids."""
        self._records.update(inputs)
        try:
            return self._do_or_find(step, progress)
        finally:
            self._close()

    def _do_or_find(self, step: Step, progress: Progress) -> FinishedStep:
        inputs = {name: self._records[source].content_digest() for name, source in step.inputs.items()}
        key = fingerprint(step, inputs)
        if record := self._store.find(key):
            return FinishedStep(step=step, record=record, reused=True)
        with self._store.lock(key):
            if record := self._store.find(key):
                return FinishedStep(step=step, record=record, reused=True)
            return FinishedStep(step=step, record=self._do(step, key, inputs, progress), reused=False)

    def _do(self, step: Step, key: str, inputs: Mapping[str, str], progress: Progress) -> StepRecord:
        began = time.monotonic()
        with self._store.step_folder(key) as folder:
            try:
                counts = self._stage(step, key, folder, progress)
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
            self._store.finish(folder, record)
        return record

    def _stage(self, step: Step, key: str, folder: StepFolder, progress: Progress) -> Counts:
        inputs = self._inputs(step)
        match step.block:
            case ProblemsBlock() as block:
                return self._problems(block, folder)
            case ModelBlock() as block:
                return self._model(block, folder)
            case ProbeBlock() | SampleBlock() as block:
                return self._generate(inputs, block, key, folder, progress)
            case GradeBlock() as block:
                return self._grade(inputs, block, folder)
            case EmbedBlock() as block:
                return self._embed(inputs, block, folder)
            case SelectBlock() as block:
                return self._select(inputs, block, folder)
            case TrainBlock() as block:
                return self._train(inputs, block, key, folder, progress)
            case MeasureBlock() as block:
                return self._measure(inputs, block, folder)
            case VerifyBlock() | ScoreBlock() | TournamentBlock() | KeepBlock() | MeasureGapBlock() as block:
                return self._verification(inputs, block, key, folder, progress)

    def _sampler_of(self, block: _Asking) -> Sampler:
        """The sampler that is open, if it is as the step wants it; else that is closed and another opened."""
        if self._sampler is None or (self._sampler.engine, self._sampler.settings) != (block.engine, block.settings):
            self._close()
            sampler = self._engines.open_sampler(block.engine, block.settings)
            self._sampler = _OpenSampler(engine=block.engine, settings=block.settings, sampler=sampler)
        return self._sampler.sampler

    def _resuming(self, block: _Asking, key: str) -> Sampler:
        return ResumingSampler(self._sampler_of(block), Chunks(self._store.partial(key)))

    def _problems(self, block: ProblemsBlock, folder: StepFolder) -> Counts:
        problems = load_dataset(block.dataset, block.task, self._base, self._hub)
        folder.write_table(PROBLEMS, problems, schemas.PROBLEM_SCHEMA)
        return {"problems": len(problems)}

    def _model(self, block: ModelBlock, folder: StepFolder) -> Counts:
        folder_of_model = locate_model(block.model, self._base, self._hub)
        files = examine_model(block, folder_of_model, fetched_hashes(block.model, self._hub))
        folder.write_json(MODEL, files)
        return {"files": len(files.files), "canaries": len(block.canaries)}

    def _generate(
        self,
        inputs: StepInputs,
        block: ProbeBlock | SampleBlock,
        key: str,
        folder: StepFolder,
        progress: Progress,
    ) -> Counts:
        if isinstance(block, ProbeBlock):  # replays are never resumed: they are about one engine's life
            return self._probe(inputs, block, folder, progress)
        return self._sample(inputs, block, key, folder, progress)

    def _probe(self, inputs: StepInputs, block: ProbeBlock, folder: StepFolder, progress: Progress) -> Counts:
        of = REPLAYS * block.prompts * block.sample.samples_per_problem
        checkpoint = inputs.checkpoint("model")
        probed = probe(
            block,
            inputs.problems(),
            load_codec(checkpoint),
            self._sampler_of(block.sample),
            checkpoint,
            lambda done: progress.advance(done, of),
        )
        folder.write_json(PROBE, probed)
        return {"prompts": probed.prompts, "completions": probed.completions, "diverged": probed.diverged}

    def _sample(
        self, inputs: StepInputs, block: SampleBlock, key: str, folder: StepFolder, progress: Progress
    ) -> Counts:
        problems = inputs.problems()
        of = len(problems) * block.samples_per_problem
        made = sample(
            block,
            problems,
            load_codec(inputs.checkpoint("model")),
            self._resuming(block, key),
            inputs.checkpoint("checkpoint"),
            lambda done: progress.advance(done, of),
        )
        folder.write_table(SAMPLES, made, schemas.SAMPLE_SCHEMA)
        return {"completions": len(made), "tokens": sum(len(row.token_ids) for row in made)}

    def _verification(
        self, inputs: StepInputs, block: VerificationBlock, key: str, folder: StepFolder, progress: Progress
    ) -> Counts:
        if isinstance(block, VerifyBlock | TournamentBlock):
            return judge(inputs, block, self._resuming(block, key), folder, progress.advance)
        return use_judgements(inputs, block, folder)

    def _grade(self, inputs: StepInputs, block: GradeBlock, folder: StepFolder) -> Counts:
        graded = tuple(grade(block.grading, inputs.problems_by_id(), inputs.samples("samples")))
        folder.write_table(GRADES, graded, schemas.GRADE_SCHEMA)
        return {outcome: sum(row.outcome == outcome for row in graded) for outcome in {row.outcome for row in graded}}

    def _embed(self, inputs: StepInputs, block: EmbedBlock, folder: StepFolder) -> Counts:
        values = sbert_values(inputs.judged("samples", "grades"), self._embedder(block))
        rows = [SideValue(problem_id=key[0], side=key[1], value=value) for key, value in values.items()]
        folder.write_table(EMBEDDINGS, rows, schemas.SIDE_VALUE_SCHEMA)
        return {"values": len(rows), "undefined": sum(row.value is None for row in rows)}

    def _embedder(self, block: EmbedBlock) -> Embedder:
        key = digest(block)
        if key not in self._embedders:
            settings = EmbedderSettings(
                device=block.device, max_batch_rows=block.encoder.max_batch_rows, threads=block.threads
            )
            folder = Path() if block.engine == "fake" else locate_encoder(block.encoder, self._hub)
            self._embedders[key] = open_embedder(block.engine, folder, settings)
        return self._embedders[key]

    def _select(self, inputs: StepInputs, block: SelectBlock, folder: StepFolder) -> Counts:
        judged: list[JudgedSample] = []
        for name in inputs.named("samples."):
            judged.extend(inputs.judged(name, name.replace("samples", "grades")))
        codec = load_codec(inputs.checkpoint("model"))
        chosen = select(block, inputs.problems(), judged, codec)
        return write_training_set(folder, chosen, pairs=block.pairs is not None)

    def _train(self, inputs: StepInputs, block: TrainBlock, key: str, folder: StepFolder, progress: Progress) -> Counts:
        start = inputs.checkpoint("start")
        if inputs.counts("training_set")["rows"] == 0:
            return self._keep_previous(inputs.step, block, start, folder)
        if block.device == "cuda":  # training needs the memory
            self._close()
        folders = TrainFolders(out=folder.path, work=self._store.partial(key), log=self._store.logs(key))
        trained = self._engines.trainer.train(_job(inputs, block, start), folders, progress.advance)
        return _training_counts(trained)

    def _keep_previous(self, step: Step, block: TrainBlock, start: Path, folder: StepFolder) -> Counts:
        if block.empty_training_set == "stop":
            raise StepFailed(
                f"the training set is empty (see the counts of step {step.inputs['training_set']}) and the manifest "
                "says `empty_training_set: stop`; `keep-previous` would carry the checkpoint over unchanged"
            )
        folder.copy_in(start)
        return {"kept previous checkpoint, training set empty": 1, "optimizer steps": 0, "rows": 0, "tokens": 0}

    def _measure(self, inputs: StepInputs, block: MeasureBlock, folder: StepFolder) -> Counts:
        sets = []
        for name in inputs.named("samples."):
            _, role, iteration = name.split(".")
            judged = inputs.judged(name, f"grades.{role}.{iteration}")
            sets.append(JudgedSet(role=Role(role), iteration=int(iteration), samples=judged))
        embeddings = {
            int(name.removeprefix("embeddings.")): inputs.rows(name, EMBEDDINGS, SideValue)
            for name in inputs.named("embeddings.")
        }
        grouped = inputs.problems() if "problems" in inputs.step.inputs else ()
        levels = {problem.problem_id: problem.level for problem in grouped}
        measured = measure(block, Evidence(sets=sets, embeddings=embeddings, levels=levels))
        return write_measured(folder, measured)

    def _inputs(self, step: Step) -> StepInputs:
        return StepInputs(
            step=step,
            plan=self._plan,
            records=self._records,
            store=self._store,
            models=self._models,
            base=self._base,
            hub=self._hub,
        )


def _job(inputs: StepInputs, block: TrainBlock, start: Path) -> TrainJob:
    return TrainJob(
        method="dpo" if block.method is Method.DPO else "sft",
        start=start,
        reference=inputs.checkpoint("reference") if "reference" in inputs.step.inputs else None,
        training_set=inputs.artifact("training_set", TRAINING_SET),
        optimisation=block.optimisation,
        preference=block.preference,
        lora=block.lora,
        seed=block.seed,
        device=block.device,
        micro_batch_size=block.micro_batch_size,
        gradient_checkpointing=block.gradient_checkpointing,
        distributed=block.distributed,
        threads=block.threads,
    )


def _training_counts(trained: Checkpoint) -> Counts:
    return {
        "optimizer steps": trained.optimizer_steps,
        "rows": trained.rows,
        "tokens": trained.tokens,
        "processes": trained.processes,
    }
