"""The figures of every measurement: grouped into curves over the iterations, with titles, captions and alt texts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from selfimp_bench.measurement import Measurement
from selfimp_bench.report.chart import ITERATIONS, Axes, Curve, Figure, Panel, Point, Published, Words
from selfimp_bench.report.names import axis_words, measured_words, metric_words, split_words, titled
from selfimp_bench.report.summary import Cell, Series, series_of, undefined
from selfimp_bench.runs.judge import RunFiles
from selfimp_bench.verdict.findings import Findings
from selfimp_bench.verdict.units import PER_WHOLE

_WORDS: Mapping[str, Words] = {
    "pass@1": Words(
        title="Greedy pass@1",
        see="The share of problems that the model's one greedy answer solves. Compare test with ood: a gain on test "
        "that ood does not share is a gain on this kind of problem only. The line named strict or flexible is of the "
        "same answers, read by the rule that does not decide: what lies between the two is open to the choice of a "
        "grader. Those of level 1 and level 5 are of the easiest and the hardest problems.",
        cannot="Whether the model can still find other solutions, or more of them, when it samples.",
    ),
    "pass@k": Words(
        title="Coverage and pass@k",
        see="Coverage is, as in the paper, the share of a problem's samples that are correct; pass@k is the "
        "probability that at least one of k samples is. Coverage that rises while pass@k for a large k stays or falls "
        "suggests that the model has become surer of what it could solve already rather than able to solve more.",
        cannot="Whether the reasoning behind a correct final answer is sound.",
    ),
    "distinct-n": Words(
        title="Distinct-n",
        see="How varied the wording of a problem's outputs is, correct and incorrect ones apart: the share of n-grams "
        "that are unique. A falling line means that outputs repeat each other more. The lines that end in equal are "
        "of as many outputs of every model as the one with fewest has, at least two.",
        cannot="How varied the ideas are. The share also falls when outputs are longer and, but for the lines of equal "
        "numbers, when there are more of them, and every iteration counts only the problems that have such outputs.",
    ),
    "distinct-equations": Words(
        title="Distinct equations",
        see="How varied the calculations in a problem's outputs are: the share of equations that are unique, in "
        "correct and incorrect outputs apart. A falling line means that the model calculates in fewer ways. The lines "
        "that end in equal are of as many outputs of every model as the one with fewest has, at least two.",
        cannot="Different reasoning that leads to the same equations. Outputs without an equation do not count, and "
        "every iteration counts only the problems that have such outputs.",
    ),
    "sbert-diversity": Words(
        title="Sentence-BERT diversity",
        see="How different the meaning of a problem's outputs is, correct and incorrect ones apart: 1 minus the mean "
        "cosine of their embeddings. A falling line means that outputs say more nearly the same.",
        cannot="Differences that the sentence encoder does not see, such as another number in the same sentence.",
    ),
    "group-disparity": Words(
        title="Group disparity",
        see="How much worse the hardest level of the ood problems does than the easiest, relative to the easiest. A "
        "rising line means that what was gained went to what was easy.",
        cannot="Whether either level got better or worse: compare with their pass@1 on ood.",
    ),
    "is-pass@n.first": Words(
        title="Pass@N of M_1 on what M_t improved over M_1",
        see="Of the problems that M_t solves and M_1 does not: how many M_1 solves within N samples. Where it is near "
        "1, M_1 could solve them already, and training made a likely answer of a possible one.",
        cannot="What was lost meanwhile: problems that M_1 solves and M_t does not.",
    ),
    "is-pass@n.previous": Words(
        title="Pass@N of M_1 on what M_t improved over M_(t-1)",
        see="As before, of the problems that M_t solves and M_(t-1) does not; some of them M_1 solves, too.",
        cannot="What was lost meanwhile: problems that M_(t-1) solves and M_t does not.",
    ),
    "accuracy": Words(
        title="Accuracy of the samples",
        see="The share of a problem's responses that are correct, by the rule that decides and by the other one.",
        cannot="Whether the model can find other solutions: compare with pass@k.",
    ),
    "gap": Words(
        title="Generation-verification gap",
        see="How much more accurate the responses are that a verifier keeps than all of them. At 0 there is nothing "
        "left to gain by filtering. Lines that end in left-out or zero count problems whose filter keeps nothing by "
        "the other convention.",
        cannot="Whether the verifier became worse or the responses better: compare with the accuracy.",
    ),
    "relative-gap": Words(
        title="Relative gap",
        see="The gap of each problem as a share of what its accuracy lacks to 1, averaged over problems.",
        cannot="How much is gained in all: a problem that is nearly always solved can weigh without bound.",
    ),
    "filtered-accuracy": Words(
        title="Accuracy of what is kept",
        see="The accuracy of the responses that a verifier keeps.",
        cannot="What the filter adds: compare with the accuracy of all responses.",
    ),
    "kept-share": Words(
        title="Share that is kept",
        see="The share of a problem's responses that a filter keeps. Ties at a quantile are kept, too.",
        cannot="Whether the right ones are kept.",
    ),
    "scored-share": Words(
        title="Usable judgements",
        see="The share of responses (of a tournament: of matches) with a judgement that could be read.",
        cannot="Whether the judgements are right.",
    ),
}
_SIZED = re.compile(r"is-pass@(?P<size>\d+)\.(?P<reading>\w+)(?:\.(?P<estimator>\w+))?")

COLUMNS = 3
"""The most panels beside each other."""


def figures_of(run: RunFiles, findings: Findings) -> tuple[Figure, ...]:
    """A figure for every family of metrics that was measured: none is left out.

    None at all of a run without iterations: nothing of it is a curve.
    """
    return curves_of(run.measurements, findings)


def curves_of(measurements: Sequence[Measurement], findings: Findings, x: str = ITERATIONS) -> tuple[Figure, ...]:
    """The same of measurements alone, whoever made them; ``x`` is what the horizontal axes say."""
    if len({each.iteration for each in measurements}) < 2:
        return ()
    families: dict[str, list[Series]] = {}
    for series in series_of(measurements):
        families.setdefault(_family(series.metric), []).append(series)
    made: dict[str, Figure] = {}
    for family, every in families.items():
        name = _file_name(_words(family).title, made)
        made[name] = _figure(name, family, every, findings, x)
    return tuple(made.values())


def _family(metric: str) -> str:
    """What shares a figure: ``pass@4`` and coverage, ``x.correct`` and ``x.incorrect``, every N of a reading."""
    if sized := _SIZED.fullmatch(metric):
        return f"is-pass@n.{sized['reading']}"
    name = metric.partition(".")[0]
    if metric == "coverage" or (name.startswith("pass@") and name != "pass@1"):
        return "pass@k"
    return name


def _words(family: str) -> Words:
    default = Words(
        title=titled(metric_words(family)),
        see=f"{titled(metric_words(family))} after every training iteration.",
        cannot="Why it changed.",
    )
    return _WORDS.get(family, default)


def _file_name(title: str, taken: Mapping[str, Figure]) -> str:
    """A stem of letters, digits and hyphens, whatever the metric is called."""
    stem = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "metric"
    return stem if stem not in taken else f"{stem}-{len(taken)}"


def _figure(name: str, family: str, every: Sequence[Series], findings: Findings, x: str) -> Figure:
    by_metric = len({series.metric for series in every}) > 1
    labels = list(dict.fromkeys(_label(series, by_metric) for series in every))
    models = len({series.model for series in every})
    panels: dict[str, list[Curve]] = {}
    for series in every:
        label = _label(series, by_metric)
        curve = curve_of(series, label, labels.index(label), findings)
        panels.setdefault(_panel_title(series, by_metric, models), []).append(curve)
    words = _words(family)
    y = axis_words((series.metric for series in every), every[0].unit)
    return Figure(
        name=name,
        words=words,
        source="",
        axes=Axes(
            letter="t",
            shared=True,
            scale="places",
        ),
        columns=min(COLUMNS, len(panels)),
        panels=tuple(Panel(title=title, x=x, y=y, curves=tuple(curves)) for title, curves in panels.items()),
        notes=tuple(note for series in every for note in _notes(series)),
    )


def _panel_title(series: Series, by_metric: bool, models: int) -> str:
    """The model, where there are several, and the problems, where the lines are not told apart by them."""
    parts = [series.model] if models > 1 else []
    return ", ".join([*parts, split_words(series.split)] if by_metric else parts or [series.model])


def _label(series: Series, by_metric: bool) -> str:
    if not by_metric:
        return split_words(series.split)
    if sized := _SIZED.fullmatch(series.metric):
        return f"N = {sized['size']}" + (f", {sized['estimator']}" if sized["estimator"] else "")
    _, dot, side = series.metric.partition(".")
    return side.replace("level-", "level ").replace(".equal", ", equal") if dot else series.metric


def curve_of(series: Series, label: str, style: int, findings: Findings) -> Curve:
    """A series as a line over its iterations, with the reference values that claims compare it with."""
    points = tuple(point_of(cell, x=iteration) for iteration, cell in series.cells.items())
    return Curve(label=label, style=style, paper=False, points=points, published=tuple(claimed(series, findings)))


def point_of(cell: Cell, *, x: float) -> Point:
    """A cell at a place on the horizontal axis."""
    replicates = tuple(each.value for each in cell.replicates)
    return Point(x=x, value=cell.value, error=cell.standard_error, replicates=replicates)


def claimed(series: Series, findings: Findings) -> Iterator[Published]:
    """The reference values that claims compare a series with, and what they allow, over the iterations."""
    for finding in findings.findings:
        for point in finding.points:
            cell = point.cell
            if (finding.model, cell.metric, cell.split) != (series.model, series.metric, series.split):
                continue
            scale = scale_of(point.unit, series.unit)
            if scale is not None:
                yield Published(
                    x=cell.iteration,
                    value=float(Decimal(point.reference) * scale),
                    low=None if point.low is None else float(point.low * scale),
                    high=None if point.high is None else float(point.high * scale),
                )


def scale_of(unit: str, axis: str) -> Decimal | None:
    """What one of ``unit`` is in the unit of the axis; None where the two cannot be compared."""
    if unit == axis:
        return Decimal(1)
    return PER_WHOLE[axis] / PER_WHOLE[unit] if unit in PER_WHOLE and axis in PER_WHOLE else None


def _notes(series: Series) -> Iterator[str]:
    for iteration, cell in series.cells.items():
        if cell.value is None:
            name = f"{measured_words(series.metric, series.split)} of {series.model} at t = {iteration}"
            yield f"{name}: {undefined(cell.reason)}, so no point is drawn."
