"""The child process of the vllm sampler: ``python -m selfimp_bench.engines.vllm.worker``; ends when stdin does.

With the address of a Ray cluster and a placement group's id as arguments, the engine lies in that group.
"""

import sys

from selfimp_bench.engines.base import SamplerSettings
from selfimp_bench.engines.worker.serve import ServedModel, claim_stdout, serve


def _open(settings: SamplerSettings) -> ServedModel:
    from selfimp_bench.engines.vllm.model import VllmModel  # here, after stdout is claimed: it imports vllm

    return VllmModel(settings, tuple(sys.argv[1:]))


if __name__ == "__main__":
    serve(sys.stdin.buffer, claim_stdout(), _open)
