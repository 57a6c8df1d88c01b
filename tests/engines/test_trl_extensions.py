"""A start that is killed while DeepSpeed builds an extension, and the next one; a real build with a real compiler."""

import os
import pickle
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from selfimp_bench.engines.base import TrainFolders, TrainJob

from .conftest import MakeJob, folders_in, options, sft_rows

SCRIPT = """
import pickle, sys
from pathlib import Path
from selfimp_bench.engines.trl.trainer import TrlTrainer
job, folders, options = pickle.loads(Path(sys.argv[1]).read_bytes())
TrlTrainer(options).train(job, folders, lambda *_: None)
"""
# A build took 25 s on an idle machine, and two and a half minutes on a busy one.
PATIENCE = 900.0


def begin(job: TrainJob, folders: TrainFolders, folder: Path) -> subprocess.Popen[bytes]:
    """A run in a process of its own, whose home and temporary folder are in ``folder``."""
    (folder / "job").write_bytes(pickle.dumps((job, folders, options(processes=1))))
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    environment = os.environ | {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
    environment.pop("XDG_CACHE_HOME", None)
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder / "job")], env=environment)


def wait_for_lock(folder: Path, process: subprocess.Popen[bytes]) -> Path:
    """The lock of a build that goes on, once its compiler has written something."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        for lock in folder.rglob("lock"):
            if (lock.parent / "build.ninja").is_file():
                return lock
        time.sleep(0.05)
    raise AssertionError(f"no build began in {folder}: exit code {process.poll()}")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="DeepSpeed's extensions are built by a C++ compiler")
def test_a_run_that_is_killed_while_an_extension_is_built_goes_on(make_job: MakeJob, tmp_path: Path) -> None:
    job = replace(make_job(sft_rows(4)), distributed="deepspeed-zero3")
    folders = folders_in(tmp_path / "run")
    with begin(job, folders, tmp_path) as killed:
        lock = wait_for_lock(folders.work, killed)
        below = psutil.Process(killed.pid).children(recursive=True)
        killed.kill()
    for each in below:  # a compiler does not end with who asked for it, and would take half the next start's time
        with suppress(psutil.NoSuchProcess):
            each.kill()
    assert lock.is_file()
    assert not list(lock.parent.glob("*.so"))
    with begin(job, folders, tmp_path) as resumed:
        assert resumed.wait(PATIENCE) == 0
    assert (folders.out / "model.safetensors").is_file()
    assert list(lock.parent.glob("*.so"))
    assert not lock.exists()
    assert not (tmp_path / "home" / ".cache" / "torch_extensions").exists()
