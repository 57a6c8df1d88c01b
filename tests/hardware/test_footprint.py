"""Bytes on a device, worked out by hand."""

import pytest
from hardware.sizes import SEVEN_B, SMALL
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.hardware.footprint import (
    Footprint,
    Sharding,
    cache_bytes,
    full_states,
    sampling_footprint,
    training_footprint,
)


def test_adam_takes_sixteen_bytes_a_weight_on_every_device_that_holds_all() -> None:
    assert full_states(SMALL, sharding=Sharding.REPLICATED, devices=8) == 16_000_000


def test_zero_3_splits_them_and_gathers_weights_of_two_bytes() -> None:
    assert full_states(SMALL, sharding=Sharding.ZERO_3, devices=8) == 16_000_000 // 8 + 2_000_000
    # ZeRO's own example (1910.02054, Figure 1): 7.5 B weights on 64 devices are 1.9 GB each, of 120 GB in all.
    seven = full_states(SEVEN_B, sharding=Sharding.ZERO_3, devices=64)
    assert seven == pytest.approx(1.7e9 + 2e9, rel=0.01)


def test_recomputed_activations_keep_the_inputs_of_layers_and_hold_one_layer() -> None:
    made = training_footprint(SMALL, states=5, tokens=8, checkpointing=True)
    assert made == Footprint(states=5, activations=2 * 8 * 10 * 2 + 34 * 8 * 10, logits=14 * 8 * 100, cache=0)
    assert made.total == 5 + 320 + 2720 + 11200


def test_kept_activations_are_those_of_every_layer() -> None:
    assert training_footprint(SMALL, states=0, tokens=8, checkpointing=False).activations == 2 * 34 * 8 * 10


def test_sampling_holds_weights_and_the_keys_and_values_of_all_rows() -> None:
    made = sampling_footprint(SMALL, rows=3, tokens=7, weight_bytes=2, tensor_parallel=1)
    assert made == Footprint(states=2_000_000, activations=34 * 3 * 10, logits=12 * 3 * 100, cache=3 * 7 * 40)


def test_tensor_parallel_splits_weights_and_cache() -> None:
    made = sampling_footprint(SMALL, rows=3, tokens=7, weight_bytes=2, tensor_parallel=2)
    assert (made.states, made.cache) == (1_000_000, 420)


def test_a_7b_model_with_full_attention_adds_half_a_megabyte_a_token() -> None:
    assert cache_bytes(SEVEN_B, 2) == 2**19


@given(fewer=st.integers(1, 10**5), more=st.integers(1, 10**5), checkpointing=st.booleans())
def test_more_tokens_never_take_less_memory(fewer: int, more: int, checkpointing: bool) -> None:
    few, many = (
        training_footprint(SMALL, states=0, tokens=tokens, checkpointing=checkpointing).total
        for tokens in (fewer, fewer + more)
    )
    assert few < many
