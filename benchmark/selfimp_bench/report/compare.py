"""Several runs side by side: what they have in common, how far they are apart, and what became of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from selfimp_bench.durable import write_atomically
from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Split
from selfimp_bench.plural import plural
from selfimp_bench.report.answer import Answer, answers, grid_columns, summed_up
from selfimp_bench.report.chart import ITERATIONS, Axes, Figure, Panel, Words
from selfimp_bench.report.curves import curve_of
from selfimp_bench.report.names import axis_words, measured_words, titled
from selfimp_bench.report.summary import UNDEFINED, Series, number, series_of
from selfimp_bench.report.templates import template
from selfimp_bench.report.verdicts import Badge, Matrix, MatrixRow, about_claims, badge, counted
from selfimp_bench.report.write import drawing
from selfimp_bench.runs.assess.essentials import reach_of
from selfimp_bench.runs.assess.paired import paired
from selfimp_bench.runs.directions import Direction, directions, problem_means
from selfimp_bench.runs.judge import Judgement, RunFiles, judge_study, read_run
from selfimp_bench.verdict.findings import Findings

COMPARISON: Final = "comparison.html"
_NO_CLAIMS: Final = Findings(schema=2, findings=())
_FEWEST: Final = 2

_Key = tuple[str, Split, str]
"""Metric, split, and the data set's digest, or its name where it has none."""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A model of a run. name: what tells it apart from the others."""

    name: str
    model: str
    run: RunFiles
    judgement: Judgement

    @cached_property
    def series(self) -> Mapping[_Key, Series]:
        """What was measured of it, on which data."""
        sets = {split: each.digest or each.id for split, each in self.run.manifest.datasets.by_split().items()}
        own = [each for each in series_of(self.run.measurements) if each.model == self.model]
        return {(each.metric, each.split, sets.get(each.split, "")): each for each in own}

    @cached_property
    def values(self) -> Mapping[tuple[str, Split], Mapping[int, Mapping[str, float | None]]]:
        """By metric and split, then iteration, the values by problem."""
        return problem_means(self.run).get(self.model, {})


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A measurement of one entry: after its last iteration, and against the first entry that has it.

    difference: empty of that one. over: of how many problems it is.
    """

    value: str
    detail: str
    difference: str
    over: str


@dataclass(frozen=True, kw_only=True)
class ComparedRow:
    """A measurement on data that several entries have; None where an entry has none."""

    words: str
    metric: str
    cells: tuple[Compared | None, ...]


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One of the entries: what was run, and the counts of its verdicts."""

    name: str
    experiment: str
    model: str
    profile: str
    seeds: str
    folder: str
    counts: tuple[Badge, ...]
    words: str


def write_comparison(folders: Sequence[Path], out: Path) -> Path:
    """Write ``comparison.html`` and figures/ of these run folders, studies among them, into ``out``.

    Raises InputError for what is no finished run, and for runs that have nothing in common, with what each has.
    """
    entries = _entries(folders)
    moved = {each.name: _direction(each) for each in entries}
    shared = _shared(entries)
    first = [found for found in moved.values() if found is not None]
    compared = (change for found in first for change in found.family if change.estimate is not None)
    top = dict.fromkeys((change.metric, change.split) for change in compared)
    leading = sorted((key for key in shared if key[:2] in top), key=lambda key: list(top).index(key[:2]))
    others = [key for key in shared if key not in leading]
    figures = [_figure(at, key, entries) for at, key in enumerate(leading or shared[:_MOST_DRAWN], start=1)]
    told = [_named(each, moved[each.name]) for each in entries]
    shown = tuple(each for each in told if each is not None)
    page = template("compare.html.j2").render(
        title=f"{plural(len(entries), 'run')} side by side",
        names=[each.name for each in entries],
        runs=[_run_row(each) for each in entries],
        answers=shown,
        columns=grid_columns(shown),
        summed_up=summed_up(shown) if len(shown) > 1 else "",
        matrix_of=_matrix(entries),
        leading=[_row(key, entries) for key in leading],
        others=[_row(key, entries) for key in others],
        figures=[(figure, drawing(out, figure)) for figure in figures if figure is not None],
    )
    path = out / COMPARISON
    write_atomically(path, page.encode())
    return path


