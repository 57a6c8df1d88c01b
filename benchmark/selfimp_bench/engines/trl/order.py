"""The order in which rows are trained on, the same on any number of devices.

Every device must take part in every pass. When the rows of an epoch do not fill its last passes, accelerate repeats
rows from the epoch's beginning, which would count them twice; here a row without loss fills them. It comes last in the
data set, after the rows, and is as short as a row can be.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from accelerate.data_loader import SeedableRandomSampler
from datasets import Dataset
from torch.utils.data import Sampler

from selfimp_bench.engines.trl.training_set import TrainingRow

NO_LOSS: Final = -100
# A pair that the reference finds impossible to choose is settled: its loss and gradient are exactly 0.
PADDING_LOGP: Final = -1e30


@dataclass(frozen=True, kw_only=True)
class LengthGroups:
    """Sorts every global batch of ``batch`` rows by ``lengths``, longest first: all devices then have rows of like
    length in a pass, with little padding.

    Which rows make a batch stays as drawn, and the loss is one of the batch: no row's weight in it changes.
    """

    lengths: Sequence[int]
    batch: int

    def grouped(self, order: Sequence[int]) -> Iterator[int]:
        """The same rows, batch by batch."""
        for start in range(0, len(order), self.batch):
            yield from sorted(order[start : start + self.batch], key=self.lengths.__getitem__, reverse=True)


class PaddedOrder(Sampler[int]):
    """A random order of ``rows`` rows by seed and epoch, as accelerate draws it, then row number ``rows`` as padding.

    The length is a multiple of ``multiple``. With ``groups``, rows of like length follow each other inside a batch.
    """

    def __init__(self, *, rows: int, seed: int, multiple: int, groups: "LengthGroups | None" = None) -> None:
        self._order = SeedableRandomSampler(range(rows), generator=torch.Generator(), data_seed=seed)
        self._padding = [rows] * (-rows % multiple)
        self._groups = groups

    def __iter__(self) -> Iterator[int]:
        yield from self._order if self._groups is None else self._groups.grouped(list(self._order))
        yield from self._padding

    def __len__(self) -> int:
        return len(self._order) + len(self._padding)

    def set_epoch(self, epoch: int) -> None:
        """The epoch whose order comes next; accelerate calls it."""
        self._order.set_epoch(epoch)


def sft_dataset(rows: Sequence[TrainingRow]) -> Dataset:
    """The columns SFTTrainer takes as they are, and the row of padding."""
    padding = [*rows[0].prompt_ids, *rows[0].completions[0]][:2]
    inputs = [*(row.prompt_ids + row.completions[0] for row in rows), padding]
    labels = [*([NO_LOSS] * len(row.prompt_ids) + row.completions[0] for row in rows), [NO_LOSS] * 2]
    return Dataset.from_dict({"input_ids": inputs, "labels": labels})


def pair_dataset(rows: Sequence[TrainingRow]) -> Dataset:
    """The columns that DPOTrainer makes when it tokenises."""
    return Dataset.from_dict(
        {
            "prompt_ids": [row.prompt_ids for row in rows],
            "chosen_ids": [row.completions[0] for row in rows],
            "rejected_ids": [row.completions[1] for row in rows],
        }
    )


def dpo_dataset(rows: Sequence[TrainingRow], chosen: Sequence[float], rejected: Sequence[float]) -> Dataset:
    """Pairs with the reference's log-probabilities of both completions, and the pair of padding."""
    first = rows[0]
    padding = TrainingRow(prompt_ids=first.prompt_ids[:1], completions=tuple(ids[:1] for ids in first.completions))
    dataset = pair_dataset([*rows, padding])
    dataset = dataset.add_column("ref_chosen_logps", [*chosen, PADDING_LOGP])
    return dataset.add_column("ref_rejected_logps", [*rejected, 0.0])
