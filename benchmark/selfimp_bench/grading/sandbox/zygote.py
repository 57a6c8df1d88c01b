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

from selfimp_bench.grading.sandbox.candidate import leave, run_candidate
from selfimp_bench.grading.sandbox.channel import Channel
from selfimp_bench.grading.sandbox.confine import (
    SystemCallFilter,
    drop_privileges,
    end_with_parent,
    forbid_files,
    fork,
    limit_cpu_time,
    limit_resources,
)
from selfimp_bench.grading.sandbox.examiner import run_examiner
from selfimp_bench.grading.sandbox.policy import OPEN_FILES, Limits
from selfimp_bench.grading.sandbox.preload import load_modules

_SHORTEST_WAIT: Final = 0.001
_LAST_SECONDS: Final = 0.2


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


def main(arguments: list[str]) -> None:
    """``zygote CONTROL LANDLOCK``: a descriptor, and whether Landlock is to be used ("landlock" or "none")."""
    control = socket.socket(fileno=int(arguments[0]))
    load_modules()
    drop_privileges()
    if arguments[1] == "landlock":
        forbid_files()
    limit_resources()
    random.seed(0)  # so that what is random is repeatable
    system_calls = SystemCallFilter()
    sys.path[:] = []
    sys.path_importer_cache.clear()
    gc.collect()
    gc.freeze()
    control.send(b"ready")
    os.dup2(1, 2)  # errors of starting went to the grader; a program's go nowhere
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 4096, 1)
        if not message or len(descriptors) != 1:
            os._exit(0)
        report = _examine(Limits(**json.loads(message)), descriptors[0], control, system_calls)
        os.close(descriptors[0])
        control.send(json.dumps(report).encode())


def _examine(limits: Limits, grader: int, control: socket.socket, system_calls: SystemCallFilter) -> dict[str, Any]:
    """Fork candidate and examiner, wait within the limits, end both. The report is about the candidate."""
    ours, theirs = (end.detach() for end in socket.socketpair())
    candidate = _fork([theirs], limits, system_calls, lambda: run_candidate(Channel(theirs)))
    examiner = _fork([ours, grader], limits, system_calls, lambda: run_examiner(Channel(grader), Channel(ours)))
    os.close(ours)
    os.close(theirs)
    cut = _wait(candidate, examiner, limits, control)
    if cut is not None:
        _end(candidate)
        _end(examiner)
        return {"cut": cut, "exit_code": None, "cpu_seconds": limits.cpu_seconds}
    gone = os.waitstatus_to_exitcode(_end(examiner)) == 1
    cpu_seconds = candidate.cpu_seconds()
    if gone:
        return {"cut": None, "exit_code": _own_end(candidate), "cpu_seconds": cpu_seconds}
    _end(candidate)
    return {"cut": None, "exit_code": None, "cpu_seconds": cpu_seconds}


def _fork(keep: list[int], limits: Limits, system_calls: SystemCallFilter, run: Callable[[], int]) -> _Child:
    zygote = os.getpid()
    pid = fork()
    if pid == 0:
        exit_code = 0
        try:
            _confine(keep, limits, zygote, system_calls)
            exit_code = run()
        finally:
            leave(exit_code)
    return _Child(pid=pid, handle=os.pidfd_open(pid))


def _confine(keep: list[int], limits: Limits, zygote: int, system_calls: SystemCallFilter) -> None:
    """Keep nothing that is not needed, and give up every right."""
    start = 3
    for descriptor in sorted(keep):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, OPEN_FILES)
    end_with_parent()
    if os.getppid() != zygote:
        leave(0)
    limit_cpu_time(limits.cpu_seconds)
    system_calls.enforce()


def _wait(candidate: _Child, examiner: _Child, limits: Limits, control: socket.socket) -> str | None:
    """Until the examiner has ended, or a limit is reached: then its name. Ends all when the grader is gone."""
    deadline = time.monotonic() + limits.wall_seconds
    poll = select.poll()
    for descriptor in (examiner.handle, candidate.handle, control.fileno()):
        poll.register(descriptor, select.POLLIN)
    alive = [candidate, examiner]
    while True:
        left = deadline - time.monotonic()
        used = max(child.cpu_seconds() for child in alive)
        if used >= limits.cpu_seconds:
            finished = any(descriptor == examiner.handle for descriptor, _ in poll.poll(0))
            return None if finished else "cpu"
        if left <= 0:
            return "wall"
        events = poll.poll(1000 * max(min(left, limits.cpu_seconds - used), _SHORTEST_WAIT))
        ready = {descriptor for descriptor, _ in events}
        if control.fileno() in ready:
            _end(candidate)
            _end(examiner)
            os._exit(0)
        if examiner.handle in ready:
            return None
        if candidate.handle in ready:
            poll.unregister(candidate.handle)
            alive = [examiner]


def _own_end(candidate: _Child) -> int | None:
    """How the candidate ended by itself, for which it gets a moment; None if it had to be ended."""
    ended, _, _ = select.select([candidate.handle], [], [], _LAST_SECONDS)
    status = _end(candidate)
    return os.waitstatus_to_exitcode(status) if ended else None


def _end(child: _Child) -> int:
    signal.pidfd_send_signal(child.handle, signal.SIGKILL)
    os.close(child.handle)
    return os.waitpid(child.pid, 0)[1]
