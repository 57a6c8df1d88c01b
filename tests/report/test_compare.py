"""Runs side by side: runs on the fake engines, and hand-made ones for what differs."""

import base64
import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as changed
from page import read_page, seen_in
from runs.test_study import _call, _open, study_file

from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Split
from selfimp_bench.report import compare
from selfimp_bench.report.compare import write_comparison
from selfimp_bench.runs.execute import run_study
from selfimp_bench.runs.judge import Judgement, read_run
from selfimp_bench.steps.progress import SILENT
from selfimp_bench.verdict.evidence import columns_of
from selfimp_bench.verdict.findings import Findings

__all__ = ["study_file"]


def test_methods_of_a_study_are_compared_by_their_run_folders(study_file: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    run_study(_open(study_file), home, SILENT)
    made = _call("report", "one", "two", "--home", home)
    assert made.exit_code == 0
    path = Path(made.stdout.strip())
    assert path.parent.parent == home / "reports"
    page = path.read_text()
    read = read_page(page)
    assert len(read.ids) == len(set(read.ids)) and not {"script", "img"} & read.tags
    assert "2 runs side by side" in seen_in(page)
    assert _call("report", "one", "both", "two", "--home", home, "--out", tmp_path / "x").exit_code == 0
    assert "2 runs side by side" in seen_in((tmp_path / "x" / "comparison.html").read_text())
    refused = _call("report", "one", "two", "--home", home, "--junit", tmp_path / "j.xml")
    assert refused.exit_code == 2 and "give one RUN" in refused.output
    refused = _call("report", "one", "two", "--home", home, "--samples")
    assert refused.exit_code == 2 and "give one RUN" in refused.output


# ---- by hand ----


@pytest.fixture
def runs(write_run, monkeypatch):
    """The hand-made run, as often as there are changes to it, read instead of what lies in the folders."""

    def made(*changes, **given):
        run = read_run(write_run(**given))
        folders = {Path(f"/runs/example/{at}"): change(run) for at, change in enumerate(changes)}
        nothing = Judgement(
            experiment="example",
            run="",
            judged=True,
            claimed=True,
            findings=Findings(schema=2, findings=()),
            exit_code=0,
            unwritten=(),
            probes={},
            prompts={},
        )

        def judged(folder):
            return type("Judged", (), {"experiments": (replace(nothing, run=str(folder)),)})

        monkeypatch.setattr(compare, "judge_study", judged)
        monkeypatch.setattr(compare, "read_run", lambda folder: replace(folders[folder], folder=folder))
        return list(folders)

    return made


def _same(run):
    return run


def _higher(run):
    """Every value by problem of greedy pass@1 on the test problems a tenth higher."""
    values = [
        changed(each, value=each.value + 0.1) if (each.metric, each.split) == ("pass@1", Split.TEST) else each
        for each in run.problem_values
    ]
    means = [
        replace(each, value=each.value + 0.1) if (each.metric, each.split) == ("pass@1", Split.TEST) else each
        for each in run.measurements
    ]
    return replace(run, measurements=tuple(means), columns=columns_of(values))


def _other_problems(run):
    datasets = run.manifest.datasets
    changed = {
        name: replace(each, digest="f" * 64)
        for name in ("train", "test", "ood")
        if (each := getattr(datasets, name)) is not None
    }
    return replace(run, manifest=replace(run.manifest, datasets=replace(datasets, **changed)))


def _table(page, name):
    """The first table of that name, as its file has it."""
    found = re.search(rf'download="{name}[^"]*" href="data:[^,"]+,([^"]+)"', page)
    return list(csv.reader(base64.b64decode(found[1]).decode().splitlines()))


def test_a_difference_is_of_the_same_problems_with_its_interval(runs, tmp_path):
    page = write_comparison(runs(_same, _higher), tmp_path).read_text()
    header, *rows = _table(page, "measured-after")
    assert header == ["Measured", "0", "1"]
    accuracy = rows[0]
    assert accuracy[0] == "Accuracy (pass@1) pass@1"
    assert accuracy[2].endswith("difference +0.1000 (0.1000 to 0.1000) 60 problems")
    assert "0.1000" not in accuracy[1]
    # equal on all 60 problems: the interval is what may be unseen of so many, 2 x (1 - 0.025^(1/60)) = 0.1193
    assert rows[1][2].endswith("difference 0.0000 (-0.1193 to 0.1193) 60 problems")


def test_of_runs_and_measurements_the_more_go_down_the_page(runs, tmp_path):
    header, *rows = _table(write_comparison(runs(_same, _higher), tmp_path).read_text(), "from-the-first")
    assert (
        header == ["Measured", "Reversal 0 t = 1 to 3", "Reversal 1 t = 1 to 3"] and rows[0][0] == "Accuracy (pass@1)"
    )
    header, *rows = _table(write_comparison(runs(*[_same] * 9), tmp_path).read_text(), "from-the-first")
    assert header[:2] == ["Run", "Accuracy (pass@1)"] and rows[8][0] == "Reversal 8 t = 1 to 3"


def test_runs_of_one_request_in_two_homes_are_told_apart(runs, tmp_path, monkeypatch):
    folders = runs(_same, _higher)
    monkeypatch.setattr(compare, "_name", lambda *_: "example")
    page = write_comparison(folders, tmp_path).read_text()
    assert {"example (1)", "example (2)"} <= set(re.findall(r"example \(\d\)", page))
    assert "+0.1000 (0.1000 to 0.1000)" in page


def test_models_of_one_run_are_compared_as_runs_are(runs, tmp_path):
    page = write_comparison(runs(_same, models=("big", "tiny")), tmp_path).read_text()
    assert "2 runs side by side" in seen_in(page) and (tmp_path / "figures" / "compared-1.svg").is_file()


def test_runs_without_the_same_problems_are_refused_and_say_what_they_measured(runs, tmp_path):
    with pytest.raises(InputError, match=r"(?s)/runs/example/0.*same problems.*they measured.*pass@1.*problems\)"):
        write_comparison(runs(_same, _other_problems), tmp_path)
    assert not (tmp_path / "comparison.html").exists()
    with pytest.raises(InputError, match=r"/runs/example/2.*same problems"):
        write_comparison(runs(_same, _same, _other_problems), tmp_path)


def test_one_run_of_one_model_is_nothing_to_compare(runs, tmp_path):
    folders = runs(_same)
    with pytest.raises(InputError, match="at least two"):
        write_comparison([*folders, *folders], tmp_path)
