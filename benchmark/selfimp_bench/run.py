"""Running a plan: for each step not in the store, read its inputs, do the stage, write artifacts, then the record."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from selfimp_bench.canonical import digest
from selfimp_bench.engines.base import Checkpoint, Sampler, Trainer, TrainFolders, TrainJob
from selfimp_bench.engines.embedder import Embedder, EmbedderSettings
from selfimp_bench.engines.open import open_embedder
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.manifest.any_manifest import AnyManifest
from selfimp_bench.manifest.model import Method, ModelRef
from selfimp_bench.plan import (
    EmbedBlock,
    GradeBlock,
    MeasureBlock,
    ModelBlock,
    Plan,
    ProblemsBlock,
    Role,
    SampleBlock,
    SelectBlock,
    Stage,
    Step,
    TrainBlock,
    fingerprint,
)
from selfimp_bench.problems import load_dataset
from selfimp_bench.progress import Progress
from selfimp_bench.stages import rows as schemas
from selfimp_bench.stages.embed import sbert_values
from selfimp_bench.stages.encoder import locate_encoder
from selfimp_bench.stages.grade import grade
from selfimp_bench.stages.measure import Evidence, JudgedSet, measure
from selfimp_bench.stages.model import examine_model, fetched_hashes, locate_model
from selfimp_bench.stages.resume import ResumingSampler
from selfimp_bench.stages.rows import GradeRow, SampleRow, SideValue
from selfimp_bench.stages.sample import sample
from selfimp_bench.stages.select import JudgedSample, judge, select
from selfimp_bench.store import SCHEMA, Chunks, StepFolder, StepRecord, Store, read_table
from selfimp_bench.tasks.problem import Problem

PROBLEMS = "problems.parquet"
MODEL = "model.json"
SAMPLES = "samples.parquet"
GRADES = "grades.parquet"
EMBEDDINGS = "embeddings.parquet"
TRAINING_SET = "training_set.parquet"
MEASUREMENTS = "measurements.parquet"
PROBLEM_VALUES = "problem_values.parquet"

Counts = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class FinishedStep:
    """A step with its record, and whether this run found it done."""

    step: Step
    record: StepRecord
    reused: bool


@dataclass(frozen=True, kw_only=True)
class Engines:
    """The two engines of a run; both open their processes on first use."""

    sampler: Sampler
    trainer: Trainer


class Runner:
    """Does the steps of one plan in order. ``base`` is the manifest's folder, ``hub`` holds what was fetched."""

    def __init__(
        self, *, manifest: AnyManifest, base: Path, plan: Plan, store: Store, hub: Path, engines: Engines
    ) -> None:
        self._models: Mapping[str, ModelRef] = {model.id: model for model in manifest.models}
        self._base = base
        self._plan = plan
        self._store = store
        self._hub = hub
        self._engines = engines
        self._records: dict[str, StepRecord] = {}
        self._embedders: dict[str, Embedder] = {}

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
            self._engines.sampler.close()
            for embedder in self._embedders.values():
                embedder.close()
        return tuple(finished)

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
        match step.block:
            case ProblemsBlock() as block:
                return self._problems(block, folder)
            case ModelBlock() as block:
                return self._model(block, folder)
            case SampleBlock() as block:
                return self._sample(step, block, key, folder, progress)
            case GradeBlock() as block:
                return self._grade(step, block, folder)
            case EmbedBlock() as block:
                return self._embed(step, block, folder)
            case SelectBlock() as block:
                return self._select(step, block, folder)
            case TrainBlock() as block:
                return self._train(step, block, key, folder, progress)
            case MeasureBlock() as block:
                return self._measure(step, block, folder)

    def _problems(self, block: ProblemsBlock, folder: StepFolder) -> Counts:
        problems = load_dataset(block.dataset, block.task, self._base, self._hub)
        folder.write_table(PROBLEMS, problems, schemas.PROBLEM_SCHEMA)
        return {"problems": len(problems)}

    def _model(self, block: ModelBlock, folder: StepFolder) -> Counts:
        folder_of_model = locate_model(block.model, self._base, self._hub)
        files = examine_model(block, folder_of_model, fetched_hashes(block.model, self._hub))
        folder.write_json(MODEL, files)
        return {"files": len(files.files), "canaries": len(block.canaries)}

    def _sample(self, step: Step, block: SampleBlock, key: str, folder: StepFolder, progress: Progress) -> Counts:
        problems = self._input_problems(step)
        of = len(problems) * block.samples_per_problem
        made = sample(
            block,
            problems,
            load_codec(self._input_checkpoint(step, "model")),
            ResumingSampler(self._engines.sampler, Chunks(self._store.partial(key))),
            self._input_checkpoint(step, "checkpoint"),
            lambda done: progress.advance(done, of),
        )
        folder.write_table(SAMPLES, made, schemas.SAMPLE_SCHEMA)
        return {"completions": len(made), "tokens": sum(len(row.token_ids) for row in made)}

    def _grade(self, step: Step, block: GradeBlock, folder: StepFolder) -> Counts:
        problems = {problem.problem_id: problem for problem in self._input_problems(step)}
        graded = tuple(grade(block.grading, problems, self._samples(step, "samples")))
        folder.write_table(GRADES, graded, schemas.GRADE_SCHEMA)
        return {outcome: sum(row.outcome == outcome for row in graded) for outcome in {row.outcome for row in graded}}

    def _embed(self, step: Step, block: EmbedBlock, folder: StepFolder) -> Counts:
        values = sbert_values(self._judged_inputs(step, "samples", "grades"), self._embedder(block))
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

    def _select(self, step: Step, block: SelectBlock, folder: StepFolder) -> Counts:
        judged: list[JudgedSample] = []
        for name in sorted(step.inputs, key=_numbered):
            if name.startswith("samples."):
                judged.extend(self._judged(step, name.removeprefix("samples.")))
        codec = load_codec(self._input_checkpoint(step, "model"))
        chosen = select(block, self._input_problems(step), judged, codec)
        schema = schemas.PAIR_SCHEMA if block.pairs is not None else schemas.SFT_SCHEMA
        folder.write_table(TRAINING_SET, chosen.rows, schema)
        return chosen.counts

    def _train(self, step: Step, block: TrainBlock, key: str, folder: StepFolder, progress: Progress) -> Counts:
        start = self._input_checkpoint(step, "start")
        record = self._records[step.inputs["training_set"]]
        if record.counts["rows"] == 0:
            return self._keep_previous(step, block, start, folder)
        if block.device == "cuda":  # training needs the memory
            self._engines.sampler.close()
            for embedder in self._embedders.values():
                embedder.close()
        folders = TrainFolders(out=folder.path, work=self._store.partial(key), log=self._store.logs(key))
        trained = self._engines.trainer.train(self._job(step, block, start), folders, progress.advance)
        return _training_counts(trained)

    def _keep_previous(self, step: Step, block: TrainBlock, start: Path, folder: StepFolder) -> Counts:
        if block.empty_training_set == "stop":
            raise StepFailed(
                f"the training set is empty (see the counts of step {step.inputs['training_set']}) and the manifest "
                "says `empty_training_set: stop`; `keep-previous` would carry the checkpoint over unchanged"
            )
        folder.copy_in(start)
        return {"kept previous checkpoint, training set empty": 1, "optimizer steps": 0, "rows": 0, "tokens": 0}

    def _job(self, step: Step, block: TrainBlock, start: Path) -> TrainJob:
        return TrainJob(
            method="dpo" if block.method is Method.DPO else "sft",
            start=start,
            reference=self._input_checkpoint(step, "reference") if "reference" in step.inputs else None,
            training_set=self._artifact(step.inputs["training_set"], TRAINING_SET),
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

    def _measure(self, step: Step, block: MeasureBlock, folder: StepFolder) -> Counts:
        sets = []
        for name in sorted(step.inputs, key=_numbered):
            if name.startswith("samples."):
                _, role, iteration = name.split(".")
                judged = self._judged(step, f"{role}.{iteration}")
                sets.append(JudgedSet(role=Role(role), iteration=int(iteration), samples=judged))
        embeddings = {
            int(name.removeprefix("embeddings.")): msgspec.convert(
                read_table(self._artifact(source, EMBEDDINGS)), tuple[SideValue, ...]
            )
            for name, source in step.inputs.items()
            if name.startswith("embeddings.")
        }
        grouped = self._input_problems(step) if "problems" in step.inputs else ()
        levels = {problem.problem_id: problem.level for problem in grouped}
        measured = measure(block, Evidence(sets=sets, embeddings=embeddings, levels=levels))
        folder.write_table(MEASUREMENTS, measured.measurements, schemas.MEASUREMENT_SCHEMA)
        folder.write_table(PROBLEM_VALUES, measured.problem_values, schemas.PROBLEM_VALUE_SCHEMA)
        return {"measurements": len(measured.measurements)}

    def _judged(self, step: Step, name: str) -> tuple[JudgedSample, ...]:
        return self._judged_inputs(step, f"samples.{name}", f"grades.{name}")

    def _judged_inputs(self, step: Step, samples: str, grades: str) -> tuple[JudgedSample, ...]:
        rows = read_table(self._artifact(step.inputs[grades], GRADES))
        return judge(self._samples(step, samples), msgspec.convert(rows, tuple[GradeRow, ...]))

    def _samples(self, step: Step, name: str) -> tuple[SampleRow, ...]:
        return msgspec.convert(read_table(self._artifact(step.inputs[name], SAMPLES)), tuple[SampleRow, ...])

    def _input_problems(self, step: Step) -> tuple[Problem, ...]:
        return msgspec.convert(read_table(self._artifact(step.inputs["problems"], PROBLEMS)), tuple[Problem, ...])

    def _artifact(self, step_id: str, name: str) -> Path:
        return self._store.folder(self._records[step_id].fingerprint) / name

    def _input_checkpoint(self, step: Step, name: str) -> Path:
        """The folder of a checkpoint: what a training step wrote, or where the base model lies."""
        source = self._plan.by_id()[step.inputs[name]]
        if isinstance(source.block, ModelBlock):
            return locate_model(self._models[source.block.model.id], self._base, self._hub)
        if source.stage is not Stage.TRAIN:
            raise ValueError(f"{step.id}: input {name} is {source.id}, which makes no checkpoint")
        return self._store.folder(self._records[source.id].fingerprint)


def _training_counts(trained: Checkpoint) -> Counts:
    return {
        "optimizer steps": trained.optimizer_steps,
        "rows": trained.rows,
        "tokens": trained.tokens,
        "processes": trained.processes,
    }


def _numbered(name: str) -> tuple[tuple[int, str], ...]:
    """A sort key under which ``samples.10`` follows ``samples.9``."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in name.split("."))
