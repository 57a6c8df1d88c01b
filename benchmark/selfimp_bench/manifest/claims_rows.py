"""``rows``: the rows of reference tables that a claim is about, selected by their columns.

Of an experiment's own data sets, methods and models those rows count whose metric it measures at the row's iteration
(the column ``x``). ``table`` is one table or several; further keys narrow the choice:

    metric   names, patterns (``is-pass@*.first``) or families (``distinct-n``: all of its measurements)
    split    test, train, ood: the part of the data that a row is about where the table does not tell
    t        iterations; ``last`` is the experiment's last one
    model, dataset   as the columns say them

``against`` is what a run must be told from (``model.Against``), ``problems`` how many the published numbers are over:
a number, ``all`` of the split, or null where nobody says.

A row of ``is-pass@4`` is one of ``is-pass@4.first``, too, where a name or a pattern asks for that reading.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from selfimp_bench.manifest.claims_text import read_iterations
from selfimp_bench.manifest.measured import MeasuredCell, fits
from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.manifest.study_tree import Misfit, Node
from selfimp_bench.measurement import Split

Tables = Callable[[Node, str], ReferenceTable]
"""The reference table of this name, which a node of the study asks for. Raises Misfit."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What claims need to know of an experiment.

    dataset_word: what tables call the task's data; splits: other words of theirs, each of one part of the data, which
        may be that word too; ood_word: that of the out-of-distribution part. problems: rows of each part.
    folder: the study's tables; cells: what a run measures; last: its last iteration.
    """

    name: str
    task: str
    method: str
    method_word: str
    dataset_word: str
    ood_word: str | None
    splits: Mapping[str, Split]
    models: tuple[str, ...]
    problems: Mapping[Split, int]
    cells: tuple[MeasuredCell, ...]
    last: int
    folder: str

    @cached_property
    def measured(self) -> Mapping[tuple[str, Split], MeasuredCell]:
        """The cells by metric and split."""
        return {(cell.metric, cell.split): cell for cell in self.cells}

    def measures(self, metric: str, split: Split, iteration: int | None = None) -> bool:
        """Whether a run measures this, at this iteration where one is given."""
        cell = self.measured.get((metric, split))
        return cell is not None and (iteration is None or cell.first <= iteration <= cell.iterations)


@dataclass(frozen=True, kw_only=True)
class Point:
    """A measured cell and the row that it is compared with."""

    metric: str
    split: Split
    iteration: int
    model: str
    table: str
    reference: str


def table_name(folder: str, name: str) -> str:
    """A table as the resolved form names it: ``FOLDER/NAME.csv``."""
    whole = name if "/" in name else f"{folder}/{name}"
    return whole if whole.endswith(".csv") else f"{whole}.csv"


def selected(rows: Node, scope: Scope, tables: Tables) -> tuple[Point, ...]:
    """The points that a ``rows`` names: by metric, by split, by model, in the order of the table."""
    names = rows.need("table")
    wanted: tuple[str | None, ...] = _texts(rows, "metric") or (None,)
    splits: tuple[Split | None, ...] = tuple(Split(each) for each in _texts(rows, "split")) or (None,)
    found: list[Point] = []
    times = rows.get("t")
    iterations = None if times is None else iterations_of(times, scope.last)
    for name in names.texts:
        table = tables(names, table_name(scope.folder, name))
        ours = _ours(rows, scope, table)
        for metric in wanted:
            for split in splits:
                points = [
                    Point(metric=name, split=own, iteration=at, model=row.model, table=table.name, reference=row.id)
                    for row, at in ours
                    if (iterations is None or at in iterations) and (own := _split_of(row, split, scope)) is not None
                    for name in _measured(row.metric, metric, scope, own)
                    if scope.measures(name, own, at)
                ]
                found += sorted(points, key=lambda point: scope.models.index(point.model))
    return tuple(dict.fromkeys(found))


def _split_of(row: Reference, asked: Split | None, scope: Scope) -> Split | None:
    """The part of the data that a row is about; None where another is asked for."""
    told = scope.splits.get(row.dataset)
    if told is None:
        return None if asked is Split.OOD else asked or Split.TEST
    return told if asked in (None, told) else None


def _ours(rows: Node, scope: Scope, table: ReferenceTable) -> tuple[tuple[Reference, int], ...]:
    """The rows of the experiment's own data sets, method and models, less those that ``rows`` leaves out, with their
    iterations."""
    datasets = frozenset(_texts(rows, "dataset") or (scope.dataset_word, *scope.splits))
    models = frozenset(scope.models) & frozenset(_texts(rows, "model") or scope.models)
    methods = frozenset(("", *(_texts(rows, "method") or (scope.method_word,))))
    return tuple(
        (row, int(row.x))
        for row in table.rows
        if row.dataset in datasets and row.method in methods and row.model in models
        if row.x is not None and not row.x % 1
    )


def _measured(row_metric: str, wanted: str | None, scope: Scope, split: Split) -> Iterator[str]:
    """The measurements of this split that the row is about and that are wanted; without ``wanted`` the row's own."""
    own = wanted is not None and scope.measures(wanted, split)  # a measurement's own name is no family's
    fitting = row_metric == wanted if own else wanted is None or fits(wanted, row_metric)
    if fitting and scope.measures(row_metric, split):
        yield row_metric
        return
    if wanted is None:
        return
    if "*" not in wanted:
        if own and wanted.startswith(f"{row_metric}."):
            yield wanted
        return
    for cell in scope.cells:
        if cell.split is split and cell.metric.startswith(f"{row_metric}.") and fnmatchcase(cell.metric, wanted):
            yield cell.metric


def iterations_of(node: Node, last: int | None) -> tuple[int, ...]:
    """The iterations that a ``t`` names, one or a list. Raises Misfit."""
    items = node.items if isinstance(node.value, list) else [node]
    found: list[int] = []
    for item in items:
        found += read_iterations(item, str(item.value), last)
    return tuple(found)


def _texts(node: Node, key: str) -> tuple[str, ...]:
    found = node.get(key)
    return () if found is None else found.texts


ROWS_KEYS = ("table", "metric", "split", "t", "model", "dataset", "method", "against", "problems")


def one_table(points: tuple[Point, ...], node: Node) -> str:
    """The one table that the points are of: a claim compares with one. Raises Misfit."""
    names = sorted({point.table for point in points})
    if len(names) > 1:
        raise Misfit(
            node, f"rows of several tables, {' and '.join(names)}, fit one claim; name one, or narrow the rows"
        )
    return names[0]
