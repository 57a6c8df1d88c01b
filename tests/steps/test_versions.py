"""A step is redone whenever code that it can reach has changed, and only then."""

import ast
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import COMMAND, ROOT, ManifestMaker, slow_but

from selfimp_bench.engines.open import engine_module
from selfimp_bench.protocols.post_training.measure import MeasureBlock
from selfimp_bench.protocols.post_training.stages import STAGES as post_training
from selfimp_bench.protocols.verification.measure import MeasureGapBlock
from selfimp_bench.protocols.verification.stages import STAGES as verification
from selfimp_bench.steps import versions
from selfimp_bench.steps.grade import GradeBlock
from selfimp_bench.steps.plan import Stage
from selfimp_bench.steps.sample import SampleBlock
from selfimp_bench.steps.train import TrainBlock
from selfimp_bench.steps.versions import modules_of, reachable

ENGINES = {"probe": "hf", "sample": "vllm", "embed": "embedder", "verify": "hf", "tournament": "hf", "train": "trl"}
STAGES = {stage.block: stage for table in (post_training, verification) for stage in table.values()}


@pytest.fixture
def fresh() -> Iterator[None]:
    """Nothing remembered of earlier versions, before and after."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    for remembered in (
        versions._version,
        versions.code_digest,
        versions._read,
        versions._source,
        versions._reached_from,
    ):
        remembered.cache_clear()


def _version(stage: Stage[Any]) -> str:
    return versions._version(modules_of(stage), ENGINES.get(stage.name), ())


def _modules(block: type) -> frozenset[str]:
    stage = STAGES[block]
    engine = [engine_module(ENGINES[stage.name])] if stage.name in ENGINES else []
    return reachable(*modules_of(stage), *engine)


@pytest.mark.parametrize("block", slow_but([TrainBlock, MeasureBlock], STAGES), ids=lambda block: block.__name__)
@pytest.mark.usefixtures("fresh")
def test_a_changed_constant_anywhere_that_a_stage_reaches_is_another_version(
    block: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, known = _version(STAGES[block]), versions._code
    for module in sorted(_modules(block)):
        said: list[str] = []
        edited = ast.parse(versions._source(module).read_text() + "\n_CHANGED = 1\n")  # type: ignore[union-attr]
        versions._say(edited, said.append, {})
        assert "\0".join(said) != known(module)
        with monkeypatch.context() as patch:
            patch.setattr(versions, "_code", lambda name, m=module: "changed" if name == m else known(name))
            versions._version.cache_clear()
            versions.code_digest.cache_clear()
            assert _version(STAGES[block]) != before, module


def test_a_stage_reaches_its_own_module_what_it_imports_late_and_the_processes_it_starts() -> None:
    assert {f"selfimp_bench.engines.trl.{name}" for name in ("worker", "launcher", "trainers")} <= _modules(TrainBlock)
    assert "selfimp_bench.engines.vllm.model" in _modules(SampleBlock)
    assert "selfimp_bench.tasks.sandbox.examiner" in _modules(GradeBlock)
    assert "selfimp_bench.protocols.post_training.cells" in _modules(MeasureBlock)
    assert "selfimp_bench.steps.rows" in _modules(MeasureGapBlock)
    assert all(block.__module__ in _modules(block) for block in STAGES)


def test_a_stage_reaches_no_other_room_no_other_protocol_and_no_engine_but_its_own() -> None:
    def rooms(block: type) -> set[str]:
        return {name.split(".")[1] for name in _modules(block) if "." in name}

    assert not any(rooms(block) & {"cli", "report", "runs", "verdict"} for block in STAGES)
    assert not any("protocols" in rooms(block) for block in STAGES if ".steps." in block.__module__)
    own = {"post_training": _modules(MeasureBlock), "verification": _modules(MeasureGapBlock)}
    assert not any(".verification." in name for name in own["post_training"])
    assert not any(".post_training." in name for name in own["verification"])
    engines = (".engines.hf", ".engines.vllm", ".engines.trl.worker", ".engines.embed.")
    assert not any(name.startswith(f"selfimp_bench{engine}") for name in _modules(GradeBlock) for engine in engines)


@pytest.mark.usefixtures("fresh")
def test_comments_and_docstrings_change_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "selfimp_bench"
    shutil.copytree(versions._PACKAGE, package, ignore=shutil.ignore_patterns("assets", "__pycache__"))
    before = _version(STAGES[GradeBlock])
    for source in package.rglob("*.py"):
        source.write_text(source.read_text().replace('"""', '"""In other words: ', 1) + "# a remark\n")
    monkeypatch.setattr(versions, "_PACKAGE", package)
    _forget()
    assert _version(STAGES[GradeBlock]) == before


@pytest.mark.slow
def test_after_a_changed_constant_the_steps_that_reach_it_are_to_do(
    make_manifest: ManifestMaker, tmp_path: Path
) -> None:
    package = tmp_path / "copy" / "benchmark" / "selfimp_bench"
    shutil.copytree(versions._PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "reference_results", tmp_path / "copy" / "reference_results")
    manifest, home = make_manifest(), tmp_path / "home"
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}

    def ask(command: str) -> Any:
        asked = [*COMMAND, command, str(manifest), "--home", str(home), "--json"]
        return json.loads(subprocess.run(asked, capture_output=True, text=True, env=environment, cwd=tmp_path).stdout)

    ask("reproduce")
    assert {each["state"] for each in ask("plan")["forecast"]["steps"]} == {"done"}
    measured = package / "protocols" / "post_training" / "cells.py"
    text = measured.read_text()
    measured.write_text(text.replace("EASIEST_LEVEL, HARDEST_LEVEL = 1, 5", "EASIEST_LEVEL, HARDEST_LEVEL = 2, 5"))
    assert measured.read_text() != text
    to_do = {each["step"]["id"] for each in ask("plan")["forecast"]["steps"] if each["state"] != "done"}
    assert {name.rpartition("/")[2] for name in to_do} == {"measure"}
