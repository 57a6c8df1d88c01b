"""Methods side by side: a figure for every capability, a panel for every data set and model, a line a method."""

from collections.abc import Iterator, Sequence

from selfimp_bench.manifest.model import Metric
from selfimp_bench.measurement import Split
from selfimp_bench.report.across_page import MemberResult, find_series, place_of
from selfimp_bench.report.chart import ITERATIONS, Axes, Curve, Figure, Panel, Point, Words
from selfimp_bench.report.curves import COLUMNS, curve_of
from selfimp_bench.report.names import SHARE, axis_words, measured_words, titled
from selfimp_bench.runs.directions import directions
from selfimp_bench.verdict.findings import Findings
from selfimp_bench.verdict.paper_numbers import PublishedNumbers

_NO_CLAIMS = Findings(schema=2, findings=())


def across_figures(results: Sequence[MemberResult], numbers: PublishedNumbers, dashed: str) -> tuple[Figure, ...]:
    """A figure for whatever the answers of some experiment rest on, accuracy first; none without iterations.

    Reference curves are dashed over the runs'; ``dashed`` is what those are called.
    """
    moved = [found for result in results for found in directions(result.run)]
    compared = (change for found in moved for change in found.family if change.estimate is not None)
    shown = dict.fromkeys((change.metric, change.split) for change in compared)
    keys = dict.fromkeys([(Metric.PASS_AT_1.value, Split.TEST), *shown])
    figures = [_figure(number, key, results, numbers, dashed) for number, key in enumerate(keys, start=1)]
    return tuple(figure for figure in figures if figure.panels)


def _figure(
    number: int, key: tuple[str, Split], results: Sequence[MemberResult], numbers: PublishedNumbers, dashed: str
) -> Figure:
    metric, split = key
    methods = list(dict.fromkeys(each.member.method for each in results))
    shown = dict.fromkeys((each.member.dataset, model) for each in results for model in each.run.record.models)
    panels = [
        Panel(title=f"{dataset}, {model}", x=ITERATIONS, y=axis_words([metric], SHARE), curves=curves)
        for dataset, model in shown
        if (curves := tuple(_curves(results, (dataset, model), key, methods, numbers)))
    ]
    published = any(curve.paper for panel in panels for curve in panel.curves)
    return Figure(
        name=f"methods-{number}",
        words=Words(
            title=f"{titled(measured_words(metric, split))} of every method",
            see="Each method's own line" + (" and, dashed, the reference numbers for it." if published else "."),
            cannot="Whether a distance is more than chance: only the claims judge that.",
        ),
        source="",
        axes=Axes(letter="t", shared=False, scale="places"),
        columns=min(COLUMNS, max(1, len(panels))),
        panels=tuple(panels),
        notes=(),
        dashed=dashed,
    )


def _curves(
    results: Sequence[MemberResult],
    place: tuple[str, str],
    key: tuple[str, Split],
    methods: Sequence[str],
    numbers: PublishedNumbers,
) -> Iterator[Curve]:
    dataset, model = place
    for result in results:
        series = find_series(result, model, *key) if result.member.dataset == dataset else None
        if series is not None:
            style = methods.index(result.member.method)
            yield curve_of(series, result.member.method, style, _NO_CLAIMS)
            points = tuple(_published(result, model, key, sorted(series.cells), numbers))
            if points:
                yield Curve(label=result.member.method, style=style, paper=True, points=points, published=())


def _published(
    result: MemberResult, model: str, key: tuple[str, Split], iterations: Sequence[int], numbers: PublishedNumbers
) -> Iterator[Point]:
    """The middle of what is published of the test problems, and half its width for an error."""
    for t in iterations if key[1] is Split.TEST else ():
        found = numbers.of_place(place_of(result, model, key[0], t))
        if found is not None:
            value, error = float(found.low + found.high) / 2, float(found.high - found.low) / 2
            yield Point(x=t, value=value, error=error, replicates=(value,))
