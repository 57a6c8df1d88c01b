"""GPUs by name."""

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.runs.hardware.device import devices, parse_hardware


def test_a_count_and_a_device_are_read() -> None:
    hardware = parse_hardware("8xA100-80GB")
    assert (hardware.count, hardware.name, str(hardware)) == (8, "A100-80GB", "8xA100-80GB")
    assert hardware.device.memory_bytes.value == 85.0e9


def test_no_count_is_one_and_case_is_free() -> None:
    assert str(parse_hardware("h200")) == "1xH200"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8x",
        "0xH100",
        "-1xH100",
        "8 x H100",
        "8xB300",
        "8xA100",
        "x",
        "10000xH100",
        "24",
        "1x24GB:165TF",
        "1x24GB:165TF:1.0",
        "1x0GB",
        "1x0GB:1TF:1TB/s",
        "24GB:0TF:1TB/s",
        "24GiB",
        "0x24GB",
        "1x2GB",
    ],
)
def test_anything_else_is_refused_with_the_known_devices(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_hardware(text)
    assert all(name in str(refused.value) for name in devices())


def test_a_near_miss_is_named() -> None:
    with pytest.raises(InputError, match="did you mean A100-80GB"):
        parse_hardware("8xA100-80")


def test_every_number_of_a_device_is_positive_and_has_an_address() -> None:
    for device in devices().values():
        for figure in (device.memory_bytes, device.bf16_flops, device.bandwidth):
            assert figure.value > 0 and figure.source.startswith("https://")


def test_a_larger_model_of_a_device_has_the_same_peak_and_more_memory() -> None:
    small, large = devices()["A100-40GB"], devices()["A100-80GB"]
    assert small.bf16_flops.value == large.bf16_flops.value == 312e12
    assert small.memory_bytes.value < large.memory_bytes.value and small.bandwidth.value < large.bandwidth.value


def test_a_device_of_several_sizes_asks_which() -> None:
    with pytest.raises(InputError, match="did you mean A100-40GB or A100-80GB"):
        parse_hardware("8xA100")


def test_a_device_that_can_run_nothing_says_why() -> None:
    with pytest.raises(InputError, match="it has no bfloat16"):
        parse_hardware("1xT4")


@pytest.mark.parametrize(
    ("text", "name", "memory", "peak", "bandwidth"),
    [
        ("1x24GB:165TF:1.0TB/s", "24GB:165TF:1.0TB/s", 24e9, 165e12, 1.0e12),
        ("2x16gb:50.5tf:450gb/s", "16gb:50.5tf:450gb/s", 16e9, 50.5e12, 450e9),
        ("24GB", "24GB", 24e9, 121e12, 300e9),
        ("4x48GB", "48GB", 48e9, 121e12, 300e9),
    ],
)
def test_a_card_of_one_s_own_is_its_figures(text: str, name: str, memory: float, peak: float, bandwidth: float) -> None:
    found = parse_hardware(text)
    assert (found.name, found.count) == (name, int(text[0]) if "x" in text else 1)
    device = found.device
    figures = (device.memory_bytes.value, device.bf16_flops.value, device.bandwidth.value)
    assert figures == (memory, peak, bandwidth)
