"""How measurements become curves."""

from dataclasses import replace

import pytest

from selfimp_bench.report.curves import figures_of
from selfimp_bench.runs.judge import read_run
from selfimp_bench.verdict.findings import Findings


@pytest.fixture
def run(write_run):
    return read_run(write_run(models=("big", "tiny"), seeds=(7, 8)))


def _by_name(run, findings):
    return {figure.name: figure for figure in figures_of(run, findings)}


def test_every_measurement_is_a_point_of_exactly_one_curve(run, findings):
    points = [
        value
        for figure in figures_of(run, findings("big"))
        for panel in figure.panels
        for curve in panel.curves
        for point in curve.points
        for value in point.replicates
    ]
    assert sorted(map(str, points)) == sorted(str(each.value) for each in run.measurements)


def test_metrics_of_a_family_share_a_figure(run, findings):
    figures = _by_name(run, findings("big"))
    assert list(figures) == ["greedy-pass-1", "coverage-and-pass-k", "distinct-n", "distinct-equations", "reward"]
    sampled = figures["coverage-and-pass-k"]
    assert [panel.title for panel in sampled.panels] == [
        "big, on the test problems",
        "big, on the training problems",
        "tiny, on the test problems",
        "tiny, on the training problems",
    ]
    assert [curve.label for curve in sampled.panels[0].curves] == ["pass@4", "pass@16", "coverage"]
    assert [curve.label for curve in figures["distinct-n"].panels[0].curves] == ["correct", "incorrect"]


def test_greedy_accuracy_by_the_other_rule_and_by_level_shares_its_figure(run, findings):
    others = {"pass@16": "pass@1.flexible", "distinct-n.incorrect": "pass@1.level-5"}
    measurements = [replace(each, metric=others.get(each.metric, each.metric)) for each in run.measurements]
    figures = _by_name(replace(run, measurements=tuple(measurements)), findings("big"))
    panels = figures["greedy-pass-1"].panels
    assert [panel.title for panel in panels[:2]] == ["big, on the test problems", "big, out of distribution"]
    assert [curve.label for curve in panels[0].curves] == ["pass@1", "flexible", "level 5"]
    assert [curve.label for curve in figures["coverage-and-pass-k"].panels[0].curves] == ["pass@4", "coverage"]


def test_a_label_looks_the_same_in_every_panel(run, findings):
    for figure in figures_of(run, findings("big")):
        styles = {(curve.label, curve.style) for panel in figure.panels for curve in panel.curves}
        assert len(styles) == len({label for label, _ in styles}) == len({style for _, style in styles})


def test_the_reference_is_in_the_unit_of_the_axis_and_only_with_its_model(run, findings):
    panels = _by_name(run, findings("big"))["greedy-pass-1"].panels
    drawn = {curve.label: curve.published for panel in panels[:1] for curve in panel.curves}
    assert [point.value for point in drawn["on the test problems"]] == [0.41, 0.502, 0.715]
    assert (drawn["on the test problems"][0].low, drawn["on the test problems"][0].high) == (0.369, 0.451)
    assert drawn["on the test problems"][1].low is None
    assert drawn["out of distribution"] == ()
    assert all(curve.published == () for curve in panels[1].curves)


def test_a_reference_in_a_unit_that_is_not_the_axis_is_not_drawn(run, findings):
    accuracy = findings("big").findings[0]
    odd = replace(accuracy, points=tuple(replace(point, unit="tokens") for point in accuracy.points))
    figures = figures_of(run, Findings(schema=2, findings=(odd,)))
    assert not [c for figure in figures for panel in figure.panels for c in panel.curves if c.published]


def test_what_is_undefined_has_no_point_a_note_and_a_word_in_the_alt_text(run, findings):
    figure = _by_name(run, findings("big"))["distinct-n"]
    incorrect = figure.panels[0].curves[1]
    assert incorrect.points[2].value is None
    assert "undefined (undefined on all 60 problems)" in figure.notes[0]
    assert "t 3 undefined" in figure.alt


def test_metrics_with_names_that_differ_only_in_marks_get_files_of_their_own(run):
    names = ("a/b", "a b", "../")
    measurements = tuple(replace(each, metric=name) for name in names for each in run.measurements[:2])
    figures = figures_of(replace(run, measurements=measurements), Findings(schema=2, findings=()))
    assert [figure.name for figure in figures] == ["a-b", "a-b-1", "metric"]


def test_an_axis_says_what_it_measures_and_its_unit(run, findings):
    figures = _by_name(run, findings("big"))
    said = {name: {panel.y for panel in figure.panels} for name, figure in figures.items()}
    assert said["greedy-pass-1"] == {"Accuracy (pass@1): share of problems"}
    assert said["coverage-and-pass-k"] == {"Pass@k, coverage: share"}
    assert said["distinct-n"] == {"Distinct-n: share of n-grams"}
    assert said["reward"] == {"Reward: share"}
