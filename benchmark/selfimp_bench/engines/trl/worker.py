"""Trains one job with TRL. Run as ``python -m selfimp_bench.engines.trl.worker JOB_DIR STAGE...``; read top to bottom.

JOB_DIR holds ``job.json`` (a WorkerJob) and receives ``result.json``. The stages are ``reference`` (DPO's reference
weighs the pairs, once) and ``train``; a large job does each in processes of its own, so that never two models are in
memory. Progress goes to stdout, one JSON object per optimiser step; the log goes to stderr.
"""

import atexit
import gc
import math
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerFast, TrainerCallback
from transformers.integrations import TensorBoardCallback, WandbCallback
from transformers.utils import logging as transformers_logging
from trl.models.utils import prepare_deepspeed

from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.engines.trl.config import CHECKPOINTS, dpo_config, lora_config, sft_config
from selfimp_bench.engines.trl.determinism import be_deterministic
from selfimp_bench.engines.trl.job import LOG, Failure, Result, WorkerJob, read_job, write_result
from selfimp_bench.engines.trl.log import StepLog
from selfimp_bench.engines.trl.masters import GiveMasters, take_masters
from selfimp_bench.engines.trl.model import load_model, stored_dtypes, write_checkpoint
from selfimp_bench.engines.trl.order import LengthGroups, PaddedOrder, dpo_dataset, pair_dataset, sft_dataset
from selfimp_bench.engines.trl.own_loss import own_loss
from selfimp_bench.engines.trl.resume import ResumePoints, last_whole_checkpoint, step_of
from selfimp_bench.engines.trl.trainers import TokenDPOTrainer, TokenSFTTrainer
from selfimp_bench.engines.trl.training_set import TrainingRow, read_training_set, training_work
from selfimp_bench.errors import InputError, SelfimpError, StepFailed

if TYPE_CHECKING:
    from peft import LoraConfig

REFERENCE = "reference.parquet"
REFERENCE_SCHEMA = pa.schema([("chosen", pa.float32()), ("rejected", pa.float32())])

Trainer = TokenSFTTrainer | TokenDPOTrainer


def run(work: WorkerJob, stages: tuple[str, ...], scratch: Path) -> Result:
    """Do the stages."""
    torch.set_num_threads(work.job.threads)
    be_deterministic()
    job = work.job
    if job.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "engines.device is cuda, but torch finds no CUDA device here; set it to cpu or use a GPU machine"
        )
    stored_dtypes(job.start)  # refuses a start that could not be written back
    rows = read_training_set(job.training_set, job.method, max_length=job.optimisation.max_length)
    if "reference" in stages and job.method == "dpo" and not (work.folders.work / REFERENCE).is_file():
        weigh_by_reference(work, rows)
        gc.collect()
        torch.cuda.empty_cache()
    if "train" in stages:
        train(work, rows, scratch)
    done = training_work(rows, job.optimisation)
    return Result(optimizer_steps=done.steps, rows=done.rows, tokens=done.tokens)


def weigh_by_reference(work: WorkerJob, rows: list[TrainingRow]) -> None:
    """Write the reference's log-probabilities of both completions of every pair."""
    assert work.job.reference is not None
    config = dpo_config(work)
    trainer = TokenDPOTrainer(
        model=load_model(work.job.reference, work.job.lora, work.job.device),
        args=config,
        train_dataset=dpo_dataset(rows, [0.0] * len(rows), [0.0] * len(rows)),
        processing_class=padding_of(work.job.start),
        peft_config=adapters_of(work),  # switched off here; transformers wants them on 4-bit weights
    )
    check_engine(trainer, work)
    if trainer.is_deepspeed_enabled:
        if sharded_in_bfloat16(work):
            take_masters(trainer.model)
        model = prepare_deepspeed(trainer.model, trainer.accelerator)
    else:
        model = trainer.accelerator.prepare_model(trainer.model, evaluation_mode=True)
        # bitsandbytes has other arithmetic for 4-bit weights on a CPU outside training, not for all widths; DPO's
        # configuration switches every dropout off.
        model.train()
    batches = trainer.accelerator.prepare(
        DataLoader(pair_dataset(rows), batch_size=work.share.rows_per_pass, collate_fn=trainer.data_collator)
    )
    found = [trainer.accelerator.gather_for_metrics(trainer.compute_ref_log_probs(model, batch)) for batch in batches]
    if trainer.is_world_process_zero():
        chosen, rejected = (torch.cat(part).float().cpu().numpy() for part in zip(*found, strict=True))
        table = pa.table({"chosen": chosen, "rejected": rejected}, schema=REFERENCE_SCHEMA)
        pq.write_table(table, work.folders.work / f"{REFERENCE}.new")
        (work.folders.work / f"{REFERENCE}.new").rename(work.folders.work / REFERENCE)
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.free_memory()


