"""The child process of ``HfSampler``: reads requests on stdin, answers on what was its stdout.

Run as ``python -m selfimp_bench.engines.hf_worker``; it ends when its stdin does.
"""

import os
import sys
from pathlib import Path
from typing import IO

from selfimp_bench.engines import wire
from selfimp_bench.errors import InputError, StepFailed


def claim_stdout() -> IO[bytes]:
    """Keep stdout for answers, and send to stderr whatever a library prints."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until the client closes its end."""
    opening = wire.read_request(requests)
    if not isinstance(opening, wire.Open):
        return
    from selfimp_bench.engines.hf_model import HfModel  # here, after stdout is claimed: it imports torch

    model = HfModel(opening.settings)
    while isinstance(request := wire.read_request(requests), wire.Sample):
        try:
            model.load(Path(request.checkpoint))
            for completions in model.generate(request.prompts, request.decoding):
                wire.write_message(answers, wire.Done(completions=completions))
            wire.write_message(answers, wire.Finished())
        except InputError as error:
            wire.write_message(answers, wire.Failed(kind="input", message=str(error)))
        except StepFailed as error:
            wire.write_message(answers, wire.Failed(kind="step", message=str(error)))


if __name__ == "__main__":
    serve(sys.stdin.buffer, claim_stdout())
