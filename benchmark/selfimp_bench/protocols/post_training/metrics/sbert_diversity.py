"""Sentence-BERT diversity: how varied the meaning of a set of outputs is."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sbert_diversity(embeddings: NDArray[np.floating[Any]]) -> float | None:
    """1 - the mean cosine similarity over all pairs of one problem's outputs, from their (n, d) embeddings.

    Source: 2407.05013, Section 5.2 and Appendix B.3, Eq. 9; the embedding model is not stated there.
    With unit vectors u_i, the mean over the n (n - 1) / 2 pairs is (|sum u_i|^2 - n) / (n (n - 1)): linear in n, and
    no matrix of pairs. Computed in float64 whatever comes in.

    No unit; 0 where all outputs point the same way, 1 for orthogonal ones, at most n / (n - 1). Equal outputs are
    counted as often as they occur. None for n < 2: one output has no pair. Raises ValueError for an array that is
    not (n, d), and for a vector that is zero or not finite: it has no direction.
    """
    vectors = np.asarray(embeddings, dtype=np.float64)
    if vectors.ndim != 2:
        raise ValueError(f"embeddings have shape {vectors.shape}; expected (outputs, dimensions)")
    largest = np.abs(vectors).max(axis=1, initial=0.0)
    for row, size in enumerate(largest):
        if not 0 < size < np.inf:
            raise ValueError(f"the embedding of output {row} is {'zero' if size == 0 else 'not finite'}")
    n = len(vectors)
    if n < 2:
        return None
    scaled = vectors / largest[:, None]  # first, so that no square overflows or vanishes
    units = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    total = units.sum(axis=0)
    mean_cosine = (float(total @ total) - n) / (n * (n - 1))
    return max(0.0, 1 - mean_cosine)  # no mean of cosines is above 1; rounding can be
