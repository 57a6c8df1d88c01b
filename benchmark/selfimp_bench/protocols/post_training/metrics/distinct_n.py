"""Distinct-n: how varied the wording of a set of outputs is."""

from collections.abc import Sequence
from itertools import chain
from math import fsum
from typing import Final

# The word rule of the reference code (see distinct_n); it joins "72." + newline + "#### 72" to "72####".
_DELETED: Final = str.maketrans("", "", ".\n")


def words(text: str) -> tuple[str, ...]:
    """The words of an output: full stops and line breaks deleted, then cut at spaces; case and other marks stay."""
    return tuple(word for word in text.translate(_DELETED).split(" ") if word)


def distinct_n(outputs: Sequence[str], *, ngram_max: int) -> float | None:
    """The mean over n = 1..ngram_max of |unique n-grams| / |all n-grams|, pooled over one problem's outputs.

    Source: 2407.05013, Appendix B.3, Eq. 8, and Section 5.2 ("averaged over n"; the range is lost in the text); word
    rule and pooling are AveragedDistinctNgrams of the code it builds on (Kirk et al. 2024, rlfh-gen-div, after Tevet
    and Berant 2021, diversity-eval), whose range is 1..5. No n-gram spans two outputs.

    A share, above 0 and at most 1; higher is more varied. It falls with the number and length of outputs, so compare
    sets of like size only. One output is defined: its n-grams may repeat. None for no outputs, and where some n has
    no n-gram because every output is shorter than n words: one term of the mean is missing then (the reference
    code counts it as 0, which would call short answers repetitive). Raises ValueError for ngram_max < 1.
    """
    if ngram_max < 1:
        raise ValueError(f"ngram_max is {ngram_max}; expected at least 1")
    sentences = [words(output) for output in outputs]
    shares = [_distinct_share(sentences, n) for n in range(1, ngram_max + 1)]
    defined = [share for share in shares if share is not None]
    return fsum(defined) / ngram_max if len(defined) == ngram_max else None


def _distinct_share(sentences: Sequence[tuple[str, ...]], n: int) -> float | None:
    ngrams = list(chain.from_iterable(zip(*(sentence[i:] for i in range(n)), strict=False) for sentence in sentences))
    return len(set(ngrams)) / len(ngrams) if ngrams else None
