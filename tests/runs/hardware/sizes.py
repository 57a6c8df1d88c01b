"""Small models and devices, whose costs a person can work out, and two real models."""

from selfimp_bench.manifest.model import Architecture
from selfimp_bench.runs.hardware.device import Device, Figure

SMALL = Architecture(
    parameters=1_000_000,
    layers=2,
    hidden_size=10,
    intermediate_size=20,
    heads=2,
    kv_heads=1,
    head_dim=5,
    vocab_size=100,
    source="test",
)
SEVEN_B = Architecture(
    parameters=6_738_415_616,
    layers=32,
    hidden_size=4096,
    intermediate_size=11008,
    heads=32,
    kv_heads=32,
    head_dim=128,
    vocab_size=32000,
    source="test",
)


def device(*, memory: float = 1e9, flops: float = 100.0, bandwidth: float = 10.0) -> Device:
    """A device of these numbers."""
    figures = (Figure(value=value, source="test") for value in (memory, flops, bandwidth))
    memory_bytes, bf16_flops, bytes_a_second = figures
    return Device(memory_bytes=memory_bytes, bf16_flops=bf16_flops, bandwidth=bytes_a_second)
