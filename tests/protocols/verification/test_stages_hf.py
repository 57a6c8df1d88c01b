"""The verification protocol with the real engines and the shipped tiny model, killed and resumed.

The model cannot verify: what is tested is that every step runs, that its numbers are the engine's, and that a kill
changes nothing.
"""

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from gap_support import BASE, GapManifestMaker, canary

from selfimp_bench.canonical import file_sha256
from selfimp_bench.protocols.registry import measured_cells
from selfimp_bench.runs.judge import read_run
from selfimp_bench.runs.record import read_record

COMMAND = [sys.executable, "-m", "selfimp_bench"]


def _with_real_engines(maker: GapManifestMaker, data: dict[str, Any]) -> None:
    maker.improving(data, method="rpo", gold=True)
    digest = file_sha256(BASE / "model.safetensors")
    model = {"id": "tiny", "asset": BASE.name, "weights_sha256": digest, "source": "test"}
    data["models"] = [model]
    data["prompt"]["canaries"] = [canary("tiny")]
    data["engines"] = data["engines"] | {"sampler": "hf", "trainer": "trl", "max_batch_rows": 32}
    data["self_improvement"]["iterations"] = 1
    data["self_improvement"]["sampling"]["samples_per_problem"] = 16
    data["dpo"]["optimisation"] = data["dpo"]["optimisation"] | {"steps": 3}


def _run(manifest: Path, home: Path, *, kill_after: int | None = None) -> None:
    """Run the command line; with ``kill_after`` it is shot (SIGKILL) when it has said so many lines."""
    command = [*COMMAND, "run", str(manifest), "--home", str(home)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as run:
        assert run.stderr
        for count, line in enumerate(run.stderr, start=1):
            if count == kill_after:
                run.send_signal(signal.SIGKILL)
            assert "Traceback" not in line
    assert run.returncode == (0 if kill_after is None else -signal.SIGKILL)


def _whole_run(manifest: Path, home: Path) -> Path:
    """Run to the end; the run folder."""
    _run(manifest, home)
    (folder,) = (home / "runs" / "small-gap").iterdir()
    return folder


@pytest.mark.slow
def test_real_engines_verify_and_a_kill_changes_nothing(tmp_path: Path) -> None:
    maker = GapManifestMaker(folder=tmp_path)
    manifest = maker(problems=4, samples=4, change=lambda data: _with_real_engines(maker, data))
    for done in (4, 5, 6):
        _run(manifest, tmp_path / "killed", kill_after=done)
    killed = _whole_run(manifest, tmp_path / "killed")
    whole = _whole_run(manifest, tmp_path / "whole")
    assert _artifacts(killed) == _artifacts(whole)
    assert (killed / "measurements.parquet").read_bytes() == (whole / "measurements.parquet").read_bytes()
    run = read_run(whole)
    expected = {(cell.metric, iteration) for cell in measured_cells(run.manifest) for iteration in (0, 1)}
    assert {(each.metric, each.iteration) for each in run.measurements} == expected
    scores = _rows(tmp_path / "whole", whole, "tiny/seed1/t0/score.mc.sample", "scores.parquet")
    assert all(0 < row["score"] < 1 and 0 < row["label_mass"] < 1 for row in scores)
    for row in _rows(tmp_path / "whole", whole, "tiny/seed1/t0/verify.mc.sample", "judgements.parquet"):
        assert math.exp(row["logprob_correct"]) + math.exp(row["logprob_incorrect"]) < 1
    trained = next(step for step in read_record(whole).steps if step.id == "tiny/seed1/t1/train")
    assert trained.counts["optimizer steps"] == 3


def _artifacts(folder: Path) -> dict[str, Any]:
    record = json.loads((folder / "record.json").read_bytes())
    return {step["id"]: (step["fingerprint"], step["artifacts"]) for step in record["steps"]}


def _rows(home: Path, folder: Path, step: str, name: str) -> list[dict[str, Any]]:
    found = next(each for each in read_record(folder).steps if each.id == step)
    rows: list[dict[str, Any]] = pq.read_table(home / "store" / found.fingerprint / name).to_pylist()
    return rows