def train(work: WorkerJob, rows: list[TrainingRow], scratch: Path) -> None:
    """Load, train from the last checkpoint that a killed run left, save."""
    trainer = make_trainer(work, rows)
    if work.job.lora is not None:
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:  # TRL makes adapters on 4-bit weights bfloat16
                parameter.data = parameter.data.float()
    check_engine(trainer, work)
    trainer.add_callback(EngineCheck(trainer, work))
    if sharded_in_bfloat16(work):
        trainer.add_callback(GiveMasters(trainer.model, take_masters(trainer.model)))
    checkpoint = last_whole_checkpoint(work.folders.work / CHECKPOINTS)
    if checkpoint is not None and trainer.order is not None:
        # accelerate's wrapper that skips the batches done does not tell the order its epoch
        trainer.order.set_epoch(step_of(checkpoint) // math.ceil(len(rows) / work.job.optimisation.batch_size))
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))

    expected = training_work(rows, work.job.optimisation).steps
    if trainer.state.global_step != expected:
        raise StepFailed(f"training ended after {trainer.state.global_step} optimizer steps, not {expected}")
    state = gathered(trainer) if trainer.is_deepspeed_enabled else None
    if trainer.is_world_process_zero():
        write_checkpoint(trainer.model, work.job.start, scratch, work.folders.out, state)
        shutil.copyfile(work.folders.work / LOG, work.folders.out / LOG)
    trainer.accelerator.wait_for_everyone()  # a process that leaves early takes the others' connections with it


def make_trainer(work: WorkerJob, rows: list[TrainingRow]) -> Trainer:
    """The trainer of the job's method, on the start.

    The configuration comes before the model: under ZeRO-3 it has every process keep its own shard alone, where else
    each would hold the whole model in float32.
    """
    job = work.job
    callbacks = [StepLog(work), ResumePoints(work), *trackers(work)]
    trainer: Trainer
    if job.method == "sft":
        sft = sft_config(work)
        trainer = TokenSFTTrainer(
            model=load_model(job.start, job.lora, job.device),
            args=sft,
            train_dataset=sft_dataset(rows),
            processing_class=padding_of(job.start),
            callbacks=callbacks,
            peft_config=adapters_of(work),
        )
    else:
        assert job.preference is not None
        weighed = pq.read_table(work.folders.work / REFERENCE).to_pydict()
        dpo = dpo_config(work)
        trainer = TokenDPOTrainer(
            model=load_model(job.start, job.lora, job.device),
            args=dpo,
            train_dataset=dpo_dataset(rows, weighed["chosen"], weighed["rejected"]),
            processing_class=padding_of(job.start),
            callbacks=callbacks,
            peft_config=adapters_of(work),
        )
        trainer.sft_coefficient = job.preference.sft_coefficient
        trainer.own_loss = own_loss(job.preference)
    # One process alone may take fewer rows in an epoch's last pass; several must each have theirs.
    multiple = work.share.rows_per_pass * work.processes if work.processes > 1 else 1
    trainer.order = PaddedOrder(rows=len(rows), seed=job.seed, multiple=multiple, groups=groups_of(work, rows))
    return trainer


def sharded_in_bfloat16(work: WorkerJob) -> bool:
    """Whether DeepSpeed computes in copies of the weights (``masters.py``)."""
    return work.job.distributed == "deepspeed-zero3" and work.job.optimisation.precision == "bfloat16"


def groups_of(work: WorkerJob, rows: list[TrainingRow]) -> LengthGroups | None:
    """Rows by length inside a batch, where workers are launched; one plain process has them as they are drawn."""
    if not work.launched:
        return None
    lengths = [len(row.prompt_ids) + max(map(len, row.completions)) for row in rows]
    return LengthGroups(lengths=lengths, batch=work.job.optimisation.batch_size)


def trackers(work: WorkerJob) -> list[TrainerCallback]:
    """What writes losses elsewhere too, where that was asked for: into the log folder, without a network."""
    folder = str(work.folders.log)
    if work.log_to == "tensorboard":
        os.environ["TENSORBOARD_LOGGING_DIR"] = folder
        return [TensorBoardCallback()]
    if work.log_to == "wandb":
        os.environ |= {"WANDB_DIR": folder, "WANDB_MODE": "offline", "WANDB_PROJECT": "selfimp-bench"}
        return [WandbCallback()]
    return []


