"""Sampling with engines that take as many rows as fit, on real sizes; worked out by hand."""

from dataclasses import replace
from typing import Any

from selfimp_bench.manifest.model import Profile, VllmSettings
from selfimp_bench.runs.hardware.calibration import read_rates
from selfimp_bench.runs.hardware.cost import Setting, StepCost
from selfimp_bench.runs.hardware.device import parse_hardware
from selfimp_bench.runs.hardware.sampling import sample_cost
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.sample import SampleBlock

N = 6_738_415_616
VLLM = VllmSettings(
    max_model_len=4096,
    max_num_batched_tokens=8192,
    chunked_prefill=True,
    prefix_caching=True,
    enforce_eager=False,
    attention_backend="FLASH_ATTN",
    model_runner="v1",
    batch_invariant=False,
    tensor_parallel=1,
    gpu_memory_utilization=0.9,
    kv_cache_gib=None,
    source="test",
)


def _cost(
    hardware: str, vllm: VllmSettings | None, *, template: str | None = None, samples: int | None = None, **changed: Any
) -> StepCost:
    """Of sampling the test problems from the first model, with other settings, template, or samples a problem."""
    experiment = open_experiment("gsm8k-iter-sft", profile=Profile.PAPER, only="model=llama-2-7b", replicates=1)
    steps = experiment.plan().by_id()
    found = steps["llama-2-7b/seed1/t1/sample.sample"]
    assert isinstance(found.block, SampleBlock)
    settings = replace(found.block.settings, vllm=vllm, **changed)
    asked = parse_hardware(hardware)
    setting = Setting(steps=steps, hardware=asked, rates=read_rates(asked.name))
    block = replace(found.block, settings=settings)
    block = block if template is None else replace(block, prompt_template=template)
    if samples is not None:
        found = replace(found, rows_at_most=found.rows_at_most // block.samples_per_problem * samples)
        block = replace(block, samples_per_problem=samples)
    cost = sample_cost(replace(found, block=block), setting)
    assert cost is not None
    return cost


def test_vllm_takes_as_many_rows_as_its_share_of_the_memory_holds() -> None:
    cost = _cost("1xA100-80GB", VLLM)
    # The longest: 848 characters / 1.5 and 512 tokens, half a megabyte each; a row more would be above 76.5 GB.
    row = (565 + 512) * 2**19 + 34 * 4096 + 12 * 32000
    assert cost.misfits == ()
    assert cost.per_device == (int(0.9 * 85.0e9) - 2 * N) // row
    assert cost.footprint.total == 2 * N + cost.per_device * row


def test_vllm_takes_no_more_rows_than_asked_and_none_longer_than_its_limit() -> None:
    assert _cost("1xH200", VLLM, max_batch_rows=7).per_device == 7
    assert _cost("1xA100-80GB", replace(VLLM, max_model_len=600)).per_device > _cost("1xA100-80GB", VLLM).per_device


def test_an_engine_that_holds_its_batch_is_refused_with_one_that_fits() -> None:
    cost = _cost("1xA100-80GB", None, max_batch_rows=512)
    fitting = _cost("1xA100-80GB", VLLM).per_device
    assert f"engines.max_batch_rows {fitting} (now 512) would fit" in cost.misfits[0]
    assert _cost("1xA100-80GB", None, max_batch_rows=fitting).misfits == ()


def test_weights_too_large_for_a_device_are_refused_with_the_number_that_holds_them() -> None:
    half = replace(VLLM, gpu_memory_utilization=0.15)
    cost = _cost("8xA100-80GB", half)
    assert "engines.vllm with tensor_parallel 2 would fit" in cost.misfits[0]
    assert _cost("8xA100-80GB", replace(half, tensor_parallel=2)).misfits == ()
    assert "takes larger devices" in _cost("1xA100-80GB", half).misfits[0]


def test_more_devices_than_there_are_cannot_be_spanned() -> None:
    (reason,) = _cost("2xA100-80GB", replace(VLLM, tensor_parallel=4)).misfits
    assert reason.startswith("its tensor_parallel takes 4 devices, more than 2; use as many")


def test_an_engine_cannot_span_devices_that_its_heads_do_not_divide_over() -> None:
    (reason,) = _cost("8xA100-80GB", replace(VLLM, tensor_parallel=3)).misfits
    assert reason.startswith("its 32 attention heads cannot be split evenly over 3 devices")


def test_prompts_whose_cache_is_not_kept_are_read_for_every_completion() -> None:
    kept, read = (_cost("1xA100-80GB", replace(VLLM, prefix_caching=kept)).gpu_hours for kept in (True, False))
    # 63 more readings of 1319 prompts of 239.9 characters / 2.5, 2 operations a weight and token, 40 % of the peak.
    more = 2 * N * 1319 * 63 * (239.9 / 2.5) / (0.4 * 312e12) / 3600
    assert abs((read.expected - kept.expected) - more) < 1e-9


def test_what_all_prompts_begin_with_is_read_once_where_the_cache_is_kept() -> None:
    examples = "x" * 1000 + "Question: {question}" + "y" * 240
    kept, read = (
        _cost("1xA100-80GB", replace(VLLM, prefix_caching=kept), template=examples, samples=1).gpu_hours
        for kept in (True, False)
    )
    # 1318 more readings of 1010 characters / 2.5, one completion a prompt.
    more = 2 * N * 1318 * (1010 / 2.5) / (0.4 * 312e12) / 3600
    assert abs((read.expected - kept.expected) - more) < 1e-9
