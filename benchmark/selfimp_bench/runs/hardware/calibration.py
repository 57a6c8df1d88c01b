"""How much of a device's peak a run reaches: measured on such a device where there is a file, else assumed.

``benchmark/calibration/<device>.json`` holds what was measured (its README describes it); the device is a name of
``devices.json``.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from selfimp_bench.errors import InputError
from selfimp_bench.places import CALIBRATION

ASSUMED_TRAINING = 0.40
"""Share of peak operations in training, recomputed ones counted: PaLM (2204.02311, Table 3) lists 0.21 to 0.46."""

ASSUMED_DECODING = 0.50
"""Share of the roofline in decoding: schedulers, sampling and short kernels take the other half."""


ASSUMED_SEEDING = 1e-5
"""Seconds in which a host has one more row of noise drawn: an index and a short kernel, called from Python."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A calibration file. ``training``, ``decoding`` and ``seeding`` are those of ``Rates``; null: not measured.

    source: what was run, on what, when. A file may hold more; what a forecast does not use is ignored.
    """

    schema: int
    device: str
    training: float | None
    decoding: float | None
    seeding: float | None = None
    source: str


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A share of peak, above 0 and at most 1, or seconds; and where it comes from (``assumed`` when from nowhere)."""

    value: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Rates:
    """training: share of the device's dense bfloat16 peak. decoding: share of the roofline of one decoding step.

    seeding: seconds that each row with a seed adds to a decoding step of vLLM's model runner v1.
    """

    training: Rate
    decoding: Rate
    seeding: Rate


def read_rates(device: str, folder: Path = CALIBRATION) -> Rates:
    """The device's rates. Raises InputError for a calibration file that cannot be used."""
    path = folder / f"{device}.json"
    if not path.is_file():
        return Rates(
            training=_assumed(ASSUMED_TRAINING),
            decoding=_assumed(ASSUMED_DECODING),
            seeding=_assumed(ASSUMED_SEEDING),
        )
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Measured)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a calibration ({error}); see the README beside it") from None
    if found.schema != 1 or found.device != device:
        raise InputError(f"{path}: expected schema 1 of device {device}, found {found.schema} of {found.device}")
    return Rates(
        training=_rate(path, found, "training", found.training, ASSUMED_TRAINING),
        decoding=_rate(path, found, "decoding", found.decoding, ASSUMED_DECODING),
        seeding=_rate(path, found, "seeding", found.seeding, ASSUMED_SEEDING),
    )


def _rate(path: Path, found: Measured, key: str, value: float | None, otherwise: float) -> Rate:
    if value is None:
        return _assumed(otherwise)
    if not 0 < value <= 1:
        raise InputError(f"{path}: {key}: expected a share above 0 and at most 1, found {value}")
    return Rate(value=value, source=f"measured: {found.source}")


def _assumed(value: float) -> Rate:
    return Rate(value=value, source="assumed")
