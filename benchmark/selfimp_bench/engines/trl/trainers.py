"""TRL's two trainers on rows of token ids: the same loss of the global batch on any number of devices."""

from collections.abc import Iterator
from typing import Any

import torch
from datasets import Dataset
from torch.nn import functional
from torch.utils.data import Sampler
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.sft_trainer import SFTTrainer

from selfimp_bench.engines.trl.order import PADDING_LOGP, PaddedOrder
from selfimp_bench.engines.trl.own_loss import OwnLoss
from selfimp_bench.engines.trl.resume import LeastCheckpoint


class TokenSFTTrainer(LeastCheckpoint, SFTTrainer):  # type: ignore[misc]  # trl is untyped to mypy
    """SFTTrainer in an ``order``; its loss is the mean over the completion tokens of the global batch."""

    order: PaddedOrder | None = None

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int] | None:
        return self.order or super()._get_train_sampler(train_dataset)


class TokenDPOTrainer(LeastCheckpoint, DPOTrainer):  # type: ignore[misc]
    """DPOTrainer on rows of token ids with the reference's log-probabilities; TRL 1.16 has no switch for the former.

    In an ``order``, and with a loss of the global batch: TRL's is the mean over each micro batch, in which padding and
    a smaller last one would count otherwise than on another number of devices.
    """

    order: PaddedOrder | None = None
    sft_coefficient: float | None = None
    own_loss: OwnLoss | None = None
    loss_is_scaled_for_ga = True  # says to transformers: divide by no number of passes
    _pairs: float

    def _prepare_dataset(self, dataset: Dataset, *_args: Any, **_kwargs: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *_args: Any, **_kwargs: Any) -> Dataset:
        return dataset

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int] | None:
        return self.order or super()._get_train_sampler(train_dataset)

    def get_batch_samples(self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device) -> Any:
        """The micro batches of one optimiser step; counts the pairs of all devices in it."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        own = torch.stack([_real_pairs(batch).sum() for batch in batches]).sum().to(device)
        self._pairs = self.accelerator.reduce(own, reduction="sum").item()
        return batches, items

    def _compute_loss(self, model: Any, inputs: dict[str, torch.Tensor], _return_outputs: bool) -> Any:
        """A micro batch's part of the loss that is the mean over the pairs of the global batch; see ``pair_losses``."""
        mask = inputs["completion_mask"]
        logps = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            labels=inputs["input_ids"].masked_fill(mask == 0, -100),
            use_cache=False,
            fused_lm_head=True,
        ).log_probs[:, 1 - mask.size(1) :]
        if self.own_loss is not None:
            return self.own_loss.part(logps, inputs, _real_pairs(inputs)) / self._pairs * self.accelerator.num_processes
        losses = pair_losses(logps, inputs, beta=self.beta, sft_coefficient=self.sft_coefficient)
        # DDP and ZeRO take the mean over devices, whose number undoes it
        return (losses * _real_pairs(inputs)).sum() / self._pairs * self.accelerator.num_processes


def pair_losses(
    logps: torch.Tensor, inputs: dict[str, torch.Tensor], *, beta: float, sft_coefficient: float | None
) -> torch.Tensor:
    """The loss of each pair (pairs,): -log sigmoid(beta margin) (2305.18290, equation 7), and RPO's term.

    logps: (2 * pairs, tokens - 1), the log-probability of each token after the first, 0 outside completions; chosen
    rows first. RPO adds ``sft_coefficient`` times the chosen completion's negative log-likelihood divided by its
    length (2404.19733, equations 1 and 2), so that a long completion weighs no more than a short one.
    """
    chosen, rejected = logps.sum(dim=1).chunk(2)
    margin = (chosen - inputs["ref_chosen_logps"]) - (rejected - inputs["ref_rejected_logps"])
    losses = -functional.logsigmoid(beta * margin)
    if sft_coefficient is None:
        return losses
    lengths = inputs["completion_mask"][:, 1:].sum(dim=1).chunk(2)[0]
    return losses - sft_coefficient * chosen / lengths


def _real_pairs(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Which pairs are no padding: 1 or 0 each (pairs,)."""
    return (batch["ref_chosen_logps"] > PADDING_LOGP / 2).float()
