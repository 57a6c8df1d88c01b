"""Every measurement by iteration, and how far it moved from the first to the last."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.plural import plural
from selfimp_bench.report.answer import change_words
from selfimp_bench.report.names import measured_words, titled
from selfimp_bench.report.summary import UNDEFINED, Cell, Series, number, series_of, span, undefined
from selfimp_bench.runs.assess.results import Change
from selfimp_bench.runs.directions import Direction


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A cell of the table in words."""

    value: str
    error: str
    counts: str


@dataclass(frozen=True, kw_only=True)
class Moved:
    """From the first to the last iteration, in words.

    direction: of what may be called up or down, where shown; unknown where not compared; else empty.
    """

    direction: str
    words: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a row: the mean over the seeds, or one seed; nobody (empty) where no seed is known.

    ``entries`` are by iteration, None: not measured.
    """

    who: str
    entries: tuple[Entry | None, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A metric on a split, by its name and in words."""

    metric: str
    words: str
    split: str
    unit: str
    lines: tuple[Line, ...]
    change: Moved


@dataclass(frozen=True, kw_only=True)
class ModelTable:
    """Everything measured of one model. several: of several seeds."""

    model: str
    several: bool
    iterations: tuple[int, ...]
    rows: tuple[Row, ...]


def model_tables(
    measurements: Iterable[Measurement], moved: Sequence[Direction], *, models: Sequence[str], seeds: Sequence[int]
) -> tuple[ModelTable, ...]:
    """A table for every model that was measured, first those of ``models``, in their order.

    moved: what ``directions`` says of them. seeds: those of the replicates; none where they are not known.
    """
    every = series_of(measurements)
    changes = {(found.model, each.metric, each.split): each for found in moved for each in found.changes}
    named = dict.fromkeys([*models, *(series.model for series in every)])
    tables = [_table(seeds, model, [series for series in every if series.model == model], changes) for model in named]
    return tuple(table for table in tables if table.rows)


_Changes = Mapping[tuple[str, str, Split], Change]


def _table(seeds: Sequence[int], model: str, every: Sequence[Series], changes: _Changes) -> ModelTable:
    iterations = tuple(sorted({iteration for series in every for iteration in series.cells}))
    rows = tuple(
        Row(
            metric=series.metric,
            words=titled(measured_words(series.metric, series.split)),
            split=series.split,
            unit=series.unit,
            lines=tuple(_lines(seeds, series, iterations)),
            change=_change(series, changes.get((model, series.metric, series.split))),
        )
        for series in every
    )
    return ModelTable(
        model=model,
        several=any(len(row.lines) > 1 for row in rows),
        iterations=iterations,
        rows=rows,
    )


def _lines(seeds: Sequence[int], series: Series, iterations: Sequence[int]) -> list[Line]:
    replicates = sorted({each.replicate for cell in series.cells.values() for each in cell.replicates})
    own = [_replicate_line(series, iterations, each, _seed(seeds, each)) for each in replicates]
    if len(own) == 1:
        return own
    entries = tuple(_mean_entry(series.cells.get(iteration)) for iteration in iterations)
    return [Line(who=f"mean of {len(own)}", entries=entries), *own]


def _seed(seeds: Sequence[int], replicate: int) -> str:
    if not seeds:
        return ""
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


def _change(series: Series, change: Change | None) -> Moved:
    first, last = min(series.cells), max(series.cells)
    if first == last:
        return Moved(direction="unknown", words="one iteration only", detail="")
    if change is None:
        return Moved(direction="unknown", words="not compared", detail="")
    detail = plural(change.n, "problem") if change.reason is None else change.reason
    return Moved(direction=change.shown or "", words=change_words(change), detail=detail)
