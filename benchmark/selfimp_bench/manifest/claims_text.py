"""Cells and quantities as claims write them: ``pass@1``, ``coverage train t=1``, ``pass@1 t=1..5 less t=1``.

Words, separated by spaces, in any order:

    METRIC               the measurement's name; left out where ``over`` gives it
    train, test, ood     the split; test where none is named
    t=5, t=1..5, t=2,4   the iteration, or iterations, of which the greatest value counts; ``last`` is the last one
    less t=1             less the value at that iteration
    dataset=, method=, model=, fit=   a claim across experiments: which of them, and what sums up several models
"""

import math
import re
from dataclasses import dataclass

from selfimp_bench.manifest.fault import nearest, shown
from selfimp_bench.manifest.study_tree import Misfit, Node, made
from selfimp_bench.measurement import Split

_LABELS = ("dataset", "method", "model", "fit")
_ITERATIONS = re.compile(r"(\d+|last)(?:\.\.(\d+|last))?")
_METRIC = re.compile(r"[a-z][^\s=]*")


@dataclass(frozen=True, kw_only=True)
class CellText:
    """What such words say: iterations as numbers; None where they name none."""

    metric: str | None
    split: Split
    iterations: tuple[int, ...] | None
    less: int | None
    labels: tuple[tuple[str, str], ...]


def read_cell(node: Node, last: int | None = None) -> CellText:
    """The cell or quantity that a text names; ``last`` is the experiment's last iteration. Raises Misfit."""
    metric: str | None = None
    split: Split | None = None
    iterations: tuple[int, ...] | None = None
    less: int | None = None
    labels: dict[str, str] = {}
    words = iter(node.text.split())
    for word in words:
        key, equals, value = word.partition("=")
        if word == "less":
            key, _, value = next(words, "").partition("=")
            less = _one(node, read_iterations(node, value, last) if key == "t" else ())
        elif key == "t" and equals:
            iterations = read_iterations(node, value, last)
        elif equals and key in _LABELS and value:
            labels[key] = value
        elif equals:
            raise Misfit(node, f"{shown(word)} is unknown in {shown(node.text)}; {nearest(key, ['t', *_LABELS])}")
        elif word in tuple(Split) and split is None:
            split = Split(word)
        elif metric is None and _METRIC.fullmatch(word):
            metric = word
        else:
            raise Misfit(
                node, f"{shown(word)} is one word too many in {shown(node.text)}; expected a metric, a split, t="
            )
    return CellText(
        metric=metric, split=split or Split.TEST, iterations=iterations, less=less, labels=tuple(labels.items())
    )


def read_iterations(node: Node, text: str, last: int | None) -> tuple[int, ...]:
    """The iterations of ``5``, ``1..5``, ``2,4`` or ``last``. Raises Misfit."""
    found: list[int] = []
    for part in text.split(","):
        match = _ITERATIONS.fullmatch(part)
        if match is None:
            raise Misfit(node, f"expected iterations like t=5, t=1..5 or t=last, found {shown(text)}")
        first, end = (_iteration(node, each, last) for each in (match[1], match[2] or match[1]))
        found += range(first, end + 1)
    return tuple(found)


def _iteration(node: Node, text: str, last: int | None) -> int:
    if text != "last":
        return int(text)
    if last is None:
        raise Misfit(node, "'last' is known of one experiment only; give the iteration's number across experiments")
    return last


def _one(node: Node, iterations: tuple[int, ...]) -> int:
    if len(iterations) != 1:
        raise Misfit(node, f"expected 'less t=N' with one iteration in {shown(node.text)}")
    return iterations[0]


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What ``above`` compares: ``bound`` is what greater is above, or with ``lesser`` by how much."""

    greater: Node
    lesser: Node | None
    times: Node | None
    bound: Node | None


def read_sides(above: Node) -> Sides:
    """``[CELL, CELL]`` or ``[CELL, bound]``; after two cells may come a factor of the second, ``by N``, or both.

    Raises Misfit for anything else.
    """
    items = list(above.items)
    expected = "expected a cell and another, or a bound; after a second cell may come a factor, and 'by N'"
    if len(items) < 2:
        raise Misfit(above, expected)
    greater, second, *rest = items
    if not isinstance(second.value, str):
        if rest:
            raise Misfit(rest[0], expected)
        return Sides(greater=greater, lesser=None, times=None, bound=second)
    times = rest.pop(0) if rest and not isinstance(rest[0].value, str) else None
    bound = _by(rest.pop(0)) if rest else None
    if rest:
        raise Misfit(rest[0], expected)
    return Sides(greater=greater, lesser=second, times=times, bound=bound)


def _by(node: Node) -> Node:
    word, _, number = node.text.partition(" ")
    try:
        found = float(number) if word == "by" else math.nan
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise Misfit(node, f"expected 'by' and a number, found {shown(node.text)}")
    return made(found, node)
