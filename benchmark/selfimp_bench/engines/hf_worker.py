"""The child process of ``HfSampler``: reads requests on stdin, answers on what was its stdout.

Run as ``python -m selfimp_bench.engines.hf_worker``; it ends when its stdin does.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from selfimp_bench.engines import wire
from selfimp_bench.errors import InputError, StepFailed

if TYPE_CHECKING:
    from selfimp_bench.engines.hf_model import HfModel


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
    while isinstance(request := wire.read_request(requests), wire.Sample | wire.Weigh):
        try:
            for answer in answers_of(model, request):
                wire.write_message(answers, answer)
            wire.write_message(answers, wire.Finished())
        except InputError as error:
            wire.write_message(answers, wire.Failed(kind="input", message=str(error)))
        except StepFailed as error:
            wire.write_message(answers, wire.Failed(kind="step", message=str(error)))


def answers_of(model: "HfModel", request: wire.Sample | wire.Weigh) -> Iterator[wire.Done | wire.Weighed]:
    """The answers to a request, batch by batch."""
    model.load(Path(request.checkpoint))
    if isinstance(request, wire.Sample):
        for completions in model.generate(request.prompts, request.decoding):
            yield wire.Done(completions=completions)
    else:
        for scores in model.label_logprobs(request.prompts, request.label_ids):
            yield wire.Weighed(scores=scores)


if __name__ == "__main__":
    serve(sys.stdin.buffer, claim_stdout())
