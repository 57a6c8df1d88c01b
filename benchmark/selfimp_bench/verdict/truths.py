"""Whether a claim is true in a world, by the world's exact numbers: no errors, no levels.

An order or a bound is what it says. That values are published ones is refuted where the run is at or beyond what the
claim says would refute it: at the frozen value, at 0, or so far apart. The trees are those that runs are judged by.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from selfimp_bench.manifest.model import Against, Apart
from selfimp_bench.verdict.bench import Bent, Equal, Question, Values
from selfimp_bench.verdict.contrast import Contrast
from selfimp_bench.verdict.evidence import Key
from selfimp_bench.verdict.families import fit_of
from selfimp_bench.verdict.logic import AtLeast, Leaf, Node, Not
from selfimp_bench.verdict.units import PER_WHOLE
from selfimp_bench.verdict.value import Published

Means = Mapping[Key, float]
"""The true mean of every cell, in the measurement's unit."""

_EQUAL: Final = 1e-9
"""Numbers so near to each other are equal, which is not above."""


def is_true(node: Node[Question], means: Means, drawn: Means | None = None) -> bool | None:
    """Whether the assertion holds; None where a number that it needs is not there.

    drawn: the truth of one run where that is not the world's ``means``: what is claimed of a run's own cells is held
    against it, what is claimed of published numbers against the means, which they are.
    """
    if isinstance(node, Leaf):
        own = means if drawn is None or is_published(node) else drawn
        return _answer(node.question, own)
    if isinstance(node, Not):
        found = is_true(node.part, means, drawn)
        return None if found is None else not found
    assert isinstance(node, AtLeast)
    parts = [is_true(part, means, drawn) for part in node.parts]
    if parts.count(True) >= node.needed:
        return True
    return False if len(parts) - parts.count(False) < node.needed else None


def is_published(node: Node[Question]) -> bool:
    """Whether any part of the assertion is about published numbers."""
    if isinstance(node, Leaf):
        return isinstance(node.question, Values | Equal)
    parts = (node.part,) if isinstance(node, Not) else node.parts if isinstance(node, AtLeast) else ()
    return any(is_published(part) for part in parts)


def keys_of(node: Node[Question]) -> frozenset[Key]:
    """Every cell that the assertion asks of."""
    if isinstance(node, Leaf):
        return frozenset(_keys(node.question))
    parts = (node.part,) if isinstance(node, Not) else node.parts if isinstance(node, AtLeast) else ()
    return frozenset(key for part in parts for key in keys_of(part))


def _keys(question: Question) -> Iterator[Key]:
    if isinstance(question, Contrast):
        yield from (key for key, _ in question.weights)
    elif isinstance(question, Values):
        yield from ((question.experiment, question.model, cell) for cell in question.cells)
    elif isinstance(question, Equal):
        yield from (key for each in question.series for key, _ in each.weights)
    else:
        yield from (key for curve in question.curves for key in curve.keys)


def _answer(question: Question, means: Means) -> bool | None:
    if isinstance(question, Contrast):
        value = _sum(question, means)
        return None if value is None else value > question.bound + _EQUAL
    if isinstance(question, Values):
        return _values(question, means)
    if isinstance(question, Equal):
        sums = [_sum(each, means) for each in question.series]
        known = [each for each in sums if each is not None]
        return _is_number(question.against, question.number, max(known)) if len(known) == len(sums) else None
    return _bent(question, means)


def _sum(asked: Contrast, means: Means) -> float | None:
    try:
        return sum([weight * means[key] for key, weight in asked.weights])
    except KeyError:
        return None


def _bent(asked: Bent, means: Means) -> bool | None:
    total = 0.0
    for curve in asked.curves:
        if any(key not in means for key in curve.keys):
            return None
        row = np.array([[means[key] for key in curve.keys]])
        total += curve.factor * float(fit_of(curve.fit, curve.decades, row)[0])
    return total > asked.bound + _EQUAL


def _values(asked: Values, means: Means) -> bool | None:
    keys = [(asked.experiment, asked.model, cell) for cell in asked.cells]
    if any(key not in means for key in keys):
        return None
    decisive = decisive_points(asked.against, asked.numbers)
    return all(_is_number(asked.against, asked.numbers[index], means[keys[index]]) for index in decisive)


def decisive_points(against: Against, numbers: Sequence[Published]) -> list[int]:
    """The point whose number is furthest from what would refute it; every one for a claim of values so far apart."""
    if isinstance(against, Apart):
        return list(range(len(numbers)))
    far = {
        index: abs(each.value - at)
        for index, each in enumerate(numbers)
        if (at := _refuting(against, each)) is not None
    }
    return [max(far, key=far.__getitem__)] if far else []


def _refuting(against: Against, number: Published) -> float | None:
    if against == "frozen":
        return None if number.earlier is None else float(number.earlier.value)
    return 0.0


def _is_number(against: Against, number: Published, mean: float) -> bool:
    """Whether the mean, a share where the number is in percent, is on the number's side of what would refute it."""
    measured = mean * float(PER_WHOLE.get(number.row.unit, 1))
    if isinstance(against, Apart):
        values = [float(row.value) for row in (number.row, *number.conflicting)]
        return min(values) - against.apart + _EQUAL < measured < max(values) + against.apart - _EQUAL
    at = _refuting(against, number)
    if at is None:
        return True
    return (measured - at) * (1 if number.value >= at else -1) > _EQUAL
