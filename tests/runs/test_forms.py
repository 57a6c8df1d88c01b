"""A run's numbers in other tools' forms, read back by those tools where they are installed here."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from runs.test_study import _call, _open, study_file
from support import ManifestMaker

from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.execute import execute, run_study
from selfimp_bench.runs.forms import FORMS
from selfimp_bench.runs.judge import RunFiles, read_run
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.progress import SILENT, Silent

__all__ = ["study_file"]


@pytest.fixture
def run(make_manifest: ManifestMaker, common_home: Path) -> RunFiles:
    """Two replicates of the fake engines."""
    opened = open_experiment(str(make_manifest()), profile=Profile.PAPER, only=None, replicates=2)
    return read_run(execute(opened, common_home, Silent()))


def _found(run: RunFiles, metric: str, iteration: int, split: str = "test") -> list[Any]:
    return [
        each
        for each in run.measurements
        if (each.metric, each.iteration, each.split) == (metric, iteration, split) and each.value is not None
    ]


def test_the_table_has_every_measurement(run: RunFiles) -> None:
    rows = list(csv.DictReader(io.StringIO(FORMS["csv"](run)["measurements.csv"])))
    assert len(rows) == len(run.measurements)
    for row, each in zip(rows, run.measurements, strict=True):
        assert (row["metric"], row["split"], int(row["replicate"])) == (each.metric, each.split, each.replicate)
        assert (float(row["value"]) if row["value"] else None) == each.value


def test_results_of_every_checkpoint_are_means_over_the_replicates(run: RunFiles) -> None:
    files = FORMS["lm-eval"](run)
    (model,) = run.manifest.models
    assert set(files) == {f"{model.id}/t{iteration}/results.json" for iteration in (1, 2, 3)}
    data = run.manifest.datasets
    found = json.loads(files[f"{model.id}/t2/results.json"])
    results = found["results"][data.test.id]
    first, second = _found(run, "pass@1", 2)
    assert results["pass@1,none"] == pytest.approx((first.value + second.value) / 2)
    error = (first.standard_error + second.standard_error) / 2
    assert results["pass@1_stderr,none"] == pytest.approx(error)
    assert found["n-samples"][data.test.id] == {"original": data.test.rows, "effective": data.test.rows}
    assert "iteration=2" in found["config"]["model_args"]


def test_a_card_s_metadata_is_read_back_by_the_hub_s_own_parser(run: RunFiles) -> None:
    (model,) = run.manifest.models
    card = ModelCard(FORMS["model-card"](run)[f"{model.id}/t3/README.md"])
    values = {
        (each.dataset_name, each.dataset_split, each.metric_type): each.metric_value
        for each in card.data.eval_results or ()
    }
    found = _found(run, "pass@1", 3)
    test = run.manifest.datasets.test.id
    assert values[test, "test", "pass@1"] == pytest.approx(sum(each.value for each in found) / 2)
    assert run.record.manifest_digest in card.text


def test_the_command_writes_a_run_s_and_a_study_s_files_and_refuses_a_bundle_s_options(
    study_file: Path, tmp_path: Path
) -> None:
    folder = run_study(_open(study_file), tmp_path / "home", SILENT)
    for form, name in (("csv", "measurements.csv"), ("lm-eval", "results.json"), ("model-card", "README.md")):
        shown = _call("export", folder, "--format", form, "--out", tmp_path / form)
        assert shown.exit_code == 0, shown.output
        files = sorted((tmp_path / form).rglob(name))
        assert f"{form}: {len(files)} file" in shown.output
        assert len({path.relative_to(tmp_path / form).parts[0] for path in files}) == 2
    refused = _call("export", folder, "--format", "csv", "--with-data")
    assert refused.exit_code == 2 and "--sign and --with-data are a bundle's" in refused.output
