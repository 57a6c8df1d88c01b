"""A run's numbers in other tools' forms, read back by those tools where they are installed here."""

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from runs.test_study import _call, _open, study_file
from support import ManifestMaker
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from selfimp_bench import assess
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.execute import execute, run_study
from selfimp_bench.runs.forms import FORMS
from selfimp_bench.runs.inspect_form import write_inspect_logs
from selfimp_bench.runs.judge import RunFiles, judge_study, read_run
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
    for form, name in (
        ("csv", "measurements.csv"),
        ("lm-eval", "results.json"),
        ("model-card", "README.md"),
        ("inspect", "greedy.eval"),
    ):
        shown = _call("export", folder, "--format", form, "--out", tmp_path / form)
        assert shown.exit_code == 0, shown.output
        files = sorted((tmp_path / form).rglob(name))
        assert f"{form}: {len([*(tmp_path / form).rglob(f'*{files[0].suffix}')])} file" in shown.output
        assert len({path.relative_to(tmp_path / form).parts[0] for path in files}) == 2
    refused = _call("export", folder, "--format", "csv", "--with-data")
    assert refused.exit_code == 2 and "--sign and --with-data are a bundle's" in refused.output


def test_logs_of_inspect_ai_hold_every_sample_and_assess_finds_the_run_s_measurements_in_them(
    run: RunFiles, tmp_path: Path
) -> None:
    written = write_inspect_logs(run, run.folder.parent.parent.parent / "store", tmp_path)
    (model,) = run.manifest.models
    for replicate, seed in enumerate(run.record.seeds):
        place = tmp_path / model.id / f"seed{seed}"
        found = assess([place / f"t{t}" / "test" for t in (1, 2, 3)], ood=[place / f"t{t}" / "ood" for t in (1, 2, 3)])
        own = {(each.metric, each.split, each.checkpoint): each for each in found.measurements}
        compared = 0
        for each in run.measurements:
            if each.replicate == replicate and each.split != "train" and not each.metric.startswith("sbert"):
                measured = own[each.metric, each.split, each.iteration]
                assert (measured.value, measured.n) == (each.value, each.n), each.metric
                assert measured.standard_error == each.standard_error
                compared += 1
        assert compared > 20
    assert len(written) == 2 * 3 * 3  # seeds, iterations; greedy, sampled and out of distribution


def test_a_log_of_inspect_ai_says_what_was_asked_answered_and_measured(run: RunFiles, tmp_path: Path) -> None:
    write_inspect_logs(run, run.folder.parent.parent.parent / "store", tmp_path)
    (model,) = run.manifest.models
    with zipfile.ZipFile(tmp_path / model.id / f"seed{run.record.seeds[1]}" / "t2" / "test" / "greedy.eval") as log:
        header, summaries = (json.loads(log.read(name)) for name in ("header.json", "summaries.json"))
        samples = [json.loads(log.read(f"samples/{each['id']}_epoch_1.json")) for each in summaries]
    scores = {each["name"]: each["metrics"] for each in header["results"]["scores"]}
    _, second = _found(run, "pass@1", 2)
    assert scores["gsm8k"]["accuracy"]["value"] == scores["selfimp-bench"]["pass@1"]["value"] == second.value
    assert sum(each["scores"]["gsm8k"]["value"] == "C" for each in samples) / len(samples) == second.value
    assert scores["gsm8k"]["stderr"]["value"] == pytest.approx(second.standard_error)
    assert header["eval"]["dataset"]["samples"] == header["results"]["completed_samples"] == len(samples)
    for each in samples:
        assert each["metadata"]["question"] in each["input"]
        assert each["target"] == each["metadata"]["answer"]
        assert each["output"]["choices"][0]["message"]["content"] == each["messages"][-1]["content"]


def test_a_crate_is_the_bundle_unpacked_and_needs_a_folder_of_its_own(run: RunFiles, tmp_path: Path) -> None:
    judge_study(run.folder)
    packed, crate = tmp_path / "b.zip", tmp_path / "crate"
    assert _call("export", run.folder, "--out", packed).exit_code == 0
    shown = _call("export", run.folder, "--format", "ro-crate", "--out", crate)
    assert shown.exit_code == 0, shown.output
    with zipfile.ZipFile(packed) as bundle:
        names = {path.relative_to(crate).as_posix() for path in crate.rglob("*") if path.is_file()}
        assert names == set(bundle.namelist())
        assert all((crate / name).read_bytes() == bundle.read(name) for name in names)
    again = _call("export", run.folder, "--format", "ro-crate", "--out", crate)
    assert again.exit_code == 2 and "expected a new or an empty folder" in again.output


def test_tensorboard_is_told_measurements_and_verdicts_and_a_second_time_in_place_of_the_first(
    run: RunFiles, tmp_path: Path
) -> None:
    for _ in range(2):
        shown = _call("export", run.folder, "--format", "tensorboard", "--out", tmp_path)
        assert (shown.exit_code, shown.output) == (0, f"tensorboard: 2 files in {tmp_path}\n")
    (model,), seeds = run.manifest.models, run.record.seeds
    events = EventAccumulator(str(tmp_path / run.manifest.name / f"{model.id}-seed{seeds[1]}")).Reload()
    expected = {
        (f"{each.split}/{each.metric}", each.iteration): each.value
        for each in run.measurements
        if each.replicate == 1 and each.value is not None
    }
    found = {(tag, point.step): point.value for tag in events.Tags()["scalars"] for point in events.Scalars(tag)}
    assert found == {key: pytest.approx(value, abs=1e-6) for key, value in expected.items()}
    findings = judge_study(run.folder).findings.findings
    assert findings
    for each in findings:
        (text,) = events.Tensors(f"verdicts/{each.claim}/text_summary")[-1].tensor_proto.string_val
        assert text.decode() == f"**{each.verdict}** {each.reason}"
    (whole,) = events.Tensors("findings/text_summary")[-1].tensor_proto.string_val
    assert whole.decode().startswith(f"# {run.manifest.name}")


def test_a_reproduction_is_told_to_the_tracker_that_was_asked_for(make_manifest: ManifestMaker, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shown = _call("reproduce", make_manifest(), "--home", home, "--log-to", "tensorboard")
    assert shown.exit_code in (0, 1, 3), shown.output
    (events,) = (home / "store" / "logs" / "runs").rglob("events.out.tfevents.*")
    found = EventAccumulator(str(events.parent)).Reload().Tags()
    assert "test/pass@1" in found["scalars"] and any(each.startswith("verdicts/") for each in found["tensors"])


@pytest.mark.parametrize("tracker", ["mlflow", "wandb", "tensorboard"])
def test_a_tracker_that_is_not_installed_is_named_before_anything_is_done(
    run: RunFiles, make_manifest: ManifestMaker, tmp_path: Path, tracker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selfimp_bench.runs.trackers.tracked.find_spec", lambda _: None)
    shown = _call("export", run.folder, "--format", tracker, "--out", tmp_path / "out")
    assert (shown.exit_code, shown.output.count("\n")) == (2, 1)
    assert re.search(rf"{tracker}: it is not installed; pip install '[^']*{tracker}", shown.output)
    if tracker != "mlflow":
        asked = _call("reproduce", make_manifest(), "--home", tmp_path / "home", "--log-to", tracker)
        assert asked.exit_code == 2 and f"--log-to {tracker}: it is not installed" in asked.output
        assert not (tmp_path / "home").exists()
