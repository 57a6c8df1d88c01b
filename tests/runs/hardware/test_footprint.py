"""Bytes on a device, worked out by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs.hardware.sizes import SEVEN_B, SMALL

from selfimp_bench.runs.hardware.footprint import (
    FOUR_BIT_BYTES,
    Footprint,
    Sharding,
    adapter_parameters,
    adapter_states,
    cache_bytes,
    full_states,
    linear_weights,
    sampling_footprint,
    training_footprint,
)


def test_adam_takes_sixteen_bytes_a_weight_beside_autocast_s_copy_and_ddp_s_buckets() -> None:
    assert full_states(SMALL, sharding=Sharding.NONE, devices=1) == 18_000_000
    assert full_states(SMALL, sharding=Sharding.DDP, devices=8) == 22_000_000


def test_zero_3_splits_them_and_gathers_weights_of_two_bytes() -> None:
    assert full_states(SMALL, sharding=Sharding.ZERO_3, devices=8) == 18_000_000 // 8 + 2_000_000
    # ZeRO's own example (1910.02054, Figure 1): 7.5 B weights on 64 devices are 1.9 GB each, of 120 GB in all.
    seven = full_states(SEVEN_B, sharding=Sharding.ZERO_3, devices=64)
    assert seven == pytest.approx(18 / 16 * 1.7e9 + 2e9, rel=0.02)


def test_recomputed_activations_keep_the_inputs_of_layers_and_hold_one_layer() -> None:
    made = training_footprint(SMALL, states=5, tokens=8, checkpointing=True)
    assert made == Footprint(states=5, activations=2 * 8 * 10 * 2 + 34 * 8 * 10, logits=14 * 8 * 100, cache=0)
    assert made.total == 5 + 320 + 2720 + 11200


def test_kept_activations_are_those_of_every_layer() -> None:
    assert training_footprint(SMALL, states=0, tokens=8, checkpointing=False).activations == 2 * 34 * 8 * 10


def test_adapters_have_a_row_for_every_input_and_output_of_their_map() -> None:
    # q_proj: 10 in, 10 out; k_proj: 10 in, 5 out; 2 layers.
    assert adapter_parameters(SMALL, rank=3, modules=["q_proj", "k_proj"]) == 2 * 3 * (20 + 15)
    assert adapter_parameters(SMALL, rank=3, modules=[]) == 0
    with pytest.raises(KeyError):
        adapter_parameters(SMALL, rank=3, modules=["lm_head"])


def test_frozen_weights_of_linear_maps_are_four_bits_and_all_others_float32() -> None:
    linear = 2 * (10 * 10 + 2 * 10 * 5 + 10 * 10 + 3 * 10 * 20)
    states = adapter_states(SMALL, adapters=7, linear_bytes=0.5, sharding=Sharding.NONE)
    assert states == 18 * 7 + linear // 2 + 4 * (1_000_000 - linear)
    shared = adapter_states(SMALL, adapters=7, linear_bytes=0.5, sharding=Sharding.DDP)
    assert shared == states + 4 * 7


def test_a_65b_model_in_four_bits_fits_a_gpu_of_48_gb_as_its_authors_say() -> None:
    # QLoRA (2305.14314), abstract. The 65B LLaMA: 80 layers, width 8192, MLP 22016, 64 heads.
    sizes = replace(
        SEVEN_B, parameters=65_285_660_672, layers=80, hidden_size=8192, intermediate_size=22016, heads=64, kv_heads=64
    )
    adapters = adapter_parameters(sizes, rank=16, modules=linear_weights(sizes))
    states = adapter_states(sizes, adapters=adapters, linear_bytes=FOUR_BIT_BYTES, sharding=Sharding.NONE)
    assert 33e9 < states < 48e9


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
