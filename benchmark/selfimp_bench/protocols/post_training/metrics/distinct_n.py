"""Distinct-n: how varied the wording of a set of outputs is."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, count
from math import fsum
from typing import Final

import numpy as np
from numpy.typing import NDArray

_MOST_BITS: Final = 63


def words(text: str) -> tuple[str, ...]:
    """The words of an output: full stops and line breaks deleted, then cut at spaces; case and other marks stay.

    The word rule of the reference code (see ``distinct_n``); it joins "72." + newline + "#### 72" to "72####".
    """
    return tuple(filter(None, text.replace(".", "").replace("\n", "").split(" ")))


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
    return _mean([shares[-1] if shares else None for shares in _shares_so_far(outputs, ngram_max)])


def distinct_n_so_far(outputs: Sequence[str], *, ngram_max: int) -> tuple[float | None, ...]:
    """``distinct_n`` of the first output, of the first two, and so on to all of them, in one pass."""
    return tuple(map(_mean, zip(*_shares_so_far(outputs, ngram_max), strict=True)))


def _mean(shares: Sequence[float | None]) -> float | None:
    defined = [share for share in shares if share is not None]
    return fsum(defined) / len(shares) if len(defined) == len(shares) else None


def _shares_so_far(outputs: Sequence[str], ngram_max: int) -> Iterator[list[float | None]]:
    """Of n = 1..ngram_max, in the first output, the first two, and so on.

    Every n-gram is one number, made of that of its first n - 1 words and of its last word; sorted with the output that
    it stands in, its first place is the output that brings it.
    """
    if ngram_max < 1:
        raise ValueError(f"ngram_max is {ngram_max}; expected at least 1")
    said = [words(each) for each in outputs]
    every = list(chain.from_iterable(said))
    numbers = defaultdict[str, int](count().__next__)
    word = np.fromiter(map(numbers.__getitem__, every), np.int64, len(every))
    lengths = np.array([len(each) for each in said], np.int64)
    output = np.repeat(np.arange(len(said)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(every))
    of_word, of_output = len(numbers).bit_length(), len(said).bit_length()
    ngram, bits = word, of_word
    for n in range(1, ngram_max + 1):
        if n > 1:
            ngram, bits = (ngram[:-1] << of_word) | word[n - 1 :], bits + of_word
        if bits + max(of_word, of_output) >= _MOST_BITS:
            ngram = np.unique(ngram, return_inverse=True)[1].astype(np.int64)
            bits = len(ngram).bit_length()
        places = ((ngram << of_output) | output[: len(ngram)])[left[: len(ngram)] >= n]
        if bits + of_output < 32:
            places = places.astype(np.int32)  # sorted twice as fast
        places.sort()
        brings = places[_begins(places >> of_output)] & ((1 << of_output) - 1)
        seen = np.cumsum(np.bincount(brings, minlength=len(said))).tolist()
        totals = np.cumsum(np.maximum(lengths - n + 1, 0)).tolist()
        yield [unique / total if total else None for unique, total in zip(seen, totals, strict=True)]


def _begins(ordered: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where a number stands that is another than the one before it."""
    found = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=found[1:])
    return found