_MOST_DRAWN: Final = 12
_TOLD: Final = 6
"""Metrics named of a run that cannot be compared."""


def _entries(folders: Sequence[Path]) -> Sequence[_Entry]:
    found = []
    judged = [own for folder in folders for own in judge_study(folder).experiments]
    for folder, own in {Path(each.run).resolve(): each for each in judged}.items():
        run = read_run(folder)
        found += [_Entry(name="", model=model, run=run, judgement=own) for model in run.record.models]
    if len(found) < _FEWEST:
        raise InputError(f"{folders[0]}: one run of one model; expected at least two runs, or models, to compare")
    names = [_name(each, found) for each in found]
    return [
        replace(each, name=name if names.count(name) == 1 else f"{name} ({names[: at + 1].count(name)})")
        for at, (each, name) in enumerate(zip(found, names, strict=True))
    ]


def _name(entry: _Entry, every: Sequence[_Entry]) -> str:
    """By as much as tells it apart: the experiment, the model, the run; runs of one request have the same name."""
    experiment = entry.judgement.experiment
    parts = [experiment] if len({each.judgement.experiment for each in every}) > 1 else []
    parts += [entry.model] if len({each.model for each in every}) > 1 else []
    alike = [e for e in every if (e.judgement.experiment, e.model) == (experiment, entry.model)]
    parts += [entry.run.folder.resolve().name] if len(alike) > 1 else []
    return ", ".join(parts)


def _shared(entries: Sequence[_Entry]) -> list[_Key]:
    """What at least two entries measured on the same data, in the order of the first."""
    every = dict.fromkeys(key for each in entries for key in each.series)
    shared = [key for key in every if sum(key in each.series for each in entries) >= _FEWEST]
    folders = dict.fromkeys(each.run.folder for each in entries)
    for folder in folders if len(folders) > 1 else ():
        own = {key for each in entries if each.run.folder == folder for key in each.series}
        if not any(key in own for each in entries if each.run.folder != folder for key in each.series):
            told = {each.run.folder: each for each in reversed(entries)}
            words = "\n".join(f"  {name}: {_what(told[name])}" for name in folders)
            raise InputError(
                f"{folder}: has no measurement of the same problems as another of the runs, so that nothing of it can "
                f"be compared; they measured\n{words}"
            )
    return shared


def _what(entry: _Entry) -> str:
    data = ", ".join(
        f"{each.id} ({plural(each.rows, 'problem')})" for each in entry.run.manifest.datasets.by_split().values()
    )
    families = dict.fromkeys(metric.partition(".")[0] for metric, *_ in entry.series)
    more = f" and {len(families) - _TOLD} more" if len(families) > _TOLD else ""
    return f"{', '.join(list(families)[:_TOLD])}{more} of {data}"


def _direction(entry: _Entry) -> Direction | None:
    return next((each for each in directions(entry.run) if each.model == entry.model), None)


def _named(entry: _Entry, moved: Direction | None) -> Answer | None:
    return None if moved is None else replace(answers(entry.run.measurements, [moved])[0], model=entry.name)


def _run_row(entry: _Entry) -> RunRow:
    record = entry.run.record
    own = [each for each in entry.judgement.findings.findings if each.model == entry.model]
    return RunRow(
        name=entry.name,
        experiment=f"{record.experiment} v{record.version}",
        model=entry.model,
        profile=record.profile,
        seeds=", ".join(map(str, record.seeds)),
        folder=f"{entry.run.folder.resolve().parent.name}/{entry.run.folder.resolve().name}",
        counts=counted(own),
        words="" if own else "nothing judged",
    )


