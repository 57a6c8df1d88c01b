"""A step is redone whenever code that it can reach has changed, and only then."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, ManifestMaker

from selfimp_bench.engines.open import engine_module
from selfimp_bench.steps import versions
from selfimp_bench.steps.plan import Stage
from selfimp_bench.steps.versions import STAGE_MODULES, reachable, stage_version

ENGINES = {
    Stage.PROBE: "hf",
    Stage.SAMPLE: "vllm",
    Stage.EMBED: "embedder",
    Stage.VERIFY: "hf",
    Stage.TOURNAMENT: "hf",
    Stage.TRAIN: "trl",
}
COMMAND = [sys.executable, "-m", "selfimp_bench"]


@pytest.fixture
def fresh() -> Iterator[None]:
    """Nothing remembered of earlier versions, before and after."""
    _forget()
    yield
    _forget()


def _forget() -> None:
    for remembered in (versions.stage_version, versions.code_digest, versions._code, versions._tree):
        remembered.cache_clear()


def _modules(stage: Stage) -> frozenset[str]:
    names = [f"selfimp_bench.{module}" for module in STAGE_MODULES[stage]]
    engine = [engine_module(ENGINES[stage])] if stage in ENGINES else []
    return reachable(*names, *engine)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.usefixtures("fresh")
def test_a_changed_constant_anywhere_that_a_stage_reaches_is_another_version(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, known = stage_version(stage, ENGINES.get(stage)), versions._code
    for module in sorted(_modules(stage)):
        edited = ast.parse(versions._source(module).read_text() + "\n_CHANGED = 1\n")  # type: ignore[union-attr]
        assert ast.dump(edited) != known(module)
        with monkeypatch.context() as patch:
            patch.setattr(versions, "_code", lambda name, m=module: "changed" if name == m else known(name))
            versions.stage_version.cache_clear()
            versions.code_digest.cache_clear()
            assert stage_version(stage, ENGINES.get(stage)) != before, module


def test_a_stage_reaches_what_it_imports_late_and_the_processes_it_starts() -> None:
    assert {f"selfimp_bench.engines.trl.{name}" for name in ("worker", "launcher", "trainers")} <= _modules(Stage.TRAIN)
    assert "selfimp_bench.engines.vllm.model" in _modules(Stage.SAMPLE)
    assert "selfimp_bench.tasks.sandbox.examiner" in _modules(Stage.GRADE)
    assert "selfimp_bench.manifest.measured" in _modules(Stage.MEASURE)
    assert not any(".report." in name for stage in Stage for name in _modules(stage))


@pytest.mark.usefixtures("fresh")
def test_comments_and_docstrings_change_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "selfimp_bench"
    shutil.copytree(versions._PACKAGE, package, ignore=shutil.ignore_patterns("assets", "__pycache__"))
    before = stage_version(Stage.GRADE)
    for source in package.rglob("*.py"):
        source.write_text(source.read_text().replace('"""', '"""In other words: ', 1) + "# a remark\n")
    monkeypatch.setattr(versions, "_PACKAGE", package)
    _forget()
    assert stage_version(Stage.GRADE) == before


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
    measured = package / "manifest" / "measured.py"
    text = measured.read_text()
    measured.write_text(text.replace("EASIEST_LEVEL, HARDEST_LEVEL = 1, 5", "EASIEST_LEVEL, HARDEST_LEVEL = 2, 5"))
    assert measured.read_text() != text
    to_do = {each["step"]["id"] for each in ask("plan")["forecast"]["steps"] if each["state"] != "done"}
    assert {name.rpartition("/")[2] for name in to_do} == {"measure"}
