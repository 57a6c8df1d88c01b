"""How far the sums that claims are made of can go, by the definition of their metrics.

What holds by definition can never be contradicted, and a bound that no number reaches never be met: pass@k of one set
of samples does not fall with k, and accuracy (coverage) is its pass@1; no share is below 0 or above 1.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from selfimp_bench.manifest.measured import Scale
from selfimp_bench.manifest.model import Against, Apart
from selfimp_bench.verdict.bench import Equal, Question, Values
from selfimp_bench.verdict.contrast import Contrast
from selfimp_bench.verdict.evidence import Key
from selfimp_bench.verdict.logic import AtLeast, Leaf, Node, Not
from selfimp_bench.verdict.value import Published

Scales = Callable[[str], Scale]
"""What a measurement can be, by its name."""

_SAME: Final = 1e-12
"""Sums of the same numbers in another order differ by less."""


def can_fail(node: Node[Question], scales: Scales) -> bool:
    """Whether some numbers that the metrics can have are against it."""
    return _possible(node, scales, wanted=False)


def can_hold(node: Node[Question], scales: Scales) -> bool:
    """Whether some numbers that the metrics can have are for it.

    None are for published numbers that are themselves what would refute them.
    """
    return _possible(node, scales, wanted=True)


def _possible(node: Node[Question], scales: Scales, *, wanted: bool) -> bool:
    if isinstance(node, Leaf):
        return _leaf(node.question, scales, wanted=wanted)
    if isinstance(node, Not):
        return _possible(node.part, scales, wanted=not wanted)
    assert isinstance(node, AtLeast)
    count = sum(_possible(part, scales, wanted=wanted) for part in node.parts)
    return count >= (node.needed if wanted else len(node.parts) - node.needed + 1)


def _leaf(question: Question, scales: Scales, *, wanted: bool) -> bool:
    if isinstance(question, Contrast):
        if wanted:
            return greatest(question.weights, scales) > question.bound + _SAME
        return least(question.weights, scales) < question.bound - _SAME
    if isinstance(question, Values):
        return not wanted or _told_apart(question.numbers, question.against)
    if isinstance(question, Equal):
        return not wanted or _told_apart([question.number], question.against)
    return True


def _told_apart(numbers: Sequence[Published], against: Against) -> bool:
    """Whether one of the numbers is not itself what would refute the claim."""
    if isinstance(against, Apart):
        return True
    if against == "frozen":
        return any(each.earlier is not None and each.earlier.value != each.row.value for each in numbers)
    return any(each.value != 0 for each in numbers)


def least(weights: Sequence[tuple[Key, float]], scales: Scales) -> float:
    """The least that a weighted sum of cells can be."""
    return -greatest([(key, -weight) for key, weight in weights], scales)


def greatest(weights: Sequence[tuple[Key, float]], scales: Scales) -> float:
    """The greatest that a weighted sum of cells can be. Of the pass@k of one set all are 0 below some k, 1 from it."""
    total = 0.0
    sets: dict[tuple[object, ...], list[tuple[int, float]]] = defaultdict(list)
    for key, weight in weights:
        place = _in_set(key)
        if place is None:
            ends = scales(key[2].metric)
            total += max(weight * ends.low, weight * ends.high)
        else:
            sets[place[0]].append((place[1], weight))
    return total + math.fsum(max(_upper_sums(members)) for members in sets.values())


def _upper_sums(members: Sequence[tuple[int, float]]) -> Iterator[float]:
    ordered = [weight for _, weight in sorted(members)]
    yield from (math.fsum(ordered[start:]) for start in range(len(ordered) + 1))


_AT_K: Final = re.compile(r"((?:is-)?pass@)(\d+)(.*)")
_ONE_SAMPLE: Final = re.compile(r"(?:accuracy|coverage)((?:\.temp.*)?)")


def _in_set(key: Key) -> tuple[tuple[object, ...], int] | None:
    """The set of samples that a pass@k is of, and k; greedy pass@1 is of none."""
    experiment, model, cell = key
    place = (experiment, model, cell.split, cell.iteration)
    if (one := _ONE_SAMPLE.fullmatch(cell.metric)) is not None:
        return (*place, "pass@", one[1]), 1
    match = _AT_K.fullmatch(cell.metric)
    greedy = cell.metric == "pass@1" or cell.metric.startswith("pass@1.")
    return None if match is None or greedy else ((*place, match[1], match[3]), int(match[2]))
