"""What every trainer checks before it trains: the job, and its training set (Parquet of token ids)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from selfimp_bench.engines.base import TrainJob
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Optimisation
from selfimp_bench.plural import plural

COLUMNS: Final = {
    "sft": ("prompt_ids", "completion_ids"),
    "dpo": ("prompt_ids", "chosen_ids", "rejected_ids"),
}


@dataclass(frozen=True, kw_only=True)
class TrainingRow:
    """One prompt and what is learned about it: one completion (SFT), or the chosen and the rejected one (DPO)."""

    prompt_ids: list[int]
    completions: tuple[list[int], ...]

    @property
    def tokens(self) -> int:
        """Tokens that pass through the model for this row: the prompt counts once per completion."""
        return sum(len(self.prompt_ids) + len(completion) for completion in self.completions)


@dataclass(frozen=True, kw_only=True)
class TrainingWork:
    """What a run over a training set amounts to.

    steps: optimiser steps. rows: seen in all, a row once per pass. tokens: likewise; those of a part of an epoch are
    counted in proportion to its rows.
    """

    steps: int
    rows: int
    tokens: int


def training_work(rows: Sequence[TrainingRow], optimisation: Optimisation) -> TrainingWork:
    """The steps, rows and tokens of a run; the last batch of an epoch may be smaller than the others."""
    per_epoch = math.ceil(len(rows) / optimisation.batch_size)
    steps = per_epoch * (optimisation.epochs or 0) if optimisation.steps is None else optimisation.steps
    whole, rest = divmod(steps, per_epoch)
    seen = whole * len(rows) + min(rest * optimisation.batch_size, len(rows))
    return TrainingWork(steps=steps, rows=seen, tokens=round(sum(row.tokens for row in rows) * seen / len(rows)))


@dataclass(frozen=True, kw_only=True)
class BatchShare:
    """How a global batch is shared out: rows per device and pass, and passes per device and optimiser step."""

    rows_per_pass: int
    passes: int


def share_batch(batch_size: int, *, rows_per_pass_at_most: int, devices: int) -> BatchShare:
    """The share in which devices * passes * rows_per_pass is exactly the batch, with as few passes as possible.

    Raises InputError when so many devices cannot share the batch equally, with the numbers that can.
    """
    if batch_size % devices:
        able = ", ".join(str(count) for count in range(1, batch_size + 1) if batch_size % count == 0)
        raise InputError(
            f"a batch of {batch_size} rows cannot be shared equally by {devices} devices, and the batch is the "
            f"manifest's; make another number of GPUs visible (CUDA_VISIBLE_DEVICES): one of {able}"
        )
    own = batch_size // devices
    rows = max(count for count in range(1, min(own, rows_per_pass_at_most) + 1) if own % count == 0)
    return BatchShare(rows_per_pass=rows, passes=own // rows)


def check_job(job: TrainJob) -> None:
    """Raise InputError for a job that no trainer could run as it is written."""
    optimisation = job.optimisation
    if optimisation.batch_size % job.micro_batch_size:
        raise InputError(
            f"batch_size {optimisation.batch_size} is not a multiple of engines.micro_batch_size "
            f"{job.micro_batch_size}, so no accumulation makes it; choose a divisor"
        )
    if (optimisation.epochs is None) == (optimisation.steps is None):
        raise InputError("exactly one of epochs and steps says how long training is; set one of the two")
    if not 0 <= optimisation.warmup_ratio < 1:
        raise InputError(f"warmup_ratio {optimisation.warmup_ratio}: 0 or more and below 1 was expected")
    is_preference = job.preference is not None and job.reference is not None
    if is_preference != (job.method == "dpo"):
        raise InputError(f"method {job.method}: dpo, and only dpo, takes a reference and preference settings")
    if job.preference is not None and job.preference.optimisation != optimisation:
        raise InputError("the optimisation of the preference settings and that of the job differ; a job has one")


def read_training_set(path: Path, method: Literal["sft", "dpo"], *, max_length: int) -> list[TrainingRow]:
    """The rows in file order.

    Raises InputError when the file, a column or a row cannot be trained on as it is: nothing is cut or dropped.
    """
    columns = COLUMNS[method]
    try:
        table = pq.read_table(path, columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: not a training set for {method} with columns {', '.join(columns)} ({error})"
        ) from error
    values = [table.column(name).to_pylist() for name in columns]
    rows = [TrainingRow(prompt_ids=prompt, completions=tuple(rest)) for prompt, *rest in zip(*values, strict=True)]
    if not rows:
        raise InputError(
            f"{path}: the training set is empty; post_training.empty_training_set decides what happens then"
        )
    problems = list(_problems(rows, columns, max_length))
    if problems:
        raise InputError(
            f"{path}: {plural(len(problems), 'problem')} of its rows, nothing was trained:\n    "
            + "\n    ".join(problems[:5])
        )
    return rows


def _problems(rows: list[TrainingRow], columns: tuple[str, ...], max_length: int) -> Iterator[str]:
    for index, row in enumerate(rows):
        for name, token_ids in zip(columns, (row.prompt_ids, *row.completions), strict=True):
            if not token_ids:
                yield f"row {index}: {name} is empty"
        longest = len(row.prompt_ids) + max(map(len, row.completions))
        if longest > max_length:
            yield f"row {index}: {longest} tokens, more than max_length {max_length}; raise it or drop the row"
