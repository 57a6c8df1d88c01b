"""What GPUs wait for, and the checkpoints that training writes to go on from, by hand."""

from dataclasses import replace
from functools import cache

import pytest

from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.hardware.cost import Range, StepCost
from selfimp_bench.runs.hardware.device import parse_hardware
from selfimp_bench.runs.hardware.outlook import Outlook, outlook
from selfimp_bench.runs.hardware.waiting import resume
from selfimp_bench.runs.study import open_experiment

WEIGHTS = 6_738_415_616


@cache
def of(name: str, hardware: str = "8xA100-80GB") -> Outlook:
    experiment = open_experiment(name, profile=Profile.PAPER, only="model=llama-2-7b", replicates=1)
    return outlook(experiment.plan(), parse_hardware(hardware), done=frozenset())


def hours(found: Outlook) -> dict[str, Range]:
    return {wait.kind: wait.gpu_hours for wait in found.waits}


def training() -> StepCost:
    return next(cost for cost in of("gsm8k-iter-sft").costs if cost.step.endswith("t3/train"))


def test_engines_start_once_a_checkpoint_and_serve_all_its_steps() -> None:
    # M_1 to M_5: 60 s and 2 bytes a weight at 1 GB a second, on eight devices.
    expected = 5 * 8 * (60 + 2 * WEIGHTS / 1e9) / 3600
    assert hours(of("gsm8k-iter-sft"))["engine starts"] == Range(
        expected=pytest.approx(expected), at_most=pytest.approx(expected)
    )


def test_all_gpus_wait_for_grading_and_embedding() -> None:
    found = hours(of("gsm8k-iter-sft"))
    numbers, formulas = 5 * (1319 + 1319 * 64) + 4 * 7473 * 50, 5 * 1187
    seconds = 1e-4 * numbers + 1.1e-2 * formulas / 64  # on one core, and on eight cores a GPU
    assert found["grading"].expected == pytest.approx(8 * seconds / 3600)
    assert found["embedding"].expected == pytest.approx(8 * 1e-3 * 5 * 1319 * 64 / 3600)


def test_a_training_writes_a_checkpoint_each_half_hour_and_two_are_there_at_most() -> None:
    cost = replace(training(), devices=8, gpu_hours=Range(expected=8 * 0.4, at_most=8 * 1.7))
    found = resume([cost])
    assert cost.resume_bytes == 12 * WEIGHTS
    assert found.written == Range(expected=0, at_most=3)
    assert found.written_bytes == Range(expected=0, at_most=3 * 12 * WEIGHTS)
    assert found.peak_bytes == 2 * 12 * WEIGHTS
    short = replace(cost, gpu_hours=Range(expected=1.0, at_most=3.9))
    assert resume([short]) == resume([])


def test_a_checkpoint_of_adapters_holds_the_adapters_alone() -> None:
    experiment = open_experiment("gsm8k-iter-sft-dpo-70b", profile=Profile.PAPER, only=None, replicates=1)
    found = outlook(experiment.plan(), parse_hardware("8xA100-80GB"), done=frozenset())
    adapters = 80 * 64 * (2 * (8192 + 8192) + 2 * (8192 + 1024) + 3 * (8192 + 28672))
    assert {cost.resume_bytes for cost in found.costs if cost.kind.startswith("train")} == {12 * adapters}


def test_all_hours_are_those_of_computing_and_of_waiting() -> None:
    found = of("gsm8k-iter-sft")
    waiting = sum(wait.gpu_hours.expected for wait in found.waits)
    assert 0 < waiting < found.gpu_hours.expected
    assert found.all_hours.expected == pytest.approx(found.gpu_hours.expected + waiting)
