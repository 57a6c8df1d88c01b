"""Adapters: what is trained, from which weights, and what is merged. In this process, with real 4-bit weights."""

import copy
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from selfimp_bench.engines.base import TrainJob
from selfimp_bench.engines.trl.config import lora_config
from selfimp_bench.engines.trl.model import adapters_of, load_model, merge, stored_dtypes
from selfimp_bench.engines.trl.worker import run as run_worker
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Lora

from .conftest import MakeJob, dpo_rows, folders_in, sft_rows, worker_job
from .test_trl_worker import FOUR_BITS, log

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("offline")]  # theirs, not ours

LORA = replace(FOUR_BITS, quantisation=None)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")


@pytest.fixture
def train(tmp_path: Path) -> Callable[[TrainJob], Path]:
    def train(job: TrainJob) -> Path:
        folders = folders_in(tmp_path)
        run_worker(worker_job(job, folders), ("reference", "train"), folders.work)
        return folders.out

    return train


def changes(folder: Path, start: Path) -> dict[str, torch.Tensor]:
    before, after = (load_file(each / "model.safetensors") for each in (start, folder))
    assert before.keys() == after.keys()
    return {name: after[name] - before[name] for name in before if not torch.equal(after[name], before[name])}


def first_loss(model: Any, rows: list[tuple[list[int], ...]]) -> float:
    """The mean over all completion tokens."""
    losses = []
    for prompt, completion in rows:
        logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
        losses.append(functional.cross_entropy(logits, torch.tensor(completion), reduction="none"))
    return torch.cat(losses).mean().item()


@pytest.mark.parametrize("lora", [LORA, FOUR_BITS], ids=["float32", "nf4"])
@pytest.mark.parametrize("rows", [sft_rows(8), pytest.param(dpo_rows(8), marks=pytest.mark.slow)], ids=["sft", "dpo"])
def test_only_the_named_layers_change_and_by_no_more_than_the_rank(
    make_job: MakeJob, train: Callable[[TrainJob], Path], rows: Any, lora: Lora
) -> None:
    job = make_job(rows, epochs=2, lora=lora)
    folder = train(job)
    changed = changes(folder, job.start)
    assert {name.split(".")[-2] for name in changed} == {"q_proj", "down_proj"}
    assert len(changed) == 2 * 2
    assert all(torch.linalg.matrix_rank(change, rtol=1e-3) <= 2 for change in changed.values())
    if len(rows[0]) == 3:
        assert log(folder)[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)  # the reference is in 4 bits too


def test_frozen_weights_are_really_those_of_4_bits(make_job: MakeJob, train: Callable[[TrainJob], Path]) -> None:
    from bitsandbytes import functional as bnb

    rows = sft_rows(4)
    job = make_job(rows, lora=FOUR_BITS)
    model = load_model(job.start, None, "cpu")
    exact = first_loss(model, rows)
    rounded = copy.deepcopy(model)
    for name, layer in rounded.named_modules():
        if isinstance(layer, torch.nn.Linear) and name != "lm_head":
            quantised, state = bnb.quantize_4bit(layer.weight.data, quant_type="nf4")
            layer.weight.data = bnb.dequantize_4bit(quantised, state)
    found = log(train(job))[0]["loss"]
    assert found == pytest.approx(first_loss(rounded, rows), rel=1e-4)
    assert found != pytest.approx(exact, rel=1e-3)


def test_merging_is_that_of_peft_and_keeps_the_stored_precision(make_job: MakeJob, tmp_path: Path) -> None:
    from peft import get_peft_model

    start = shutil.copytree(make_job(sft_rows(2)).start, tmp_path / "half")
    load_model(start, None, "cpu").to(torch.bfloat16).save_pretrained(start)
    torch.manual_seed(0)
    adapted = get_peft_model(load_model(start, LORA, "cpu"), lora_config(LORA))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    merge(start, adapters_of(adapted), tmp_path / "merged.safetensors")
    theirs = adapted.merge_and_unload().to(torch.bfloat16).state_dict()
    ours = load_file(tmp_path / "merged.safetensors")
    assert stored_dtypes(start)("lm_head.weight") is torch.bfloat16
    for name, weights in ours.items():
        torch.testing.assert_close(weights, theirs[name], msg=name)


def test_a_layer_that_is_not_there_is_refused(make_job: MakeJob) -> None:
    job = make_job(sft_rows(2))
    with pytest.raises(InputError, match=r"no linear layer w_pack here; it has \[.*'q_proj'"):
        load_model(job.start, replace(LORA, target_modules=("q_proj", "w_pack")), "cpu")
