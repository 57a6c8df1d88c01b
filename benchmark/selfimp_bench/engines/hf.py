"""The sampler on plain transformers: a thin client of one child process (see ``hf_worker.py``)."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from selfimp_bench.engines import child, wire
from selfimp_bench.engines.base import Completion, Decoding, Prompt, SamplerSettings
from selfimp_bench.errors import InputError, StepFailed

# Bump when a change to hf_worker.py can change a completion (draws, filters, stopping), not for speed alone.
REVISION: Final = 1
LIBRARIES: Final = ("transformers", "torch", "numpy")


@dataclass(frozen=True, kw_only=True)
class _Worker:
    """A running worker and what belongs to it."""

    process: subprocess.Popen[bytes]
    requests: IO[bytes]
    answers: IO[bytes]
    log: IO[bytes]
    scratch: tempfile.TemporaryDirectory[str]

    def log_tail(self) -> str:
        self.log.seek(0)
        return child.tail(self.log.read().decode(errors="replace"))


class HfSampler:
    """Samples with AutoModelForCausalLM in a child process that starts on first use and serves every checkpoint."""

    def __init__(self, settings: SamplerSettings) -> None:
        self._settings = settings
        self._worker: _Worker | None = None

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:
        """See ``Sampler.sample``. Completions arrive as each batch ends; leaving the iterator early ends the worker."""
        worker = self._worker or self._open()
        request = wire.Sample(checkpoint=str(checkpoint), prompts=list(prompts), decoding=decoding)
        answered = False
        try:
            self._send(worker, request)
            while isinstance(answer := self._receive(worker), wire.Done):
                yield from answer.completions
            answered = True
        finally:
            if not answered:  # the rest of the answer would be taken for the next one
                self.close()
        if isinstance(answer, wire.Failed):
            raise (InputError if answer.kind == "input" else StepFailed)(answer.message)

    def close(self) -> None:
        """End the worker, if one runs."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.process.kill()
        worker.process.wait()
        for stream in (worker.requests, worker.answers, worker.log):
            with contextlib.suppress(OSError):  # unsent bytes to a dead worker
                stream.close()
        worker.scratch.cleanup()

    def _open(self) -> _Worker:
        scratch = tempfile.TemporaryDirectory(prefix="selfimp-hf-", ignore_cleanup_errors=True)
        log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        process = subprocess.Popen(
            child.command("selfimp_bench.engines.hf_worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=child.environment(
                device=self._settings.device, threads=self._settings.threads, scratch=Path(scratch.name)
            ),
        )
        assert process.stdin and process.stdout
        self._worker = _Worker(
            process=process, requests=process.stdin, answers=process.stdout, log=log, scratch=scratch
        )
        self._send(self._worker, wire.Open(settings=self._settings))
        return self._worker

    def _send(self, worker: _Worker, message: wire.Open | wire.Sample) -> None:
        try:
            wire.write_message(worker.requests, message)
        except BrokenPipeError:
            raise self._death(worker) from None

    def _receive(self, worker: _Worker) -> wire.Done | wire.Finished | wire.Failed:
        answer = wire.read_answer(worker.answers)
        if answer is None:
            raise self._death(worker)
        return answer

    def _death(self, worker: _Worker) -> StepFailed:
        code = worker.process.wait()
        return StepFailed(
            f"the hf sampler's process {child.exit_words(code)} (max_batch_rows {self._settings.max_batch_rows}, "
            f"device {self._settings.device}). Finished steps are kept: run the same command again; if memory ran "
            f"out, lower engines.max_batch_rows. The end of its log:\n{worker.log_tail()}"
        )
