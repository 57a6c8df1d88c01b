"""What a device reaches: measured where there is a file, else assumed and said so."""

import json
from pathlib import Path
from typing import Any

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.places import CALIBRATION
from selfimp_bench.runs.hardware.calibration import ASSUMED_DECODING, ASSUMED_SEEDING, ASSUMED_TRAINING, read_rates
from selfimp_bench.runs.hardware.device import devices

GOOD = {"schema": 1, "device": "H200", "training": 0.45, "decoding": None, "source": "7B, batch 128", "tokens_per_s": 9}


def _write(folder: Path, **changed: Any) -> Path:
    (folder / "H200.json").write_text(json.dumps(GOOD | changed))
    return folder


def test_without_a_file_all_rates_are_assumed(tmp_path: Path) -> None:
    rates = read_rates("H200", tmp_path)
    assert (rates.training.value, rates.training.source) == (ASSUMED_TRAINING, "assumed")
    assert (rates.decoding.value, rates.decoding.source) == (ASSUMED_DECODING, "assumed")
    assert (rates.seeding.value, rates.seeding.source) == (ASSUMED_SEEDING, "assumed")


def test_a_measured_rate_is_used_and_a_null_one_assumed(tmp_path: Path) -> None:
    rates = read_rates("H200", _write(tmp_path))
    assert (rates.training.value, rates.training.source) == (0.45, "measured: 7B, batch 128")
    assert read_rates("H200", _write(tmp_path, seeding=3e-6)).seeding.value == 3e-6
    assert (rates.decoding.value, rates.decoding.source) == (ASSUMED_DECODING, "assumed")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"training": 0}, "training: expected a share"),
        ({"decoding": 1.2}, "decoding: expected a share"),
        ({"training": "fast"}, "not a calibration"),
        ({"device": "H100"}, "expected schema 1 of device H200, found 1 of H100"),
        ({"schema": 2}, "expected schema 1"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        read_rates("H200", _write(tmp_path, **changed))
    assert "H200.json" in str(refused.value)


def test_shipped_calibrations_are_of_known_devices_and_can_be_read() -> None:
    for path in CALIBRATION.glob("*.json"):
        assert path.stem in devices()
        read_rates(path.stem)
    assert (CALIBRATION / "README.md").is_file()
