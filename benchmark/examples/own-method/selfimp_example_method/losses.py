"""The loss of IPO (2310.12036, equation 17): a margin that is aimed at, where DPO's grows without bound."""

import torch

from selfimp_bench.methods import PairLogps


def ipo(pairs: PairLogps[torch.Tensor], *, beta: float) -> torch.Tensor:
    """(margin - 1 / (2 beta))^2 of each pair, the margin against the reference in nats; the paper's tau is beta."""
    margin = (pairs.chosen - pairs.reference_chosen) - (pairs.rejected - pairs.reference_rejected)
    return (margin - 1 / (2 * beta)) ** 2
