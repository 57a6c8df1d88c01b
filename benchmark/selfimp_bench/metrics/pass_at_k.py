"""pass@k: the probability that at least one of k samples of a problem is correct."""

from math import comb


def pass_at_k(n: int, c: int, k: int) -> float | None:
    """The unbiased estimate 1 - C(n-c, k) / C(n, k) from n samples of which c are correct.

    Source: Chen et al. 2021 (arXiv 2107.03374), Eq. 1. A share, 0 to 1, correctly rounded for any n (the binomials
    are exact integers). With n = 1 and k = 1 it is greedy pass@1. None where n < k: fewer samples than k estimate
    nothing (code in the wild gives 1.0 there). Raises ValueError for k < 1, c < 0 or c > n.
    """
    if k < 1:
        raise ValueError(f"k is {k}; expected at least 1")
    if not 0 <= c <= n:
        raise ValueError(f"c is {c} correct of n = {n} samples; expected 0 <= c <= n")
    if n < k:
        return None
    choices = comb(n, k)
    return (choices - comb(n - c, k)) / choices
