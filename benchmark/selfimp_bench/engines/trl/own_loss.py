"""A loss of pairs that another package brings (``selfimp_bench.methods.PairLogps``), checked before it is used."""

import traceback
from collections.abc import Callable
from typing import Any

import torch

from selfimp_bench.errors import StepFailed
from selfimp_bench.installed import Brought, load
from selfimp_bench.manifest.model import PreferenceOptimisation
from selfimp_bench.methods import Kind, PairLogps

Loss = Callable[..., torch.Tensor]
_FAR = 1e-3
"""So far, of its size, may a pair's loss lie from that in another micro batch: float32's error and more."""


def own_loss(preference: PreferenceOptimisation) -> "OwnLoss | None":
    """The loss that the settings name; None where it is DPO's own. Raises InputError where it is not installed."""
    if preference.pair_loss is None:
        return None
    wanted = preference.pair_loss.brought(Kind.PAIR_LOSS)
    return OwnLoss(wanted, load(wanted), beta=preference.beta)


class OwnLoss:
    """The loss with its arguments. Raises StepFailed, with its name, where it fails or is no loss of pairs."""

    def __init__(self, wanted: Brought, loss: Loss, *, beta: float) -> None:
        self._wanted = wanted
        self._loss = loss
        self._arguments: dict[str, Any] = {"beta": beta} | dict(wanted.options)
        self._asked_again = self._checked = False

    def part(self, logps: torch.Tensor, batch: dict[str, torch.Tensor], real: torch.Tensor) -> torch.Tensor:
        """The sum over the pairs of a micro batch. logps: as of ``pair_losses``; real: (pairs,), 0 for padding, which
        the loss never sees."""
        chosen, rejected = logps.sum(dim=1).chunk(2)
        chosen_tokens, rejected_tokens = batch["completion_mask"][:, 1:].sum(dim=1).to(logps.dtype).chunk(2)
        kept = real > 0
        if not bool(kept.any()):
            return logps.sum() * 0.0
        pairs = PairLogps(
            chosen=chosen[kept],
            rejected=rejected[kept],
            reference_chosen=batch["ref_chosen_logps"][kept],
            reference_rejected=batch["ref_rejected_logps"][kept],
            chosen_tokens=chosen_tokens[kept],
            rejected_tokens=rejected_tokens[kept],
        )
        losses = self._called(pairs)
        if not self._asked_again:
            self._ask_again(pairs, losses)
            self._asked_again = True
        if not self._checked and len(losses) > 1:
            self._check(pairs, losses)
            self._checked = True
        return losses.sum()

    def _called(self, pairs: PairLogps[torch.Tensor]) -> torch.Tensor:
        try:
            losses = self._loss(pairs, **self._arguments)
        except Exception as error:  # whatever foreign code raises
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{last.filename}, line {last.lineno}, in {last.name}"
            raise StepFailed(f"{self._wanted}: raised {type(error).__name__}: {error} ({where})") from None
        expected = f"expected a float tensor of shape {tuple(pairs.chosen.shape)}, one loss a pair"
        if not isinstance(losses, torch.Tensor):
            raise StepFailed(f"{self._wanted}: returned {type(losses).__name__}; {expected}")
        if losses.shape != pairs.chosen.shape or not losses.is_floating_point():
            raise StepFailed(f"{self._wanted}: returned {losses.dtype} of shape {tuple(losses.shape)}; {expected}")
        if not losses.requires_grad:
            raise StepFailed(
                f"{self._wanted}: no gradient flows through what it returned; compute it of pairs.chosen and "
                "pairs.rejected without detaching them"
            )
        if not bool(torch.isfinite(losses).all()):
            raise StepFailed(f"{self._wanted}: returned a loss that is no finite number")
        return losses

    def _ask_again(self, pairs: PairLogps[torch.Tensor], losses: torch.Tensor) -> None:
        """A pair's loss is the same when it is asked again: else a run that is done again would differ."""
        if not torch.equal(self._called(pairs), losses):
            raise StepFailed(
                f"{self._wanted}: returned other losses when it was asked again; a loss has no chance in it"
            )

    def _check(self, pairs: PairLogps[torch.Tensor], losses: torch.Tensor) -> None:
        """A pair's loss is the same whichever pairs stand beside it: else devices and micro batches would change it."""
        alone = self._called(PairLogps(**{name: value[:1] for name, value in vars(pairs).items()}))
        if not torch.allclose(alone, losses[:1], rtol=_FAR, atol=_FAR):
            raise StepFailed(
                f"{self._wanted}: a pair's loss is {losses[0].item():.6g} among {len(losses)} pairs and "
                f"{alone[0].item():.6g} alone; expected one that rests on the pair itself"
            )
