"""A sentinel through every field of a job: each is found in the configuration that TRL receives."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest
from trl import DPOConfig, SFTConfig

from selfimp_bench.engines.base import TrainJob
from selfimp_bench.engines.trl.config import SCHEDULERS, dpo_config, sft_config
from selfimp_bench.manifest.model import Optimisation, PreferenceOptimisation

from .conftest import MakeJob, dpo_rows, folders_in, sft_rows, worker_job

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, not ours


@dataclass(frozen=True, kw_only=True)
class Sentinel:
    """A value that no default has, and what it must become in the vendor's configuration."""

    value: Any
    becomes: Mapping[str, Any]


def same(name: str, value: Any) -> Sentinel:
    return Sentinel(value=value, becomes={name: value})


OPTIMISATION = {
    "optimizer": Sentinel(value="adamw", becomes={"optim": "adamw_torch"}),
    "learning_rate": same("learning_rate", 0.0123),
    "adam_beta1": same("adam_beta1", 0.811),
    "adam_beta2": same("adam_beta2", 0.922),
    "adam_epsilon": same("adam_epsilon", 3.3e-5),
    "weight_decay": same("weight_decay", 0.044),
    "max_grad_norm": same("max_grad_norm", 0.55),
    "scheduler": Sentinel(value="constant", becomes={"lr_scheduler_type": "constant_with_warmup"}),
    "warmup_ratio": Sentinel(value=0.066, becomes={"warmup_steps": 0.066}),
    "batch_size": Sentinel(value=77, becomes={"gradient_accumulation_steps": 7}),
    "epochs": Sentinel(value=13, becomes={"num_train_epochs": 13}),
    "steps": same("max_steps", 1717),
    "max_length": same("max_length", 987),
    "precision": Sentinel(value="bfloat16", becomes={"bf16": True, "fp16": False}),
}
PREFERENCE = {
    "beta": same("beta", 0.0321),
    "loss": Sentinel(value="sigmoid", becomes={"loss_type": ["sigmoid", "sft"]}),
    "label_smoothing": same("label_smoothing", 0.0654),
    "sft_coefficient": Sentinel(value=0.765, becomes={"loss_weights": [1.0, 0.765]}),
}
JOB = {
    "seed": Sentinel(value=424242, becomes={"seed": 424242, "data_seed": 424242}),
    "device": Sentinel(value="cpu", becomes={"use_cpu": True}),
    "micro_batch_size": same("per_device_train_batch_size", 11),
    "gradient_checkpointing": same("gradient_checkpointing", True),
}
# What says where from, and what the worker itself uses (see test_trl.py; pair_loss in test_trl_worker.py).
PROVENANCE = {"source", "assumed"}
USED_BY_THE_WORKER = {"method", "start", "reference", "training_set", "threads", "distributed"}
NESTED = {"optimisation", "preference", "lora"}


@pytest.fixture
def marked(make_job: MakeJob) -> TrainJob:
    """A DPO job whose every number is a sentinel."""
    job = make_job(dpo_rows(4))
    settings = replace(job.optimisation, **{name: sentinel.value for name, sentinel in OPTIMISATION.items()})
    assert job.preference is not None
    preference = replace(
        job.preference, optimisation=settings, **{name: sentinel.value for name, sentinel in PREFERENCE.items()}
    )
    values = {name: sentinel.value for name, sentinel in JOB.items()}
    return replace(job, optimisation=settings, preference=preference, **values)


def names(kind: type) -> set[str]:
    return {field.name for field in fields(kind)}


def test_every_field_has_a_sentinel() -> None:
    assert names(Optimisation) == OPTIMISATION.keys() | PROVENANCE
    assert names(PreferenceOptimisation) == PREFERENCE.keys() | PROVENANCE | {"optimisation", "pair_loss"}
    assert names(TrainJob) == JOB.keys() | USED_BY_THE_WORKER | NESTED


@pytest.mark.parametrize("name", [*OPTIMISATION, *JOB, *PREFERENCE])
def test_the_sentinel_reaches_the_configuration(marked: TrainJob, name: str, tmp_path: Path) -> None:
    is_preference, work = name in PREFERENCE, worker_job(marked, folders_in(tmp_path))
    configs: list[SFTConfig | DPOConfig] = [dpo_config(work)]
    if not is_preference:
        configs.append(sft_config(work))
    for config in configs:
        for attribute, expected in (OPTIMISATION | PREFERENCE | JOB)[name].becomes.items():
            found = getattr(config, attribute)
            assert found == expected, f"{type(config).__name__}.{attribute}"


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_of_the_manifest_has_a_name_there(make_job: MakeJob, name: str, tmp_path: Path) -> None:
    config = sft_config(worker_job(make_job(sft_rows(4), scheduler=name), folders_in(tmp_path)))
    assert config.lr_scheduler_type == SCHEDULERS[name]


def test_epochs_set_no_number_of_steps_and_plain_dpo_has_no_sft_term(make_job: MakeJob, tmp_path: Path) -> None:
    config = dpo_config(worker_job(make_job(dpo_rows(4), epochs=3), folders_in(tmp_path)))
    assert (config.num_train_epochs, config.max_steps) == (3, -1)
    assert (config.loss_type, config.loss_weights) == (["sigmoid"], [1.0])


def test_float32_uses_no_lower_precision_anywhere(make_job: MakeJob, tmp_path: Path) -> None:
    config = sft_config(worker_job(make_job(sft_rows(4)), folders_in(tmp_path)))
    assert (config.bf16, config.fp16, config.tf32) == (False, False, False)


def test_every_trl_field_that_is_not_bookkeeping_is_written_out() -> None:
    """A new field of a TRL configuration has to be looked at before the pinned version moves."""
    source = (Path(__file__).parents[2] / "benchmark/selfimp_bench/engines/trl/config.py").read_text()
    written = set(re.findall(r'^\s+"?(\w+)"?\s*[:=]', source, flags=re.MULTILINE))
    base = names(SFTConfig) & names(DPOConfig)
    without_effect = {
        # loading: the worker loads models and rows itself
        *("model_init_kwargs", "dataset_text_field", "dataset_num_proc", "pad_token"),
        # only with a setting that is switched off here
        *("packing_strategy", "ref_model_mixup_alpha", "ref_model_sync_steps", "discopop_tau"),
        "f_alpha_divergence_coef",
    }
    assert (names(SFTConfig) | names(DPOConfig)) - base - written - without_effect == set()
