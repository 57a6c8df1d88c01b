"""The paper's figures from a run: over the published curves, or beside them; by iteration and by samples."""

from dataclasses import replace
from decimal import Decimal

import pytest
from support import shipped_post_training

from selfimp_bench.manifest.model import Beside, FigurePanel, PaperFigure
from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.report.figures import draw
from selfimp_bench.report.paper_figures import paper_figures
from selfimp_bench.runs.judge import read_run, run_table
from selfimp_bench.verdict.findings import Findings

TABLE = "example/table2.csv"
NOTHING = Findings(schema=2, findings=())


@pytest.fixture
def run(write_run):
    return read_run(write_run(models=("big",), seeds=(7, 8)))


@pytest.fixture
def table(run):
    return run_table(run.folder, TABLE)


def _drawn(run, table, figures=None, findings=NOTHING):
    if figures is not None:
        run = replace(run, manifest=replace(run.manifest, figures=figures))
    return paper_figures(run, findings, {TABLE: table})


def test_published_curves_of_the_run_s_model_lie_over_the_run_s_in_the_unit_of_the_axis(run, table):
    (figure,) = _drawn(run, table)
    (panel,) = figure.panels
    own, paper = panel.curves
    assert (own.paper, paper.paper) == (False, True)
    assert own.style == paper.style
    assert [(point.x, point.value, point.error) for point in paper.points] == [
        (1, 0.41, 0.005),
        (2, 0.502, 0.005),
        (3, 0.715, 0.005),
    ]
    assert [len(point.replicates) for point in own.points] == [2, 2, 2]
    assert (figure.name, figure.source, figure.axes.shared) == ("paper-table-2", "Table 2", True)


def test_those_of_other_models_stand_beside_with_their_names(run, table):
    rows = tuple(replace(row, model=name) for name in ("small", "large") for row in table.rows)
    (figure,) = _drawn(run, replace(table, rows=rows))
    own, paper = figure.panels
    assert ([curve.label for curve in own.curves], [curve.label for curve in paper.curves]) == (
        ["this run"],
        ["small", "large"],
    )
    assert (figure.columns, figure.axes.shared) == (2, False)
    assert "small, large" in figure.words.see or "large, small" in figure.words.see


def test_every_model_of_a_run_has_its_own_panel_and_its_own_published_curve(write_run, table):
    run = read_run(write_run(models=("big", "tiny")))
    (figure,) = _drawn(run, table)
    assert [panel.title for panel in figure.panels] == ["big, Accuracy (pass@1)", "tiny, Accuracy (pass@1)"]
    assert [[curve.paper for curve in panel.curves] for panel in figure.panels] == [[False, True], [False]]


def test_metrics_of_a_panel_are_told_apart_and_look_the_same_on_both_sides(run, table):
    metrics = ("distinct-n.correct", "distinct-n.incorrect")
    rows = tuple(
        replace(row, model="small", metric=metric, unit="share", printed="0.5")
        for row in table.rows[:3]
        for metric in metrics
    )
    (figure,) = _drawn(run, replace(table, rows=rows), [_figure(metrics, "by-iteration")])
    own, paper = figure.panels
    assert [curve.label for curve in own.curves] == [curve.label for curve in paper.curves] == ["correct", "incorrect"]
    assert [curve.style for curve in own.curves] == [curve.style for curve in paper.curves]


def test_a_claim_s_band_stands_at_the_run_s_curve(run, table, findings):
    (figure,) = _drawn(run, table, findings=findings("big"))
    assert [point.value for point in figure.panels[0].curves[0].published] == [0.41, 0.502, 0.715]


def test_by_number_has_it_on_the_axis_and_a_line_for_every_iteration_with_a_value(run, table):
    measured = [_at(n, t) for n in (8, 2) for t in (1, 2, 3)]
    rows = tuple(
        replace(table.rows[0], metric=f"is-pass@{n}", x=Decimal(t), printed=str(10 * n)) for n in (4, 2) for t in (2, 3)
    )
    run = replace(run, measurements=tuple(measured))
    (figure,) = _drawn(run, replace(table, rows=rows), [_figure(("is-pass@*.first",), "by-number")])
    (panel,) = figure.panels
    assert [(curve.label, curve.paper) for curve in panel.curves] == [
        ("t = 2", False),
        ("t = 3", False),
        ("t = 2", True),
        ("t = 3", True),
    ]
    assert [(point.x, point.value) for point in panel.curves[1].points] == [(2, 0.32), (8, 0.38)]
    assert [(point.x, point.value) for point in panel.curves[3].points] == [(2, 0.2), (4, 0.4)]
    assert figure.places(panel.x) == (2, 4, 8)
    assert "at 8 0.3800" in figure.alt and "t = 3 as published: at 2 0.2000" in figure.alt


def test_what_a_run_did_not_measure_is_left_out_and_tables_are_not_drawn(run, table):
    figures = [_figure(("group-disparity",), "by-iteration"), _figure(("pass@1",), "best")]
    assert _drawn(run, table, figures) == ()
    assert _drawn(run, table, None) != ()


def test_a_published_number_in_a_unit_that_is_not_the_axis_is_not_drawn(run, table):
    odd = replace(table, rows=tuple(replace(row, unit="tokens") for row in table.rows))
    (figure,) = _drawn(run, odd)
    assert not any(curve.paper for panel in figure.panels for curve in panel.curves)


def test_the_drawing_says_which_lines_are_published(run, table):
    (figure,) = _drawn(run, table)
    svg = draw(figure)
    assert "as published" in svg and "stroke-dasharray" in svg


def _figure(metrics, form):
    panel = FigurePanel(metrics=metrics, split=Split.TEST, x="N" if form == "by-number" else None)
    beside = Beside(table=TABLE, dataset="example", method="dpo")
    return PaperFigure(id="f", title="F", source="Figure 3", form=form, panels=(panel,), beside=beside)


def _at(n, iteration):
    return Measurement(
        model="big",
        metric=f"is-pass@{n}.first",
        split=Split.TEST,
        iteration=iteration,
        replicate=0,
        value=None if iteration == 1 else round(0.1 * iteration + 0.01 * n, 6),
        unit="share",
        n=30,
        undefined=0,
        standard_error=0.05,
        reason="no earlier model" if iteration == 1 else None,
    )


def test_figure_7_of_the_first_paper_has_its_four_panels() -> None:
    manifest = shipped_post_training("gsm8k-iter-sft-dpo-70b")
    (figure,) = [each for each in manifest.figures or () if each.id == "figure-7"]
    first, ood, coverage, diversity = figure.panels
    assert (first.metrics, first.split) == (("pass@1",), Split.TEST)
    assert (ood.metrics, ood.split) == (("pass@1",), Split.OOD)
    assert coverage.metrics == ("is-pass@64.first", "is-pass@64.previous")
    assert {metric.partition(".")[0] for metric in diversity.metrics} == {
        "sbert-diversity",
        "distinct-n",
        "distinct-equations",
    }
