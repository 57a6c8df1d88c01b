"""What the replicates of a cell say together, and how numbers are written."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from selfimp_bench.measurement import Measurement, Split

UNDEFINED = "undefined"


@dataclass(frozen=True, kw_only=True)
class Series:
    """One metric of one model on one split: what a table row or a line in a figure shows."""

    model: str
    metric: str
    split: Split
    unit: str
    cells: Mapping[int, "Cell"]
    """By iteration."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One iteration of a series, over its replicates (ordered by replicate).

    value: the mean over the replicates, None when one of them is undefined: a mean over the others would be another
    quantity. standard_error: the mean of the replicates', because they share their problems, so that their sampling
    errors do not average out.
    """

    replicates: tuple[Measurement, ...]
    value: float | None
    standard_error: float | None
    reason: str | None


def series_of(measurements: Iterable[Measurement]) -> tuple[Series, ...]:
    """Every (model, metric, split) in the order in which it was measured."""
    groups: dict[tuple[str, str, Split], dict[int, list[Measurement]]] = {}
    for each in measurements:
        cells = groups.setdefault((each.model, each.metric, each.split), defaultdict(list))
        cells[each.iteration].append(each)
    return tuple(
        Series(
            model=model,
            metric=metric,
            split=split,
            unit=next(iter(cells.values()))[0].unit,
            cells={iteration: _cell(cells[iteration]) for iteration in sorted(cells)},
        )
        for (model, metric, split), cells in groups.items()
    )


def _cell(measurements: Sequence[Measurement]) -> Cell:
    ordered = tuple(sorted(measurements, key=lambda each: each.replicate))
    reasons = [each.reason or "no reason recorded" for each in ordered if each.value is None]
    return Cell(
        replicates=ordered,
        value=_mean([each.value for each in ordered]),
        standard_error=_mean([each.standard_error for each in ordered]),
        reason="; ".join(dict.fromkeys(reasons)) or None,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return math.fsum(defined) / len(defined) if len(defined) == len(values) else None


def number(value: float | Decimal) -> str:
    """Four decimals, as the terminal prints them; no negative zero."""
    text = f"{value:.4f}"
    return text.removeprefix("-") if float(text) == 0 else text


def undefined(reason: str | None) -> str:
    """How a missing value is written wherever one is missing."""
    return f"{UNDEFINED} ({reason or 'no reason recorded'})"


def span(values: Sequence[int]) -> str:
    """``200``, or ``198 to 200`` where they differ."""
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def seconds(value: float) -> str:
    """A wall time: ``0.42 s``, ``37 s``, ``12 min 5 s``, ``3 h 20 min``."""
    if value < 10:
        return f"{value:.2f} s"
    whole = round(value)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(value: int) -> str:
    """An integer in groups of three: 1,234,567."""
    return f"{value:,}"