def adapters_of(work: WorkerJob) -> "LoraConfig | None":
    """The adapters to train; None where the weights are trained."""
    return None if work.job.lora is None else lora_config(work.job.lora)


def padding_of(start: Path) -> PreTrainedTokenizerFast:
    """The start's tokenizer, which only lends its padding id: rows are token ids already, and padding is masked."""
    codec = load_codec(start)
    return PreTrainedTokenizerFast(
        tokenizer_object=codec.tokenizer, eos_token=codec.tokenizer.id_to_token(codec.eos_id)
    )


DISTRIBUTIONS = {"cpu": "MULTI_CPU", "cuda": "MULTI_GPU"}


def check_engine(trainer: Trainer, work: WorkerJob) -> None:
    """Stop when what would run is not what was asked for."""
    job, accelerator = work.job, trainer.accelerator
    asked = "NO" if not work.launched else DISTRIBUTIONS[job.device]
    if job.distributed == "deepspeed-zero3":
        asked = "DEEPSPEED"
    plugin = accelerator.state.deepspeed_plugin
    found = {
        "device": (accelerator.device.type, job.device),
        "processes": (accelerator.num_processes, work.processes),
        "GPUs per process": (max(trainer.args.n_gpu, 1), 1),
        "distribution": (accelerator.distributed_type.value, asked),
        "ZeRO stage": (plugin.zero_stage if plugin else 0, 3 if asked == "DEEPSPEED" else 0),
        "mixed precision": (
            accelerator.mixed_precision,
            "bf16" if job.optimisation.precision == "bfloat16" else "no",
        ),
        "batch": (
            trainer.args.train_batch_size * trainer.args.gradient_accumulation_steps * accelerator.num_processes,
            job.optimisation.batch_size,
        ),
        "4-bit weights": (
            bool(getattr(trainer.model, "is_loaded_in_4bit", False)),
            job.lora is not None and job.lora.quantisation is not None,
        ),
    }
    wrong = {name: values for name, values in found.items() if values[0] != values[1]}
    if wrong:
        raise StepFailed(f"the trainer is not the one the job asks for, (found, expected): {wrong}")


class EngineCheck(TrainerCallback):  # type: ignore[misc]
    """Stops at the first step when the model was not wrapped by what the job asks for."""

    def __init__(self, trainer: Trainer, work: WorkerJob) -> None:
        self._trainer = trainer
        self._work = work

    def on_train_begin(self, *_args: Any, **_kwargs: Any) -> None:
        """The wrapped model is there now."""
        wrapped = self._trainer.model_wrapped
        if self._work.job.distributed == "deepspeed-zero3":
            stage = getattr(wrapped, "zero_optimization_stage", lambda: 0)()
            if stage != 3:
                raise StepFailed(
                    f"deepspeed-zero3 was asked for; {type(wrapped).__name__} with ZeRO stage {stage} runs"
                )
        elif isinstance(wrapped, DistributedDataParallel) != self._work.launched:
            raise StepFailed(f"{self._work.processes} process(es) were asked for; {type(wrapped).__name__} runs")


def gathered(trainer: Trainer) -> dict[str, Any]:
    """The float32 weights of a model whose shards lie on several devices; every process must take part."""
    from deepspeed.utils import safe_get_full_fp32_param  # slow to import, and only needed here

    state = {}
    for name, parameter in trainer.model.named_parameters():
        whole = safe_get_full_fp32_param(parameter)
        if whole is None:
            raise StepFailed(f"DeepSpeed holds no float32 weights of {name}")
        if trainer.is_world_process_zero():
            state[name] = whole.detach().cpu().contiguous()
    return state


def main(job_dir: Path, stages: tuple[str, ...]) -> int:
    """Work, and leave ``result.json``: a Result, or the Failure of a job that cannot be run. Returns the exit code."""
    transformers_logging.disable_progress_bar()
    try:
        result: Result | Failure = run(read_job(job_dir), stages, job_dir)
    except SelfimpError as error:
        result = Failure(kind="input" if isinstance(error, InputError) else "step", message=str(error))
    if os.environ.get("RANK", "0") == "0" or isinstance(result, Failure):
        write_result(job_dir, result)
    return 1 if isinstance(result, Failure) else 0


def leave(code: int) -> NoReturn:
    """End the process, all work done and written, without the interpreter taking its libraries down.

    One of two processes under DeepSpeed was seen to abort at its end ("terminate called without an active exception"),
    on a busy machine and once; what its libraries' threads do then is nothing that a finished job depends on.
    """
    atexit._run_exitfuncs()  # W&B's log is finished by one
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main(Path(sys.argv[1]), tuple(sys.argv[2:])))
