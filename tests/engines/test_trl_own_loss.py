"""A loss that another package brings: what it is given, and what is refused because it is no loss of a pair."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from selfimp_bench.engines.trl.order import PADDING_LOGP
from selfimp_bench.engines.trl.own_loss import OwnLoss
from selfimp_bench.errors import StepFailed
from selfimp_bench.installed import Brought
from selfimp_bench.methods import Kind, PairLogps

Pairs = PairLogps[torch.Tensor]


def _own(loss: Callable[..., Any]) -> OwnLoss:
    wanted = Brought(kind=Kind.PAIR_LOSS, package="some-losses", version="1.0", name="any", options=(("weight", 2.0),))
    return OwnLoss(wanted, loss, beta=0.5)


def _batch(pairs: int, *, padding: int = 0) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
    """Pairs after one prompt token: the chosen ones have 2 tokens of -0.1 (i + 1), the rejected ones 3 of -0.2; then
    padding, chosen and rejected of one token each."""
    total = pairs + padding
    logps, mask = torch.zeros(2 * total, 3), torch.zeros(2 * total, 4, dtype=torch.long)
    for row in range(pairs):
        logps[row, :2], mask[row, 1:3] = -0.1 * (row + 1), 1
        logps[total + row, :3], mask[total + row, 1:] = -0.2, 1
    reference = torch.tensor([-0.3] * pairs + [PADDING_LOGP] * padding)
    batch = {"completion_mask": mask, "ref_chosen_logps": reference, "ref_rejected_logps": reference.clone()}
    return logps.requires_grad_(), batch, torch.tensor([1.0] * pairs + [0.0] * padding)


def test_a_loss_is_given_every_pair_once_and_never_padding() -> None:
    seen: list[Pairs] = []

    def loss(pairs: Pairs, *, beta: float, weight: float) -> torch.Tensor:
        seen.append(pairs)
        return weight * beta * (pairs.chosen - pairs.reference_chosen) ** 2

    logps, batch, real = _batch(2, padding=2)
    found = _own(loss).part(logps, batch, real)
    assert found.item() == pytest.approx(0.1**2 + 0.1**2)
    found.backward()  # type: ignore[no-untyped-call]
    assert logps.grad is not None
    assert logps.grad.isfinite().all()
    assert logps.grad[2:4].abs().max() == 0
    first = seen[0]
    assert first.chosen.tolist() == pytest.approx([-0.2, -0.4])
    assert first.rejected.tolist() == pytest.approx([-0.6, -0.6])
    assert first.reference_rejected.tolist() == pytest.approx([-0.3, -0.3])
    assert (first.chosen_tokens.tolist(), first.rejected_tokens.tolist()) == ([2.0, 2.0], [3.0, 3.0])


def test_a_micro_batch_of_padding_alone_has_a_gradient_of_0() -> None:
    def loss(_: Pairs, **__: float) -> torch.Tensor:
        raise AssertionError("asked about padding")

    logps, batch, real = _batch(0, padding=2)
    found = _own(loss).part(logps, batch, real)
    found.backward()  # type: ignore[no-untyped-call]
    assert found.item() == 0
    assert logps.grad is not None
    assert logps.grad.abs().max() == 0


def _raises(pairs: Pairs) -> torch.Tensor:
    raise KeyError(pairs.chosen.shape)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (_raises, r"raised KeyError: torch.Size\(\[3\]\) \(.*test_trl_own_loss.py, line .*, in _raises\)"),
        (lambda _: 1.0, r"returned float; expected a float tensor of shape \(3,\), one loss a pair"),
        (lambda pairs: pairs.chosen.mean(), r"returned torch.float32 of shape \(\); expected a float tensor of shape"),
        (lambda pairs: pairs.chosen > 0, r"returned torch.bool of shape \(3,\)"),
        (lambda pairs: pairs.chosen.detach(), "no gradient flows through what it returned"),
        (lambda pairs: pairs.chosen / 0, "a loss that is no finite number"),
        (lambda pairs: pairs.chosen * torch.rand(3), "other losses when it was asked again"),
        (lambda pairs: pairs.chosen - pairs.chosen.mean(), "among 3 pairs and 0 alone; expected one that rests on"),
    ],
)
def test_what_is_no_loss_of_a_pair_is_refused_by_its_name(loss: Callable[[Pairs], Any], words: str) -> None:
    with pytest.raises(StepFailed, match=f"pair loss any of some-losses 1.0: .*{words}"):
        _own(lambda pairs, **_: loss(pairs)).part(*_batch(3))


def test_chance_is_found_in_a_batch_of_one_pair_too() -> None:
    with pytest.raises(StepFailed, match="other losses when it was asked again"):
        _own(lambda pairs, **_: pairs.chosen * torch.rand(1)).part(*_batch(1))
