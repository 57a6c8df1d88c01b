"""The order in which rows are trained on, the same on any number of devices.

Every device must take part in every pass. When the rows of an epoch do not fill its last passes, accelerate repeats
rows from the epoch's beginning, which would count them twice; here rows without loss (``PADDING``) fill them.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import torch
from accelerate.data_loader import SeedableRandomSampler
from datasets import Dataset
from torch.utils.data import Sampler

from selfimp_bench.engines.trl.training_set import TrainingRow

NO_LOSS: Final = -100
# A pair that the reference finds impossible to choose is settled: its loss and gradient are exactly 0.
PADDING_LOGP: Final = -1e30


class PaddedOrder(Sampler[int]):
    """A random order of ``rows`` rows by seed and epoch, as accelerate draws it, then row number ``rows`` as padding.

    The length is a multiple of ``multiple``.
    """

    def __init__(self, *, rows: int, seed: int, multiple: int) -> None:
        self._order = SeedableRandomSampler(range(rows), generator=torch.Generator(), data_seed=seed)
        self._padding = [rows] * (-rows % multiple)

    def __iter__(self) -> Iterator[int]:
        yield from self._order
        yield from self._padding

    def __len__(self) -> int:
        return len(self._order) + len(self._padding)

    def set_epoch(self, epoch: int) -> None:
        """The epoch whose order comes next; accelerate calls it."""
        self._order.set_epoch(epoch)


def sft_dataset(rows: Sequence[TrainingRow], *, padded: bool) -> Dataset:
    """The columns SFTTrainer takes as they are; ``padded`` adds a row of padding at the end."""
    inputs = [row.prompt_ids + row.completions[0] for row in rows]
    labels = [[NO_LOSS] * len(row.prompt_ids) + row.completions[0] for row in rows]
    if padded:
        inputs.append(inputs[0])
        labels.append([NO_LOSS] * len(inputs[0]))
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


def dpo_dataset(
    rows: Sequence[TrainingRow], chosen: Sequence[float], rejected: Sequence[float], *, padded: bool
) -> Dataset:
    """Pairs with the reference's log-probabilities of both completions; ``padded`` adds one of padding."""
    extra = 1 if padded else 0
    dataset = pair_dataset([*rows, *rows[:extra]])
    dataset = dataset.add_column("ref_chosen_logps", [*chosen, *[PADDING_LOGP] * extra])
    return dataset.add_column("ref_rejected_logps", [*rejected, *[0.0] * extra])
