"""Methods side by side: greedy pass@1 by iteration, a panel for every data set and model."""

from collections.abc import Iterator, Sequence

from selfimp_bench.manifest.model import Metric
from selfimp_bench.report.across_page import MemberResult, find_series, place_of
from selfimp_bench.report.chart import ITERATIONS, Axes, Curve, Figure, Panel, Point, Words
from selfimp_bench.report.curves import COLUMNS, curve_of
from selfimp_bench.verdict.findings import Findings
from selfimp_bench.verdict.paper_numbers import PublishedNumbers

_NO_CLAIMS = Findings(schema=2, findings=())


def across_figure(results: Sequence[MemberResult], numbers: PublishedNumbers) -> Figure | None:
    """The figure, published curves dashed over the runs'; None where no experiment measured pass@1."""
    methods = list(dict.fromkeys(each.member.method for each in results))
    keys = dict.fromkeys((each.member.dataset, model) for each in results for model in each.run.record.models)
    panels = [
        Panel(title=f"{dataset}, {model}", x=ITERATIONS, curves=curves)
        for dataset, model in keys
        if (curves := tuple(_curves(results, dataset, model, methods, numbers)))
    ]
    if not panels:
        return None
    return Figure(
        name="methods-pass-1",
        words=Words(
            title="Greedy pass@1 of every method",
            see="Each method's own line and, dashed, what is published for it.",
            cannot="Whether a distance is more than chance: only the claims judge that.",
        ),
        source="",
        axes=Axes(letter="t", y="share", shared=False, scale="places"),
        columns=min(COLUMNS, len(panels)),
        panels=tuple(panels),
        notes=(),
    )


def _curves(
    results: Sequence[MemberResult], dataset: str, model: str, methods: Sequence[str], numbers: PublishedNumbers
) -> Iterator[Curve]:
    for result in results:
        series = find_series(result, model, Metric.PASS_AT_1) if result.member.dataset == dataset else None
        if series is not None:
            style = methods.index(result.member.method)
            yield curve_of(series, result.member.method, style, _NO_CLAIMS)
            points = tuple(_published(result, model, sorted(series.cells), numbers))
            if points:
                yield Curve(label=result.member.method, style=style, paper=True, points=points, published=())


def _published(
    result: MemberResult, model: str, iterations: Sequence[int], numbers: PublishedNumbers
) -> Iterator[Point]:
    """The middle of what is published, and half its width for an error."""
    for t in iterations:
        found = numbers.of_place(place_of(result, model, Metric.PASS_AT_1, t))
        if found is not None:
            value, error = float(found.low + found.high) / 2, float(found.high - found.low) / 2
            yield Point(x=t, value=value, error=error, replicates=(value,))
