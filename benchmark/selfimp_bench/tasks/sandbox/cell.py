"""One running zygote, and how to have a program examined in it."""

import os
import signal
import socket
import struct
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

import msgspec

from selfimp_bench.tasks.sandbox.channel import Channel, ChannelClosed
from selfimp_bench.tasks.sandbox.mechanism import Mechanism, command, environment
from selfimp_bench.tasks.sandbox.policy import LONGEST_PROGRAM, Limits
from selfimp_bench.tasks.sandbox.preload import are_wide

_START_SECONDS: Final = 60.0
_EXTRA_SECONDS: Final = 30.0
_LONGEST_REMARK: Final = 300


class Ending(StrEnum):
    """How an examination ended."""

    PASSED = "passed"
    FAILED = "failed"
    NO_PROGRAM = "syntax error"
    MEMORY = "memory"
    DIED = "crashed"
    CPU = "timed out"
    WALL = "timed out waiting"
    UNJUDGED = "cannot be judged here"
    """Neither way of running tests tells right from wrong; not of one run, but of all together (``ways.py``)."""
    BROKEN = "broken"
    """Our machinery failed; nothing is known about the program."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """A program and its tests, as Python source.

    ``rescue`` cuts the program back to the lines that compile. ``together`` has the tests run beside the program
    (``together.py``). ``own``: names of built-ins that tests mean as the program's.
    """

    program: str
    setup: str
    tests: Sequence[str]
    entry_point: str | None
    rescue: bool
    together: bool = False
    own: Sequence[str] = ()

    @property
    def wide(self) -> bool:
        """Whether it needs a wide cell."""
        return are_wide((self.program, self.setup, *self.tests))


@dataclass(frozen=True, kw_only=True)
class Examination:
    """An ending; where and by what (for people, None when passed); how many characters of the program were used.

    ``objects``: whether a call of the program gave what travels as a stub only. ``cpu_seconds`` is the program's, and
    ``idle_seconds`` how long it waited for nothing; both differ from time to time. ``idle``: that was what ended it.
    """

    ending: Ending
    remark: str | None
    characters: int
    cpu_seconds: float
    idle_seconds: float = 0.0
    idle: bool = False
    objects: bool = False


class CellBroken(Exception):
    """The zygote is gone, stuck or never came up."""


class Cell:
    """A zygote in its isolation. One thread at a time uses it."""

    def __init__(self, mechanism: Mechanism, *, wide: bool = False) -> None:
        """Start it; a wide one has the longer list of modules (``preload.py``).

        Raises MechanismMissing, CellBroken, OSError.
        """
        self.wide = wide
        self._control, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    command(mechanism, theirs.fileno(), wide=wide),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env=environment(),
                    cwd="/",
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # a Ctrl-C is the grader's affair, and the group can be killed whole
                )
        except BaseException:
            self._control.close()
            raise
        self._control.settimeout(_START_SECONDS)
        if self._hear() != b"ready":
            words = self._last_words()
            self.end()
            raise CellBroken(words)

    def examine(self, order: Order, limits: Limits) -> Examination:
        """Run a program and its tests.

        Raises CellBroken, and OverflowError for tests of more than ``LONGEST_MESSAGE`` bytes: the cell is of no use
        then; ``end`` it.
        """
        if len(order.program) > LONGEST_PROGRAM:
            return _too_long(order)
        ours, theirs = socket.socketpair()
        with ours:
            self._control.settimeout(limits.wall_seconds + _EXTRA_SECONDS)
            with theirs:
                try:
                    socket.send_fds(self._control, [msgspec.json.encode(limits)], [theirs.fileno()])
                except OSError as error:
                    raise CellBroken(f"the zygote is gone: {error}") from None
            verdict = _verdict(ours, order, limits.wall_seconds + _EXTRA_SECONDS)
        report = self._hear()
        if not report:
            raise CellBroken(self._last_words())
        return _judged(verdict, msgspec.json.decode(report, type=_Report), order, limits)

    def end(self) -> None:
        """End the zygote and all that it started."""
        self._control.close()
        self._kill()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def forget(self) -> None:
        """In a forked process: the cell is the parent's."""
        self._control.close()

    def _hear(self) -> bytes:
        try:
            return self._control.recv(4096)
        except OSError:
            return b""

    def _last_words(self) -> str:
        """Kill what is left, and what it had to say on standard error."""
        self._kill()
        assert self._process.stderr is not None
        words = self._process.stderr.read().decode(errors="replace").strip()
        code = self._process.returncode
        return f"the zygote ended or was stuck (exit code {code}): {words[-_LONGEST_REMARK:] or 'it said nothing'}"

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class _Verdict(msgspec.Struct, forbid_unknown_fields=True):
    """What an examiner sends."""

    kind: Literal["passed", "failed", "no program", "memory", "gone"]
    at: str
    error: str
    characters: int
    objects: bool


