"""The environment of engine processes."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selfimp_bench.engines.worker import child


def test_nothing_inherited_can_change_the_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ACCELERATE_MIXED_PRECISION", "WORLD_SIZE", "RANK", "FSDP_VERSION", "NVIDIA_TF32_OVERRIDE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    monkeypatch.setattr(child, "cuda_devices", lambda *_: 2)
    monkeypatch.setenv("VLLM_CUDA_COMPATIBILITY_PATH", "/usr/local/cuda-13.0/compat")
    found = child.environment(device="cpu", threads=3, scratch=tmp_path, gpus=None)
    assert not {"ACCELERATE_MIXED_PRECISION", "WORLD_SIZE", "RANK", "FSDP_VERSION", "NVIDIA_TF32_OVERRIDE"} & set(found)
    assert (found["HF_HUB_OFFLINE"], found["OMP_NUM_THREADS"], found["CUDA_VISIBLE_DEVICES"]) == ("1", "3", "")
    assert found["VLLM_CUDA_COMPATIBILITY_PATH"] == "/usr/local/cuda-13.0/compat"
    for gpus, visible in ((None, "3"), (("4",), "4"), (("3", "4"), "3,4")):
        found = child.environment(device="cuda", threads=3, scratch=tmp_path, gpus=gpus)
        assert found["CUDA_VISIBLE_DEVICES"] == visible


@pytest.mark.parametrize(
    ("named", "count", "visible"),
    [
        (None, 2, ("0", "1")),
        (None, 0, ()),
        ("2", 1, ("2",)),
        ("3, 1", 2, ("3", "1")),
        ("GPU-8932f937-d72c,GPU-1e0b", 2, ("GPU-8932f937-d72c", "GPU-1e0b")),
        ("MIG-aa,MIG-bb", 1, ("MIG-aa",)),  # CUDA takes one instance
        ("0,9,1", 1, ("0",)),  # it stops at the first that is not there
        ("-1", 0, ()),
        ("NoDevFiles", 0, ()),  # Slurm's word in a job without GPUs
        ("", 0, ()),
    ],
)
def test_gpus_are_named_as_given_and_counted_as_cuda_counts_them(
    monkeypatch: pytest.MonkeyPatch, named: str | None, count: int, visible: tuple[str, ...]
) -> None:
    if named is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    monkeypatch.setattr(child, "cuda_devices", lambda *_: count)
    assert child.visible_gpus() == visible


@pytest.mark.skipif(shutil.which("cc") is None, reason="a driver's library is compiled in NVIDIA's place")
@pytest.mark.parametrize(("status", "count"), [(0, 1), (804, 0)])
def test_cuda_itself_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, count: int) -> None:
    """In a container that was given the host's third GPU, /dev has nvidia2, and CUDA knows number 0."""
    source = f"int cuInit(unsigned f) {{ return {status}; }} int cuDeviceGetCount(int *n) {{ *n = 1; return 0; }}"
    (tmp_path / "cuda.c").write_text(source)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", "libcuda.so.1", "cuda.c"], cwd=tmp_path, check=True)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert child.visible_gpus() == ("0",)[:count]


def test_a_silent_death_is_said_in_words() -> None:
    assert child.tail("") == "    (it wrote nothing)"
    assert child.exit_words(-9) == "was killed by signal 9 (often: out of memory)"
    assert child.exit_words(3) == "ended with exit code 3"


def test_hidden_packages_are_neither_found_nor_imported_and_the_module_runs_as_it_would(tmp_path: Path) -> None:
    (tmp_path / "asked.py").write_text(
        "import sys\nfrom importlib.util import find_spec\n"
        "print(__name__, sys.argv[1:], *(find_spec(name) is None for name in ('scipy', 'peft', 'numpy')))\n"
        "try:\n    import scipy.stats\nexcept ImportError:\n    print('no scipy')\n"
    )
    environment = child.environment(device="cpu", threads=1, scratch=tmp_path, gpus=None)
    environment["PYTHONPATH"] += f":{tmp_path}"
    command = child.command("asked", "a", "b", without=("scipy", "peft"))
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert said == "__main__ ['a', 'b'] True True False\nno scipy\n"


@pytest.mark.slow
def test_a_child_ends_with_its_parent_also_when_that_ended_before_the_child_could_ask(tmp_path: Path) -> None:
    """The parent names itself, starts a child that sleeps before it asks to die with it, and is gone."""
    (tmp_path / "late.py").write_text("import time\ntime.sleep(60)\n")
    start = (
        "import os, subprocess, sys, time\n"
        "environment = os.environ | {'SELFIMP_BENCH_PARENT': str(os.getpid())}\n"
        "command = ['sh', '-c', 'sleep 0.5; exec \"$@\"', 'sh', *sys.argv[2:]]\n"
        "child = subprocess.Popen(command, env=environment, stdout=-3, stderr=-3)\n"
        "time.sleep(float(sys.argv[1]))\n"
        "print(child.pid)\n"
    )
    environment = child.environment(device="cpu", threads=1, scratch=tmp_path, gpus=None)
    environment["PYTHONPATH"] += f":{tmp_path}"
    for seconds in ("0", "3"):  # gone before the child is a Python at all, and once it runs
        command = [sys.executable, "-c", start, seconds, *child.command("late", without=("scipy",))]
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        folder = Path("/proc", said.strip())
        until = time.monotonic() + 30
        while folder.exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert not folder.exists()
