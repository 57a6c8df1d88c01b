"""A tiny random model with a byte-level tokenizer, and jobs and prompts for it."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from selfimp_bench.engines.base import Prompt, TrainFolders, TrainJob, TrainOptions
from selfimp_bench.engines.trl import trainer
from selfimp_bench.engines.trl.job import WorkerJob
from selfimp_bench.engines.trl.machines import Machines
from selfimp_bench.engines.trl.training_set import share_batch
from selfimp_bench.engines.weights import WEIGHTS
from selfimp_bench.manifest.model import Lora, Optimisation, PreferenceOptimisation, VllmSettings

BOS, EOS, PAD = 1, 2, 0
Rows = list[tuple[list[int], ...]]


def work_with(module: str, patch: pytest.MonkeyPatch) -> None:
    """Let trainers start a module of this folder in the place of their worker: ``zero3_on_cpus``."""
    patch.setattr(trainer, "WORKER", module)
    patch.setenv("PYTHONPATH", str(Path(__file__).parent))


def stored_as(job: TrainJob, folder: Path, dtype_of: Callable[[str], torch.dtype]) -> TrainJob:
    """The job from a start whose every weight has its dtype."""
    start = shutil.copytree(job.start, folder / "stored")
    weights = {name: tensor.to(dtype_of(name)) for name, tensor in load_file(start / WEIGHTS).items()}
    save_file(weights, start / WEIGHTS, metadata={"format": "pt"})
    return replace(job, start=start, reference=None if job.reference is None else start)


def mixed(name: str) -> torch.dtype:
    """As in many a checkpoint: norms in float32, the rest in bfloat16, and one float16."""
    if "norm" in name:
        return torch.float32
    return torch.float16 if name == "lm_head.weight" else torch.bfloat16


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of 2 layers with a vocabulary of 300; it stops at many tokens, so that most samples end."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"[0-9]|\s?\S+"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        ["How many apples are left? 3 + 4 = 7\n#### 7 <pad>"] * 9,
        trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=["<pad>", "<bos>", "<eos>"],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=300,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=32,  # the smallest that every engine has a kernel for
            max_position_embeddings=128,
            initializer_range=0.4,
            bos_token_id=BOS,
            eos_token_id=EOS,
            pad_token_id=PAD,
            tie_word_embeddings=False,
            attention_dropout=0.0,
        )
    )
    model.generation_config.eos_token_id = [EOS, *range(100, 120)]
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def prompts() -> tuple[Prompt, ...]:
    """Twelve prompts of lengths 2 to 24, four seeds each."""
    return tuple(
        Prompt(
            problem_id=f"p{number}",
            token_ids=(BOS, *((7 * number + 3 * place) % 290 + 5 for place in range(1 + 2 * number))),
            seeds=tuple(1000 * number + sample for sample in range(4)),
        )
        for number in range(12)
    )


def optimisation(**changes: Any) -> Optimisation:
    """A short run with every number set."""
    return replace(
        Optimisation(
            optimizer="adamw",
            learning_rate=1e-3,
            adam_beta1=0.9,
            adam_beta2=0.999,
            adam_epsilon=1e-8,
            weight_decay=0.0,
            max_grad_norm=1.0,
            scheduler="constant",
            warmup_ratio=0.0,
            batch_size=4,
            epochs=1,
            max_length=32,
            precision="float32",
        ),
        **changes,
    )


def sft_rows(count: int) -> Rows:
    """(prompt, completion) of several lengths; completions end with EOS."""
    return [([BOS, *range(10, 13 + row % 4)], [*range(40 + row, 42 + row + row % 3), EOS]) for row in range(count)]


def dpo_rows(count: int) -> Rows:
    """(prompt, chosen, rejected) of several lengths."""
    return [(prompt, chosen, [90 + row, *chosen[1:]]) for row, (prompt, chosen) in enumerate(sft_rows(count))]


MakeJob = Callable[..., TrainJob]


@pytest.fixture
def make_job(model_folder: Path, tmp_path: Path) -> MakeJob:
    """Builds a job from rows; see ``job_of``."""
    return partial(job_of, model_folder, tmp_path)


def job_of(
    model_folder: Path,
    folder: Path,
    rows: Rows,
    *,
    micro_batch_size: int = 2,
    seed: int = 5,
    beta: float = 0.1,
    sft_coefficient: float | None = None,
    lora: Lora | None = None,
    **changes: Any,
) -> TrainJob:
    """A job on rows, written into a folder: SFT for pairs, DPO for triples. Keywords change its optimisation."""
    method: Literal["sft", "dpo"] = "sft" if len(rows[0]) == 2 else "dpo"
    names = ["prompt_ids", "completion_ids"] if method == "sft" else ["prompt_ids", "chosen_ids", "rejected_ids"]
    path = folder / "rows.parquet"
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), path)
    settings = optimisation(**changes)
    preference = PreferenceOptimisation(
        beta=beta, loss="sigmoid", label_smoothing=0.0, sft_coefficient=sft_coefficient, optimisation=settings
    )
    return TrainJob(
        method=method,
        start=model_folder,
        reference=None if method == "sft" else model_folder,
        training_set=path,
        optimisation=settings,
        preference=None if method == "sft" else preference,
        lora=lora,
        seed=seed,
        device="cpu",
        micro_batch_size=micro_batch_size,
        gradient_checkpointing=False,
        distributed=None,
        threads=1,
    )


DEVICE: Any = os.environ.get("SELFIMP_TEST_DEVICE", "cpu")
VLLM_RUNNER: Any = os.environ.get("SELFIMP_TEST_RUNNER", "v1")
"""Where the tests of vLLM and of training run, and which of vLLM's model runners; ``ci/gpu`` says others."""

VLLM_ON_A_CPU = VllmSettings(
    max_model_len=128,
    max_num_batched_tokens=512,
    chunked_prefill=False,
    prefix_caching=True,
    enforce_eager=True,
    attention_backend="CPU_ATTN",
    model_runner="v1",
    batch_invariant=False,
    tensor_parallel=1,
    gpu_memory_utilization=None,
    kv_cache_gib=1,
)
VLLM_ON_A_GPU = replace(
    VLLM_ON_A_CPU,
    attention_backend="TRITON_ATTN",  # FLASH_ATTN has no float32
    model_runner=VLLM_RUNNER,
    batch_invariant=True,
    gpu_memory_utilization=0.2,
    kv_cache_gib=None,
)
VLLM = VLLM_ON_A_CPU if DEVICE == "cpu" else VLLM_ON_A_GPU


def options(
    *, save_minutes: float = 60, processes: int | None = None, machines: Machines | None = None
) -> TrainOptions:
    """Training without checkpoints in a short run."""
    return TrainOptions(save_minutes=save_minutes, log_to=None, processes=processes, machines=machines)


def folders_in(folder: Path) -> TrainFolders:
    """The three folders of a training run; those that are there stay as they are."""
    folders = TrainFolders(out=folder / "out", work=folder / "work", log=folder / "log")
    for each in (folders.out, folders.work, folders.log):
        each.mkdir(parents=True, exist_ok=True)
    return folders


def worker_job(job: TrainJob, folders: TrainFolders) -> WorkerJob:
    """The job as one plain process does it."""
    share = share_batch(job.optimisation.batch_size, rows_per_pass_at_most=job.micro_batch_size, devices=1)
    return WorkerJob(job=job, folders=folders, processes=1, launched=False, share=share, save_minutes=60, log_to=None)