class _Report(msgspec.Struct, forbid_unknown_fields=True):
    """What a zygote sends: which limit ended the examination, and how the candidate ended by itself."""

    cut: Literal["cpu", "wall", "idle"] | None
    exit_code: int | None
    cpu_seconds: float
    idle_seconds: float


def _verdict(connection: socket.socket, order: Order, patience: float) -> _Verdict | None:
    """Give the examiner its order and hear its verdict; None if it is gone."""
    waiting = struct.pack("ll", int(patience) + 1, 0)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        connection.setsockopt(socket.SOL_SOCKET, option, waiting)
    channel = Channel(connection.fileno())
    try:
        channel.send(msgspec.to_builtins(order))
        return msgspec.convert(channel.receive(), _Verdict)
    except (ChannelClosed, msgspec.ValidationError):
        return None


def _judged(verdict: _Verdict | None, report: _Report, order: Order, limits: Limits) -> Examination:
    ending, remark = _ending(verdict, report, limits)
    characters = verdict.characters if verdict is not None and report.cut is None else 0
    return Examination(
        ending=ending,
        remark=remark,
        characters=characters or len(order.program),
        cpu_seconds=report.cpu_seconds,
        idle_seconds=report.idle_seconds,
        idle=report.cut == "idle",
        objects=verdict is not None and verdict.objects,
    )


def _too_long(order: Order) -> Examination:
    return Examination(
        ending=Ending.NO_PROGRAM,
        remark=f"the code: more than {LONGEST_PROGRAM} characters",
        characters=len(order.program),
        cpu_seconds=0.0,
    )


def _ending(verdict: _Verdict | None, report: _Report, limits: Limits) -> tuple[Ending, str | None]:
    if report.cut == "cpu":
        return Ending.CPU, f"more than {limits.cpu_seconds:g} s of CPU time"
    if report.cut == "wall":
        return Ending.WALL, f"more than {limits.wall_seconds:g} s"
    if report.cut == "idle":
        return Ending.WALL, f"more than {limits.idle_seconds:g} s without doing anything"
    if verdict is None:
        return Ending.BROKEN, "the examiner ended without a verdict"
    said = _printable(f"{verdict.at}: {verdict.error}")[:_LONGEST_REMARK]
    match verdict.kind:
        case "passed":
            return Ending.PASSED, None
        case "failed":
            return Ending.FAILED, said
        case "no program":
            return Ending.NO_PROGRAM, said
        case "memory":
            return Ending.MEMORY, said
        case "gone":
            return Ending.DIED, _death(report.exit_code, verdict.error)


def _printable(text: str) -> str:
    """A program's text fit for any file and screen: one line, no control characters, no half of a surrogate pair."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _death(exit_code: int | None, error: str) -> str:
    if exit_code is None:
        return f"the program broke off the conversation ({error[:_LONGEST_REMARK]})"
    if exit_code < 0:
        return f"signal {-exit_code} ended the program"
    return f"the program ended itself, exit code {exit_code}, before the tests were done"
