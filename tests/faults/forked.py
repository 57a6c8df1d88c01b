"""Processes that begin as a copy of this one, which has imported everything: a tenth of the time of starting anew.

Each says by lines on a pipe where it is, is a group of its own, and carries a mark in its environment that all it
starts inherit: so that what is left of it can be found.
"""

import os
import select
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from selfimp_bench.cli.command import _guard
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.progress import Place, Progress

MARK: Final = "FAULT_HARNESS_RUN"
TRACEBACK: Final = 99
PATIENCE: Final = 600.0
Action = Callable[["Telling"], None]


class Telling(Progress):
    """Tells of a run's steps on a pipe; ``at`` is called with the same words, in the process itself."""

    def __init__(self, pipe: int, at: Callable[[str], None] = lambda _: None) -> None:
        self._pipe = pipe
        self._at = at

    def tell(self, words: str) -> None:
        os.write(self._pipe, f"{words}\n".encode())
        self._at(words)

    def start(self, step: Step, place: Place) -> None:
        self.tell(f"start {step.id}")

    def advance(self, step: Step, done: int, of: int) -> None:
        self.tell("advance")

    def finish(self, step: Step, seconds: float, reused: bool) -> None:
        self.tell(f"{'reused' if reused else 'made'} {step.id}")


@dataclass(kw_only=True)
class Forked:
    """A process that runs. ``said``: the lines that it told so far; ``code``: how it ended, as of ``waitstatus``."""

    process: int
    pipe: int
    mark: str
    log: Path
    said: list[str] = field(default_factory=list)
    code: int | None = None

    def read(self, seconds: float = PATIENCE) -> list[str]:
        """New lines, within so many seconds; none where it has ended, or time is up."""
        if not select.select([self.pipe], [], [], seconds)[0]:
            return []
        new = os.read(self.pipe, 2**20).decode().splitlines()
        self.said += new
        return new

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it by a signal. It is not waited for."""
        os.kill(self.process, number)

    def wait(self) -> int:
        """Its exit code, or minus the signal that ended it; every line is read by then."""
        if self.code is None:
            while self.read():
                pass
            os.close(self.pipe)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        return self.code

    def words(self) -> str:
        """What it wrote to standard output and error."""
        return self.log.read_text(errors="replace")

    def left_running(self, seconds: float = 20.0) -> list[str]:
        """The commands of its processes that still run so long after its end."""
        until = time.monotonic() + seconds
        while (left := _marked(self.mark)) and time.monotonic() < until:
            time.sleep(0.02)
        return left


def fork(action: Action, log: Path, at: Callable[[str], None] = lambda _: None) -> Forked:
    """Begin ``action`` in a copy of this process, guarded as a command of the command line is.

    Exit codes are the command's; ``TRACEBACK`` where it would have shown one.
    """
    mark, (reading, writing) = uuid.uuid4().hex, os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process:
        os.close(writing)
        return Forked(process=process, pipe=reading, mark=mark, log=log)
    code = TRACEBACK
    try:
        os.setsid()
        os.close(reading)
        os.environ[MARK] = mark
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(target, 1)
        os.dup2(target, 2)
        code = _guard(lambda: action(Telling(writing, at)), as_json=False)
        sys.stdout.flush()
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _marked(mark: str) -> list[str]:
    """The commands of all processes that carry a mark."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return found
