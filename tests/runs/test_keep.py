"""`--keep last`: weights go once nobody reads them, and nothing else changes."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from runs.test_gc import WEIGHTS, opened, trained, written
from support import ManifestMaker

from selfimp_bench.cli.app import cli
from selfimp_bench.engines.base import PLAIN_TRAINING
from selfimp_bench.runs.cluster.executors import Executor, do_elsewhere
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.judge import judge_study
from selfimp_bench.runs.keep import KeepingLast, made_again
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.study import Experiment
from selfimp_bench.runs.verifying.open import verify
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.store import STEP_FILE, Artifact, StepRecord, Store


@dataclass
class Telling(Silent):
    """Calls ``at`` as a step ends, before anything goes."""

    at: Callable[[Step], None]

    def finish(self, step: Step, seconds: float, reused: bool) -> None:
        self.at(step)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path]:
    """A run that keeps everything."""
    folder = tmp_path_factory.mktemp("whole")
    experiment = opened(ManifestMaker(folder=folder)(counts=(8, 8, 0)))
    execute(experiment, folder / "home", Silent())
    return experiment, folder / "home"


def keeping(experiment: Experiment, home: Path, at: Callable[[Step], None] = lambda _: None) -> Path:
    return execute(experiment, home, KeepingLast([experiment], home, Telling(at)))


def there(experiment: Experiment, home: Path) -> dict[str, bool]:
    return {name: (home / "store" / key / WEIGHTS).is_file() for name, key in trained(experiment, home).items()}


def test_weights_go_once_every_step_that_reads_them_is_done_and_the_run_is_the_same(
    whole: tuple[Experiment, Path], tmp_path: Path
) -> None:
    experiment, other = whole
    home, keys = tmp_path / "home", trained(*whole)
    done, steps = set[str](), experiment.plan().steps

    def look(step: Step) -> None:
        done.add(step.id)
        for each in steps:
            if each.stage == "train" and each.id in done:
                readers = {reader.id for reader in steps if each.id in reader.inputs.values()}
                last = each.id.split("/")[-2] == "t3"
                if not readers <= done or last:  # those of the step at hand go after this
                    assert (home / "store" / keys[each.id.split("/")[-2]] / WEIGHTS).is_file(), (each.id, step.id)

    folder = keeping(experiment, home, look)
    assert there(experiment, home) == {"t1": False, "t2": False, "t3": True}
    assert written(folder) == written(experiment.run_folder(other))
    judge_study(folder)
    verification = verify(str(folder), home)
    assert verification.mismatches == () and any("were taken out" in words for words in verification.taken)
    assert all(step.reused for step in read_record(keeping(experiment, home)).steps)
    assert all(step.reused for step in read_record(execute(experiment, home, Silent())).steps)
    assert made_again(experiment.plan(), Store(home / "store")) == ()


@pytest.mark.parametrize("cores", ["1", "2"])
def test_a_step_that_must_be_done_again_has_no_more_made_again_than_it_reads_and_that_is_said(
    whole: tuple[Experiment, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: str
) -> None:
    monkeypatch.setenv("SELFIMP_BENCH_CORES", cores)
    experiment, other = whole
    home = tmp_path / "home"
    keeping(experiment, home)
    record = read_record(experiment.run_folder(home))
    lost = next(step for step in record.steps if step.id.endswith("/t1/sample.greedy"))
    shutil.rmtree(home / "store" / lost.fingerprint)
    assert [name.split("/")[-2:] for name in made_again(experiment.plan(), Store(home / "store"))] == [["t1", "train"]]
    kept = {path: path.stat().st_mtime_ns for path in (home / "store").glob(f"*/{STEP_FILE}")}
    command = ["run", str(experiment.path), "--home", str(home), "--keep", "last"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0 and "t1/train: its weights were taken out and are needed: again" in done.output
    again = read_record(experiment.run_folder(home))
    assert [step.id for step in again.steps if not step.reused] == [lost.id]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # every other step is as it was
    assert written(experiment.run_folder(home)) == written(experiment.run_folder(other))
    assert there(experiment, home) == {"t1": False, "t2": False, "t3": True}


@pytest.mark.slow
def test_steps_side_by_side_keep_what_others_read(whole: tuple[Experiment, Path], tmp_path: Path) -> None:
    experiment, other = whole
    home = tmp_path / "home"
    executor = Executor(
        name="local", address=None, gpus_per_step=None, machines_per_step=None, slurm=(), slurm_image=None, cores=2
    )
    do_elsewhere(executor, [experiment], home, PLAIN_TRAINING, KeepingLast([experiment], home, Silent()))
    folder = execute(experiment, home, Silent())
    assert there(experiment, home) == {"t1": False, "t2": False, "t3": True}
    assert written(folder) == written(experiment.run_folder(other))


def test_the_last_checkpoint_of_a_finished_run_stays_and_what_another_run_reads(
    whole: tuple[Experiment, Path], tmp_path: Path
) -> None:
    experiment, home = whole[0], tmp_path / "home"
    shorter = opened(ManifestMaker(folder=tmp_path)(name="shorter", counts=(8, 8, 0), schedule=("sft-gold", "dpo")))
    execute(shorter, home, Silent())
    store = Store(home / "store")
    with store.reading(trained(shorter, home)["t1"]):
        keeping(experiment, home)
        assert there(experiment, home) == {"t1": True, "t2": True, "t3": True}
    keeping(experiment, home)
    assert there(experiment, home) == {"t1": False, "t2": True, "t3": True}


def test_weights_in_several_files_of_which_a_kill_left_some_are_none_that_are_missing(tmp_path: Path) -> None:
    store, key, names = Store(tmp_path), "ab" * 32, ("one.safetensors", "two.safetensors")
    with store.step_folder(key) as folder:
        for name in names:
            (folder.path / name).write_text(name)
        artifacts: tuple[Artifact, ...] = folder.artifacts()
        record = StepRecord(
            schema=1, fingerprint=key, stage="train", block={}, version="v", inputs={}, artifacts=artifacts, counts={},
            seconds=1.0,
        )  # fmt: skip
        store.finish(folder, record)
    store.take_out(key, names)
    (store.folder(key) / names[1]).write_text(names[1])  # as a kill between the two would have left it
    store.take_out(key, names[1:])
    assert store.find(key) is not None and store.taken_out(key) == {*names}
    with store.step_folder(key) as folder:
        for name in names:
            (folder.path / name).write_text(name)
        store.put_back(folder, record)
    assert store.find(key) is not None and store.taken_out(key) == frozenset()
    assert json.loads((store.folder(key) / STEP_FILE).read_bytes())["seconds"] == 1.0
