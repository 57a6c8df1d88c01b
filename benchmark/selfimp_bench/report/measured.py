"""The progress-or-regress summary: every measurement by iteration, and what changed from the first to the last."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.measurement import Measurement, ProblemValue, Split
from selfimp_bench.report.summary import UNDEFINED, Cell, Series, number, series_of, span, undefined
from selfimp_bench.runs.judge import RunFiles
from selfimp_bench.verdict.findings import MINIMUM_PROBLEMS

CLEAR = 2.0
"""A change is called clear when it is more than this many paired standard errors."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A cell of the table in words."""

    value: str
    error: str
    counts: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """The last iteration minus the first, each problem compared with itself.

    direction: ``up``, ``down``, ``unclear``, or ``unknown`` where nothing could be compared.
    """

    direction: str
    words: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a row: the mean over the seeds, or one seed. ``entries`` are by iteration, None: not measured."""

    who: str
    entries: tuple[Entry | None, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A metric on a split."""

    metric: str
    split: str
    unit: str
    lines: tuple[Line, ...]
    change: Change


@dataclass(frozen=True, kw_only=True)
class ModelTable:
    """Everything measured of one model. ``up`` .. ``unknown`` name the rows by direction; several: of several seeds."""

    model: str
    several: bool
    iterations: tuple[int, ...]
    rows: tuple[Row, ...]
    up: tuple[str, ...]
    down: tuple[str, ...]
    unclear: tuple[str, ...]
    unknown: tuple[str, ...]


def model_tables(run: RunFiles) -> tuple[ModelTable, ...]:
    """A table for every model that was measured, in the order of the run."""
    every = series_of(run.measurements)
    values = _by_series(run.problem_values)
    models = dict.fromkeys([*run.record.models, *(series.model for series in every)])
    tables = [_table(run, model, [series for series in every if series.model == model], values) for model in models]
    return tuple(table for table in tables if table.rows)


_Key = tuple[str, str, Split]
_Values = Mapping[int, Mapping[str, Sequence[float | None]]]


def _by_series(values: Iterable[ProblemValue]) -> Mapping[_Key, _Values]:
    """Iteration to problem to its values, one for each replicate."""
    index: dict[_Key, dict[int, dict[str, list[float | None]]]] = {}
    for each in values:
        iterations = index.setdefault((each.model, each.metric, each.split), {})
        iterations.setdefault(each.iteration, defaultdict(list))[each.problem_id].append(each.value)
    return index


def _table(run: RunFiles, model: str, every: Sequence[Series], values: Mapping[_Key, _Values]) -> ModelTable:
    iterations = tuple(sorted({iteration for series in every for iteration in series.cells}))
    rows = tuple(
        Row(
            metric=series.metric,
            split=series.split,
            unit=series.unit,
            lines=tuple(_lines(run, series, iterations)),
            change=_change(series, values.get((model, series.metric, series.split), {})),
        )
        for series in every
    )
    return ModelTable(
        model=model,
        several=any(len(row.lines) > 1 for row in rows),
        iterations=iterations,
        rows=rows,
        up=_named(rows, "up"),
        down=_named(rows, "down"),
        unclear=_named(rows, "unclear"),
        unknown=_named(rows, "unknown"),
    )


def _named(rows: Sequence[Row], direction: str) -> tuple[str, ...]:
    return tuple(f"{row.metric} on {row.split}" for row in rows if row.change.direction == direction)


def _lines(run: RunFiles, series: Series, iterations: Sequence[int]) -> list[Line]:
    replicates = sorted({each.replicate for cell in series.cells.values() for each in cell.replicates})
    seeds = [_seed(run, replicate) for replicate in replicates]
    own = [_replicate_line(series, iterations, *pair) for pair in zip(replicates, seeds, strict=True)]
    if len(own) == 1:
        return own
    entries = tuple(_mean_entry(series.cells.get(iteration)) for iteration in iterations)
    return [Line(who=f"mean of {len(own)}", entries=entries), *own]


def _seed(run: RunFiles, replicate: int) -> str:
    seeds = run.record.seeds
    return f"seed {seeds[replicate]}" if 0 <= replicate < len(seeds) else f"replicate {replicate}"


def _replicate_line(series: Series, iterations: Sequence[int], replicate: int, who: str) -> Line:
    found = {
        iteration: measurement
        for iteration, cell in series.cells.items()
        for measurement in cell.replicates
        if measurement.replicate == replicate
    }
    return Line(who=who, entries=tuple(_entry(found.get(iteration)) for iteration in iterations))


def _entry(measurement: Measurement | None) -> Entry | None:
    if measurement is None:
        return None
    counts = f"n {measurement.n}, undefined {measurement.undefined}"
    if measurement.value is None:
        return Entry(value=undefined(measurement.reason), error="", counts=counts)
    return Entry(value=number(measurement.value), error=_error(measurement.standard_error), counts=counts)


def _mean_entry(cell: Cell | None) -> Entry | None:
    if cell is None:
        return None
    counts = f"n {span([each.n for each in cell.replicates])}, "
    counts += f"undefined {span([each.undefined for each in cell.replicates])}"
    if cell.value is None:
        return Entry(value=undefined(cell.reason), error="", counts=counts)
    return Entry(value=number(cell.value), error=_error(cell.standard_error), counts=counts)


def _error(standard_error: float | None) -> str:
    return f"± {UNDEFINED}" if standard_error is None else f"± {number(standard_error)}"


def _change(series: Series, values: _Values) -> Change:
    """Paired over the problems that are defined at both ends in every replicate; replicates are averaged first."""
    first, last = min(series.cells), max(series.cells)
    between = f"t = {first} to {last}"
    if first == last:
        return Change(direction="unknown", words="one iteration only", detail="")
    before, after = _means(values.get(first, {})), _means(values.get(last, {}))
    differences = [after[problem] - before[problem] for problem in before if problem in after]
    n = len(differences)
    if n < MINIMUM_PROBLEMS:
        words = f"not compared: {n} problems defined at both ends, {MINIMUM_PROBLEMS} needed"
        return Change(direction="unknown", words=words, detail=between)
    mean = math.fsum(differences) / n
    error = math.sqrt(math.fsum((each - mean) ** 2 for each in differences) / (n - 1) / n)
    direction = "unclear" if abs(mean) <= CLEAR * error else "up" if mean > 0 else "down"
    sign = "+" if mean > 0 else ""
    words = f"{'no clear change' if direction == 'unclear' else direction}, {sign}{number(mean)} ± {number(error)}"
    return Change(direction=direction, words=words, detail=f"{between}, {n} problems")


def _means(values: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
    means = {}
    for problem, replicates in values.items():
        defined = [value for value in replicates if value is not None]
        if len(defined) == len(replicates):
            means[problem] = math.fsum(defined) / len(defined)
    return means
