"""A TrainJob as TRL's own configuration: the one place where the two meet. Pure.

Every field of TRL or transformers that can change a weight is written here, also where its default would do, so that
a new release cannot move a number unseen. What neither lets one choose, and what therefore always holds:

- AdamW decays no bias and no normalisation weight (``Trainer.get_decay_parameter_names``).
- The SFT loss is the mean over the completion tokens of the global batch; the DPO loss the mean over its pairs. When
  the rows are no multiple of the micro batch, the pairs of the last, smaller micro batch of an epoch weigh more.
- The SFT term of RPO is the mean over the chosen completions' tokens of each micro batch, then over micro batches.
- The last batch of an epoch is smaller when the rows are no multiple of the batch.
- Warm-up lasts ceil(warmup_ratio * optimiser steps) steps and starts from a learning rate of 0: with any warm-up the
  first step moves nothing.
- Weights, gradients and optimiser state are float32; with bfloat16, matrix products are computed in it (autocast).
"""

from pathlib import Path
from typing import Any, Final

from trl.trainer.dpo_config import DPOConfig
from trl.trainer.sft_config import SFTConfig

from selfimp_bench.engines.base import TrainJob
from selfimp_bench.manifest.model import Optimisation

# With transformers' "constant", warm-up would be dropped in silence.
SCHEDULERS: Final = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
# Half a cosine period: down to 0 at the last step.
SCHEDULER_ARGUMENTS: Final[dict[str, dict[str, Any]]] = {"cosine": {"num_cycles": 0.5}, "linear": {}, "constant": {}}
OPTIMIZERS: Final = {"adamw": "adamw_torch"}


def sft_config(job: TrainJob, scratch: Path) -> SFTConfig:
    """The SFTConfig of a job whose rows are already token ids and labels."""
    return SFTConfig(
        **_common(job, job.optimisation, scratch),
        dataset_kwargs={"skip_prepare_dataset": True},  # rows come as input_ids and labels: no tokenising, no cutting
        completion_only_loss=True,
        assistant_only_loss=False,
        loss_type="nll",
        packing=False,
        eval_packing=False,
        shuffle_dataset=False,  # the sampler shuffles, by data_seed
        eos_token=None,
        chat_template_path=None,
    )


def dpo_config(job: TrainJob, scratch: Path) -> DPOConfig:
    """The DPOConfig of a job: DPO, or with an ``sft_coefficient`` the weighted sum that is RPO (arXiv:2404.19733)."""
    assert job.preference is not None
    coefficient = job.preference.sft_coefficient
    return DPOConfig(
        **_common(job, job.optimisation, scratch),
        beta=job.preference.beta,
        loss_type=[job.preference.loss] if coefficient is None else [job.preference.loss, "sft"],
        label_smoothing=job.preference.label_smoothing,  # TRL's sigmoid loss ignores it; TrlTrainer refuses all but 0
        loss_weights=[1.0] if coefficient is None else [1.0, coefficient],
        disable_dropout=True,
        precompute_ref_log_probs=True,  # the reference is frozen: once per pair, not once per epoch
        precompute_ref_batch_size=job.micro_batch_size,
        sync_ref_model=False,
        use_weighting=False,
        ld_alpha=None,
        f_divergence_type="reverse_kl",
    )


def _common(job: TrainJob, optimisation: Optimisation, scratch: Path) -> dict[str, Any]:
    return {
        **_optimiser(optimisation),
        **_batches(job, optimisation),
        **_numerics(job, optimisation),
        **_bookkeeping(scratch),
    }


def _optimiser(optimisation: Optimisation) -> dict[str, Any]:
    return {
        "optim": OPTIMIZERS[optimisation.optimizer],
        "optim_args": None,
        "learning_rate": optimisation.learning_rate,
        "adam_beta1": optimisation.adam_beta1,
        "adam_beta2": optimisation.adam_beta2,
        "adam_epsilon": optimisation.adam_epsilon,
        "weight_decay": optimisation.weight_decay,
        "max_grad_norm": optimisation.max_grad_norm,
        "lr_scheduler_type": SCHEDULERS[optimisation.scheduler],
        "lr_scheduler_kwargs": dict(SCHEDULER_ARGUMENTS[optimisation.scheduler]),
        "warmup_steps": optimisation.warmup_ratio,  # below 1 transformers takes it as a share: ceil(share * steps)
        "label_smoothing_factor": 0.0,
        "neftune_noise_alpha": None,
        "router_aux_loss_coef": None,  # mixture-of-experts models keep their own
    }


def _batches(job: TrainJob, optimisation: Optimisation) -> dict[str, Any]:
    return {
        "per_device_train_batch_size": job.micro_batch_size,
        "gradient_accumulation_steps": optimisation.batch_size // job.micro_batch_size,
        "average_tokens_across_devices": True,
        "auto_find_batch_size": False,
        "num_train_epochs": optimisation.epochs or 1,  # without effect where max_steps is set
        "max_steps": optimisation.steps or -1,
        "max_length": optimisation.max_length,  # rows above it were refused: it cuts nothing
        "truncation_mode": "keep_start",
        "dataloader_drop_last": False,
        "dataloader_num_workers": 0,
        "train_sampling_strategy": "random",  # a permutation per epoch, not grouped by length
        "remove_unused_columns": True,
        "padding_free": False,
        "pad_to_multiple_of": None,
        "seed": job.seed,
        "data_seed": job.seed,
    }


def _numerics(job: TrainJob, optimisation: Optimisation) -> dict[str, Any]:
    return {
        "use_cpu": job.device == "cpu",
        "bf16": optimisation.precision == "bfloat16",
        "fp16": False,
        "tf32": False,
        "full_determinism": True,
        "gradient_checkpointing": job.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "torch_compile": False,
        "use_liger_kernel": False,
        "activation_offloading": False,
        "deepspeed": None,
        "fsdp": None,
        "logging_nan_inf_filter": False,  # True would log the mean of earlier losses in the place of a NaN
    }


def _bookkeeping(scratch: Path) -> dict[str, Any]:
    return {
        "output_dir": str(scratch / "trainer"),
        "trust_remote_code": False,
        "report_to": "none",
        "disable_tqdm": True,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "save_strategy": "no",
        "eval_strategy": "no",
        "push_to_hub": False,
        "skip_memory_metrics": True,
    }
