"""`status.json` and `status`: how far a run is, while it goes and after it ended, however that was."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from runs.test_study import study_file
from support import ManifestMaker

from selfimp_bench.cli.app import cli
from selfimp_bench.cli.status import status_line
from selfimp_bench.engines.base import PLAIN_TRAINING
from selfimp_bench.errors import StepFailed
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs import status
from selfimp_bench.runs.cluster.executors import Executor, do_elsewhere
from selfimp_bench.runs.execute import run_study
from selfimp_bench.runs.status import Seen, Status, statuses, watched
from selfimp_bench.runs.study import Study, open_study
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.progress import SILENT, Place, Silent

__all__ = ["study_file"]


@dataclass
class Telling(Silent):
    """Calls ``at`` as a step ends, with how many have."""

    at: Callable[[int], None]
    ended: list[str] = field(default_factory=list)

    def finish(self, step: Step, seconds: float, reused: bool) -> None:
        self.ended.append(step.id)
        self.at(len(self.ended))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = ManifestMaker(folder=tmp_path)(counts=(8, 8, 0), schedule=("sft-gold", "sft"))
    return open_study(str(path), profile=Profile.PAPER, only=None, replicates=1)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is rewritten as fast as there are news."""
    monkeypatch.setattr(status, "EVERY", 0.001)


def run(study: Study, home: Path, at: Callable[[int], None] = lambda _: None) -> None:
    with watched(study, home, Telling(at)) as told:
        run_study(study, home, told)


def only(home: Path) -> Seen:
    (seen,) = statuses(home)
    return seen


def test_while_a_run_goes_its_status_says_how_far_it_is_and_afterwards_that_it_finished(
    study: Study, tmp_path: Path
) -> None:
    home, found = tmp_path / "home", list[Status]()
    total = len(study.experiments[0].plan().steps)

    def look(done: int) -> None:
        for _ in range(500):
            seen = only(home)
            assert seen.state == "running" and seen.status is not None
            if seen.status.done == done:
                found.append(seen.status)
                return
            time.sleep(0.01)
        raise AssertionError(f"status.json never said that {done} steps are done")

    run(study, home, look)
    assert [each.done for each in found] == list(range(1, total + 1)) and {each.steps for each in found} == {total}
    assert {(each.number, each.experiments, each.experiment) for each in found} == {(1, 1, "small")}
    assert found[0].left is None  # of what was not done yet nobody knows how long it takes
    assert found[-2].left is not None
    ended = only(home)
    assert ended.state == "finished" and ended.status is not None and ended.status.done == total
    assert ended.status.at_work == () and ended.status.left is None
    assert ended.run == f"small/{study.experiments[0].run_id}"


def test_a_killed_run_is_told_from_a_running_one_whatever_its_file_says(study: Study, tmp_path: Path) -> None:
    home = tmp_path / "home"
    child = os.fork()
    if not child:
        with suppress(BaseException):
            run(study, home, lambda done: os.kill(os.getpid(), signal.SIGKILL) if done == 4 else None)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    written = json.loads((study.run_folder(home) / status.STATUS).read_bytes())
    assert written["state"] == "running" and only(home).state == "killed"
    run(study, home, lambda _: None)
    assert only(home).state == "finished"


def test_where_locks_mean_nothing_another_machine_goes_by_when_it_was_heard_of(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    run(study, home)
    path = study.run_folder(home) / status.STATUS
    monkeypatch.setattr(status, "on_network", lambda _: True)
    written = json.loads(path.read_bytes()) | {"state": "running"}
    for host, updated, state in (
        ("elsewhere", status._now(), "running"),
        ("elsewhere", "2020-01-01T00:00:00.000+00:00", "killed"),
        (written["host"], status._now(), "killed"),
    ):
        path.write_text(json.dumps(written | {"host": host, "updated": updated}))
        assert only(home).state == state


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [(StepFailed("step x: no room\nmore"), "failed", "step x: no room\nmore"), (KeyboardInterrupt(), "stopped", "")],
)
def test_how_a_run_ended_is_said(study: Study, tmp_path: Path, error: BaseException, state: str, words: str) -> None:
    home = tmp_path / "home"

    def fails(done: int) -> None:
        if done == 2:
            raise error

    with pytest.raises(type(error)):
        run(study, home, fails)
    seen = only(home)
    assert seen.status is not None and (seen.state, seen.status.words, seen.status.done) == (state, words, 2)


