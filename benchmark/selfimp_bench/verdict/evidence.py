"""What runs measured, by cell and in columns: what every verdict is made from.

A cell's values per problem are one array, replicates x problems, NaN where undefined. Cells on the same problems share
one ``ProblemSet`` object, so that comparing them problem by problem needs no look at names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from math import isnan

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.manifest.model import Cell
from selfimp_bench.measurement import Measurement, ProblemValue, Split
from selfimp_bench.verdict.findings import describe

Key = tuple[str, str, Cell]
"""Experiment, model and cell."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ProblemSet:
    """Problems of one data set: ``data_set`` is its digest, or a name of its own where it has none.

    ids: in order, each once. Problems are the same where the data set and the id are.
    """

    data_set: str
    ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class CellValues:
    """A cell's values per problem: ``values`` is replicates x problems, in the metric's unit, NaN where undefined.

    replicates: their numbers, in order; one row each.
    """

    problems: ProblemSet
    replicates: tuple[int, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything that the runs of some experiments measured.

    values: of the cells that are means over problems. measurements: the means themselves, one a replicate, in order.
    digests: of the data sets, by experiment and split.
    """

    values: Mapping[Key, CellValues]
    measurements: Mapping[Key, tuple[Measurement, ...]]
    digests: Mapping[tuple[str, Split], str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """A column of words: ``words[codes[i]]`` is the i-th."""

    words: tuple[str, ...]
    codes: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """The values per problem of one run as a table of columns of one length, in any order; NaN where undefined."""

    model: Labels
    metric: Labels
    split: Labels
    iteration: NDArray[np.int64]
    replicate: NDArray[np.int64]
    problem: Labels
    value: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class RunEvidence:
    """One experiment's run; ``digests`` are those of its data sets, of the splits that have one."""

    experiment: str
    digests: Mapping[Split, str]
    measurements: Sequence[Measurement]
    columns: Columns


def evidence(runs: Iterable[RunEvidence]) -> Evidence:
    """The evidence of runs of different experiments.

    Raises ValueError for two values of one problem, or two measurements, in one cell and replicate.
    """
    sets = _ProblemSets()
    found = [(_values(run, sets), _measurements(run), run) for run in runs]
    return Evidence(
        values=dict(chain.from_iterable(values.items() for values, _, _ in found)),
        measurements=dict(chain.from_iterable(measured.items() for _, measured, _ in found)),
        digests={(run.experiment, split): digest for _, _, run in found for split, digest in run.digests.items()},
    )


def columns_of(values: Iterable[ProblemValue]) -> Columns:
    """The columns of values that are objects already; for a few of them."""
    rows = list(values)
    return Columns(
        model=_labels([row.model for row in rows]),
        metric=_labels([row.metric for row in rows]),
        split=_labels([row.split.value for row in rows]),
        iteration=np.array([row.iteration for row in rows], dtype=np.int64),
        replicate=np.array([row.replicate for row in rows], dtype=np.int64),
        problem=_labels([row.problem_id for row in rows]),
        value=np.array([np.nan if row.value is None else row.value for row in rows], dtype=np.float64),
    )


def values_of(columns: Columns) -> Iterator[ProblemValue]:
    """The rows of the columns one by one, in order."""
    splits = [Split(word) for word in columns.split.words]
    coded = (columns.model, columns.metric, columns.problem)
    model, metric, problem = ([each.words[code] for code in each.codes.tolist()] for each in coded)
    split = [splits[code] for code in columns.split.codes.tolist()]
    numbers = (columns.iteration.tolist(), columns.replicate.tolist(), columns.value.tolist())
    for row in zip(model, metric, split, problem, *numbers, strict=True):
        yield ProblemValue(
            model=row[0],
            metric=row[1],
            split=row[2],
            problem_id=row[3],
            iteration=row[4],
            replicate=row[5],
            value=None if isnan(row[6]) else row[6],
        )


def _labels(words: Sequence[str]) -> Labels:
    known = {word: code for code, word in enumerate(dict.fromkeys(words))}
    return Labels(words=tuple(known), codes=np.array([known[word] for word in words], dtype=np.int64))


class _ProblemSets:
    """One object for the same problems of the same data set."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, tuple[str, ...]], ProblemSet] = {}

    def get(self, data_set: str, ids: tuple[str, ...]) -> ProblemSet:
        return self._known.setdefault((data_set, ids), ProblemSet(data_set=data_set, ids=ids))


def _measurements(run: RunEvidence) -> dict[Key, tuple[Measurement, ...]]:
    found: dict[Key, list[Measurement]] = {}
    for each in sorted(run.measurements, key=lambda each: each.replicate):
        cell = Cell(metric=each.metric, split=each.split, iteration=each.iteration)
        found.setdefault((run.experiment, each.model, cell), []).append(each)
    for key, several in found.items():
        if len({each.replicate for each in several}) < len(several):
            raise ValueError(f"two measurements for one replicate: {key[1]}, {describe(key[2])}")
    return {key: tuple(several) for key, several in found.items()}


def _values(run: RunEvidence, sets: _ProblemSets) -> dict[Key, CellValues]:
    columns = run.columns
    if not columns.value.size:
        return {}
    alphabetic, problem = _sorted_words(columns.problem)
    iterations = columns.iteration - columns.iteration.min()
    cells = columns.model.codes
    for labels, count in (
        (columns.metric.codes, len(columns.metric.words)),
        (columns.split.codes, len(columns.split.words)),
        (iterations, int(iterations.max()) + 1),
    ):
        cells = cells * count + labels
    order = np.lexsort((problem, columns.replicate, cells))
    starts = np.flatnonzero(np.diff(cells[order], prepend=cells[order[0]] - 1, append=cells[order[-1]] + 1))
    found = {}
    for start, stop in pairwise(starts.tolist()):
        rows = order[start:stop]
        found.update(_cell(run, sets, alphabetic, problem, rows))
    return found


def _sorted_words(labels: Labels) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The words in order, and the codes that go with them."""
    order = sorted(range(len(labels.words)), key=labels.words.__getitem__)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return tuple(labels.words[each] for each in order), rank[labels.codes]


def _cell(
    run: RunEvidence,
    sets: _ProblemSets,
    words: tuple[str, ...],
    problem: NDArray[np.int64],
    rows: NDArray[np.intp],
) -> dict[Key, CellValues]:
    columns, first = run.columns, rows[0]
    split = Split(columns.split.words[columns.split.codes[first]])
    cell = Cell(
        metric=columns.metric.words[columns.metric.codes[first]], split=split, iteration=int(columns.iteration[first])
    )
    ids, column = np.unique(problem[rows], return_inverse=True)
    replicates, row = np.unique(columns.replicate[rows], return_inverse=True)
    places = row * len(ids) + column
    if len(np.unique(places)) < len(rows):
        raise ValueError(f"two values for one problem and replicate in {run.experiment}, {describe(cell)}")
    table = np.full(len(ids) * len(replicates), np.nan)
    table[places] = columns.value[rows]
    data_set = run.digests.get(split, f"{run.experiment} {split}")
    values = CellValues(
        problems=sets.get(data_set, tuple(words[each] for each in ids)),
        replicates=tuple(replicates.tolist()),
        values=table.reshape(len(replicates), len(ids)),
    )
    return {(run.experiment, columns.model.words[columns.model.codes[first]], cell): values}
