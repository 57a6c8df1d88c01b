"""What a run of the verification protocol measures, and what its numbers are called."""

from dataclasses import replace
from pathlib import Path

import pytest

from selfimp_bench.measurement import Split
from selfimp_bench.protocols.load import load_manifest
from selfimp_bench.protocols.verification.cells import (
    CORRELATIONS,
    ensemble_name,
    selection_name,
    verification_cells,
)
from selfimp_bench.protocols.verification.manifest import (
    Selection,
    VerificationManifest,
    VerificationMetric,
)

VALID = Path(__file__).parents[2] / "manifest" / "valid" / "example-gv-gap.v1.yaml"


@pytest.fixture(scope="module")
def manifest() -> VerificationManifest:
    found = load_manifest(VALID)
    assert isinstance(found, VerificationManifest)
    return found


def names(manifest: VerificationManifest, *metrics: VerificationMetric) -> list[str]:
    asked = replace(manifest, measure=replace(manifest.measure, metrics=metrics), verifiers=("self",))
    return [cell.metric for cell in verification_cells(asked)]


@pytest.mark.parametrize(
    ("selection", "name"),
    [
        (Selection(quantile=0.8), "q0.8"),
        (Selection(threshold=8.0), "t8"),
        (Selection(threshold=0.75), "t0.75"),
        (Selection(reweight=0.1), "w0.1"),
    ],
)
def test_a_selection_is_called_by_its_form_and_number(selection: Selection, name: str) -> None:
    assert selection_name(selection) == name


def test_a_gap_is_measured_of_every_filter_and_under_both_conventions(manifest: VerificationManifest) -> None:
    found = names(manifest, VerificationMetric.GAP)
    filters = ["mc.q0.7", "mc.q0.8", "mc.t0.8", "mc.w0.1", "cot-binary.t1", "cot-score.t8", "cot-score.t9"]
    filters += [*(f"tournament.r{number}" for number in range(1, 6)), "and(mc.q0.8+cot-score.t8)"]
    assert found == [f"gap.{name}{ending}" for name in filters for ending in ("", ".left-out")]


def test_the_other_convention_is_the_one_that_is_not_the_headline_s(manifest: VerificationManifest) -> None:
    other = replace(manifest, measure=replace(manifest.measure, empty_filter="left-out"))
    assert "gap.mc.q0.8.zero" in names(other, VerificationMetric.GAP)


def test_a_tournament_keeps_a_known_share_which_is_not_measured(manifest: VerificationManifest) -> None:
    assert not [name for name in names(manifest, VerificationMetric.KEPT_SHARE) if "tournament" in name]


def test_accuracy_is_measured_by_both_extractions(manifest: VerificationManifest) -> None:
    assert names(manifest, VerificationMetric.ACCURACY) == ["accuracy", "accuracy.flexible"]
    flexible = replace(manifest, grading=replace(manifest.grading, extraction="flexible"))
    assert names(flexible, VerificationMetric.ACCURACY) == ["accuracy", "accuracy.strict"]


def test_correlations_are_of_pairs_and_a_tournament_has_no_scores(manifest: VerificationManifest) -> None:
    assert names(manifest, *CORRELATIONS) == [
        "score-correlation.mc+cot-score",
        "gap-correlation.mc.q0.8+cot-score.t8",
        "gap-correlation.mc.q0.8+tournament.r5",
        "gap-correlation.cot-score.t8+tournament.r5",
        "gap-accuracy-correlation.mc.q0.8",
        "gap-accuracy-correlation.cot-score.t8",
        "gap-accuracy-correlation.tournament.r5",
    ]


def test_another_model_s_judgements_bear_its_name(manifest: VerificationManifest) -> None:
    found = {cell.metric for cell in verification_cells(manifest)}
    assert {"gap.mc.q0.8", "gap.mc@large-base.q0.8", "gap.tournament@judge-base.r5"} <= found
    assert manifest.ensembles is not None
    name = ensemble_name(manifest.ensembles[0], manifest.verification, "large-base")
    assert name == "and(mc@large-base.q0.8+cot-score@large-base.t8)"
    assert f"gap.{name}" in found


def test_everything_is_measured_on_test_from_the_model_as_it_is_to_the_last_round(
    manifest: VerificationManifest,
) -> None:
    assert {(cell.split, cell.first, cell.iterations) for cell in verification_cells(manifest)} == {(Split.TEST, 0, 2)}
    single = replace(manifest, self_improvement=None)
    assert {(cell.first, cell.iterations) for cell in verification_cells(single)} == {(0, 0)}


def test_temperatures_stand_at_the_end_of_names(manifest: VerificationManifest) -> None:
    warm = replace(manifest, self_improvement=None, temperatures=(0.5, 1.0))
    found = names(warm, VerificationMetric.LABEL_MASS)
    assert found == ["label-mass.mc.temp0.5", "label-mass.mc.temp1"]
