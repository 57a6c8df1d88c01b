"""Which numbers a run yields."""

from dataclasses import replace
from pathlib import Path

from support import load_post_training

from selfimp_bench.manifest.measured import MeasuredCell
from selfimp_bench.manifest.model import Manifest, Method, Metric
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.post_training.cells import measurement_names, post_training_cells

VALID = Path(__file__).parents[2] / "manifest" / "valid" / "example-iter-dpo.v1.yaml"


def _names(manifest: Manifest, split: Split) -> list[str]:
    return [cell.metric for cell in post_training_cells(manifest) if cell.split is split]


def test_on_test_every_metric_is_measured() -> None:
    assert _names(load_post_training(VALID), Split.TEST) == [
        "pass@1",
        "pass@1.flexible",
        "pass@4",
        "pass@16",
        "coverage",
        "distinct-n.correct",
        "distinct-n.incorrect",
        "distinct-n.correct.equal",
        "distinct-n.incorrect.equal",
        "distinct-equations.correct",
        "distinct-equations.incorrect",
        "distinct-equations.correct.equal",
        "distinct-equations.incorrect.equal",
    ]


def test_on_ood_only_greedy_accuracy_is_measured() -> None:
    assert _names(load_post_training(VALID), Split.OOD) == ["pass@1", "pass@1.flexible"]


def test_without_an_ood_set_nothing_is_measured_on_it() -> None:
    manifest = load_post_training(VALID)
    assert _names(replace(manifest, datasets=replace(manifest.datasets, ood=None)), Split.OOD) == []


def test_on_train_a_k_above_the_training_samples_is_not_measured() -> None:
    assert _names(load_post_training(VALID), Split.TRAIN) == ["pass@4", "coverage"]


def test_the_last_model_is_not_sampled_on_train() -> None:
    cells = post_training_cells(load_post_training(VALID))
    assert MeasuredCell(metric="coverage", split=Split.TEST, iterations=3) in cells
    assert MeasuredCell(metric="coverage", split=Split.TRAIN, iterations=2) in cells


def test_a_single_iteration_has_no_training_samples() -> None:
    manifest = load_post_training(VALID)
    short = replace(manifest, post_training=replace(manifest.post_training, schedule=(Method.SFT_GOLD,)))
    assert _names(short, Split.TRAIN) == []


def test_a_metric_that_is_not_asked_for_is_not_measured() -> None:
    manifest = load_post_training(VALID)
    lean = replace(manifest, measure=replace(manifest.measure, metrics=(Metric.COVERAGE,), k=()))
    assert {cell.metric for cell in post_training_cells(lean)} == {"coverage"}


def test_every_metric_has_measurement_names() -> None:
    measure = replace(load_post_training(VALID).measure, k=(2, 3), improvement_n=(2, 4))
    for metric in Metric:
        assert measurement_names(metric, measure, "strict")


def test_the_improvement_set_is_measured_in_both_readings_by_both_estimators() -> None:
    manifest = load_post_training(VALID)
    spec = replace(manifest.measure, metrics=(Metric.IMPROVEMENT_SET,), k=(), improvement_n=(2,))
    assert _names(replace(manifest, measure=spec), Split.TEST) == [
        "is-pass@2.first",
        "is-pass@2.first.plain",
        "is-pass@2.previous",
        "is-pass@2.previous.plain",
    ]


def test_group_disparity_is_measured_on_ood_only() -> None:
    manifest = load_post_training(VALID)
    spec = replace(manifest.measure, metrics=(Metric.GROUP_DISPARITY,), k=())
    lean = replace(manifest, measure=spec)
    measured = ["group-disparity", "pass@1.level-1", "pass@1.level-5"]
    assert (_names(lean, Split.TEST), _names(lean, Split.OOD)) == ([], measured)


def test_the_other_rule_of_extraction_is_that_of_the_split() -> None:
    manifest = load_post_training(VALID)
    other = replace(manifest, ood_grading=replace(manifest.grading, extraction="flexible"))
    assert _names(other, Split.TEST)[:2] == ["pass@1", "pass@1.flexible"]
    assert _names(other, Split.OOD) == ["pass@1", "pass@1.strict"]
