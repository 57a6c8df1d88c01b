"""The environment of engine processes."""

import subprocess
from pathlib import Path

import pytest

from selfimp_bench.engines.worker import child


def test_nothing_inherited_can_change_the_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ACCELERATE_MIXED_PRECISION", "WORLD_SIZE", "RANK", "FSDP_VERSION", "NVIDIA_TF32_OVERRIDE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    found = child.environment(device="cpu", threads=3, scratch=tmp_path, gpus=None)
    assert not {"ACCELERATE_MIXED_PRECISION", "WORLD_SIZE", "RANK", "FSDP_VERSION", "NVIDIA_TF32_OVERRIDE"} & set(found)
    assert (found["HF_HUB_OFFLINE"], found["OMP_NUM_THREADS"], found["CUDA_VISIBLE_DEVICES"]) == ("1", "3", "")
    for gpus, visible in ((None, "3"), (("4",), "4"), (("3", "4"), "3,4")):
        found = child.environment(device="cuda", threads=3, scratch=tmp_path, gpus=gpus)
        assert found["CUDA_VISIBLE_DEVICES"] == visible


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
