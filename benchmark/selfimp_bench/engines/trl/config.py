"""A job as TRL's own configuration: the one place where the two meet. Pure.

Every field of TRL or transformers that can change a weight is written here, also where its default would do, so that
a new release cannot move a number unseen. What neither lets one choose, and what therefore always holds:

- AdamW decays no bias and no normalisation weight (``Trainer.get_decay_parameter_names``).
- The SFT loss is the mean over the completion tokens of the global batch; the DPO loss the mean over its pairs, RPO's
  SFT term included (``trainers.pair_losses``). How the batch is shared out changes neither. A mixture-of-experts model
  has no loss that balances its experts: TRL's is the mean over micro batches.
- The last batch of an epoch is smaller when the rows are no multiple of the batch.
- Warm-up lasts ceil(warmup_ratio * optimiser steps) steps and starts from a learning rate of 0: with any warm-up the
  first step moves nothing.
- Weights, gradients and optimiser state are float32; with bfloat16, matrix products are computed in it (autocast).
  Under ZeRO-3, bfloat16 is the whole computation's, of bfloat16 copies of the float32 weights that are trained
  (``masters.py``); gradients are reduced in it, and added up over passes in float32.
"""

from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import BitsAndBytesConfig
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.sft_config import SFTConfig

from selfimp_bench.engines.base import TrainJob
from selfimp_bench.engines.trl.job import WorkerJob
from selfimp_bench.manifest.model import Lora, Optimisation, Quantisation

if TYPE_CHECKING:
    from peft import LoraConfig

# With transformers' "constant", warm-up would be dropped in silence.
SCHEDULERS: Final = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
# Half a cosine period: down to 0 at the last step.
SCHEDULER_ARGUMENTS: Final[dict[str, dict[str, Any]]] = {"cosine": {"num_cycles": 0.5}, "linear": {}, "constant": {}}
CHECKPOINTS: Final = "checkpoints"
BACKENDS: Final = {"cpu": "gloo", "cuda": "nccl"}
OPTIMIZERS: Final = {"adamw": "adamw_torch"}


def sft_config(work: WorkerJob) -> SFTConfig:
    """The SFTConfig of a job whose rows are already token ids and labels."""
    return SFTConfig(
        **_common(work),
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


def dpo_config(work: WorkerJob) -> DPOConfig:
    """The DPOConfig of a job: DPO, or with an ``sft_coefficient`` the weighted sum that is RPO (arXiv:2404.19733)."""
    preference = work.job.preference
    assert preference is not None
    coefficient = preference.sft_coefficient
    return DPOConfig(
        **_common(work),
        beta=preference.beta,
        loss_type=["sigmoid"] if coefficient is None else ["sigmoid", "sft"],  # one of another package is ours to call
        label_smoothing=preference.label_smoothing,  # TRL's sigmoid loss ignores it; TrlTrainer refuses all but 0
        loss_weights=[1.0] if coefficient is None else [1.0, coefficient],
        disable_dropout=True,
        precompute_ref_log_probs=True,  # the reference is frozen: once per pair, not once per epoch
        precompute_ref_batch_size=work.share.rows_per_pass,
        sync_ref_model=False,
        use_weighting=False,
        ld_alpha=None,
        f_divergence_type="reverse_kl",
    )


def lora_config(lora: Lora) -> "LoraConfig":
    """PEFT's configuration: plain LoRA on the named layers, B starting at 0."""
    from peft import LoraConfig  # slow to import, and hidden where no adapters are trained

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.target_modules),
        bias="none",
        use_rslora=False,
        use_dora=False,
        init_lora_weights=True,
    )


def quantisation_config(quantisation: Quantisation) -> BitsAndBytesConfig:
    """bitsandbytes' configuration of 4-bit NormalFloat weights."""
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=QUANTISATIONS[quantisation.format],
        bnb_4bit_use_double_quant=quantisation.double_quant,
        bnb_4bit_compute_dtype=TORCH_DTYPES[quantisation.compute_dtype],
        bnb_4bit_quant_storage=torch.uint8,
    )


QUANTISATIONS: Final = {"nf4-4bit": "nf4"}
TORCH_DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def deepspeed_config(work: WorkerJob) -> dict[str, Any]:
    """DeepSpeed's configuration: ZeRO stage 3, nothing offloaded, the batch as the manifest's."""
    optimisation = work.job.optimisation
    return {
        "zero_optimization": {
            "stage": 3,
            "overlap_comm": work.job.device == "cuda",
            "contiguous_gradients": True,
            "stage3_gather_16bit_weights_on_model_save": False,  # ``LeastCheckpoint``
        },
        "bf16": {"enabled": optimisation.precision == "bfloat16"},
        "data_types": {"grad_accum_dtype": "fp32"},  # with bfloat16's, passes would be added up in it
        "fp16": {"enabled": False},
        "gradient_clipping": optimisation.max_grad_norm,
        "train_micro_batch_size_per_gpu": work.share.rows_per_pass,
        "gradient_accumulation_steps": work.share.passes,
        "train_batch_size": optimisation.batch_size,
        "steps_per_print": 2**31,
    }


def _common(work: WorkerJob) -> dict[str, Any]:
    return {
        **_optimiser(work.job.optimisation),
        **_batches(work),
        **_numerics(work.job),
        **_distribution(work),
        **_bookkeeping(work),
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
        "router_aux_loss_coef": 0.0,
    }


def _batches(work: WorkerJob) -> dict[str, Any]:
    optimisation = work.job.optimisation
    return {
        "per_device_train_batch_size": work.share.rows_per_pass,
        "gradient_accumulation_steps": work.share.passes,
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
        "seed": work.job.seed,
        "data_seed": work.job.seed,
    }


def _numerics(job: TrainJob) -> dict[str, Any]:
    return {
        # With it, accelerate takes DDP for DeepSpeed on a CPU; there is no other device in the worker's environment.
        "use_cpu": job.device == "cpu" and job.distributed != "deepspeed-zero3",
        "bf16": job.optimisation.precision == "bfloat16",
        "fp16": False,
        "tf32": False,
        "full_determinism": False,  # ``determinism.py`` sets what it would, but for what only slows
        "gradient_checkpointing": job.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "torch_compile": False,
        "use_liger_kernel": False,
        "activation_offloading": False,
        "logging_nan_inf_filter": False,  # True would log the mean of earlier losses in the place of a NaN
    }


def _distribution(work: WorkerJob) -> dict[str, Any]:
    return {
        "deepspeed": deepspeed_config(work) if work.job.distributed == "deepspeed-zero3" else None,
        "fsdp": None,
        "ddp_backend": BACKENDS[work.job.device] if work.launched else None,
        "ddp_find_unused_parameters": False,
        "ddp_timeout": 7 * 24 * 3600,  # others wait while one writes; the launcher ends all when one dies
    }


def _bookkeeping(work: WorkerJob) -> dict[str, Any]:
    return {
        "output_dir": str(work.folders.work / CHECKPOINTS),
        "trust_remote_code": False,
        "report_to": "none",
        "disable_tqdm": True,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "save_strategy": "no",  # ``resume.ResumePoints`` says when; transformers would also save after the last step
        "save_total_limit": None,  # ``ResumePoints`` removes the one before, once the next is whole
        "save_only_model": False,
        "include_num_input_tokens_seen": "non_padding",
        "eval_strategy": "no",
        "push_to_hub": False,
        "skip_memory_metrics": True,
    }
