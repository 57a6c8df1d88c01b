"""One experiment of every task through its smoke profile: real training on a tiny model, every stage, every metric."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support import COMMAND

from selfimp_bench.manifest.catalog import entries, find
from selfimp_bench.manifest.model import Manifest, Profile
from selfimp_bench.protocols.load import load_experiment
from selfimp_bench.protocols.registry import measured_cells, resolve_profile
from selfimp_bench.tasks.sandbox.corpus import read_corpus

ROOT = Path(__file__).parent.parent
PAPER = sorted({entry.name for entry in entries() if entry.path.parent.name == "progress-or-regress"})


@pytest.mark.parametrize("name", PAPER)
def test_every_experiment_of_a_paper_has_a_smoke_profile_of_the_same_schedule(name: str) -> None:
    manifest = load_experiment(find(name)).manifest
    smoke = resolve_profile(manifest, Profile.SMOKE)
    assert isinstance(manifest, Manifest) and isinstance(smoke, Manifest)
    assert smoke.post_training.schedule == manifest.post_training.schedule
    assert smoke.measure.metrics == manifest.measure.metrics
    assert smoke.engines.device == "cpu" and {smoke.engines.sampler, smoke.engines.trainer} == {"hf", "trl"}


def ci_smoke(home: Path, *names: str, **more: str) -> subprocess.CompletedProcess[str]:
    """ci/smoke on these experiments; ``more`` of the environment."""
    script, environment = ROOT / "ci" / "smoke", os.environ | {"SMOKE_HOME": str(home)} | more
    return subprocess.run([script, *names], capture_output=True, text=True, check=False, env=environment)


def test_ci_smoke_goes_on_after_a_failure_and_says_so_at_the_end(tmp_path: Path) -> None:
    found = ci_smoke(tmp_path, "no-such-experiment", "tiny-iter-sft")
    assert found.returncode == 4
    *runs, last = [line.split("s  ")[1] for line in found.stdout.splitlines()]
    assert sorted(runs) == [  # as they end
        "no-such-experiment: FAILED with exit code 2",
        "tiny-iter-sft: FAILED with exit code 2",
    ]
    assert last == "in all, 0 of 2 experiments worked"
    assert "no-such-experiment: no experiment of this name" in found.stderr
    assert "tiny-iter-sft: no profile smoke" in found.stderr
    assert found.stderr.endswith("ci/smoke: failed: no-such-experiment tiny-iter-sft\n")


def test_ci_smoke_needs_a_name(tmp_path: Path) -> None:
    found = ci_smoke(tmp_path)
    assert (found.returncode, found.stdout) == (2, "")
    assert "name experiments, or --all" in found.stderr


@pytest.mark.parametrize("name", ["SMOKE_JOBS", "SELFIMP_BENCH_CORES"])
@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_ci_smoke_refuses_what_is_no_number_of_runs_or_cores(name: str, value: str, tmp_path: Path) -> None:
    found = ci_smoke(tmp_path, "gsm8k-iter-sft", **{name: value})
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == f"ci/smoke: {name}={value}: expected a number from 1\n"


def test_ci_smoke_counts_only_what_ended_well(tmp_path: Path) -> None:
    """xargs ends at once when one of its commands is killed: what was not begun did not work."""
    (tmp_path / "xargs").write_text("#!/bin/sh\nexit 125\n")
    (tmp_path / "xargs").chmod(0o755)
    found = ci_smoke(tmp_path, "mbpp-iter-sft", "csqa-iter-sft", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert (found.returncode, found.stdout) == (4, "   0 s  in all, 0 of 2 experiments worked\n")
    assert found.stderr == "ci/smoke: failed: mbpp-iter-sft csqa-iter-sft\n"


def smoke_run(name: str, home: Path) -> Path:
    """Run the smoke profile and return the run's folder."""
    command = [*COMMAND, "reproduce", name, "--profile", "smoke", "--home", str(home)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "not judged (smoke)" in run.stdout
    (folder,) = (home / "runs" / name).iterdir()
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["csqa-iter-sft", "gsm8k-iter-sft-dpo-70b", "math-iter-dpo", "mbpp-iter-sft"])
def test_a_smoke_run_trains_on_something_and_measures_everything(name: str, common_home: Path) -> None:
    folder = smoke_run(name, common_home)
    record: dict[str, Any] = json.loads((folder / "record.json").read_bytes())
    held = (record["sandbox"] or {}).get("attacks", 0)
    assert held == (len(read_corpus()) if name.startswith("mbpp") else 0)
    rows = {step["id"]: step["counts"]["rows"] for step in record["steps"] if step["stage"] == "select"}
    assert len(rows) == 5 and all(rows.values()), rows
    measured = pq.read_table(folder / "measurements.parquet").to_pylist()
    defined = {(row["metric"], row["split"]) for row in measured if row["value"] is not None}
    diversities = [row for row in measured if row["metric"].startswith(("distinct-n", "sbert-diversity"))]
    assert any(row["value"] for row in diversities)
    if name.startswith("csqa"):  # its targets are rationales
        assert all(row["value"] > 0 for row in diversities if row["metric"].endswith(".correct"))
    manifest = resolve_profile(load_experiment(find(name)).manifest, Profile.SMOKE)
    expected = {(cell.metric, cell.split.value) for cell in measured_cells(manifest)}
    # Equal numbers need two outputs of a side from every M_t at one problem, which so few may not have.
    assert {cell for cell in expected - defined if not cell[0].endswith(".equal")} == set()


VERIFYING = {"gsm8k-gv-gap": 0, "gsm8k-iter-strong-verifier": 2, "gsm8k-iter-rpo": 2}
"""Experiments that verify, and how often each trains."""


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of what ci/smoke did side by side, with one among them that fails."""
    home = tmp_path_factory.mktemp("verified")
    found = ci_smoke(home, *VERIFYING, "no-such-experiment", SELFIMP_BENCH_CORES="2")
    assert found.returncode == 4, found.stderr
    assert found.stdout.endswith("in all, 3 of 4 experiments worked\n")
    assert found.stderr.endswith("ci/smoke: failed: no-such-experiment\n")
    return home


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rounds"), VERIFYING.items())
def test_a_smoke_run_verifies_with_every_kind_and_trains(name: str, rounds: int, verified: Path) -> None:
    (folder,) = (verified / "runs" / name).iterdir()
    record: dict[str, Any] = json.loads((folder / "record.json").read_bytes())
    kept = [step["counts"]["rows"] for step in record["steps"] if step["stage"] == "select"]
    assert len(kept) == rounds and all(kept), kept
    manifest = resolve_profile(load_experiment(find(name)).manifest, Profile.SMOKE)
    rows = pq.read_table(folder / "measurements.parquet").to_pylist()
    assert {(row["metric"], row["iteration"]) for row in rows} == {
        (cell.metric, iteration)
        for cell in measured_cells(manifest)
        for iteration in range(cell.first, cell.iterations + 1)
    }
    defined = {row["metric"].replace("@tiny-gsm-base", "") for row in rows if row["value"] is not None}
    assert {"accuracy", "gap.mc.q0.5", "gap.cot-binary.t1"} <= defined
