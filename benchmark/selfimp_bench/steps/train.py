"""Training: a training set becomes a checkpoint; an empty one carries the checkpoint over, or ends the run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from selfimp_bench.engines.base import Checkpoint, TrainFolders, TrainJob
from selfimp_bench.engines.trl.training_set import read_training_set, training_work
from selfimp_bench.errors import StepFailed
from selfimp_bench.installed import Brought
from selfimp_bench.manifest.model import Lora, Method, Optimisation, PreferenceOptimisation
from selfimp_bench.methods import Kind
from selfimp_bench.steps.inputs import StepInputs
from selfimp_bench.steps.plan import Counts, Places, Stage
from selfimp_bench.steps.training_rows import TRAINING_SET
from selfimp_bench.steps.work import Work


@dataclass(frozen=True, kw_only=True)
class TrainBlock:
    """Train M_t. Inputs: start, training_set, for DPO reference; previous (M_{t-1}) where it is not the start.

    An empty training set makes M_t of M_{t-1}, not of where training would have started.
    """

    engine: str
    method: Method
    optimisation: Optimisation
    preference: PreferenceOptimisation | None
    lora: Lora | None
    empty_training_set: str
    seed: int
    device: Literal["cpu", "cuda"]
    micro_batch_size: int
    gradient_checkpointing: bool
    distributed: Literal["ddp", "deepspeed-zero3"] | None
    threads: int


def training_tokens_at_most(optimisation: Optimisation, rows: int) -> int:
    """The most tokens that training on so many rows, each one sequence, passes through the model."""
    seen = (
        rows * (optimisation.epochs or 0)
        if optimisation.steps is None
        else optimisation.steps * optimisation.batch_size
    )
    return seen * optimisation.max_length


def _do(block: TrainBlock, work: Work) -> Counts:
    inputs = work.inputs
    start = inputs.checkpoint("start")
    if inputs.counts("training_set")["rows"] == 0:
        return _keep_previous(block, work, inputs.checkpoint("previous") if inputs.has("previous") else start)
    if block.device == "cuda":  # training needs the memory
        work.engines.close()
    folders = TrainFolders(out=work.folder.path, work=work.scratch(), log=work.logs())
    return _counts(work.engines.trainer.train(_job(inputs, block, start), folders, work.on_progress))


def trained_on(block: TrainBlock, inputs: StepInputs) -> Counts:
    """What a finished step counted, but for its processes, by its training set alone."""
    if inputs.counts("training_set")["rows"] == 0:
        return _NOTHING
    path = inputs.artifact("training_set", TRAINING_SET)
    rows = read_training_set(path, _method(block), max_length=block.optimisation.max_length)
    work = training_work(rows, block.optimisation)
    return {"optimizer steps": work.steps, "rows": work.rows, "tokens": work.tokens}


def _keep_previous(block: TrainBlock, work: Work, previous: Path) -> Counts:
    if block.empty_training_set == "stop":
        source = work.inputs.step.inputs["training_set"]
        raise StepFailed(
            f"the training set is empty (see the counts of step {source}) and the manifest says "
            "`empty_training_set: stop`; `keep-previous` would carry the checkpoint over unchanged"
        )
    work.folder.copy_in(previous)
    return _NOTHING


_NOTHING: Final = {"kept previous checkpoint, training set empty": 1, "optimizer steps": 0, "rows": 0, "tokens": 0}


def _method(block: TrainBlock) -> Literal["sft", "dpo"]:
    return "dpo" if block.method is Method.DPO else "sft"


def _job(inputs: StepInputs, block: TrainBlock, start: Path) -> TrainJob:
    return TrainJob(
        method=_method(block),
        start=start,
        reference=inputs.checkpoint("reference") if inputs.has("reference") else None,
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


def _counts(trained: Checkpoint) -> Counts:
    return {
        "optimizer steps": trained.optimizer_steps,
        "rows": trained.rows,
        "tokens": trained.tokens,
        "processes": trained.processes,
    }


def _engine(block: TrainBlock) -> str:
    return block.engine


def _checkpoint(_block: TrainBlock, own: Path, _places: Places) -> Path:
    return own


def _brings(block: TrainBlock) -> tuple[Brought, ...]:
    loss = None if block.preference is None else block.preference.pair_loss
    return () if loss is None else (loss.brought(Kind.PAIR_LOSS),)


STAGE: Final = Stage(
    name="train",
    block=TrainBlock,
    do=_do,
    engine=_engine,
    brings=_brings,
    on_device=True,
    tokens="trained on",
    rated_by_rows=True,
    checkpoint=_checkpoint,
)
