"""Commands and functions timed in turns, so that what else runs on the machine disturbs all of them alike."""

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil

from bench.row import Figure

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a command took: processor and wall seconds, and its largest resident set in bytes.

    Linux counts for that what this process held when the command was begun, too.
    """

    processor: float
    wall: float
    peak_bytes: int


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line, its exit code when all is well, what it adds to the environment, and where it runs."""

    argv: Sequence[str]
    code: int = 0
    environment: Mapping[str, str] | None = None
    folder: Path | None = None


def run(command: Command) -> Spent:
    """Run ``command`` to its end; ``RuntimeError`` with the end of what it printed for another exit code."""
    started = time.perf_counter()
    with subprocess.Popen(
        command.argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        cwd=command.folder,
        env={**os.environ, **(command.environment or {})},
        text=True,
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != command.code:
        raise RuntimeError(f"{' '.join(command.argv)}: exit code {process.returncode}\n{printed[-2000:]}")
    return Spent(
        processor=usage.ru_utime + usage.ru_stime,
        wall=time.perf_counter() - started,
        peak_bytes=usage.ru_maxrss * 1024,
    )


def commands(wanted: Mapping[str, Command], turns: int, unheeded: int = 1) -> dict[str, list[Spent]]:
    """Each of ``wanted`` ``turns`` times, in turns, every second the other way round; the first are ``unheeded``."""
    return _turns({name: partial(run, command) for name, command in wanted.items()}, turns, unheeded)


def processor() -> float:
    """Processor seconds of this process, and of those of its children that have ended and were waited for."""
    spent = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def all_processors() -> float:
    """Processor seconds of this process and of all below it, those that still run, too; in steps of 10 ms."""
    here = psutil.Process()
    return float(sum(sum(one.cpu_times()[:4]) for one in (here, *here.children(recursive=True))))


def functions(
    wanted: Mapping[str, Callable[[], object]],
    turns: int,
    clock: Callable[[], float] = processor,
    unheeded: int = 0,
) -> dict[str, list[float]]:
    """Seconds of each function, in turns like ``commands``; ``clock`` is ``time.perf_counter`` where children go on."""

    def timed(function: Callable[[], object]) -> float:
        before = clock()
        function()
        return clock() - before

    return _turns({name: partial(timed, made) for name, made in wanted.items()}, turns, unheeded)


def _turns(wanted: Mapping[str, Callable[[], T]], turns: int, unheeded: int) -> dict[str, list[T]]:
    spent: dict[str, list[T]] = {name: [] for name in wanted}
    for turn in range(turns + unheeded):
        for name in wanted if turn % 2 == 0 else reversed(list(wanted)):
            one = wanted[name]()
            if turn >= unheeded:
                spent[name].append(one)
    return spent


def figure(values: Sequence[float]) -> Figure:
    """The median of ``values`` with the least and the most."""
    return Figure(value=statistics.median(values), low=min(values), high=max(values))


def times_as_fast(ours: Sequence[float], theirs: Sequence[float]) -> Figure:
    """How many times the seconds of ours theirs took, turn by turn."""
    return figure([other / own for own, other in zip(ours, theirs, strict=True)])
