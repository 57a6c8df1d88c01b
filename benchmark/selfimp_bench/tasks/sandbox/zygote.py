"""The first process inside the isolation: Python with the standard library loaded, forked for every program.

It is told limits and given the examiner's connection over a socket whose number is its argument; programs, tests and
verdicts never pass through its memory, so that no fork of it holds anything of another program.
"""

import gc
import json
import os
import random
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from selfimp_bench.tasks.sandbox.candidate import leave, run_candidate
from selfimp_bench.tasks.sandbox.channel import Channel
from selfimp_bench.tasks.sandbox.confine import (
    SystemCallFilter,
    drop_privileges,
    end_with_parent,
    forbid_files,
    fork,
    limit_cpu_time,
    limit_resources,
)
from selfimp_bench.tasks.sandbox.examiner import After, run_examiner
from selfimp_bench.tasks.sandbox.policy import OPEN_FILES, Limits
from selfimp_bench.tasks.sandbox.preload import load_modules

_FIRST: Final = 3
"""The first descriptor after the standard ones."""
_SHORTEST_WAIT: Final = 0.001
_LAST_SECONDS: Final = 0.2
_SLICE_SECONDS: Final = 0.1
_PUNCTUAL_SECONDS: Final = 0.02
_IDLE_SHARE: Final = 0.05
_PROBE_SECONDS: Final = 0.003


@dataclass(frozen=True, kw_only=True)
class _Child:
    pid: int
    handle: int

    def cpu_seconds(self) -> float:
        """CPU time used so far, by all its threads; 0 once it has ended."""
        try:
            return time.clock_gettime(~self.pid << 3 | 2)  # MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED)
        except OSError:
            return 0.0


@dataclass(frozen=True, kw_only=True)
class _Examiner:
    """A running examiner, and our end of the connection to it."""

    child: _Child
    connection: socket.socket

    def end(self) -> None:
        _end(self.child)
        self.connection.close()


@dataclass(frozen=True, kw_only=True)
class _Filters:
    """The system calls of candidates, and those of examiners, who are given connections."""

    candidate: SystemCallFilter
    examiner: SystemCallFilter


class _Zygote:
    """Forks a candidate for every examination, and an examiner where the last one cannot be used again."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._examiner: _Examiner | None = None
        self._filters = _Filters(candidate=SystemCallFilter(receiving=False), examiner=SystemCallFilter(receiving=True))

    def serve(self) -> None:
        """Examine until the grader is gone."""
        while True:
            message, descriptors, _, _ = socket.recv_fds(self._control, 4096, 1)
            if not message or len(descriptors) != 1:
                os._exit(0)
            report = self._examine(Limits(**json.loads(message)), descriptors[0])
            self._control.send(json.dumps(report).encode())

    def _examine(self, limits: Limits, grader: int) -> dict[str, Any]:
        """Have one program examined within the limits, and end it. The report is about the candidate."""
        examiner = self._examiner or self._fork_examiner()
        self._examiner = None
        ours, theirs = (end.detach() for end in socket.socketpair())
        candidate = self._fork_candidate(theirs, limits)
        socket.send_fds(examiner.connection, [b"x"], [grader, ours])
        for descriptor in (ours, theirs, grader):
            os.close(descriptor)
        cut, cpu_seconds, idle_seconds = self._wait(candidate, examiner, limits)
        after = None if cut else examiner.connection.recv(1)
        if after and not after[0] & After.USED:
            self._examiner = examiner
        else:
            examiner.end()
        exit_code = None
        if after and after[0] & After.GONE:
            exit_code = _own_end(candidate)
        else:
            _end(candidate)
        return {"cut": cut, "exit_code": exit_code, "cpu_seconds": cpu_seconds, "idle_seconds": idle_seconds}

    def _fork_candidate(self, connection: int, limits: Limits) -> _Child:
        def run() -> None:
            limit_cpu_time(limits.cpu_seconds)
            self._filters.candidate.enforce()
            run_candidate(Channel(connection))

        return _fork(connection, run)

    def _fork_examiner(self) -> _Examiner:
        ours, theirs = socket.socketpair()

        def run() -> None:
            self._filters.examiner.enforce()
            _serve_examinations(theirs)

        child = _fork(theirs.fileno(), run)
        theirs.close()
        return _Examiner(child=child, connection=ours)

    def _wait(self, candidate: _Child, examiner: _Examiner, limits: Limits) -> tuple[str | None, float, float]:
        """Until the examiner is done, or a limit is reached: then its name; the candidate's CPU time, and how long
        neither did anything.

        Ends all when the grader is gone.
        """
        began, deadline = examiner.child.cpu_seconds(), time.monotonic() + limits.wall_seconds
        done, poll, idle = examiner.connection.fileno(), select.poll(), _Idle()
        for descriptor in (done, candidate.handle, self._control.fileno()):
            poll.register(descriptor, select.POLLIN)
        spent = 0.0
        while True:
            left = deadline - time.monotonic()
            spent = max(spent, candidate.cpu_seconds())
            examined = examiner.child.cpu_seconds() - began
            idle.look(spent + examined)
            over = _over(limits, used=max(spent, examined), left=left, idle_seconds=idle.seconds)
            slices = (left, limits.cpu_seconds - max(spent, examined), _SLICE_SECONDS)
            patience = 0.0 if over else max(min(slices), _SHORTEST_WAIT)
            idle.sleep(patience)
            ready = {descriptor for descriptor, _ in poll.poll(1000 * patience)}
            if self._control.fileno() in ready:
                _end(candidate)
                examiner.end()
                os._exit(0)
            if done in ready:
                return None, max(spent, candidate.cpu_seconds()), idle.seconds
            if over:
                return over, spent, idle.seconds
            if candidate.handle in ready:
                poll.unregister(candidate.handle)


class _Idle:
    """How long the processes did next to nothing, although there was time for them.

    That there was is seen at this process: it was woken when it was to be woken, and got the time to do something.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._began = time.monotonic()
        self._patience = 0.0
        self._used = 0.0

    def sleep(self, patience: float) -> None:
        """This process is about to wait."""
        self._began, self._patience = time.monotonic(), patience

    def look(self, used: float) -> None:
        """It has waited. used: CPU seconds of the others, so far."""
        waited, worked, self._used = time.monotonic() - self._began, used - self._used, used
        whole = self._patience >= _SLICE_SECONDS and waited >= _SLICE_SECONDS
        still = worked <= _IDLE_SHARE * waited and waited - self._patience <= _PUNCTUAL_SECONDS
        if whole and still and _there_is_time():
            self.seconds += waited


