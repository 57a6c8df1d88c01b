"""Whether a step fits the hardware, and in words what would. Pure."""

from bisect import bisect_right
from collections.abc import Callable

from selfimp_bench.runs.hardware.device import Hardware
from selfimp_bench.runs.hardware.footprint import USABLE, Footprint


def usable_bytes(hardware: Hardware, share: float = USABLE) -> int:
    """What a step may fill of one device's memory."""
    return int(share * hardware.device.memory_bytes.value)


def most_that_fits(footprint: Callable[[int], Footprint], rows: int, allowed: int) -> int:
    """The most rows at a time, up to ``rows``, whose footprint is allowed; 0 when not even one is."""
    return bisect_right(range(1, rows + 1), allowed, key=lambda count: footprint(count).total)


def too_large(needed: Footprint, allowed: int, advice: str) -> str:
    """Why a footprint is not allowed, and what to do."""
    return f"needs {gigabytes(needed.total)} of the {gigabytes(allowed)} that may be filled ({parts(needed)}); {advice}"


def parts(footprint: Footprint) -> str:
    """A footprint's parts that are there, largest first, in GB."""
    named = {
        "weights and optimiser": footprint.states,
        "activations": footprint.activations,
        "logits": footprint.logits,
        "cache": footprint.cache,
    }
    largest = sorted(named, key=lambda name: -named[name])
    return ", ".join(f"{name} {named[name] / 1e9:,.1f}" for name in largest if named[name])


def gigabytes(count: float) -> str:
    """Bytes in units of 10^9, as datasheets count."""
    return f"{count / 1e9:,.1f} GB"
