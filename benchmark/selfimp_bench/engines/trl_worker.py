"""Trains one job with TRL. Run as ``python -m selfimp_bench.engines.trl_worker JOB_DIR OUT_DIR``; read top to bottom.

JOB_DIR holds ``job.json`` (a TrainJob) and receives ``result.json``; OUT_DIR receives the checkpoint. Progress goes
to stdout, one JSON object per optimiser step; the log goes to stderr.
"""

import json
import math
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from safetensors import safe_open
from torch.utils import deterministic
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback
from transformers.utils import logging as transformers_logging
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.sft_trainer import SFTTrainer

from selfimp_bench.engines.base import TrainJob
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.engines.training_set import TrainingRow, read_training_set, training_work
from selfimp_bench.engines.trl_config import dpo_config, sft_config
from selfimp_bench.engines.trl_job import WEIGHTS, Failure, Result, read_job, write_result
from selfimp_bench.errors import InputError, SelfimpError, StepFailed


class TokenDPOTrainer(DPOTrainer):  # type: ignore[misc]  # trl is untyped to mypy
    """DPOTrainer on rows of token ids. TRL 1.16 has no switch for that (SFTTrainer has): only this step tokenises."""

    def _prepare_dataset(self, dataset: Dataset, *_args: Any, **_kwargs: Any) -> Dataset:
        return dataset


