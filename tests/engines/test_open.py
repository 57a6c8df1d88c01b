"""Engines by name."""

import subprocess
import sys
from dataclasses import replace
from typing import get_args, get_type_hints

import pytest

from selfimp_bench.engines.base import PLAIN_TRAINING, SamplerSettings
from selfimp_bench.engines.fake import FakeSampler, FakeTrainer
from selfimp_bench.engines.open import SAMPLERS, TRAINERS, engine_version, open_sampler, open_trainer
from selfimp_bench.engines.trl.trainer import TrlTrainer
from selfimp_bench.engines.worker.child import SOURCE_ROOT
from selfimp_bench.engines.worker.sampler import WorkerSampler
from selfimp_bench.manifest.model import Engines

ENGINES = Engines(
    sampler="fake",
    trainer="fake",
    device="cpu",
    sampler_precision="float32",
    max_batch_rows=1,
    micro_batch_size=1,
    gradient_checkpointing=False,
    threads=1,
)
SETTINGS = SamplerSettings(device="cpu", precision="float32", max_batch_rows=1, threads=1, vllm=None)


def test_the_tables_hold_what_a_manifest_may_name() -> None:
    hints = get_type_hints(Engines)
    assert SAMPLERS.keys() == set(get_args(hints["sampler"]))
    assert TRAINERS.keys() == set(get_args(hints["trainer"]))


def test_a_name_opens_its_engine() -> None:
    real = replace(ENGINES, sampler="hf", trainer="trl")
    assert isinstance(open_sampler("fake", SETTINGS), FakeSampler)
    assert isinstance(open_trainer(ENGINES, PLAIN_TRAINING), FakeTrainer)
    assert isinstance(open_sampler("hf", SETTINGS), WorkerSampler)
    assert isinstance(open_trainer(real, PLAIN_TRAINING), TrlTrainer)


@pytest.mark.parametrize("name", ["hf", "trl", "fake"])
def test_a_version_names_the_engine_and_its_libraries(name: str) -> None:
    assert engine_version(name).partition(",")[0] == name
    assert (", torch " in engine_version(name)) == (name != "fake")


def test_opening_and_naming_engines_imports_nothing_heavy() -> None:
    code = (
        "import sys; from selfimp_bench.engines.open import *; import selfimp_bench.engines.open as o; "
        "[o.engine_version(name) for name in ('hf', 'trl', 'fake')]; o.SAMPLERS['hf'](None); o.TRAINERS['trl'](None); "
        "print([name for name in ('torch', 'transformers', 'trl', 'datasets') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SOURCE_ROOT)
    assert run.stdout.strip() == "[]"
