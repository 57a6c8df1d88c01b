"""TRL's two trainers on rows of token ids, on any number of devices."""

from collections.abc import Iterator
from typing import Any

import torch
from datasets import Dataset
from torch.nn import functional
from torch.utils.data import Sampler
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.sft_trainer import SFTTrainer

from selfimp_bench.engines.trl.order import PADDING_LOGP, PaddedOrder
from selfimp_bench.engines.trl.resume import LeastCheckpoint


class TokenSFTTrainer(LeastCheckpoint, SFTTrainer):  # type: ignore[misc]  # trl is untyped to mypy
    """SFTTrainer; with an ``order``, in that one instead of accelerate's."""

    order: PaddedOrder | None = None

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int] | None:
        return self.order or super()._get_train_sampler(train_dataset)


class TokenDPOTrainer(LeastCheckpoint, DPOTrainer):  # type: ignore[misc]
    """DPOTrainer on rows of token ids with the reference's log-probabilities; TRL 1.16 has no switch for the former.

    With an ``order``, in that one, and with a loss that knows the global batch: TRL's is the mean over each micro
    batch, in which padding would count.
    """

    order: PaddedOrder | None = None
    sft_coefficient: float | None = None
    _pairs: float
    _chosen_tokens: float

    def _prepare_dataset(self, dataset: Dataset, *_args: Any, **_kwargs: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *_args: Any, **_kwargs: Any) -> Dataset:
        return dataset

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int] | None:
        return self.order or super()._get_train_sampler(train_dataset)

    def get_batch_samples(self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device) -> Any:
        """The micro batches of one optimiser step; counts the pairs and chosen tokens of all devices in it."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.order is None:
            return batches, items
        counts = torch.zeros(2, device=device)
        for batch in batches:
            real, chosen = _real_pairs(batch)
            counts += torch.stack([real.sum(), chosen.sum()]).to(device)
        self._pairs, self._chosen_tokens = self.accelerator.reduce(counts, reduction="sum").tolist()
        return batches, items

    def _compute_loss(self, model: Any, inputs: dict[str, torch.Tensor], return_outputs: bool) -> Any:
        """-log sigmoid(beta margin) averaged over pairs (2305.18290, equation 7), and RPO's term (2404.19733)."""
        if self.order is None:
            return super()._compute_loss(model, inputs, return_outputs)
        mask = inputs["completion_mask"]
        real, chosen_tokens = _real_pairs(inputs)
        logps = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            labels=inputs["input_ids"].masked_fill(mask == 0, -100),
            use_cache=False,
            fused_lm_head=True,
        ).log_probs[:, 1 - mask.size(1) :]
        chosen, rejected = logps.sum(dim=1).chunk(2)
        margin = (chosen - inputs["ref_chosen_logps"]) - (rejected - inputs["ref_rejected_logps"])
        loss = (-functional.logsigmoid(self.beta * margin) * real).sum() / self._pairs
        if self.sft_coefficient is not None:
            likelihood = (logps.chunk(2)[0] * chosen_tokens).sum() / self._chosen_tokens
            loss = loss - self.sft_coefficient * likelihood
        # transformers divides by the passes, and the average over devices by their number
        return loss * self.current_gradient_accumulation_steps * self.accelerator.num_processes


def _real_pairs(batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Which pairs are no padding (pairs,), and which tokens are predicted parts of their chosen completions."""
    real = (batch["ref_chosen_logps"] > PADDING_LOGP / 2).float()
    chosen = batch["completion_mask"][:, 1:].chunk(2)[0].float() * real[:, None]
    return real, chosen
