"""Checkpoints that a killed training goes on from: when one is written, what is in it, and which of them is whole.

What is written is the least that training goes on from: weights, and Adam's two moments, in float32, 12 bytes a trained
weight. Under ZeRO-3 the shards that DeepSpeed writes hold all of that; transformers would add the gathered 16-bit
weights, which are only the float32 ones rounded. One checkpoint is kept, and two are there while the second is written.
"""

import shutil
import time
from pathlib import Path
from typing import Any, Final

import torch
from torch import distributed
from transformers import TrainerCallback

from selfimp_bench.engines.trl.job import WorkerJob

# In a checkpoint's folder, last: its presence says that the checkpoint is whole.
WHOLE: Final = "whole"


class ResumePoints(TrainerCallback):  # type: ignore[misc]
    """Asks for a checkpoint once ``save_minutes`` have passed since the last one, but not after the last step."""

    def __init__(self, work: WorkerJob) -> None:
        self._seconds = 60 * work.save_minutes
        self._saved = time.monotonic()

    def on_train_begin(self, *_args: Any, **_kwargs: Any) -> None:
        """Loading is over, and the clock starts."""
        self._saved = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_kwargs: Any) -> Any:
        """Whether it is time, by the clock of the first process: all save together, or none."""
        due = time.monotonic() - self._saved >= self._seconds
        control.should_save = state.global_step < state.max_steps and _first_says(due, args.device)
        return control

    def on_save(self, args: Any, state: Any, _control: Any, **_kwargs: Any) -> None:
        """Once every process has written its part: mark the checkpoint as whole, and remove all others."""
        if distributed.is_initialized():
            distributed.barrier()
        if state.is_world_process_zero:
            written = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            (written / WHOLE).touch()
            for other in written.parent.glob("checkpoint-*"):
                if other != written:
                    shutil.rmtree(other)
        self._saved = time.monotonic()


class LeastCheckpoint:
    """A trainer whose checkpoints hold every number once. Stands before transformers' ``Trainer`` among the bases."""

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """The weights, unless DeepSpeed's shards, which are written next, hold them."""
        if not self.is_deepspeed_enabled:  # type: ignore[attr-defined]
            super().save_model(output_dir, _internal_call)  # type: ignore[misc]


def last_whole_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the latest step that was written to its end."""
    whole = [mark.parent for mark in folder.glob(f"checkpoint-*/{WHOLE}")]
    return max(whole, key=step_of, default=None)


def step_of(checkpoint: Path) -> int:
    """The optimiser step after which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])


def _first_says(answer: bool, device: torch.device) -> bool:
    if not distributed.is_initialized():
        return answer
    told = torch.tensor([answer], dtype=torch.uint8, device=device)
    distributed.broadcast(told, src=0)
    return bool(told.item())