def _matrix(entries: Sequence[_Entry]) -> Matrix | None:
    """Claims that at least two entries were judged by."""
    rows: dict[str, dict[str, dict[str, Badge]]] = {}
    for each in entries:
        about = about_claims(each.run.manifest)
        for finding in each.judgement.findings.findings:
            if finding.model == each.model:
                group = rows.setdefault(about.get(finding.claim, ""), {})
                group.setdefault(finding.claim, {})[each.name] = badge(finding.verdict)
    names = tuple(each.name for each in entries)
    groups = tuple(
        (title, tuple(_matrix_row(claim, found, names) for claim, found in claims.items() if len(found) >= _FEWEST))
        for title, claims in rows.items()
    )
    kept = tuple(group for group in groups if group[1])
    return Matrix(columns=names, groups=kept) if kept else None


def _matrix_row(claim: str, found: Mapping[str, Badge], names: Sequence[str]) -> MatrixRow:
    return MatrixRow(claim=claim, link="", marks=tuple(found.get(name) for name in names), links=("",) * len(names))


def _row(key: _Key, entries: Sequence[_Entry]) -> ComparedRow:
    having = [each for each in entries if key in each.series]
    cells = tuple(_cell(key, each, having[0]) if key in each.series else None for each in entries)
    return ComparedRow(words=titled(measured_words(key[0], key[1])), metric=key[0], cells=cells)


def _cell(key: _Key, entry: _Entry, base: _Entry) -> Compared:
    series = entry.series[key]
    last = max(series.cells)
    cell = series.cells[last]
    error = "" if cell.standard_error is None else f"± {number(cell.standard_error)}, "
    difference, over = ("", "") if entry is base else _difference(key, entry, base)
    return Compared(
        value=UNDEFINED if cell.value is None else number(cell.value),
        detail=f"{error}t = {last}",
        difference=difference,
        over=over,
    )


def _difference(key: _Key, entry: _Entry, base: _Entry) -> tuple[str, str]:
    """This one less the first, each problem compared with itself: the data are the same; and over how many."""
    metric, split, _ = key
    ends = []
    for each in (base, entry):
        by_iteration = each.values.get((metric, split), {})
        ends.append(by_iteration.get(max(each.series[key].cells), {}))
    found = paired(ends[0], ends[1], reach=reach_of(metric))
    if found.estimate is None:
        return "not compared", "no values by problem in common"
    sign = "+" if found.estimate > 0 else ""
    interval = "" if found.low is None or found.high is None else f" ({number(found.low)} to {number(found.high)})"
    return f"{sign}{number(found.estimate)}{interval}", plural(found.n, "problem")


def _figure(at: int, key: _Key, entries: Sequence[_Entry]) -> Figure | None:
    """A line for every entry over its iterations; None where none has two."""
    lines = list(_lines(key, entries))
    if not any(len(series.cells) > 1 for _, series in lines):
        return None
    names = [each.name for each in entries]
    title = titled(measured_words(key[0], key[1]))
    curves = tuple(curve_of(series, name, names.index(name), _NO_CLAIMS) for name, series in lines)
    return Figure(
        name=f"compared-{at}",
        words=Words(
            title=title,
            see="A line for every run, on the same problems. Error bars are one standard error over problems.",
            cannot="Whether a distance is more than chance: the table has the differences with their intervals.",
        ),
        source="",
        axes=Axes(letter="t", shared=False, scale="places"),
        columns=1,
        panels=(Panel(title=title, x=ITERATIONS, y=axis_words([key[0]], lines[0][1].unit), curves=curves),),
        notes=(),
    )


def _lines(key: _Key, entries: Sequence[_Entry]) -> Iterator[tuple[str, Series]]:
    for each in entries:
        if key in each.series:
            yield each.name, each.series[key]
