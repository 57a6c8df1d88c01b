"""What is trained is what the start stores, whatever dtypes it has and whatever the arithmetic."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from support import slow_but

from selfimp_bench.engines.base import TrainJob
from selfimp_bench.engines.trl.config import CHECKPOINTS
from selfimp_bench.engines.trl.model import stored_dtypes
from selfimp_bench.engines.trl.resume import last_whole_checkpoint
from selfimp_bench.engines.weights import WEIGHTS
from selfimp_bench.errors import InputError

from .conftest import MakeJob, dpo_rows, folders_in, mixed, sft_rows, stored_as
from .test_trl_split import Split, distance

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, not ours

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The child's environment sees to it; here TRL's own switch against telemetry does."""
    monkeypatch.setenv("CI", "1")
    yield
    torch.use_deterministic_algorithms(False)


def assert_nothing_changed(job: TrainJob, split: Split, folder: Path) -> None:
    folders = folders_in(folder)
    split.train(job, folders)
    before, after = load_file(job.start / WEIGHTS), load_file(folders.out / WEIGHTS)
    assert {name: tensor.dtype for name, tensor in after.items()} == {
        name: tensor.dtype for name, tensor in before.items()
    }
    changed = {name: (before[name] != after[name]).sum().item() for name in before}
    assert sum(changed.values()) == 0, changed


@pytest.mark.parametrize("precision", slow_but(["bfloat16"], ["float32", "bfloat16"]))
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_step_at_rate_0_changes_no_weight_on_one_process(
    dtype: str, precision: Literal["float32", "bfloat16"], make_job: MakeJob, tmp_path: Path
) -> None:
    job = make_job(sft_rows(4), learning_rate=0.0, weight_decay=0.1, precision=precision)
    assert_nothing_changed(stored_as(job, tmp_path, lambda _: DTYPES[dtype]), Split(micro=2), tmp_path)


def test_each_weight_keeps_the_dtype_it_has_in_the_start(make_job: MakeJob, tmp_path: Path) -> None:
    job = stored_as(make_job(sft_rows(4), learning_rate=0.0), tmp_path, mixed)
    with safe_open(job.start / WEIGHTS, framework="pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F32", "F16", "BF16"}  # noqa: SIM118
    assert_nothing_changed(job, Split(micro=2), tmp_path)


def test_a_weight_of_another_name_has_a_dtype_that_holds_all_stored_ones(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job(sft_rows(4))
    assert stored_dtypes(stored_as(job, tmp_path / "a", mixed).start)("renamed") is torch.float32
    assert stored_dtypes(stored_as(job, tmp_path / "b", lambda _: torch.float16).start)("renamed") is torch.float16


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int8, torch.float64])
def test_a_start_that_could_not_be_written_back_is_refused_before_any_work(
    dtype: torch.dtype, make_job: MakeJob, tmp_path: Path
) -> None:
    job = stored_as(make_job(dpo_rows(4)), tmp_path, lambda name: dtype if "norm" in name else torch.float32)
    folders = folders_in(tmp_path)
    with pytest.raises(InputError, match=r"stored: 5 of 21 weights cannot be trained on as they are stored"):
        Split(micro=2).train(job, folders)
    assert not list(folders.work.iterdir())


@pytest.mark.slow
def test_a_killed_training_under_zero_3_in_bfloat16_ends_like_an_undisturbed_one(
    make_job: MakeJob, tmp_path: Path
) -> None:
    """At a rate at which a step is below what bfloat16 holds: weights rounded to it would not move."""
    job = make_job(sft_rows(10), learning_rate=1e-5, epochs=2, precision="bfloat16")
    split = Split(micro=1, processes=2, distributed="deepspeed-zero3")
    whole, killed = folders_in(tmp_path / "whole"), folders_in(tmp_path / "killed")
    split.train(job, whole)

    def kill(step: int, _steps: int) -> None:
        if step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        split.train(job, killed, kill, save_minutes=0)
    assert last_whole_checkpoint(killed.work / CHECKPOINTS) is not None
    split.train(job, killed, save_minutes=0)
    start, first, second = (load_file(each / WEIGHTS) for each in (job.start, whole.out, killed.out))
    assert distance(second, first, start) < 1e-4
    assert not all(torch.equal(first[name], start[name]) for name in start)
