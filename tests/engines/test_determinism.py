"""What a trainer's process really runs under."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from selfimp_bench.engines.trl.job import WorkerJob, write_job
from selfimp_bench.engines.worker import child

from .conftest import MakeJob, folders_in, sft_rows, worker_job

TELL = """
import json, os, sys, torch
from pathlib import Path
from torch.utils import deterministic
from selfimp_bench.engines.trl import worker
assert worker.main(Path(sys.argv[1]), ("train",)) == 0
names = ("CUDA_LAUNCH_BLOCKING", "CUBLAS_WORKSPACE_CONFIG", "FLASH_ATTENTION_DETERMINISTIC")
print(json.dumps({name: os.environ.get(name) for name in names} | {
    "algorithms": torch.are_deterministic_algorithms_enabled(),
    "only warned": torch.is_deterministic_algorithms_warn_only_enabled(),
    "cudnn": torch.backends.cudnn.deterministic,
    "cudnn chooses by speed": torch.backends.cudnn.benchmark,
    "fills memory": deterministic.fill_uninitialized_memory,
}))
"""


def told_after_training(work: WorkerJob, folder: Path) -> dict[str, object]:
    write_job(folder, work)
    run = subprocess.run(
        [sys.executable, "-P", "-c", TELL, str(folder)],
        env=child.environment(device="cpu", threads=1, scratch=folder, gpus=None),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, object] = json.loads(run.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_training_ran_with_every_deterministic_setting_and_none_that_only_slows(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_LAUNCH_BLOCKING", "1")  # of a user's shell
    folders = folders_in(tmp_path / "run")
    assert told_after_training(worker_job(make_job(sft_rows(4)), folders), tmp_path) == {
        "CUDA_LAUNCH_BLOCKING": None,
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "FLASH_ATTENTION_DETERMINISTIC": "1",
        "algorithms": True,
        "only warned": False,
        "cudnn": True,
        "cudnn chooses by speed": False,
        "fills memory": False,
    }
