"""What training says while it runs: losses, speed, progress."""

import json
import math
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from selfimp_bench.engines.trl.job import LOG, SPEED_LOG, WorkerJob
from selfimp_bench.errors import StepFailed


class StepLog(TrainerCallback):  # type: ignore[misc]
    """Writes a line per optimiser step, and stops at a loss that is no number."""

    def __init__(self, work: WorkerJob) -> None:
        self._work = work
        self._before = time.monotonic()
        self._tokens = 0

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_kwargs: Any) -> None:
        """The clock starts; lines of steps after the checkpoint that training goes on from are dropped."""
        self._before, self._tokens = time.monotonic(), state.num_input_tokens_seen
        if state.is_world_process_zero:
            for path in (self._work.folders.work / LOG, self._work.folders.log / SPEED_LOG):
                _keep_steps(path, state.global_step)

    def on_log(self, _args: Any, state: Any, _control: Any, logs: Mapping[str, Any], **_kwargs: Any) -> None:
        """A line for the checkpoint's log, one for the speed log, and the progress."""
        if "loss" not in logs or not state.is_world_process_zero:  # the summary at the end, which holds times
            return
        line = {
            "step": state.global_step,
            **{name: float(logs[name]) for name in ("loss", "learning_rate", "grad_norm")},
        }
        if not all(math.isfinite(value) for value in line.values()):
            raise StepFailed(f"training diverged at step {state.global_step} of {state.max_steps}: {line}")
        _append(self._work.folders.work / LOG, line)
        _append(self._work.folders.log / SPEED_LOG, {**line, **self._speed(state)})
        sys.stdout.write(json.dumps({"steps": state.max_steps, **line}) + "\n")
        sys.stdout.flush()

    def _speed(self, state: Any) -> dict[str, float]:
        now = time.monotonic()
        seconds, tokens = now - self._before, state.num_input_tokens_seen - self._tokens
        self._before, self._tokens = now, state.num_input_tokens_seen
        return {
            "seconds": round(seconds, 4),
            "tokens_per_second": round(tokens / seconds, 1),
            "peak_memory_bytes": peak_memory_bytes(),
        }


def peak_memory_bytes() -> int:
    """The most memory so far: of this process's GPU, or on a CPU its resident set (Linux counts it in KiB)."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _append(path: Path, line: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _keep_steps(path: Path, steps: int) -> None:
    """Drop later steps' lines, and what a full disk left of a line; whole or not at all, for it is an artifact."""
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    beside = path.with_name(f".{path.name}")
    beside.write_bytes(b"".join(line for line in lines if (step := _step_of(line)) is not None and step <= steps))
    beside.replace(path)


def _step_of(line: bytes) -> int | None:
    try:
        found = json.loads(line)["step"] if line.endswith(b"\n") else None
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, int) else None
