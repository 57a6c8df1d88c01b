"""A manifest's selections as the weight functions of ``metrics/verification``."""

from selfimp_bench.protocols.verification.manifest import Selection
from selfimp_bench.protocols.verification.metrics.selection import Filter, Quantile, Reweight, Threshold
from selfimp_bench.protocols.verification.metrics.selection import Selection as Weighting


def selection_of(selection: Selection) -> Weighting:
    """The weight function of a selection. Raises ValueError for one that is none or several."""
    given = (selection.quantile, selection.threshold, selection.reweight)
    match given:
        case (float() | int() as q, None, None):
            return Quantile(q=q)
        case (None, float() | int() as tau, None):
            return Threshold(tau=tau)
        case (None, None, float() | int() as beta):
            return Reweight(beta=beta)
    raise ValueError(f"a selection is exactly one of quantile, threshold and reweight, found {given}")


def filter_of(selection: Selection) -> Filter:
    """The filter of a selection. Raises ValueError for a reweighting, which drops nothing."""
    weighting = selection_of(selection)
    if isinstance(weighting, Reweight):
        raise ValueError("reweighting drops no response; expected a quantile or a threshold")
    return weighting
