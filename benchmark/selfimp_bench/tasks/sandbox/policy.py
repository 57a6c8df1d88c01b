"""How much untrusted code may use."""

from dataclasses import dataclass, replace
from typing import Final

MEMORY_BYTES: Final = 1 << 30
OPEN_FILES: Final = 64
LONGEST_MESSAGE: Final = 1 << 24
"""Bytes of one value, arguments included: the output limit."""

LONGEST_PROGRAM: Final = 1 << 20
"""Characters; a message holds as many, however they are written."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one examination, in seconds. CPU time decides, and time in which nothing is done though it could be:
    nothing comes to a program here, so that it waits for nothing. Wall time is for machines that have no time."""

    cpu_seconds: float
    wall_seconds: float
    idle_seconds: float = 1.0


SIEVE: Final = Limits(cpu_seconds=0.3, wall_seconds=5.0, idle_seconds=0.5)
"""For the first time, beside others. Who keeps within it is judged; others are examined again, alone, or beside
others if they only were idle."""
FULL: Final = Limits(cpu_seconds=3.0, wall_seconds=60.0)
"""For the second time, alone, where there is no reference solution: what counts as too long."""
SHORTEST: Final = Limits(cpu_seconds=1.0, wall_seconds=20.0)
"""For the second time, alone, where there is a reference solution; but never less than ``TIMES_REFERENCE`` its time."""
TIMES_REFERENCE: Final = 10
PATIENCE: Final = Limits(cpu_seconds=30.0, wall_seconds=60.0, idle_seconds=60.0)
"""For a reference solution."""


def first_limits(idle_seconds: float) -> Limits:
    """The sieve, for tests whose reference solution is idle itself for some time."""
    idle = max(SIEVE.idle_seconds, TIMES_REFERENCE * idle_seconds)
    return replace(SIEVE, idle_seconds=idle, wall_seconds=SIEVE.wall_seconds + idle - SIEVE.idle_seconds)


def limits_by_reference(reference_seconds: float | None, idle_seconds: float) -> Limits:
    """What counts as too long, from the CPU time of the reference solution on this machine and how long it was idle;
    None: there is none."""
    if reference_seconds is None:
        return FULL
    times = max(1.0, TIMES_REFERENCE * reference_seconds / SHORTEST.cpu_seconds)
    idle = max(SHORTEST.idle_seconds, TIMES_REFERENCE * idle_seconds)
    wall = SHORTEST.wall_seconds * times + idle - SHORTEST.idle_seconds
    return Limits(cpu_seconds=SHORTEST.cpu_seconds * times, wall_seconds=wall, idle_seconds=idle)
