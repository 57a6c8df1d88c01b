"""The child process of the vllm sampler: ``python -m selfimp_bench.engines.vllm_worker``; ends when stdin does."""

import sys

from selfimp_bench.engines.base import SamplerSettings
from selfimp_bench.engines.serve import ServedModel, claim_stdout, serve


def _open(settings: SamplerSettings) -> ServedModel:
    from selfimp_bench.engines.vllm_model import VllmModel  # here, after stdout is claimed: it imports vllm

    return VllmModel(settings)


if __name__ == "__main__":
    serve(sys.stdin.buffer, claim_stdout(), _open)
