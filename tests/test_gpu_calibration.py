"""The calibration recipe: its sums by hand, its refusals, and the whole of it on a CPU with a tiny architecture."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from support import ROOT

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import find
from selfimp_bench.protocols.load import load_experiment
from selfimp_bench.runs.hardware.calibration import read_rates
from selfimp_bench.runs.hardware.device import devices
from selfimp_bench.runs.hardware.sizes import architecture_of

LARGE = load_experiment(find("gsm8k-iter-sft-dpo")).manifest
SIZES = architecture_of(LARGE.models[0])


@pytest.fixture(scope="module")
def recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_calibration", ROOT / "benchmark/recipes/gpu_calibration.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _gpu(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "ci" / "gpu", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


@pytest.mark.parametrize(
    ("listed", "name"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100-80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100-40GB"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
    ],
)
def test_the_driver_s_name_tells_the_device(recipe: ModuleType, listed: str, name: str) -> None:
    assert recipe.device_name(listed) == name


def test_a_device_without_a_datasheet_must_be_named(recipe: ModuleType) -> None:
    with pytest.raises(InputError, match="--name"):
        recipe.device_name("NVIDIA GeForce GTX 1080")


def test_the_sizes_of_the_manifest_come_to_its_parameters(recipe: ModuleType) -> None:
    for model in LARGE.models:
        assert recipe.parameters_of(architecture_of(model), tied=False) == architecture_of(model).parameters


def test_a_layer_less_has_its_weights_less(recipe: ModuleType) -> None:
    # 4 x 4096^2 of attention, 3 x 4096 x 11008 of the MLP, two norms
    layer = 4 * 4096**2 + 3 * 4096 * 11008 + 2 * 4096
    assert recipe.layer_parameters(SIZES) == layer == 202383360
    assert recipe.with_layers(SIZES, 30).parameters == SIZES.parameters - 2 * layer
    assert recipe.with_layers(SIZES, 32) == SIZES


def _setting(recipe: ModuleType, name: str, tmp_path: Path) -> SimpleNamespace:
    found = recipe.Setting(
        manifest=LARGE,
        model=LARGE.models[0],
        device="cuda",
        name=name,
        datasheet=devices().get(name),
        tiny=False,
        scratch=tmp_path,
    )
    assert isinstance(found, recipe.Setting)
    return found  # type: ignore[no-any-return]


def test_one_device_trains_as_many_layers_as_it_holds(recipe: ModuleType, tmp_path: Path) -> None:
    small, large = (
        recipe.trainable(SIZES, 4096, _setting(recipe, name, tmp_path)).layers for name in ("A100-40GB", "A100-80GB")
    )
    assert 0 < small < large < SIZES.layers  # 16 bytes for each of 6.7e9 weights are more than 80 GB
    assert recipe.trainable(SIZES, 4096, _setting(recipe, "H200", tmp_path)) == SIZES
    assert recipe.trainable(SIZES, 4096, _setting(recipe, "cpu", tmp_path)) == SIZES
    with pytest.raises(InputError, match="not one layer"):
        recipe.trainable(SIZES, 10**7, _setting(recipe, "A100-40GB", tmp_path))


def test_speed_and_share_leave_the_first_step_out(recipe: ModuleType) -> None:
    lines = [{"seconds": each, "peak_memory_bytes": 7 + place} for place, each in enumerate((60.0, 10.0, 15.0))]
    job = SimpleNamespace(gradient_checkpointing=True, optimisation=SimpleNamespace(batch_size=8))
    found = recipe.trained("sft", replace(SIZES, parameters=10**9), job, 5000, lines, devices()["A100-80GB"])
    assert found.seconds == (10.0, 15.0)
    assert found.tokens_per_second == 400.0
    assert found.peak_memory_bytes == 9
    # 8 operations x 1e9 weights x 10,000 tokens over 312e12 a second
    assert found.ideal_seconds == pytest.approx(8e13 / 312e12)
    assert recipe.trained("sft", SIZES, job, 5000, lines, None).ideal_seconds is None


def test_a_share_is_of_all_parts_together_and_none_without_a_datasheet(recipe: ModuleType) -> None:
    assert recipe.share([1.0, 2.0], [4.0, 6.0]) == 0.3
    assert recipe.share([None, None], [4.0, 6.0]) is None
    assert recipe.share([], []) is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        recipe.share([5.0], [4.0])


@pytest.mark.slow
def test_without_a_gpu_it_says_so() -> None:
    done = _gpu(CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert "no CUDA device here" in done.stderr and "--device cpu --tiny" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_list_says_what_is_checked_with_which_runner_and_what_a_cpu_cannot() -> None:
    done = _gpu("--list", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    for words in ("model runner v1", "model runner v2", "[not on a CPU: it needs Triton]", "what seeds cost"):
        assert words in done.stdout


@pytest.mark.slow
def test_every_check_names_tests_that_there_are() -> None:
    spec = importlib.util.spec_from_file_location("gpu_checks", ROOT / "benchmark/recipes/gpu_checks.py")
    assert spec is not None and spec.loader is not None
    checks = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = checks
    spec.loader.exec_module(checks)
    selected = (
        "import json, pytest, sys\nfor tests in json.loads(sys.argv[1]):\n"
        "    assert pytest.main(['-q', '--collect-only', '-n', '0', *tests]) == 0, tests"  # 5: none is selected
    )
    named = json.dumps([*dict.fromkeys(check.tests for check in checks.CHECKS)])
    found = subprocess.run(
        [sys.executable, "-c", selected, named], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.slow
def test_the_whole_recipe_runs_on_a_cpu(tmp_path: Path) -> None:
    done = _gpu("--device", "cpu", "--tiny", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'cpu.json'}\n"
    found = json.loads((tmp_path / "cpu.json").read_text())
    assert [each["method"] for each in found["trained"]] == ["sft", "dpo"]
    assert [each["tokens_per_step"] for each in found["trained"]] == [32 * 192, 2 * 32 * 192]
    assert all(len(each["seconds"]) == 3 and each["tokens_per_second"] > 0 for each in found["trained"])
    assert all(each["peak_memory_bytes"] > 10**8 for each in found["trained"])
    assert [each["experiment"] for each in found["experiments"]] == ["tiny-iter-sft-dpo"]
    assert [each["rows"] for each in found["sampled"]] == [256] or found["skipped"] == [
        "vLLM throughput: vllm is not installed here"
    ]
    assert all(0 < each["tokens"] <= 256 * 64 for each in found["sampled"])
    rates = read_rates("cpu", tmp_path)
    assert (rates.training.source, rates.decoding.source) == ("assumed", "assumed")