def test_of_several_experiments_it_says_which_and_counts_what_they_share_once(study_file: Path, tmp_path: Path) -> None:
    study = open_study(str(study_file), profile=Profile.PAPER, only=None, replicates=1)
    numbers = list[tuple[int, int]]()

    def look(_: int) -> None:
        seen = statuses(tmp_path / "home")[0].status
        assert seen is not None
        numbers.append((seen.number, seen.experiments))

    run(study, tmp_path / "home", look)
    seen = only(tmp_path / "home")
    assert seen.status is not None and seen.status.done == seen.status.steps == len(study.plan().plan.steps)
    assert {each[1] for each in numbers} == {len(study.experiments)} and numbers[-1][0] > 1


@pytest.mark.slow
def test_steps_side_by_side_are_counted_as_those_in_turn(study: Study, tmp_path: Path) -> None:
    home, most = tmp_path / "home", [0]
    executor = Executor(
        name="local", address=None, gpus_per_step=None, machines_per_step=None, slurm=(), slurm_image=None, cores=2
    )

    def look(_: int) -> None:
        seen = only(home).status
        assert seen is not None
        most[0] = max(most[0], len(seen.at_work))

    with watched(study, home, Telling(look)) as told:
        do_elsewhere(executor, study.experiments, home, PLAIN_TRAINING, told)
        assert only(home).state == "running"
        run_study(study, home, told)
    seen = only(home)
    assert seen.state == "finished" and seen.status is not None and seen.status.done == seen.status.steps
    assert most[0] > 1


@pytest.mark.parametrize("executor", ["local", "slurm"])
def test_time_left_counts_what_is_at_work(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    """A run that goes on from a store does a step of 2 s, then is 600 s into one that took 1,200 s before."""
    now = [0.0]
    monkeypatch.setattr(status, "time", SimpleNamespace(monotonic=lambda: now[0]))
    told = status._Reported(study, tmp_path, executor, SILENT)
    *before, quick, long = [step for step in study.plan().plan.steps if step.stage == "sample"]
    (like,) = [step for step in before if (step.id[-5:], step.rows_at_most) == (long.id[-5:], long.rows_at_most)]
    for step in study.plan().plan.steps:
        if step not in (quick, long):
            told.finish(step, 1200.0 if step is like else 1.0, True)
    told.start(quick, Place(step=1, steps=2))
    now[0] = 2.0
    told.finish(quick, 2.0, False)
    told.start(long, Place(step=2, steps=2))
    now[0] = 602.0
    assert told.status("running").left == 600


def test_a_disk_that_takes_no_status_stops_no_run(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(status, "_write", full)
    run(study, tmp_path / "home")
    assert (study.run_folder(tmp_path / "home") / "record.json").is_file() and statuses(tmp_path / "home") == ()


def test_the_command_prints_a_line_a_run_of_at_most_eighty_columns(study: Study, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert "has said how far it is" in CliRunner().invoke(cli, ["status", "--home", str(home)]).output
    run(study, home)
    (home / "runs" / "broken" / "0").mkdir(parents=True)
    (home / "runs" / "broken" / "0" / status.STATUS).write_text("{")
    done = CliRunner().invoke(cli, ["status", "--home", str(home)])
    assert done.exit_code == 0 and len(done.output.splitlines()) == 2
    assert "finished" in done.output and "unreadable" in done.output
    assert {
        each["state"] for each in json.loads(CliRunner().invoke(cli, ["status", "--home", str(home), "--json"]).output)
    } == {
        "finished",
        "unreadable",
    }
    seen = next(each for each in statuses(home) if each.status is not None)
    assert seen.status is not None
    work = status.AtWork(
        step="a-model/seed1/t12/sample.train", experiment="e", seconds=3.0, done=12, of=100_000, rate=3.5
    )
    long = replace(seen.status, at_work=(work, work), left=7200.0, experiments=13, number=12, words="w" * 500)
    for state in ("running", "finished", "failed", "stopped", "killed"):
        line = status_line(replace(seen, run=f"{'n' * 60}/0123456789ab", state=state, status=long), 80)
        assert len(line) <= 80 and state in line and "89ab" in line
