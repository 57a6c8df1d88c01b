"""What a device must show before a run of days: run on a CPU with all tests, and by ``ci/gpu`` on a GPU."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support import quiet

from selfimp_bench.engines.base import TrainJob
from selfimp_bench.engines.trl.trainer import TrlTrainer
from selfimp_bench.engines.weights import WEIGHTS

from .conftest import DEVICE, MakeJob, dpo_rows, folders_in, mixed, options, sft_rows, stored_as, work_with

PRECISION = "bfloat16" if DEVICE == "cuda" else "float32"  # transformers refuses bfloat16 on a CPU
Stored = Callable[[str], torch.dtype]
DTYPES = (torch.float16, torch.bfloat16, torch.float32)
STORED: list[Stored] = [mixed] if DEVICE == "cpu" else [mixed, *(lambda _, dtype=dtype: dtype for dtype in DTYPES)]
"""What the weights of a start are stored as, by name; on a CPU, where a start takes long, all dtypes in one."""


def trained(job: TrainJob, folder: Path, processes: int = 1) -> Path:
    """The checkpoint's weights, trained where ``ci/gpu`` says, by default on one device."""
    folders = folders_in(folder)
    TrlTrainer(options(processes=processes)).train(job, folders, quiet)
    return folders.out / WEIGHTS


@pytest.mark.slow
@pytest.mark.skipif(DEVICE == "cpu", reason="the contract of trainers shows it on a CPU")
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_one_job_gives_the_same_bytes_twice(make_job: MakeJob, method: str, tmp_path: Path) -> None:
    rows = sft_rows(11) if method == "sft" else dpo_rows(11)
    job = replace(make_job(rows, micro_batch_size=4, precision=PRECISION), device=DEVICE)
    first, second = (hashlib.sha256(trained(job, tmp_path / name).read_bytes()).hexdigest() for name in ("a", "b"))
    assert first == second


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # theirs, not ours
@pytest.mark.parametrize("stored", STORED)
def test_a_step_at_rate_0_changes_no_weight_under_zero_3_in_bfloat16(
    make_job: MakeJob, stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if DEVICE == "cpu":  # where two processes share the shards
        work_with("zero3_on_cpus", monkeypatch)
    job = make_job(sft_rows(4), learning_rate=0.0, weight_decay=0.1, precision="bfloat16", micro_batch_size=1)
    job = replace(stored_as(job, tmp_path, stored), device=DEVICE, distributed="deepspeed-zero3")
    weights = load_file(job.start / WEIGHTS)
    after = load_file(trained(job, tmp_path / "run", processes=2 if DEVICE == "cpu" else 1))
    assert all(after[name].dtype == stored(name) and torch.equal(after[name], weights[name]) for name in weights)


@pytest.mark.slow
@pytest.mark.skipif(DEVICE == "cpu", reason="a CPU is what a GPU is compared with here")
@pytest.mark.parametrize("distributed", ["ddp", "deepspeed-zero3"])
def test_training_in_float32_is_that_of_a_cpu(
    make_job: MakeJob, model_folder: Path, distributed: str, tmp_path: Path
) -> None:
    job = make_job(sft_rows(11), micro_batch_size=4, epochs=2)
    start = load_file(model_folder / WEIGHTS)
    here = load_file(trained(replace(job, device=DEVICE, distributed=distributed), tmp_path / "gpu"))
    there = load_file(trained(job, tmp_path / "cpu"))
    moved = sum(((there[name] - start[name]) ** 2).sum().item() for name in start)
    apart = sum(((there[name] - here[name]) ** 2).sum().item() for name in start)
    assert math.sqrt(apart / moved) < 0.01
