"""What a run measures: the cells of a protocol, and measurements whose names have a number."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from selfimp_bench.measurement import Split

NUMBER = "*"
"""What stands for every number in the metrics of a figure by number."""


@dataclass(frozen=True, kw_only=True)
class MeasuredCell:
    """A measurement that exists for the iterations ``first`` .. ``iterations`` on this split."""

    metric: str
    split: Split
    first: int = 1
    iterations: int


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What a measurement can be: its mean lies from ``low`` to ``high``, in ``unit``.

    everywhere: whether every problem of the data has a value or the lack of one; else it is about some of them.
    """

    unit: str = "share"
    low: float = 0.0
    high: float = 1.0
    everywhere: bool = True


SHARE_SCALE = Scale()
"""A share of something, on every problem."""


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """A measurement that a pattern covers, and the number in its name."""

    number: float
    metric: str


def fits(wanted: str, metric: str) -> bool:
    """Whether a metric is the wanted one, of a wanted pattern, or of the wanted family."""
    return fnmatchcase(metric, wanted) if "*" in wanted else metric == wanted or metric.startswith(f"{wanted}.")


def numbered(pattern: str, names: Iterable[str]) -> tuple[Numbered, ...]:
    """Which of these names a pattern covers, in order of their numbers: ``is-pass@*.first`` covers is-pass@4.first.

    None for a pattern without a number's place.
    """
    before, star, after = pattern.partition(NUMBER)
    shape = re.compile(rf"{re.escape(before)}(\d+(?:\.\d+)?){re.escape(after)}") if star else None
    found = {name: shape.fullmatch(name) for name in dict.fromkeys(names)} if shape else {}
    each = [Numbered(number=float(match[1]), metric=name) for name, match in found.items() if match is not None]
    return tuple(sorted(each, key=lambda one: one.number))
