"""`runs`: every finished run of a home, with its verdicts; what cannot be read is said and hides nothing."""

import json
from pathlib import Path

from runs.test_study import _call, _open, study_file

from selfimp_bench.runs.execute import run_study
from selfimp_bench.runs.folders import FINDINGS
from selfimp_bench.runs.judge import judge_study
from selfimp_bench.runs.listing import listed_runs
from selfimp_bench.steps.progress import SILENT

__all__ = ["study_file"]


def test_runs_are_listed_with_their_verdicts_as_last_judged(study_file: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert listed_runs(home) == ()
    shown = _call("runs", "--home", home)
    assert shown.exit_code == 0 and "no finished run" in shown.output
    folder = run_study(_open(study_file), home, SILENT)
    assert {each.words for each in listed_runs(home)} == {"not judged yet: `selfimp-bench check` does"}
    judged = judge_study(folder)
    found = {each.run: each for each in listed_runs(home)}
    assert len(found) == 3 and all(each.started for each in found.values())
    own = f"{folder.parent.name}/{folder.name}"
    assert sum(found[own].verdicts.values()) == len(judged.findings.findings) > 0
    for each in judged.experiments:
        listed = found["/".join(Path(each.run).parts[-2:])]
        assert sum(listed.verdicts.values()) == len(each.findings.findings)
    shown = _call("runs", "--home", home)
    assert shown.exit_code == 0 and all(name.partition("/")[0] in shown.output for name in found)
    assert {each["run"] for each in json.loads(_call("runs", "--home", home, "--json").stdout)} == set(found)


def test_a_damaged_run_hides_no_other(study_file: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    folder = run_study(_open(study_file), home, SILENT)
    judged = judge_study(folder)
    first, second = (Path(each.run) for each in judged.experiments)
    (first / "record.json").write_text("{")
    (second / FINDINGS).write_text("{}")
    words = {each.run.partition("/")[0]: each.words for each in listed_runs(home)}
    assert "not a run record of this version" in words[first.parent.name]
    assert "not findings of this version" in words[second.parent.name]
    assert "not a run record of this version" in words[folder.parent.name]
    assert _call("runs", "--home", home).exit_code == 0
