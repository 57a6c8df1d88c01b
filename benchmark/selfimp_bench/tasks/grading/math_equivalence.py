"""Asking whether two mathematical answers are equal, from any thread and any process.

Workers (``math_worker``) are started on first use, one for every thread that asks at the same time, and kept. A
process that was forked starts its own. They end with the process that started them.
"""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Final

import selfimp_bench

# The worker's own limits end a question long before; this is for a worker that is itself stuck or never started.
_PATIENCE_SECONDS: Final = 180.0
_REMEMBERED_CHARACTERS: Final = 1000
_SOURCE_ROOT: Final = Path(selfimp_bench.__file__).resolve().parents[1]


class Verdict(StrEnum):
    """How a comparison ended.

    TIMED_OUT: it took more time or memory than an answer is given. FAILED: the library failed on this pair, every time.
    Both come from the answer. CRASHED does not: the process could not be started, or was killed from outside.
    """

    EQUAL = "equal"
    DIFFERENT = "different"
    TIMED_OUT = "timed out"
    FAILED = "failed"
    CRASHED = "crashed"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A verdict, with a remark: why there is none, or which side could only be compared as text."""

    verdict: Verdict
    detail: str | None


class _CrashedError(Exception):
    """A comparison that says nothing of its answer."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__(comparison.detail)
        self.comparison = comparison


def compare(gold: str, answer: str) -> Comparison:
    """Whether the formula ``answer`` equals the formula ``gold``; both are LaTeX or plain, without dollar signs.

    Never raises; takes at most 7 s of CPU time (``math_worker.CPU_SECONDS``). The samples of a problem mostly give few
    answers: a pair that was compared is remembered, unless it is long, or a process crashed, which is not its doing.
    """
    if len(gold) + len(answer) > _REMEMBERED_CHARACTERS:
        return _compare(gold, answer)
    try:
        return _compared(gold, answer)
    except _CrashedError as crash:
        return crash.comparison


@lru_cache(maxsize=2**15)
def _compared(gold: str, answer: str) -> Comparison:
    found = _compare(gold, answer)
    if found.verdict is Verdict.CRASHED:
        raise _CrashedError(found)
    return found


def _compare(gold: str, answer: str) -> Comparison:
    try:
        worker = _WORKERS.take()
    except OSError as error:
        return Comparison(verdict=Verdict.CRASHED, detail=f"no math-verify process could be started: {error}")
    try:
        reply = worker.ask(json.dumps({"gold": gold, "answer": answer}).encode() + b"\n")
    except BaseException:
        worker.end()
        raise
    if reply is None:
        worker.end()
        return Comparison(verdict=Verdict.CRASHED, detail="the math-verify process ended or hung; it was replaced")
    _WORKERS.give_back(worker)
    return _comparison(reply)


def _comparison(reply: bytes) -> Comparison:
    said = json.loads(reply)
    verdict = Verdict(said["verdict"])
    if verdict not in (Verdict.EQUAL, Verdict.DIFFERENT):
        return Comparison(verdict=verdict, detail=said["detail"])
    unread = " and ".join(said["unread"])
    return Comparison(
        verdict=verdict, detail=f"the {unread} could not be read and was compared as text" if unread else None
    )


class _Worker:
    """A running worker, used by one thread at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "selfimp_bench.tasks.grading.math_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # a Ctrl-C is the asking process's affair, and the group can be killed whole
            # sympy's results may follow the order of its sets, which follows the hash seed.
            env={"PYTHONPATH": str(_SOURCE_ROOT), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
        )

    def ask(self, question: bytes) -> bytes | None:
        """The reply's line; None when the worker is no longer there, or does not answer."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            _write_all(self._process.stdin.fileno(), question)
        except OSError:
            return None
        replies, line = self._process.stdout.fileno(), b""
        poll = select.poll()
        poll.register(replies, select.POLLIN)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            piece = os.read(replies, 65536) if left > 0 and poll.poll(left * 1000) else b""
            if not piece:
                return None
            line += piece
        return line

    def end(self) -> None:
        """Kill the worker and what it forked."""
        with suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


class _Workers:
    """The idle workers of this process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._idle: list[_Worker] = []
        self._of_the_parent: list[_Worker] = []

    def take(self) -> _Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return _Worker()

    def give_back(self, worker: _Worker) -> None:
        with self._lock:
            self._idle.append(worker)

    def forget(self) -> None:
        """After a fork: the idle workers are the parent's, and a lock may have been held in another thread."""
        self._lock = Lock()
        self._of_the_parent += self._idle
        self._idle = []

    def end(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


# The one state of its kind: a grader is a plain function, and a worker costs a second to start.
_WORKERS: Final = _Workers()
os.register_at_fork(after_in_child=_WORKERS.forget)
atexit.register(_WORKERS.end)
