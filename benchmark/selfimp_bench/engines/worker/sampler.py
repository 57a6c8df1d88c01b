"""A sampler whose engine lives in a child process: what the clients of all real samplers have in common."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from selfimp_bench.engines.base import (
    Completion,
    Decoding,
    LabelPrompt,
    LabelScores,
    Prompt,
    SamplerSettings,
)
from selfimp_bench.engines.worker import wire
from selfimp_bench.engines.worker.process import WorkerProcess
from selfimp_bench.errors import InputError, StepFailed


class WorkerSampler:
    """A thin client of one worker, which starts on first use and serves every checkpoint.

    ``start`` starts the worker; it is then told ``settings``. ``can_follow(before, after)`` says whether a running
    worker can load ``after`` in the place of ``before``; where not, it is started anew.
    """

    def __init__(
        self,
        settings: SamplerSettings,
        start: Callable[[], WorkerProcess],
        can_follow: Callable[[Path, Path], bool],
    ) -> None:
        self._settings = settings
        self._start = start
        self._can_follow = can_follow
        self._worker: WorkerProcess | None = None
        self._loaded: Path | None = None

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
        worker, self._worker, self._loaded = self._worker, None, None
        if worker is not None:
            worker.close()

    def _ask(self, request: wire.Sample | wire.Weigh) -> Iterator[wire.Done | wire.Weighed]:
        checkpoint = Path(request.checkpoint)
        if self._loaded is not None and checkpoint != self._loaded and not self._can_follow(self._loaded, checkpoint):
            self.close()
        worker = self._worker or self._open()
        self._loaded = checkpoint
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
        self._worker = self._start()
        self._worker.send(wire.Open(settings=self._settings))
        return self._worker
