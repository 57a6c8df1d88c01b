"""Seconds on a device, worked out by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs.hardware.sizes import SEVEN_B, SMALL, device

from selfimp_bench.runs.hardware.workload import Decode, decode_seconds, forward_seconds, training_seconds

TINY = replace(SMALL, parameters=5, layers=1, kv_heads=1, head_dim=1)
DECODE = Decode(rows=6, in_flight=2, prompt=3.0, completion=4.0, weight_bytes=2, seeding=0.0)


def test_training_takes_six_operations_a_weight_and_token_and_eight_with_recomputation() -> None:
    assert training_seconds(5, 10, frozen=False, checkpointing=False, device=device(), share=0.5) == 6 * 50 / 50
    assert training_seconds(5, 10, frozen=False, checkpointing=True, device=device(), share=0.5) == 8 * 50 / 50


def test_weights_under_adapters_have_no_gradients_of_their_own() -> None:
    assert training_seconds(5, 10, frozen=True, checkpointing=False, device=device(), share=0.5) == 4 * 50 / 50
    assert training_seconds(5, 10, frozen=True, checkpointing=True, device=device(), share=0.5) == 6 * 50 / 50


def test_reading_takes_two() -> None:
    assert forward_seconds(5, 10, device=device(), share=0.5) == 2 * 50 / 50


def test_a_decoding_step_reads_all_weights_and_the_cache_of_every_row() -> None:
    # A step: 5 weights x 2 bytes at 10 bytes/s = 1 s, longer than 2 x 5 x 2 operations at 100/s; then 2 rows x (3 + 2)
    # tokens x 4 bytes at 10 bytes/s = 4 s. There are 3 batches of 4 steps, at half the roofline.
    assert decode_seconds(TINY, DECODE, device=device(), share=0.5) == pytest.approx(3 * 4 * (1 + 4) / 0.5)


def test_a_large_batch_is_bound_by_its_products() -> None:
    # 2 x 5 x 2 operations at 1 a second are 20 s, longer than the weights' 1 s.
    assert decode_seconds(TINY, DECODE, device=device(flops=1.0), share=1.0) == pytest.approx(3 * 4 * (20 + 4))


def test_rows_with_seeds_of_their_own_add_their_seconds_to_every_step() -> None:
    seeded = replace(DECODE, seeding=0.25)
    assert decode_seconds(TINY, seeded, device=device(), share=0.5) == pytest.approx(3 * 4 * ((1 + 4) / 0.5 + 2 * 0.25))


def test_fewer_rows_than_fit_are_one_batch() -> None:
    one = replace(DECODE, rows=2, in_flight=50)
    assert decode_seconds(TINY, one, device=device(), share=1.0) == pytest.approx(4 * (1 + 4))


@given(in_flight=st.integers(1, 512))
def test_more_rows_in_flight_never_take_longer(in_flight: int) -> None:
    real = device(flops=312e12, bandwidth=2039e9)
    decode = Decode(rows=2**16, in_flight=in_flight, prompt=100.0, completion=120.0, weight_bytes=2, seeding=1e-5)
    fewer, more = (
        decode_seconds(SEVEN_B, each, device=real, share=0.5)
        for each in (decode, replace(decode, in_flight=in_flight + 1))
    )
    assert more <= fewer * (1 + 1e-9)
