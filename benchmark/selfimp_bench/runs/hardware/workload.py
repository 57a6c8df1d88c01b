"""Seconds of GPU time: operations over peak in training, a roofline in decoding. All of one device, pure."""

from dataclasses import dataclass

from selfimp_bench.manifest.model import Architecture
from selfimp_bench.runs.hardware.device import Device
from selfimp_bench.runs.hardware.footprint import cache_bytes


@dataclass(frozen=True, kw_only=True)
class Decode:
    """Completions to generate: ``rows`` of them, ``in_flight`` at a time, of ``completion`` tokens after ``prompt``.

    seeding: seconds that each row adds to a step, 0 where rows with seeds share a kernel.
    """

    rows: int
    in_flight: int
    prompt: float
    completion: float
    weight_bytes: int
    seeding: float


def training_seconds(
    parameters: int, tokens: float, *, frozen: bool, checkpointing: bool, device: Device, share: float
) -> float:
    """Device seconds of training: 6 operations a weight and token, 4 when only adapters on it learn.

    Forward 2, backward 4 (Kaplan et al., 2001.08361, Section 2.1), half of which are a weight's own gradients, which
    ``frozen`` weights have none of. ``checkpointing`` adds the forward pass once more (2205.05198, Section 5).
    Attention's own products, a few per cent at these lengths, and making 4-bit weights wide again are left out.
    """
    operations = 2 + (2 if frozen else 4) + (2 if checkpointing else 0)
    return operations * parameters * tokens / (device.bf16_flops.value * share)


def forward_seconds(parameters: int, tokens: float, *, device: Device, share: float) -> float:
    """Device seconds of reading tokens: 2 operations a weight and token."""
    return 2 * parameters * tokens / (device.bf16_flops.value * share)


def decode_seconds(architecture: Architecture, decode: Decode, *, device: Device, share: float) -> float:
    """Device seconds of the decoding steps alone, at ``share`` of the roofline.

    One step makes a token for every row in flight. It takes the longer of reading all weights and of multiplying with
    them (2 operations a weight and row), and then reads the keys and values of all rows, of mean length prompt +
    completion / 2. Drawing noise row by row comes on top, whole.
    """
    rows = min(decode.in_flight, decode.rows)
    steps = decode.rows / rows * decode.completion
    weights = decode.weight_bytes * architecture.parameters / device.bandwidth.value
    products = 2 * architecture.parameters * rows / device.bf16_flops.value
    context = decode.prompt + decode.completion / 2
    cache = rows * context * cache_bytes(architecture, decode.weight_bytes) / device.bandwidth.value
    return steps * ((max(weights, products) + cache) / share + rows * decode.seeding)
