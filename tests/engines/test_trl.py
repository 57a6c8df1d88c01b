"""The client of the trl worker: what it refuses, and what it says of a child that died."""

from dataclasses import replace
from pathlib import Path

import pytest
from support import quiet

from selfimp_bench.engines.trl.job import read_job, write_job
from selfimp_bench.engines.trl.trainer import TrlTrainer
from selfimp_bench.engines.worker import child
from selfimp_bench.errors import InputError, StepFailed

from .conftest import MakeJob, dpo_rows, folders_in, options, sft_rows, worker_job


def test_a_job_survives_its_file(make_job: MakeJob, tmp_path: Path) -> None:
    for rows in (sft_rows(2), dpo_rows(2)):
        job = make_job(rows)
        work = worker_job(job, folders_in(tmp_path))
        write_job(tmp_path, work)
        assert read_job(tmp_path) == work


def test_label_smoothing_that_trl_would_ignore_is_refused(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job(dpo_rows(4))
    assert job.preference is not None
    smoothed = replace(job, preference=replace(job.preference, label_smoothing=0.1))
    with pytest.raises(InputError, match="ignores it"):
        TrlTrainer(options()).train(smoothed, folders_in(tmp_path), quiet)


def test_a_child_that_dies_is_a_failed_step_with_the_end_of_its_log(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "command", lambda *_, **__: ["sh", "-c", "echo the last words >&2; kill -9 $$"])
    with pytest.raises(StepFailed, match=r"killed by signal 9[\s\S]*micro_batch_size \(now 2\)[\s\S]*the last words"):
        TrlTrainer(options()).train(make_job(sft_rows(4)), folders_in(tmp_path), quiet)


def test_an_input_error_of_the_child_stays_one_and_progress_is_told(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        'echo noise; echo \'{"step": 2, "steps": 2, "loss": 0.5, "learning_rate": 0, "grad_norm": 1}\'; '
        'echo \'{"type": "Failure", "kind": "input", "message": "no such device"}\' > "$0"/result.json; exit 1'
    )
    monkeypatch.setattr(child, "command", lambda _module, scratch, *_stages, **_: ["sh", "-c", script, scratch])
    told: list[tuple[int, int]] = []
    with pytest.raises(InputError, match="no such device"):
        TrlTrainer(options()).train(
            make_job(sft_rows(4)), folders_in(tmp_path), lambda step, steps: told.append((step, steps))
        )
    assert told == [(2, 2)]


def test_a_job_with_relative_paths_reaches_the_worker_with_absolute_ones(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = replace(make_job(sft_rows(4)), training_set=Path("store/training_set.parquet"))
    write_job(tmp_path, worker_job(job, folders_in(tmp_path)))
    monkeypatch.chdir("/")
    assert read_job(tmp_path).job.training_set == tmp_path / "store" / "training_set.parquet"
