"""A child process that answers requests: what the clients of the hf sampler and of the embedder have in common."""

import contextlib
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Literal

import msgspec

from selfimp_bench.engines.worker import child, wire
from selfimp_bench.errors import StepFailed


@dataclass(frozen=True, kw_only=True)
class WorkerProcess:
    """A running worker and what belongs to it. ``name`` and ``remedy`` are words for the message of its death."""

    name: str
    remedy: str
    process: subprocess.Popen[bytes]
    requests: IO[bytes]
    answers: IO[bytes]
    log: IO[bytes]
    scratch: tempfile.TemporaryDirectory[str]

    def send(self, message: msgspec.Struct) -> None:
        """Send a request. Raises StepFailed when the process is dead."""
        try:
            wire.write_message(self.requests, message)
        except BrokenPipeError:
            raise self._death() from None

    def receive(self) -> bytes:
        """The bytes of the next answer. Raises StepFailed when the process died before it was whole."""
        body = wire.read_frame(self.answers)
        if body is None:
            raise self._death()
        return body

    def close(self) -> None:
        """End the process and return its memory."""
        self.process.kill()
        self.process.wait()
        for stream in (self.requests, self.answers, self.log):
            with contextlib.suppress(OSError):  # unsent bytes to a dead worker
                stream.close()
        self.scratch.cleanup()

    def _death(self) -> StepFailed:
        code = self.process.wait()
        self.log.seek(0)
        return StepFailed(
            f"{self.name}'s process {child.exit_words(code)}. Finished steps are kept: run the same command again; if "
            f"memory ran out, {self.remedy}. The end of its log:\n"
            f"{child.tail(self.log.read().decode(errors='replace'))}"
        )


def start_worker(
    module: str,
    *,
    name: str,
    remedy: str,
    device: Literal["cpu", "cuda"],
    threads: int,
    gpus: Sequence[str] | None = None,
    extra: Mapping[str, str] = MappingProxyType({}),
    arguments: Sequence[str] = (),
    without: Sequence[str] = (),
) -> WorkerProcess:
    """Start a worker module of this package, with ``arguments``. ``extra`` variables come on top of those of
    ``child.environment``, which describes ``gpus``; ``without`` as in ``child.command``."""
    scratch = tempfile.TemporaryDirectory(prefix="selfimp-", ignore_cleanup_errors=True)
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
    process = subprocess.Popen(
        child.command(module, *arguments, without=without),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=child.environment(device=device, threads=threads, scratch=Path(scratch.name), gpus=gpus) | dict(extra),
    )
    assert process.stdin and process.stdout
    return WorkerProcess(
        name=name,
        remedy=remedy,
        process=process,
        requests=process.stdin,
        answers=process.stdout,
        log=log,
        scratch=scratch,
    )
