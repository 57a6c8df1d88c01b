"""GPUs as data: what a forecast needs to know of one, and ``8xA100-80GB`` as a value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import msgspec

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.fault import shown

DEVICES = Path(__file__).parent / "devices.json"
"""The known devices: each number with the address of its source. A new device is one more entry."""

_ASKED = re.compile(r"(?:(?P<count>[1-9]\d{0,3})x)?(?P<device>[A-Za-z0-9]\S*)")
_OWN = re.compile(
    r"(?P<memory>\d{1,4}(?:\.\d+)?)GB"
    r"(?::(?P<peak>\d{1,5}(?:\.\d+)?)TF:(?P<rate>\d{1,5}(?:\.\d+)?)(?P<unit>[GT])B/s)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number of a datasheet, and where it stands."""

    value: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Device:
    """One kind of GPU: bytes of memory, dense bfloat16 operations a second, bytes a second from memory.

    Memory is what a driver lists, where that is known: the 80 gigabytes of a datasheet are 80 x 2^30 bytes, less a part
    for the driver itself. unfit: why no experiment can run on it, where none can.
    """

    memory_bytes: Figure
    bf16_flops: Figure
    bandwidth: Figure
    unfit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """``count`` GPUs of one kind, in one machine or in as many as its steps span."""

    count: int
    name: str
    device: Device

    def __str__(self) -> str:
        return f"{self.count}x{self.name}"


def devices() -> Mapping[str, Device]:
    """The known devices by name."""
    return msgspec.json.decode(DEVICES.read_bytes(), type=dict[str, Device])


def parse_hardware(text: str, option: str = "--hardware") -> Hardware:
    """``8xA100-80GB``, or ``A100-80GB`` for one, upper or lower case; also a card of one's own, by its memory, peak and
    bandwidth, ``1x24GB:165TF:1.0TB/s``, or by its memory alone, as fast as the slowest known one with no more.

    Raises InputError with the known devices. option: what the message says that it was given by.
    """
    table = devices()
    match = _ASKED.fullmatch(text)
    asked = match["device"] if match else text
    if match is not None and (own := _OWN.fullmatch(asked)) is not None:
        device = _own(own, table)
        if device is not None:
            return Hardware(count=int(match["count"] or 1), name=asked, device=device)
    known = {name.lower(): name for name in table}
    if match is None or asked.lower() not in known:
        raise InputError(
            f"{option} {shown(text)}: expected COUNTxDEVICE, for example 8xA100-80GB, with a device of "
            f"{', '.join(table)}, or a card of your own, for example 1x24GB:165TF:1.0TB/s (memory, dense bfloat16 "
            f"peak, bandwidth){_hint(asked.lower(), known)}"
        )
    name = known[asked.lower()]
    if table[name].unfit is not None:
        raise InputError(f"{option} {shown(text)}: {table[name].unfit}; name a newer device")
    return Hardware(count=int(match["count"] or 1), name=name, device=table[name])


def _hint(asked: str, known: Mapping[str, str]) -> str:
    """What was probably meant: all that begin so, else the nearest."""
    sizes = [name for lower, name in known.items() if lower.startswith(f"{asked}-")]
    near = sizes or [known[each] for each in get_close_matches(asked, known, n=1, cutoff=0.4)]
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _own(match: re.Match[str], table: Mapping[str, Device]) -> Device | None:
    """A device of the user's figures; by its memory alone it has the rest of the slowest known one that has no more."""
    memory = float(match["memory"]) * 1e9
    said = "as given"
    if match["peak"] is not None:
        peak, bandwidth = (
            float(match["peak"]) * 1e12,
            float(match["rate"]) * (1e12 if match["unit"].upper() == "T" else 1e9),
        )
        figures = [Figure(value=each, source=said) for each in (memory, peak, bandwidth)]
        return (
            None
            if min(memory, peak, bandwidth) <= 0
            else Device(memory_bytes=figures[0], bf16_flops=figures[1], bandwidth=figures[2])
        )
    fitting = [each for each in table.values() if each.unfit is None and each.memory_bytes.value <= 1.1 * memory]
    if not fitting:
        return None
    slowest = min(fitting, key=lambda each: (each.bandwidth.value, each.bf16_flops.value))
    return Device(
        memory_bytes=Figure(value=memory, source=said), bf16_flops=slowest.bf16_flops, bandwidth=slowest.bandwidth
    )
