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

_ASKED = re.compile(r"(?:(?P<count>[1-9]\d{0,3})x)?(?P<device>[A-Za-z]\S*)")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number of a datasheet, and where it stands."""

    value: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Device:
    """One kind of GPU: bytes of memory, dense bfloat16 operations a second, bytes a second from memory.

    Memory is what a driver lists, where that is known: the 80 gigabytes of a datasheet are 80 x 2^30 bytes, less a part
    for the driver itself.
    """

    memory_bytes: Figure
    bf16_flops: Figure
    bandwidth: Figure


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
    """``8xA100-80GB``, or ``A100-80GB`` for one, upper or lower case. Raises InputError with the known devices.

    option: what the message says that it was given by.
    """
    table = devices()
    known = {name.lower(): name for name in table}
    match = _ASKED.fullmatch(text)
    if match is None or match["device"].lower() not in known:
        near = get_close_matches(match["device"].lower() if match else text.lower(), known, n=1, cutoff=0.4)
        hint = f"; did you mean {known[near[0]]}?" if near else ""
        raise InputError(
            f"{option} {shown(text)}: expected COUNTxDEVICE, for example 8xA100-80GB, with a device of "
            f"{', '.join(table)}{hint} (another device is one more entry of {DEVICES.name})"
        )
    name = known[match["device"].lower()]
    return Hardware(count=int(match["count"] or 1), name=name, device=table[name])
