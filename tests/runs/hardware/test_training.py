"""Training over devices, with adapters, and by steps, on real sizes; worked out by hand."""

from dataclasses import replace
from typing import Any

import pytest

from selfimp_bench.manifest.model import Lora, Profile, Quantisation
from selfimp_bench.runs.hardware.calibration import read_rates
from selfimp_bench.runs.hardware.cost import Setting, StepCost
from selfimp_bench.runs.hardware.device import parse_hardware
from selfimp_bench.runs.hardware.training import train_cost
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.train import TrainBlock

N = 6_738_415_616
LORA = Lora(
    rank=16,
    alpha=32,
    dropout=0.0,
    target_modules=("q_proj", "v_proj"),
    quantisation=Quantisation(format="nf4-4bit", double_quant=True, compute_dtype="bfloat16"),
    evaluation="merged",
    source="test",
)


def _cost(step: str, hardware: str, **changed: Any) -> StepCost:
    """Of a training step of the first model, its block changed."""
    experiment = open_experiment("gsm8k-iter-sft-dpo", profile=Profile.PAPER, only="model=llama-2-7b", replicates=1)
    steps = experiment.plan().by_id()
    found = steps[f"llama-2-7b/seed1/{step}/train"]
    assert isinstance(found.block, TrainBlock)
    asked = parse_hardware(hardware)
    setting = Setting(steps=steps, hardware=asked, rates=read_rates(asked.name))
    cost = train_cost(replace(found, block=replace(found.block, **changed)), setting)
    assert cost is not None
    return cost


def test_zero_3_shares_the_batch_and_the_states_among_all_devices() -> None:
    cost = _cost("t1", "8xA100-80GB", distributed="deepspeed-zero3")
    assert (cost.devices, cost.per_device, cost.accumulation, cost.misfits) == (8, 4, 4, ())
    assert cost.footprint.states == 18 * N // 8 + 2 * 10**9


def test_ddp_shares_the_batch_and_holds_all_on_each() -> None:
    cost = _cost("t2", "2xH200", distributed="ddp")
    assert (cost.devices, cost.per_device, cost.accumulation) == (2, 4, 4)
    assert cost.footprint.states == 22 * N
    assert "engines.distributed" in cost.misfits[0]


def test_one_process_uses_one_device_of_many() -> None:
    cost = _cost("t2", "8xH200", distributed=None)
    assert (cost.devices, cost.per_device, cost.accumulation) == (1, 4, 8)
    assert cost.footprint.states == 18 * N


def test_more_devices_than_passes_take_smaller_ones() -> None:
    cost = _cost("t2", "16xA100-80GB", distributed="deepspeed-zero3")
    assert (cost.per_device, cost.accumulation, cost.misfits) == (2, 1, ())


def test_a_batch_that_the_devices_cannot_share_is_refused_with_the_numbers_that_can() -> None:
    cost = _cost("t2", "3xA100-80GB", distributed="deepspeed-zero3")
    assert cost.accumulation is None
    (reason,) = cost.misfits
    assert "32 rows cannot be shared equally by 3 devices" in reason and "1, 2, 4, 8, 16, 32" in reason


def test_a_micro_batch_too_large_is_refused_with_one_that_fits() -> None:
    cost = _cost("t1", "8xA100-80GB", distributed="deepspeed-zero3", micro_batch_size=16, gradient_checkpointing=False)
    assert cost.misfits and "would fit" in cost.misfits[0]
    smaller = int(cost.misfits[0].partition("engines.micro_batch_size ")[2].split()[0])
    again = {"distributed": "deepspeed-zero3", "gradient_checkpointing": False}
    assert _cost("t1", "8xA100-80GB", micro_batch_size=smaller, **again).misfits == ()


def test_four_bit_weights_under_adapters_take_half_a_byte_each() -> None:
    cost = _cost("t1", "1xA100-40GB", lora=LORA)
    linear = N - 2 * 32000 * 4096 - 65 * 4096
    adapters = 32 * 16 * 2 * (4096 + 4096)
    assert cost.footprint.states == pytest.approx(linear * (0.5 + 0.127 / 8) + 4 * (N - linear) + 18 * adapters)
    assert cost.misfits == ()


def test_adapters_save_the_gradients_of_the_weights_below_them() -> None:
    whole, adapters = (_cost("t1", "1xH200", lora=lora).gpu_hours.expected for lora in (None, LORA))
    assert adapters == pytest.approx(whole * 6 / 8)


def test_float32_weights_under_adapters_have_autocast_s_copy_and_single_constants_are_larger() -> None:
    plain, single, double = (
        _cost("t1", "1xH200", lora=replace(LORA, quantisation=quantisation)).footprint.states
        for quantisation in (None, replace(LORA.quantisation, double_quant=False), LORA.quantisation)  # type: ignore[type-var]
    )
    assert plain > 6 * (N - 2 * 32000 * 4096 - 65 * 4096) > single > double


def test_training_by_steps_takes_their_batches() -> None:
    base = _cost("t2", "8xA100-80GB")
    experiment = open_experiment("gsm8k-iter-sft-dpo", profile=Profile.PAPER, only="model=llama-2-7b", replicates=1)
    assert experiment.manifest.dpo is not None
    by_steps = replace(experiment.manifest.dpo.optimisation, epochs=None, steps=100)
    cost = _cost("t2", "8xA100-80GB", optimisation=by_steps)
    # One epoch of 7473 pairs, against 100 batches of 32.
    assert cost.tokens.expected == pytest.approx(base.tokens.expected * 100 * 32 / 7473)
