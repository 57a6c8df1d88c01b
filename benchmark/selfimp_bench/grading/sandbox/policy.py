"""How much untrusted code may use."""

from dataclasses import dataclass
from typing import Final

MEMORY_BYTES: Final = 1 << 30
OPEN_FILES: Final = 64
LONGEST_MESSAGE: Final = 1 << 24
"""Bytes of one value, arguments included: the output limit."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one examination, in seconds. CPU time decides; wall time ends what only waits."""

    cpu_seconds: float
    wall_seconds: float


SIEVE: Final = Limits(cpu_seconds=0.5, wall_seconds=5.0)
"""For the first time, beside others. Who keeps within it is judged; who does not is examined again, alone."""
FULL: Final = Limits(cpu_seconds=5.0, wall_seconds=30.0)
"""For the second time, alone: what counts as too long."""
