"""The sampler on plain transformers: a thin client of one child process (see ``hf_worker.py``)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from selfimp_bench.engines import wire
from selfimp_bench.engines.base import (
    Completion,
    Decoding,
    LabelPrompt,
    LabelScores,
    Prompt,
    SamplerSettings,
)
from selfimp_bench.engines.worker_process import WorkerProcess, start_worker
from selfimp_bench.errors import InputError, StepFailed

# Bump when a change to hf_worker.py can change a completion (draws, filters, stopping), not for speed alone.
REVISION: Final = 1
LIBRARIES: Final = ("transformers", "torch", "numpy")


class HfSampler:
    """Samples with AutoModelForCausalLM in a child process that starts on first use and serves every checkpoint."""

    def __init__(self, settings: SamplerSettings) -> None:
        self._settings = settings
        self._worker: WorkerProcess | None = None

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:
        """See ``Sampler.sample``. Completions arrive as each batch ends; leaving the iterator early ends the worker."""
        request = wire.Sample(checkpoint=str(checkpoint), prompts=list(prompts), decoding=decoding)
        for answer in self._ask(request):
            assert isinstance(answer, wire.Done)
            yield from answer.completions

    def label_logprobs(
        self, checkpoint: Path, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]
    ) -> Iterator[LabelScores]:
        """See ``Sampler.label_logprobs``. Scores arrive as each batch ends."""
        request = wire.Weigh(checkpoint=str(checkpoint), prompts=list(prompts), label_ids=list(label_ids))
        for answer in self._ask(request):
            assert isinstance(answer, wire.Weighed)
            yield from answer.scores

    def close(self) -> None:
        """End the worker, if one runs."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _ask(self, request: wire.Sample | wire.Weigh) -> Iterator[wire.Done | wire.Weighed]:
        worker = self._worker or self._open()
        answered = False
        try:
            worker.send(request)
            while isinstance(answer := wire.decode_answer(worker.receive()), wire.Done | wire.Weighed):
                yield answer
            answered = True
        finally:
            if not answered:  # the rest of the answer would be taken for the next one
                self.close()
        if isinstance(answer, wire.Failed):
            raise (InputError if answer.kind == "input" else StepFailed)(answer.message)

    def _open(self) -> WorkerProcess:
        self._worker = start_worker(
            "selfimp_bench.engines.hf_worker",
            name="the hf sampler",
            remedy=f"lower engines.max_batch_rows (now {self._settings.max_batch_rows})",
            device=self._settings.device,
            threads=self._settings.threads,
        )
        self._worker.send(wire.Open(settings=self._settings))
        return self._worker
