"""`gc`: what goes, what stays, and that a run, a further run and an interruption lose nothing by it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support import ManifestMaker

from selfimp_bench.cli.app import cli
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.gc import collect
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.study import Experiment, open_experiment
from selfimp_bench.steps.progress import Silent
from selfimp_bench.steps.store import Store

WEIGHTS = "fake.json"


def opened(path: Path) -> Experiment:
    return open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path]:
    folder = tmp_path_factory.mktemp("finished")
    experiment = opened(ManifestMaker(folder=folder)())
    execute(experiment, folder / "home", Silent())
    return experiment, folder / "home"


@pytest.fixture
def home(finished: tuple[Experiment, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished[1], tmp_path / "home"))


def trained(experiment: Experiment, home: Path) -> dict[str, str]:
    """The fingerprints of the trainings, by iteration."""
    steps = read_record(experiment.run_folder(home)).steps
    return {step.id.split("/")[-2]: step.fingerprint for step in steps if step.stage == "train"}


def written(folder: Path) -> list[Any]:
    return [(step["id"], step["artifacts"]) for step in json.loads((folder / "record.json").read_bytes())["steps"]]


def test_the_last_checkpoint_stays_and_every_step_still_counts_as_done(
    finished: tuple[Experiment, Path], home: Path
) -> None:
    experiment, _ = finished
    before = written(experiment.run_folder(home))
    (home / "store" / "partial" / ("ab" * 32 + ".12345678")).mkdir(parents=True)
    assert collect(home, dry=True).checkpoints == 2
    done = CliRunner().invoke(cli, ["gc", "--home", str(home)])
    assert done.exit_code == 0 and "removed the weights of 2 checkpoints" in done.output and "1 thing " in done.output
    keys = trained(experiment, home)
    there = {name: (home / "store" / key / WEIGHTS).is_file() for name, key in keys.items()}
    assert there == {"t1": False, "t2": False, "t3": True}
    assert collect(home, dry=False) == replace(collect(home, dry=True), checkpoints=0, bytes=0)
    record = read_record(execute(experiment, home, Silent()))
    assert all(step.reused for step in record.steps)
    assert written(experiment.run_folder(home)) == before
    assert not (home / "store" / keys["t1"] / WEIGHTS).exists()


def test_a_further_run_that_wants_a_removed_checkpoint_has_it_made_again(
    finished: tuple[Experiment, Path], home: Path, tmp_path: Path
) -> None:
    experiment, untouched = finished
    collect(home, dry=False)
    further = opened(ManifestMaker(folder=tmp_path)(name="further", schedule=("sft-gold", "dpo", "dpo")))
    again = execute(further, home, Silent())
    expected = execute(further, Path(shutil.copytree(untouched, tmp_path / "untouched")), Silent())
    assert written(again) == written(expected)
    keys = trained(experiment, home)
    for name in ("t1", "t2"):
        ours, theirs = (place / "store" / keys[name] / WEIGHTS for place in (home, untouched))
        assert ours.read_bytes() == theirs.read_bytes()


def test_nothing_goes_while_a_run_is_at_work_or_where_a_record_cannot_be_read(
    finished: tuple[Experiment, Path], home: Path
) -> None:
    with Store(home / "store").in_use(), pytest.raises(InputError, match="a run is at work here"):
        collect(home, dry=False)
    record = finished[0].run_folder(home) / "record.json"
    content = record.read_bytes()
    record.write_bytes(b"{")
    with pytest.raises(InputError, match=r"record\.json"):
        collect(home, dry=False)
    record.write_bytes(content)
    assert collect(home, dry=True).checkpoints == 2


def test_an_interrupted_one_is_finished_by_the_next(
    finished: tuple[Experiment, Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Stands for the end of the process, between the list of what goes and its going."""

    def dies(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Path, "unlink", dies)
        collect(home, dry=False)
    assert all(step.reused for step in read_record(execute(finished[0], home, Silent())).steps)
    assert collect(home, dry=False).checkpoints == 2
    assert collect(home, dry=False).checkpoints == 0


def test_a_folder_without_results_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results there"):
        collect(tmp_path, dry=False)


def test_a_record_whose_steps_lead_out_of_the_store_removes_nothing_anywhere(
    finished: tuple[Experiment, Path], home: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "elsewhere" / "model.safetensors"
    precious.parent.mkdir()
    precious.write_text("weights")
    path = finished[0].run_folder(home) / "record.json"
    record = json.loads(path.read_bytes())
    next(step for step in record["steps"] if step["stage"] == "train")["fingerprint"] = str(precious.parent)
    path.write_text(json.dumps(record))
    before = sorted(home.rglob("*"))
    with pytest.raises(InputError, match="nothing was removed"):
        collect(home, dry=False)
    assert precious.is_file() and sorted(home.rglob("*")) == before