def _there_is_time() -> bool:
    """Whether this process, too, can work without being kept from it."""
    began, end = time.monotonic(), time.process_time() + _PROBE_SECONDS
    while time.process_time() < end:
        pass
    return time.monotonic() - began <= 2 * _PROBE_SECONDS


def _over(limits: Limits, *, used: float, left: float, idle_seconds: float) -> str | None:
    """The limit that is reached."""
    if used >= limits.cpu_seconds:
        return "cpu"
    if idle_seconds >= limits.idle_seconds:
        return "idle"
    return "wall" if left <= 0 else None


def main(arguments: list[str]) -> None:
    """``zygote CONTROL LANDLOCK PACKAGES``: a descriptor, whether Landlock is to be used ("landlock" or "none"), and
    for a wide one the folder with the packages of ``preload.py``, else nothing."""
    control = socket.socket(fileno=_lowest(int(arguments[0])))
    load_modules(packages=arguments[2] or None)
    drop_privileges()
    if arguments[1] == "landlock":
        forbid_files()
    limit_resources()
    random.seed(0)  # so that what is random is repeatable
    zygote = _Zygote(control)
    sys.path[:] = []
    sys.path_importer_cache.clear()
    gc.collect()
    gc.freeze()
    control.send(b"ready")
    os.dup2(1, 2)  # errors of starting went to the grader; a program's go nowhere
    zygote.serve()


def _lowest(descriptor: int) -> int:
    """The same connection as the first descriptor after the standard ones, and no others: a grader with many open files
    gives a number beyond ``OPEN_FILES``, up to which a program's process closes what is not for it."""
    if descriptor != _FIRST:
        os.dup2(descriptor, _FIRST)
    os.closerange(_FIRST + 1, descriptor + 1)
    return _FIRST


def _serve_examinations(connection: socket.socket) -> None:
    """In an examiner: do what comes over the connection, until it is closed or nothing more may come."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
        if not message or len(descriptors) != 2:
            return
        grader, candidate = descriptors
        after = run_examiner(Channel(grader), Channel(candidate))
        os.close(grader)
        os.close(candidate)
        os.write(connection.fileno(), bytes([after]))
        if after & After.USED:
            return


def _fork(keep: int, run: Callable[[], None]) -> _Child:
    """Fork a process that runs this and ends; of the zygote's connections it keeps one."""
    zygote = os.getpid()
    pid = fork()
    if pid == 0:
        try:
            os.closerange(_FIRST, keep)
            os.closerange(keep + 1, OPEN_FILES)
            end_with_parent()
            if os.getppid() == zygote:
                run()
        finally:
            leave()
    return _Child(pid=pid, handle=os.pidfd_open(pid))


def _own_end(candidate: _Child) -> int | None:
    """How the candidate ended by itself, for which it gets a moment; None if it had to be ended."""
    ended, _, _ = select.select([candidate.handle], [], [], _LAST_SECONDS)
    status = _end(candidate)
    return os.waitstatus_to_exitcode(status) if ended else None


def _end(child: _Child) -> int:
    signal.pidfd_send_signal(child.handle, signal.SIGKILL)
    os.close(child.handle)
    return os.waitpid(child.pid, 0)[1]
