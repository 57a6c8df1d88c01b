"""The loop of a sampler's child process: requests on stdin, answers on what was its stdout."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Protocol

from selfimp_bench.engines.base import Completion, Decoding, LabelPrompt, LabelScores, Prompt, SamplerSettings
from selfimp_bench.engines.worker import wire
from selfimp_bench.errors import InputError, StepFailed


class ServedModel(Protocol):
    """An engine inside the child process, with at most one checkpoint loaded."""

    def load(self, checkpoint: Path) -> None:
        """Load a checkpoint in the place of the one before. Raises InputError when it cannot be loaded."""
        ...

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Completion]]:
        """See ``Sampler.sample``; completions in lists as they are ready."""
        ...

    def label_logprobs(self, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]) -> Iterator[list[LabelScores]]:
        """See ``Sampler.label_logprobs``; scores in lists as they are ready."""
        ...


def claim_stdout() -> IO[bytes]:
    """Keep stdout for answers, and send to stderr whatever a library prints."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def serve(requests: IO[bytes], answers: IO[bytes], open_model: Callable[[SamplerSettings], ServedModel]) -> None:
    """Answer requests until the client closes its end. ``open_model`` may import what is heavy."""
    opening = wire.read_request(requests)
    if not isinstance(opening, wire.Open):
        return
    model = open_model(opening.settings)
    while isinstance(request := wire.read_request(requests), wire.Sample | wire.Weigh):
        try:
            for answer in _answers(model, request):
                wire.write_message(answers, answer)
            wire.write_message(answers, wire.Finished())
        except InputError as error:
            wire.write_message(answers, wire.Failed(kind="input", message=str(error)))
        except StepFailed as error:
            wire.write_message(answers, wire.Failed(kind="step", message=str(error)))


def _answers(model: ServedModel, request: wire.Sample | wire.Weigh) -> Iterator[wire.Done | wire.Weighed]:
    model.load(Path(request.checkpoint))
    if isinstance(request, wire.Sample):
        for completions in model.generate(request.prompts, request.decoding):
            yield wire.Done(completions=completions)
    else:
        for scores in model.label_logprobs(request.prompts, request.label_ids):
            yield wire.Weighed(scores=scores)
