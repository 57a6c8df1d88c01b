"""Whether a step fits the hardware, and in words what would. Pure."""

from collections.abc import Callable, Iterable, Iterator

from selfimp_bench.hardware.device import Hardware
from selfimp_bench.hardware.footprint import USABLE, Footprint


def usable_bytes(hardware: Hardware) -> int:
    """What a step may fill of one device's memory."""
    return int(USABLE * hardware.device.memory_bytes.value)


def uneven_batch(batch: int, devices: int, micro: int) -> Iterator[str]:
    """Why ``batch`` rows are no whole number of passes of ``micro`` rows on each of the devices; nothing if they are.

    A rounded number of passes would be another batch, and so another experiment.
    """
    if batch % (devices * micro) == 0:
        return
    sizes = [size for size in range(1, batch + 1) if batch % (devices * size) == 0]
    counts = [count for count in range(1, batch + 1) if batch % (count * micro) == 0]
    ways = []
    if sizes:
        ways.append(f"micro_batch_size {listed(sizes)} with {devices} devices")
    if counts:
        ways.append(f"{listed(counts)} devices with micro_batch_size {micro}")
    yield (
        f"a batch of {batch} rows is no multiple of {devices} devices x micro_batch_size {micro}; "
        f"what would work: {', or '.join(ways) or 'another micro_batch_size and another number of devices'}"
    )


def too_large(
    footprint: Callable[[int], Footprint], rows: int, fewer: Iterable[int], key: str, hardware: Hardware
) -> Iterator[str]:
    """Why ``rows`` rows at a time do not fit one device, and which of ``fewer`` would; nothing if they fit.

    footprint: of so many rows. fewer: what may stand in the place of ``rows``, largest first. key: its manifest key.
    """
    allowed, needed = usable_bytes(hardware), footprint(rows)
    if needed.total <= allowed:
        return
    fitting = next((size for size in fewer if footprint(size).total <= allowed), None)
    advice = f"{key} {fitting} (now {rows}) would fit"
    if fitting is None:
        advice = f"no {key} would fit: it takes larger devices, or an engine that shards over several"
    yield (
        f"needs {gigabytes(needed.total)} of the {gigabytes(allowed)} that may be filled ({parts(needed)}); {advice}"
    )


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


def listed(numbers: list[int]) -> str:
    """``1, 2 or 4``."""
    *first, last = map(str, numbers)
    return f"{', '.join(first)} or {last}" if first else last
