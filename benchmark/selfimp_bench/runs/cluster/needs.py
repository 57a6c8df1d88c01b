"""What a step takes of a machine, from its manifest and plan. What no manifest says is assumed here, and can be asked
for otherwise (``--slurm cpus_per_task=..., mem_gb=...``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from selfimp_bench.errors import InputError
from selfimp_bench.protocols.post_training.embed import EmbedBlock
from selfimp_bench.runs.hardware.cost import sources
from selfimp_bench.runs.hardware.footprint import ADAM_BYTES
from selfimp_bench.runs.hardware.sizes import architecture_of
from selfimp_bench.runs.hardware.training import STORED_BYTES
from selfimp_bench.steps.grade import GradeBlock
from selfimp_bench.steps.model import ModelBlock
from selfimp_bench.steps.plan import Plan, Step
from selfimp_bench.steps.train import TrainBlock
from selfimp_bench.tasks.grading.kinds import PARALLEL
from selfimp_bench.tasks.sandbox.policy import MEMORY_BYTES

BASE_BYTES: Final = 2 * 2**30
"""Of a process of ours with its libraries, without weights and rows."""

ENGINE_BYTES: Final = 8 * 2**30
"""Of main memory for each GPU: an engine's process, its CUDA context and its pinned buffers."""

ROW_BYTES: Final = 10_000
"""Of one completion with its grade, read whole."""

GRADING_CPUS: Final = 8
"""For formulas and programs, which are judged on as many cores at a time."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a step takes: of one machine, or in training of several, the same of each. ``memory`` is main memory, bytes.

    engine_gpus: 0, or the GPUs of one engine that no machine has enough of; the step takes no others.
    """

    cpus: int
    memory: int
    gpus: int
    machines: int
    engine_gpus: int


@dataclass(frozen=True, kw_only=True)
class Share:
    """GPUs of a machine for a step of sampling or training, and the machines for one of training."""

    gpus: int
    machines: int


def needs(step: Step, plan: Plan, share: Share) -> Needs:
    """For sampling, verifying and training the share, for embedding one GPU, on a CPU none.

    Processors: the manifest's threads for each GPU, or for the one process on a CPU; for grading that runs on several,
    ``GRADING_CPUS``. Only training that is distributed spans machines, and an engine only when it needs more GPUs than
    its share.
    """
    if not plan.stage(step).on_device:
        return _on_processors(step)
    block = step.block
    settings = getattr(block, "settings", block)
    threads: int = getattr(settings, "threads", 1)
    if getattr(settings, "device", "cpu") != "cuda":
        memory = 2 * BASE_BYTES + ADAM_BYTES * _parameters(step, plan)
        machines = share.machines if isinstance(block, TrainBlock) and block.distributed is not None else 1
        return Needs(cpus=threads, memory=memory, gpus=0, machines=machines, engine_gpus=0)
    gpus = 1 if isinstance(block, EmbedBlock) else share.gpus
    memory = max(gpus, 1) * ENGINE_BYTES + 2 * STORED_BYTES * _parameters(step, plan)
    one = Needs(cpus=threads * max(gpus, 1), memory=memory, gpus=gpus, machines=1, engine_gpus=0)
    if isinstance(block, TrainBlock) and block.distributed is not None:
        return replace(one, machines=share.machines)
    vllm = getattr(settings, "vllm", None)
    if vllm is not None and vllm.tensor_parallel > share.gpus:
        return replace(one, cpus=threads, gpus=0, engine_gpus=vllm.tensor_parallel)
    return one


def _on_processors(step: Step) -> Needs:
    block = step.block
    parallel = isinstance(block, GradeBlock) and block.grading.task in PARALLEL
    cpus = GRADING_CPUS if parallel else 1
    memory = BASE_BYTES + ROW_BYTES * step.rows_at_most + (cpus * MEMORY_BYTES if parallel else 0)
    return Needs(cpus=cpus, memory=memory, gpus=0, machines=1, engine_gpus=0)


def _parameters(step: Step, plan: Plan) -> int:
    """Of the model that a step uses; 0 where its size is not known."""
    models = sources(step, ModelBlock, plan.by_id())
    try:
        return architecture_of(models[0].block.model).parameters if models else 0  # type: ignore[attr-defined]
    except InputError:
        return 0


def engine_key(step: Step, plan: Plan, reads: Mapping[str, str]) -> object | None:
    """Equal for steps that one start of an engine serves: of one model's checkpoint, or of one encoder; else None.

    ``reads``: the keys of what the step reads, by what it calls them.
    """
    block = step.block
    if isinstance(block, EmbedBlock):
        return ("embed", block.engine, block.encoder.id, block.device, block.threads)
    if isinstance(block, TrainBlock) or not plan.stage(step).on_device or "checkpoint" not in reads:
        return None
    return (getattr(block, "engine", None), getattr(block, "settings", None), reads["checkpoint"])
