"""Bytes of GPU memory: what training and sampling a transformer hold on one device at their peak.

Sources of the formulas: ZeRO (1910.02054, Sections 3.1 and 5) for weights, gradients and optimiser state; Korthikanti
et al. (2205.05198, Sections 4.1 and 5) for activations; LoRA (2106.09685, Section 4.1) and QLoRA (2305.14314, Section
3) for adapters on frozen weights.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from selfimp_bench.manifest.model import Architecture

USABLE = 0.9
"""Share of a device's memory that a plan may fill, assumed: the rest is for CUDA, its libraries and fragmentation."""

ADAM_BYTES = 16
"""Per trained weight (ZeRO, 3.1): 2 + 2 for weight and gradient in 16 bits, 12 for Adam with float32 master weights.

Float32 weights and gradients with two moments come to as much: 4 + 4 + 8."""

ZERO_3_BYTES = 18
"""Per trained weight under ZeRO-3 in 16 bits: as above, but gradients are added up over passes in float32."""

RESUME_BYTES = 12
"""Per trained weight, on disk: a checkpoint to resume from, a float32 weight and its two moments."""

AUTOCAST_BYTES = 2
"""Per weight: the 16-bit copy that PyTorch's autocast caches of a float32 weight while a pass lasts."""

BUCKET_BYTES = 4
"""Per trained weight: the buckets that PyTorch's DDP copies float32 gradients into (its gradient_as_bucket_view)."""

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


FOUR_BIT_BYTES = (4 + 0.127) / 8
"""Of a weight in 4 bits whose constants are quantised too (QLoRA, Section 3: 0.127 bits a weight for them)."""

FOUR_BIT_BYTES_SINGLE = (4 + 0.5) / 8
"""Of one whose constants are not: a float32 for every 64 weights."""


class Sharding(StrEnum):
    """How training lies on the devices: on one; whole on each (DDP); or split among them (ZeRO-3)."""

    NONE = "none"
    DDP = "ddp"
    ZERO_3 = "deepspeed-zero3"


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
    """Bytes a device holds to train every weight with Adam: 16 a weight, or 18 that ZeRO-3 splits among the devices.

    ZeRO-3 also has gathered 16-bit weights there, up to ``LIVE_PARAMETERS``. Without it weights are float32, of which
    autocast keeps 16-bit copies, and DDP gradients' buckets (``AUTOCAST_BYTES``, ``BUCKET_BYTES``).
    DPO's reference is not there: its log-probabilities are computed before training.
    """
    if sharding is Sharding.ZERO_3:
        gathered = 2 * min(LIVE_PARAMETERS, architecture.parameters)
        return -(-ZERO_3_BYTES * architecture.parameters // devices) + gathered
    buckets = BUCKET_BYTES if sharding is Sharding.DDP else 0
    return (ADAM_BYTES + AUTOCAST_BYTES + buckets) * architecture.parameters


def linear_weights(architecture: Architecture) -> Mapping[str, tuple[int, int]]:
    """Inputs and outputs of a layer's linear maps, by the names that Hugging Face models give them."""
    width, wide = architecture.hidden_size, architecture.intermediate_size
    queries, keys = architecture.heads * architecture.head_dim, architecture.kv_heads * architecture.head_dim
    return {
        "q_proj": (width, queries),
        "k_proj": (width, keys),
        "v_proj": (width, keys),
        "o_proj": (queries, width),
        "gate_proj": (width, wide),
        "up_proj": (width, wide),
        "down_proj": (wide, width),
    }


def adapter_parameters(architecture: Architecture, *, rank: int, modules: Iterable[str]) -> int:
    """Weights of low-rank adapters: rank x (inputs + outputs) for each named linear map of each layer.

    Raises KeyError for a name that ``linear_weights`` lacks.
    """
    shapes = linear_weights(architecture)
    return architecture.layers * sum(rank * sum(shapes[name]) for name in modules)


def adapter_states(architecture: Architecture, *, adapters: int, linear_bytes: float, sharding: Sharding) -> int:
    """Bytes a device holds to train ``adapters`` weights on frozen ones: all that ``full_states`` has for an adapter
    weight, and the frozen weights, whole on every device.

    linear_bytes: of a frozen weight of a linear map: ``FOUR_BIT_BYTES``, or 4 + 2 (float32 and its 16-bit copy) where
    nothing is quantised. All other weights (embeddings, output table, norms) are float32.
    """
    each = ADAM_BYTES + AUTOCAST_BYTES + (BUCKET_BYTES if sharding is Sharding.DDP else 0)
    shapes = linear_weights(architecture).values()
    linear = architecture.layers * sum(inputs * outputs for inputs, outputs in shapes)
    return ceil(each * adapters + linear_bytes * linear + 4 * (architecture.parameters - linear))


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
