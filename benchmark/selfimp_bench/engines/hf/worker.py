"""The child process of the hf sampler. Run as ``python -m selfimp_bench.engines.hf.worker``; ends when stdin does."""

import sys

from selfimp_bench.engines.base import SamplerSettings
from selfimp_bench.engines.worker.serve import ServedModel, claim_stdout, serve


def _open(settings: SamplerSettings) -> ServedModel:
    from selfimp_bench.engines.hf.model import HfModel  # here, after stdout is claimed: it imports torch

    return HfModel(settings)


if __name__ == "__main__":
    serve(sys.stdin.buffer, claim_stdout(), _open)
