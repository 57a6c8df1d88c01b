"""The forms that the figures of "Mind the Gap" need: by number, by compute, distributions and tables."""

from dataclasses import replace
from decimal import Decimal
from math import log10
from xml.etree import ElementTree

import pytest
from page import read_page, seen_in

from selfimp_bench.manifest.model import Beside, FigurePanel, PaperFigure
from selfimp_bench.manifest.reference_table import Reference, ReferenceTable
from selfimp_bench.measurement import Measurement, ProblemValue, Split
from selfimp_bench.report.figures import draw
from selfimp_bench.report.paper_figures import paper_figures
from selfimp_bench.report.paper_tables import paper_tables
from selfimp_bench.report.write import write_report
from selfimp_bench.runs.judge import read_run
from selfimp_bench.verdict.evidence import columns_of
from selfimp_bench.verdict.findings import Findings

NOTHING = Findings(schema=2, findings=())
BESIDE = Beside(table="t.csv", dataset="example", method="gv-gap")
MODELS = ("small", "middle", "large")


def measured(model: str, metric: str, value: float | None, iteration: int = 0, unit: str = "share") -> Measurement:
    return Measurement(
        model=model,
        metric=metric,
        split=Split.TEST,
        iteration=iteration,
        replicate=0,
        value=value,
        unit=unit,
        n=30,
        undefined=0,
        standard_error=None if unit == "correlation" else 0.01,
        reason=None,
    )


def row(model: str, metric: str, printed: str, **other: object) -> Reference:
    made = Reference(
        id=f"{model}.{metric}",
        model=model,
        dataset="example",
        method="gv-gap",
        metric=metric,
        x=Decimal(0),
        printed=printed,
        unit="percent",
        read_error=None,
        source="Table 3",
        conflicts_with=(),
    )
    return replace(made, **other)  # type: ignore[arg-type]


def compute_table(*models: str) -> ReferenceTable:
    sizes = dict(zip(models, ("1", "10", "100"), strict=False))
    numbers = (("parameters", "billion parameters"), ("training-tokens", "trillion tokens"))
    rows = [
        row(model, metric, size if metric == "parameters" else "2", unit=unit, dataset="fam")
        for model, size in sizes.items()
        for metric, unit in numbers
    ]
    return ReferenceTable(name="models.csv", rows=tuple(rows))


def panel(*metrics: str, **other: object) -> FigurePanel:
    return FigurePanel(metrics=metrics, split=Split.TEST, **other)  # type: ignore[arg-type]


def figure(form: str, *panels: FigurePanel, **other: object) -> PaperFigure:
    given = {"unpublished": "an image"} if "beside" not in other else {}
    made = {"id": "f", "title": "F", "source": "Figure 1", "form": form, "panels": panels, **given, **other}
    return PaperFigure(**made)  # type: ignore[arg-type]


@pytest.fixture
def run(write_run):
    """A run of three models whose measurements and figures a test replaces."""
    read = read_run(write_run(models=MODELS))
    known = tuple(replace(read.manifest.models[0], id=model) for model in MODELS)
    return replace(read, manifest=replace(read.manifest, models=known), columns=columns_of([]))


def drawn(run, measurements, figures, *tables):
    run = replace(run, measurements=tuple(measurements), manifest=replace(run.manifest, figures=tuple(figures)))
    return paper_figures(run, NOTHING, {table.name: table for table in tables})


SWEEP = [measured(model, f"gap.mc.q0.{q}", 0.01 * q) for model in MODELS for q in (9, 5, 1)]


def test_by_number_has_a_line_for_every_model_that_the_panel_names_and_the_numbers_of_its_names_in_order(run):
    extra = [measured("small", "gap.mc.q0.5.left-out", 0.9), measured("small", "gap.mc.t0.5", 0.9)]
    (made,) = drawn(
        run, SWEEP + extra, [figure("by-number", panel("gap.mc.q*", x="quantile", models=("small", "large")))]
    )
    (only,) = made.panels
    assert [curve.label for curve in only.curves] == ["small", "large"]
    assert [(point.x, point.value) for point in only.curves[0].points] == [(0.1, 0.01), (0.5, 0.05), (0.9, 0.09)]
    assert only.x == "quantile" and "No published numbers stand beside it: an image." in made.words.see


def test_panels_with_different_axes_have_places_of_their_own(run):
    scores = [measured("small", f"score-share.cot-score.{n}", 0.1) for n in (1, 10)]
    panels = (
        panel("gap.mc.q*", x="quantile", models=("small",)),
        panel("score-share.cot-score.*", x="score", models=("small",)),
    )
    (made,) = drawn(run, SWEEP + scores, [figure("by-number", *panels)])
    assert (made.places("quantile"), made.places("score")) == ((0.1, 0.5, 0.9), (1, 10))