class StepLog(TrainerCallback):  # type: ignore[misc]
    """Writes train_log.jsonl and progress, a line per optimiser step, and stops at a loss that is no number."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, Any], **_kwargs: Any) -> None:
        if "loss" not in logs:  # the summary at the end, which holds times
            return
        line = {
            "step": state.global_step,
            **{name: float(logs[name]) for name in ("loss", "learning_rate", "grad_norm")},
        }
        if not all(math.isfinite(value) for value in line.values()):
            raise StepFailed(f"training diverged at step {state.global_step} of {state.max_steps}: {line}")
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        sys.stdout.write(json.dumps({"steps": state.max_steps, **line}) + "\n")
        sys.stdout.flush()


def train(job: TrainJob, scratch: Path, out_dir: Path) -> Result:
    """Load, train, save."""
    torch.set_num_threads(job.threads)
    # A debugging aid of deterministic mode that would fill TRL's large buffers at every step (4 times slower).
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    rows = read_training_set(job.training_set, job.method, max_length=job.optimisation.max_length)
    if job.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "engines.device is cuda, but torch finds no CUDA device here; set it to cpu or use a GPU machine"
        )

    # The tokenizer only lends its padding id: rows are token ids already, and padding is masked.
    codec = load_codec(job.start)
    padding = PreTrainedTokenizerFast(
        tokenizer_object=codec.tokenizer, eos_token=codec.tokenizer.id_to_token(codec.eos_id)
    )
    model = load_model(job.start)
    log = StepLog(out_dir / "train_log.jsonl")
    trainer: SFTTrainer | DPOTrainer
    if job.method == "sft":
        trainer = SFTTrainer(
            model=model,
            args=sft_config(job, scratch),
            train_dataset=sft_dataset(rows),
            processing_class=padding,
            callbacks=[log],
        )
    else:
        assert job.reference is not None
        trainer = TokenDPOTrainer(
            model=model,
            ref_model=load_model(job.reference).requires_grad_(False),
            args=dpo_config(job, scratch),
            train_dataset=dpo_dataset(rows),
            processing_class=padding,
            callbacks=[log],
        )
        trainer.ref_model = None  # its log-probabilities are in the dataset now
    check_engine(trainer, job, len(rows))
    trainer.train()

    save(trainer.model, job.start, scratch, out_dir)
    work = training_work(rows, job.optimisation)
    return Result(optimizer_steps=trainer.state.global_step, rows=work.rows, tokens=work.tokens)


def load_model(folder: Path) -> Any:
    """The model in float32, whatever it is stored in; InputError when it cannot be loaded whole."""
    try:
        model, info = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            attn_implementation="sdpa",
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # OSError, SafetensorError, ValueError: all mean "these files"
        raise InputError(
            f"{folder}: cannot be loaded ({type(error).__name__}: {error}); fetch or train it again"
        ) from error
    if info["missing_keys"] or info["mismatched_keys"]:  # transformers would go on with random weights there
        raise InputError(f"{folder}: the weights do not fit config.json: {info}; fetch or train it again")
    return model


def sft_dataset(rows: list[TrainingRow]) -> Dataset:
    """The columns SFTTrainer takes as they are; -100 marks a token without loss."""
    return Dataset.from_dict(
        {
            "input_ids": [row.prompt_ids + row.completions[0] for row in rows],
            "labels": [[-100] * len(row.prompt_ids) + row.completions[0] for row in rows],
        }
    )


def dpo_dataset(rows: list[TrainingRow]) -> Dataset:
    """The columns that DPOTrainer makes when it tokenises."""
    return Dataset.from_dict(
        {
            "prompt_ids": [row.prompt_ids for row in rows],
            "chosen_ids": [row.completions[0] for row in rows],
            "rejected_ids": [row.completions[1] for row in rows],
        }
    )


def check_engine(trainer: SFTTrainer | DPOTrainer, job: TrainJob, rows: int) -> None:
    """Stop when what would run is not what was asked for."""
    found = {
        "device": (trainer.accelerator.device.type, job.device),
        "processes": (trainer.accelerator.num_processes, 1),
        "GPUs per process": (max(trainer.args.n_gpu, 1), 1),
        "distribution": (trainer.accelerator.distributed_type.value, "NO"),
        "mixed precision": (
            trainer.accelerator.mixed_precision,
            "bf16" if job.optimisation.precision == "bfloat16" else "no",
        ),
        "batch": (
            trainer.args.train_batch_size * trainer.args.gradient_accumulation_steps,
            job.optimisation.batch_size,
        ),
        "rows": (len(trainer.train_dataset), rows),
    }
    wrong = {name: values for name, values in found.items() if values[0] != values[1]}
    if wrong:
        raise StepFailed(f"the trainer is not the one the job asks for, (found, expected): {wrong}")


def save(model: Any, start: Path, scratch: Path, out_dir: Path) -> None:
    """Write the weights in the start's dtype; every other file of a checkpoint is the start's, byte for byte."""
    model.to(stored_dtype(start)).save_pretrained(scratch / "saved", max_shard_size="1000GB")
    shutil.move(scratch / "saved" / WEIGHTS, out_dir / WEIGHTS)
    (out_dir / WEIGHTS).chmod(0o644)  # safetensors writes files that only their owner can read
    for name in CARRIED_FILES:
        if (start / name).is_file():
            shutil.copyfile(start / name, out_dir / name)


CARRIED_FILES = (
    *("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja"),
)
TORCH_DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


def stored_dtype(folder: Path) -> torch.dtype:
    """The one dtype of a folder's weights."""
    found: set[str] = set()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            found.update(file.get_slice(name).get_dtype() for name in file.keys())  # noqa: SIM118 - not a dict
    if len(found) != 1 or not found <= TORCH_DTYPES.keys():
        raise InputError(f"{folder}: weights of {sorted(found)}; one of {sorted(TORCH_DTYPES)} was expected")
    return TORCH_DTYPES[found.pop()]


def main(job_dir: Path, out_dir: Path) -> int:
    """Train, and leave ``result.json``: a Result, or the Failure of a job that cannot be run."""
    transformers_logging.disable_progress_bar()
    try:
        result: Result | Failure = train(read_job(job_dir), job_dir, out_dir)
    except SelfimpError as error:
        result = Failure(kind="input" if isinstance(error, InputError) else "step", message=str(error))
    write_result(job_dir, result)
    return 1 if isinstance(result, Failure) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
