"""The action for CIs of others: its commands, as GitHub's runner calls them, on an experiment of one's own."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from support import ManifestMaker

ROOT = Path(__file__).parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]


def call(step: dict[str, Any], workspace: Path, inputs: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A step with ``run`` as the runner does it: in the workspace, expressions filled in, by bash as it calls it."""
    given = {name: value.get("default", "") for name, value in ACTION["inputs"].items()} | inputs
    filled = {
        name: re.sub(r"\$\{\{ inputs\.([a-z]+) \}\}", lambda found: given[found[1]], text)
        for name, text in step.get("env", {}).items()
    }
    assert "${{" not in step["run"] and not any("${{" in text for text in filled.values())
    runner = {
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_STEP_SUMMARY": str(workspace / "summary.md"),
        "GITHUB_OUTPUT": str(workspace / "output"),
    }
    script = workspace / "step.sh"
    script.write_text(step["run"])
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
        cwd=workspace,
        env={**os.environ, **filled, **runner},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_a_smoke_run_of_one_s_own_file_and_a_name_that_is_none_are_in_the_summary_and_the_reports(
    make_manifest: ManifestMaker, tmp_path: Path
) -> None:
    def smoke(data: dict[str, Any]) -> None:
        data["profiles"] = {"smoke": {"engines": data["engines"]}}

    own = make_manifest(name="own", counts=(8, 8, 4), schedule=("sft-gold", "sft"), change=smoke)
    smoke_runs, summary = (step for step in STEPS if "run" in step)
    asked = {"experiments": f"{own.name} no-such-experiment"}
    done = call(smoke_runs, tmp_path, asked)
    assert done.returncode == 4, done.stderr
    assert "in all, 1 of 2 experiments worked" in done.stdout
    assert (tmp_path / "output").read_text() == f"reports={tmp_path / 'selfimp-bench-reports'}\n"
    assert (tmp_path / ".selfimp-bench" / "runs" / "own").is_dir()

    assert call(summary, tmp_path, asked).returncode == 0
    text = (tmp_path / "summary.md").read_text()
    assert "# own\n\nnot judged (smoke): every step worked" in text
    assert "# no-such-experiment\n\nno-such-experiment: FAILED with exit code 2\n" in text

    worked, failed = (
        ElementTree.parse(tmp_path / "selfimp-bench-reports" / f"{name}.xml").getroot()
        for name in ("own.v1", "no-such-experiment")
    )
    assert [(case.get("name"), len(case)) for case in worked.iter("testcase")] == [("every step works", 0)]
    (error,) = failed.iter("error")
    assert "no experiment of this name" in str(error.text)


def test_a_job_without_any_report_has_an_empty_summary_and_no_error(tmp_path: Path) -> None:
    summary = [step for step in STEPS if "run" in step][-1]
    assert call(summary, tmp_path, {}).returncode == 0
    assert not (tmp_path / "summary.md").exists()


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.get("name") or step["uses"])
def test_a_step_is_one_that_a_composite_action_takes(step: dict[str, Any]) -> None:
    assert ("run" in step) == ("shell" in step) != ("uses" in step)
    if "uses" in step:
        assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
    else:
        subprocess.run(["bash", "-n", "-c", step["run"]], check=True)