def test_published_points_of_the_same_models_lie_over_a_sweep_and_those_of_others_stay_away(run):
    rows = [row(model, f"gap.mc.q0.{q}", "3.0") for model in ("small", "other") for q in (5, 7)]
    table = ReferenceTable(name="t.csv", rows=tuple(rows))
    shown = panel("gap.mc.q*", x="quantile", models=("small", "large"))
    (made,) = drawn(run, SWEEP, [figure("by-number", shown, beside=BESIDE)], table)
    (only,) = made.panels
    assert [(curve.label, curve.paper) for curve in only.curves] == [
        ("small", False),
        ("large", False),
        ("small", True),
    ]
    assert [(point.x, point.value) for point in only.curves[2].points] == [(0.5, 0.03), (0.7, 0.03)]
    assert only.curves[0].style == only.curves[2].style
    assert made.places("quantile") == (0.1, 0.5, 0.7, 0.9)


def test_by_compute_has_a_point_for_every_model_with_compute_and_says_what_the_line_is(run):
    values = [measured(model, "gap.mc.q0.8", value) for model, value in zip(MODELS, (0.01, 0.02, 0.06), strict=True)]
    rows = [row(model, "gap.mc.q0.8", printed) for model, printed in zip(MODELS, ("1.0", "3.0", "2.0"), strict=True)]
    table = ReferenceTable(name="t.csv", rows=tuple(rows))
    asked = figure("by-compute", panel("gap.mc.q0.8", title="MC"), beside=BESIDE, compute="models.csv")
    (made,) = drawn(run, values, [asked], table, compute_table(*MODELS))
    own, paper = made.panels[0].curves
    assert [(curve.label, curve.paper) for curve in (own, paper)] == [("fam", False), ("fam", True)]
    places = [log10(6e9 * 2e12), log10(6e10 * 2e12), log10(6e11 * 2e12)]
    assert [point.x for point in own.points] == [point.x for point in paper.points] == pytest.approx(places)
    assert made.facts == (
        "MC, fam: +0.0250 a decade, R² 0.89, rank correlation 1.00, rises at every step (3 models)",
        "MC, fam as published: +0.0050 a decade, R² 0.25, rank correlation 0.50, does not rise at 1 of 2 steps "
        "(3 models)",
    )
    assert made.axes.scale == "linear"


def test_by_compute_leaves_out_a_model_whose_compute_is_not_given(run):
    values = [measured(model, "gap.mc.q0.8", 0.01) for model in MODELS]
    asked = figure("by-compute", panel("gap.mc.q0.8"), compute="models.csv")
    (made,) = drawn(run, values, [asked], compute_table("small", "middle"))
    assert [len(curve.points) for curve in made.panels[0].curves] == [2]
    assert made.facts == ()
    assert drawn(run, [measured("other", "gap.mc.q0.8", 0.1)], [asked], compute_table("small")) == ()


def problem_value(number: int, value: float | None, iteration: int = 0) -> ProblemValue:
    return ProblemValue(
        model="small",
        metric="gap.mc.q0.8",
        split=Split.TEST,
        iteration=iteration,
        replicate=0,
        problem_id=f"p{number}",
        value=value,
    )


def test_a_distribution_is_the_share_of_problems_in_each_bin_with_mean_and_deviation(run):
    values = [problem_value(n, value) for n, value in enumerate((0.0, 0.0, 0.3, -0.1, None))]
    later = [problem_value(n, 0.9, iteration=1) for n in range(5)]
    run = replace(run, columns=columns_of(values + later))
    (made,) = drawn(
        run, SWEEP, [figure("distribution", panel("gap.mc.q0.8", labels=("MC",), models=("small",)), bin_width=0.1)]
    )
    (curve,) = made.panels[0].curves
    assert curve.label == "MC: µ = 0.0500, σ = 0.1732"
    filled = {point.x: point.value for point in curve.points if point.value}
    assert filled == {-0.1: 0.25, 0.0: 0.5, 0.3: 0.25}
    assert (curve.points[0].value, curve.points[-1].value) == (0.0, 0.0)
    assert "4 values, 3 bins with any, most of them (0.5000) from 0 to 0.1" in made.alt
    assert ElementTree.fromstring(draw(made).partition("\n")[2]).tag.endswith("svg")


def test_shares_up_to_each_number_are_drawn_as_the_shares_in_bins(run):
    up_to = {0.1: 0.5, 0.2: 0.6, 0.3: 1.0}
    values = [measured("small", f"judgement-variance.v.to{number}", share) for number, share in up_to.items()]
    shown = panel("judgement-variance.v.to*", x="variance", models=("small",))
    (made,) = drawn(run, values, [figure("by-number", shown, bin_width=0.1)])
    (curve,) = made.panels[0].curves
    assert [point.x for point in curve.points] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert [point.value for point in curve.points] == pytest.approx([0.5, 0.1, 0.4, 0.0])
    assert (made.axes.scale, made.panels[0].y) == ("steps", "share of the responses")
    assert "The share of the responses in each bin of width 0.1" in made.words.see
    assert ElementTree.fromstring(draw(made).partition("\n")[2]).tag.endswith("svg")


