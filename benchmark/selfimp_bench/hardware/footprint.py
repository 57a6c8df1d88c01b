"""Bytes of GPU memory: what training and sampling a transformer hold on one device at their peak.

Sources of the formulas: ZeRO (1910.02054, Sections 3.1 and 5) for weights, gradients and optimiser state; Korthikanti
et al. (2205.05198, Sections 4.1 and 5) for activations.
"""

from dataclasses import dataclass
from enum import StrEnum

from selfimp_bench.manifest.model import Architecture

USABLE = 0.9
"""Share of a device's memory that a plan may fill, assumed: the rest is for CUDA, its libraries and fragmentation."""

ADAM_BYTES = 16
"""Per trained weight (ZeRO, 3.1): 2 + 2 for weight and gradient in 16 bits, 12 for Adam with float32 master weights.

Float32 weights and gradients with two moments come to as much: 4 + 4 + 8."""

LIVE_PARAMETERS = 10**9
"""Weights that ZeRO-3 gathers ahead of their use: DeepSpeed's default of ``stage3_max_live_parameters``."""

LAYER_BYTES = 34
"""Activations of one layer, per token and unit of width, without the attention matrix, which fused attention never
stores (2205.05198, Equation 1 without its last term); there for ungated MLPs, taken for gated ones too."""

CHECKPOINT_BYTES = 2
"""Kept of a layer, per token and unit of width, when its activations are recomputed (2205.05198, Section 5)."""

LOGIT_BYTES = 14
"""Per logit in training: 16-bit logits (2), their float32 copy, its log-softmax and its gradient (4 each)."""

DRAW_BYTES = 12
"""Per logit in sampling: float32 logits, their probabilities, and a sorted copy for top-p."""


class Sharding(StrEnum):
    """How weights, gradients and optimiser state lie on the devices: whole on each, or split among them (ZeRO-3)."""

    REPLICATED = "replicated"
    ZERO_3 = "zero-3"


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Peak bytes on one device. ``states``: weights, gradients, optimiser state; ``cache``: keys and values."""

    states: int
    activations: int
    logits: int
    cache: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.states + self.activations + self.logits + self.cache


def training_footprint(architecture: Architecture, *, states: int, tokens: int, checkpointing: bool) -> Footprint:
    """A forward and backward pass over ``tokens`` tokens (all rows of a micro batch, padding included).

    states: bytes of weights, gradients and optimiser state, such as ``full_states``.
    """
    width = architecture.hidden_size
    layer = LAYER_BYTES * tokens * width
    kept = CHECKPOINT_BYTES * tokens * width * architecture.layers
    return Footprint(
        states=states,
        activations=kept + layer if checkpointing else layer * architecture.layers,
        logits=LOGIT_BYTES * tokens * architecture.vocab_size,
        cache=0,
    )


def full_states(architecture: Architecture, *, sharding: Sharding, devices: int) -> int:
    """Bytes a device holds to train every weight with Adam: 16 a weight, split among the devices by ZeRO-3.

    ZeRO-3 also has gathered 16-bit weights there, up to ``LIVE_PARAMETERS``.
    DPO's reference is not there: its log-probabilities are computed before training.
    """
    if sharding is Sharding.REPLICATED:
        return ADAM_BYTES * architecture.parameters
    gathered = 2 * min(LIVE_PARAMETERS, architecture.parameters)
    return -(-ADAM_BYTES * architecture.parameters // devices) + gathered


def sampling_footprint(
    architecture: Architecture, *, rows: int, tokens: int, weight_bytes: int, tensor_parallel: int
) -> Footprint:
    """``rows`` sequences of ``tokens`` tokens each in flight, on one of ``tensor_parallel`` devices."""
    return Footprint(
        states=-(-weight_bytes * architecture.parameters // tensor_parallel),
        activations=LAYER_BYTES * rows * architecture.hidden_size,
        logits=DRAW_BYTES * rows * architecture.vocab_size,
        cache=-(-rows * tokens * cache_bytes(architecture, weight_bytes) // tensor_parallel),
    )


def cache_bytes(architecture: Architecture, value_bytes: int) -> int:
    """Bytes of keys and values that a token adds: 2 x layers x key-value heads x their size x bytes of a value."""
    return 2 * architecture.layers * architecture.kv_heads * architecture.head_dim * value_bytes
