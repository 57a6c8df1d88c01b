"""The verification protocol with the real engines and the shipped tiny model.

The model cannot verify: what is tested is that every step runs, and that its numbers are the engine's. What a kill
changes: ``tests/faults``.
"""

import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from gap_support import GapManifestMaker

from selfimp_bench.manifest.model import Profile
from selfimp_bench.protocols.registry import measured_cells
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.judge import read_run
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.progress import Silent


@pytest.mark.slow
def test_real_engines_verify(tmp_path: Path) -> None:
    maker = GapManifestMaker(folder=tmp_path)
    manifest = maker(problems=4, samples=4, change=maker.with_real_engines)
    experiment = open_experiment(str(manifest), profile=Profile.PAPER, only=None, replicates=1)
    whole = execute(experiment, tmp_path / "whole", Silent())
    run = read_run(whole)
    expected = {(cell.metric, iteration) for cell in measured_cells(run.manifest) for iteration in (0, 1)}
    assert {(each.metric, each.iteration) for each in run.measurements} == expected
    scores = _rows(tmp_path / "whole", whole, "tiny/seed1/t0/score.mc.sample", "scores.parquet")
    assert all(0 < row["score"] < 1 and 0 < row["label_mass"] < 1 for row in scores)
    for row in _rows(tmp_path / "whole", whole, "tiny/seed1/t0/verify.mc.sample", "judgements.parquet"):
        assert math.exp(row["logprob_correct"]) + math.exp(row["logprob_incorrect"]) < 1
    trained = next(step for step in read_record(whole).steps if step.id == "tiny/seed1/t1/train")
    assert trained.counts["optimizer steps"] == 3


def _rows(home: Path, folder: Path, step: str, name: str) -> list[dict[str, Any]]:
    found = next(each for each in read_record(folder).steps if each.id == step)
    rows: list[dict[str, Any]] = pq.read_table(home / "store" / found.fingerprint / name).to_pylist()
    return rows