def test_a_level_that_the_paper_draws_is_in_the_drawing_with_its_number(run):
    (made,) = drawn(
        run,
        [measured("small", "gap.mc.q0.8", 0.02 / (t + 1), iteration=t) for t in (0, 1)],
        [figure("by-iteration", panel("gap.mc.q0.8", models=("small",), level=0.005))],
    )
    assert "0.005, as in the paper" in draw(made)


def test_models_that_a_run_was_not_asked_for_are_left_out_and_so_are_figures_of_them_only(run):
    run = replace(run, record=replace(run.record, models=("large",)))
    figures = [
        figure("by-number", panel("gap.mc.q*", x="quantile", models=("small", "large"))),
        figure("by-number", panel("gap.mc.q*", x="quantile", models=("small",)), id="g"),
    ]
    (made,) = drawn(run, [each for each in SWEEP if each.model == "large"], figures)
    assert [curve.label for curve in made.panels[0].curves] == ["large"]


def test_a_profile_with_models_of_its_own_shows_them_once_in_figures_that_differ_in_models_only(run):
    figures = [
        figure("by-number", panel("gap.mc.q*", x="quantile", models=(name,)), id=name) for name in ("one", "two")
    ]
    (made,) = drawn(run, SWEEP, figures)
    assert [curve.label for curve in made.panels[0].curves] == list(MODELS)


def test_beside_models_of_a_profile_s_own_stand_only_the_published_ones_that_the_panel_names(run):
    rows = [row(model, "gap.mc.q0.5", "3.0") for model in ("one", "two", "three")]
    shown = panel("gap.mc.q*", x="quantile", models=("one", "two"))
    (made,) = drawn(
        run, SWEEP, [figure("by-number", shown, beside=BESIDE)], ReferenceTable(name="t.csv", rows=tuple(rows))
    )
    own, paper = made.panels
    assert [curve.label for curve in own.curves] == list(MODELS)
    assert [curve.label for curve in paper.curves] == ["one", "two"]
    assert "with one, two." in made.words.see


def test_a_run_without_iterations_has_a_page_of_its_figures_and_numbers_and_nothing_about_iterations(write_run, tables):
    measurements = tuple(measured("big", f"gap.mc.q0.{q}", 0.1 * q) for q in (5, 8))
    made = replace(tables(("big",), 1), measurements=measurements, problem_values=())
    folder = write_run(tables=made)
    read = read_page(write_report(folder).read_text())
    assert {"findings", "summary", "cost", "provenance"} <= set(read.ids)
    assert not {"best", "figures"} & set(read.ids)
    seen = seen_in((folder / "report.html").read_text())
    assert "Every number" in seen and "0.5000 ± 0.0100" in seen
    assert "First to last" not in seen and "Progress or regress" not in seen.partition("Findings")[2]


def tabled(run, measurements, figures, *tables):
    run = replace(run, measurements=tuple(measurements), manifest=replace(run.manifest, figures=tuple(figures)))
    return paper_tables(run, {table.name: table for table in tables})


def test_a_table_has_a_row_for_every_model_and_the_published_number_under_each(run):
    values = [measured(model, "accuracy", value) for model, value in zip(MODELS, (0.1, 0.2, 0.4), strict=True)]
    values += [measured("small", "gap.x", -0.02), measured("large", "gap.x", None), measured("middle", "gap.x", 0.01)]
    rows = (row("small", "accuracy", "11.31"), row("large", "gap.x", "0.034", unit="share"), row("other", "gap.x", "9"))
    asked = figure("table", panel("accuracy", "gap.x", "gap.never", labels=("Accuracy", "X", "Never")), beside=BESIDE)
    (made,) = tabled(run, values, [asked], ReferenceTable(name="t.csv", rows=rows))
    (only,) = made.panels
    assert only.columns == ("Accuracy", "X")
    cells = {each.model: each.cells for each in only.rows}
    assert list(cells) == list(MODELS)
    assert [(cell.value, cell.error, cell.published) for cell in cells["small"]] == [
        ("10.00", "± 1.00", ("11.31",)),
        ("-2.00", "± 1.00", ()),
    ]
    assert [(cell.value, cell.published, cell.heat) for cell in cells["large"]][1] == ("undefined", ("3.400",), None)
    assert [cell.heat for cell in cells["small"]] == [0.25, -1.0]
    assert made.see == "Percent ± one standard error over problems. Under them, where the paper has the model, its own."


def test_a_table_of_correlations_has_them_as_they_are_and_only_the_models_it_names(run):
    values = [measured(model, "score-correlation.a+b", 0.25, unit="correlation") for model in MODELS]
    asked = figure("table", panel("score-correlation.a+b", models=("middle",), title="Middle"))
    (made,) = tabled(run, values, [asked])
    assert [(each.model, each.cells[0].value, each.cells[0].error) for each in made.panels[0].rows] == [
        ("middle", "0.25", "")
    ]
    assert made.see == "Correlation. No published numbers stand beside them: an image."
    assert tabled(run, [measured("small", "other", 0.1)], [asked]) == ()
