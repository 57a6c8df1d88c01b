"""The sampler on plain transformers: a thin client of one child process (see ``worker.py``)."""

from typing import Final

from selfimp_bench.engines.base import SamplerSettings
from selfimp_bench.engines.worker.process import start_worker
from selfimp_bench.engines.worker.sampler import WorkerSampler

LIBRARIES: Final = ("transformers", "torch", "numpy")


def hf_sampler(settings: SamplerSettings) -> WorkerSampler:
    """A sampler with AutoModelForCausalLM in its child process."""
    return WorkerSampler(
        settings,
        lambda: start_worker(
            "selfimp_bench.engines.hf.worker",
            name="the hf sampler",
            remedy=f"lower engines.max_batch_rows (now {settings.max_batch_rows})",
            device=settings.device,
            threads=settings.threads,
            without=("sklearn", "scipy", "peft", "bitsandbytes"),
        ),
        can_follow=lambda _before, _after: True,
    )
