"""The sampler on vLLM: one child process a replica (see ``worker.py``), prompts dealt out among them."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from selfimp_bench.engines.base import Sampler, SamplerSettings
from selfimp_bench.engines.tokens import read_json
from selfimp_bench.engines.vllm.dealing import DealtSampler
from selfimp_bench.engines.worker.child import visible_gpus
from selfimp_bench.engines.worker.process import WorkerProcess, start_worker
from selfimp_bench.engines.worker.sampler import WorkerSampler
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import VllmSettings

# Bump when a change to model.py can change a completion (draws, filters, stopping), not for speed alone.
LIBRARIES: Final = ("vllm", "transformers", "torch")

WORKER: Final = "selfimp_bench.engines.vllm.worker"


def vllm_sampler(settings: SamplerSettings) -> Sampler:
    """A sampler with one engine for every ``tensor_parallel`` GPUs that are visible; on a CPU with one engine.

    In a task of the Ray executor that was given GPUs of several machines, with one engine on all of those.
    Raises InputError when fewer GPUs are visible than one engine needs.
    """
    assert settings.vllm is not None, "cross_checks.py: engines.vllm is there when the sampler is vllm"
    if group := ray_group():
        return WorkerSampler(settings, partial(_start, settings, None, group), can_follow=can_follow)
    return replicated(
        settings, groups=device_groups(settings.vllm, visible_gpus() if settings.device == "cuda" else None)
    )


def replicated(settings: SamplerSettings, *, groups: Sequence[tuple[str, ...]]) -> Sampler:
    """One engine a group of GPUs, and the prompts dealt out among them."""
    replicas = [WorkerSampler(settings, partial(_start, settings, gpus, ()), can_follow=can_follow) for gpus in groups]
    return replicas[0] if len(replicas) == 1 else DealtSampler(replicas, least_rows=settings.max_batch_rows)


def can_follow(before: Path, after: Path) -> bool:
    """Whether vLLM can load a checkpoint's weights over another's: of the same config, with embeddings not tied.

    vLLM 0.32's ``reload_weights`` leaves a tied output layer as it was. A folder that holds no config is left to the
    worker, which refuses it before it touches the engine.
    """
    configs = [read_json(folder / "config.json") for folder in (before, after)]
    return not configs[1] or (configs[0] == configs[1] and configs[0].get("tie_word_embeddings") is False)


def ray_group() -> tuple[str, ...]:
    """What tells the worker of the placement group that this process's Ray task lies in: the cluster's address and the
    group's id. Nothing outside of one.
    """
    ray = sys.modules.get("ray")  # there in a task of the Ray executor; nothing else needs it
    if ray is None or not ray.is_initialized() or (group := ray.util.get_current_placement_group()) is None:
        return ()
    return ray.get_runtime_context().gcs_address, group.id.hex()


def _start(settings: SamplerSettings, gpus: tuple[str, ...] | None, group: tuple[str, ...]) -> WorkerProcess:
    assert settings.vllm is not None
    memory = "gpu_memory_utilization" if settings.device == "cuda" else "kv_cache_gib"
    return start_worker(
        WORKER,
        name="the vllm sampler",
        remedy=f"lower engines.max_batch_rows (now {settings.max_batch_rows}) or engines.vllm.{memory}",
        device=settings.device,
        threads=settings.threads,
        gpus=gpus,
        extra=vllm_environment(settings.vllm),
        arguments=group,
    )


def vllm_environment(vllm: VllmSettings) -> dict[str, str]:
    """The variables vLLM takes settings from, all of them ours: inherited ones are stripped (child.py)."""
    return {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine lives in the worker itself, and dies with it
        "VLLM_USE_V2_MODEL_RUNNER": str(int(vllm.model_runner == "v2")),
        "VLLM_BATCH_INVARIANT": str(int(vllm.batch_invariant)),
        "VLLM_CPU_KVCACHE_SPACE": str(vllm.kv_cache_gib or 0),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_USE_FLASHINFER_SAMPLER": "0",  # it takes no seeds
        "VLLM_PLUGINS": "",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
    }


def device_groups(vllm: VllmSettings, gpus: Sequence[str] | None) -> list[tuple[str, ...]]:
    """The GPUs of every engine: the visible ones in order, ``tensor_parallel`` each; a CPU (None) is one empty group.

    GPUs that do not fill a group stay idle.
    """
    if gpus is None:
        return [()]
    size = vllm.tensor_parallel
    if len(gpus) < size:
        raise InputError(
            f"engines.vllm.tensor_parallel is {size}, and {len(gpus)} GPUs are visible (CUDA_VISIBLE_DEVICES, "
            "nvidia-smi); run where there are as many, or choose a profile for fewer"
        )
    return [tuple(gpus[start : start + size]) for start in range(0, len(gpus) - size + 1, size)]
