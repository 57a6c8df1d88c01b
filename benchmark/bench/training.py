"""How fast SFT and DPO are trained: a training step's child process against TRL called as its documentation does.

``python -m bench.training {ours,trl} {sft,dpo} ROWS`` is one of the processes that are timed: from its start, with
imports, tokenising or reading, the reference's log-probabilities for DPO, training and the checkpoint, to its end.
"""

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from bench.row import Bar, Figure, Row, Setting, Tier
from bench.turns import Command, commands, times_as_fast
from selfimp_bench.engines.base import PLAIN_TRAINING, TrainFolders, TrainJob
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.manifest.model import Optimisation, PreferenceOptimisation
from selfimp_bench.measurement import Split
from selfimp_bench.places import ASSETS
from selfimp_bench.tasks.tiny_gsm import generate

BASE: Final = ASSETS / "tiny-gsm-base"
MICRO_BATCH: Final = 16
BETA: Final = 0.1
OPTIMISATION: Final = Optimisation(
    optimizer="adamw",
    learning_rate=1e-4,
    adam_beta1=0.9,
    adam_beta2=0.999,
    adam_epsilon=1e-8,
    weight_decay=0.0,
    max_grad_norm=1.0,
    scheduler="cosine",
    warmup_ratio=0.1,
    batch_size=32,
    epochs=1,
    max_length=192,
    precision="float32",
)


def training(setting: Setting, *, method: str) -> dict[str, Figure]:
    """How many times as fast ours is, whole process by whole process, in processor time on one thread."""
    rows = 64 if setting.quick else 4096 if method == "sft" else 1024
    wanted = {
        who: Command(
            argv=[sys.executable, "-m", "bench.training", who, method, str(rows)],
            environment={"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(setting.folder / "hf")},
        )
        for who in ("ours", "trl")
    }
    spent = commands(wanted, turns=3, unheeded=0 if setting.quick else 1)
    return {"speed": times_as_fast(*([one.processor for one in spent[who]] for who in ("ours", "trl")))}


def texts(method: str, count: int) -> list[dict[str, str]]:
    """Generated problems with their solutions; for DPO with a wrong one, too."""
    rows = []
    for problem in generate(Split.TRAIN, count=count, seed=7):
        answer = f" {problem.answer}"
        completions = (
            {"completion": answer}
            if method == "sft"
            else {"chosen": answer, "rejected": f"{answer[:-1]}{(int(answer[-1]) + 1) % 10}"}
        )
        rows.append({"prompt": f"Question: {problem.question}\nAnswer:", **completions})
    return rows


def ours(method: str, count: int, folder: Path) -> int:
    """As a training step does it; the optimiser steps."""
    from selfimp_bench.engines.trl.trainer import TrlTrainer

    codec = load_codec(BASE)
    columns: dict[str, list[list[int]]] = {}
    for row in texts(method, count):
        for name, text in row.items():
            ends = [] if name == "prompt" else [codec.eos_id]
            columns.setdefault(f"{name}_ids", []).append([*codec.encode_prompt(text, add_bos=False), *ends])
    folders = TrainFolders(out=folder / "out", work=folder / "work", log=folder / "log")
    for each in (folders.out, folders.work, folders.log):
        each.mkdir(parents=True)
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    preference = PreferenceOptimisation(
        beta=BETA, loss="sigmoid", label_smoothing=0.0, sft_coefficient=None, optimisation=OPTIMISATION
    )
    job = TrainJob(
        method="sft" if method == "sft" else "dpo",
        start=BASE,
        reference=None if method == "sft" else BASE,
        training_set=folder / "rows.parquet",
        optimisation=OPTIMISATION,
        preference=None if method == "sft" else preference,
        lora=None,
        seed=5,
        device="cpu",
        micro_batch_size=MICRO_BATCH,
        gradient_checkpointing=False,
        distributed=None,
        threads=1,
    )
    return TrlTrainer(PLAIN_TRAINING).train(job, folders, lambda _done, _of: None).optimizer_steps


def directly(method: str, count: int, folder: Path) -> int:
    """TRL's trainer on texts; the optimiser steps."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    common: dict[str, Any] = {
        "output_dir": str(folder / "work"),
        "per_device_train_batch_size": MICRO_BATCH,
        "gradient_accumulation_steps": OPTIMISATION.batch_size // MICRO_BATCH,
        "num_train_epochs": 1,
        "learning_rate": OPTIMISATION.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": OPTIMISATION.warmup_ratio,
        "max_length": OPTIMISATION.max_length,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "seed": 5,
    }
    rows = Dataset.from_list(texts(method, count))
    if method == "sft":
        trainer = SFTTrainer(str(BASE), args=SFTConfig(**common), train_dataset=rows)
    else:
        settings = DPOConfig(**common, beta=BETA, precompute_ref_log_probs=True)
        trainer = DPOTrainer(str(BASE), args=settings, train_dataset=rows)
    trainer.train()
    trainer.save_model(str(folder / "out"))
    return int(trainer.state.global_step)


def row(method: str, tiers: tuple[Tier, ...]) -> Row:
    """Of a method of training."""
    return Row(
        name=f"{method}-training",
        what=f"{method.upper()} from start to checkpoint, the same rows and batches",
        against="TRL called directly",
        bars={"speed": Bar(unit="x", at_least=1)},
        measure=partial(training, method=method),
        tiers=tiers,
    )


ROWS = (row("sft", ("full",)), row("dpo", ("quick", "full")))

if __name__ == "__main__":
    WHO: Final[dict[str, Callable[[str, int, Path], int]]] = {"ours": ours, "trl": directly}
    with tempfile.TemporaryDirectory() as scratch:
        steps = WHO[sys.argv[1]](sys.argv[2], int(sys.argv[3]), Path(scratch))
    assert steps == int(sys.argv[3]) // OPTIMISATION.batch_size, steps
