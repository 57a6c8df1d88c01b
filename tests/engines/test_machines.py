"""A training that spans machines. Here they are processes of one machine, which meet as those of several would."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from slurm_here import slurm_here
from support import quiet

from selfimp_bench.engines.trl.machines import Joined, Left, Meeting, Watch
from selfimp_bench.engines.trl.trainer import TrlTrainer
from selfimp_bench.engines.worker import child
from selfimp_bench.errors import MachineLost, StepFailed
from selfimp_bench.runs.cluster.slurm_job import SlurmMachines

from .conftest import MakeJob, folders_in, options, sft_rows

PART = (
    "import sys; from selfimp_bench.runs.cluster.slurm_part import *; "
    "sys.exit(take_part(meeting_of(sys.argv[1:], 1)).code)"
)


@dataclass(frozen=True, kw_only=True)
class Two:
    """This machine, and a second one."""

    second: Joined
    count: int = 2
    address: str = "127.0.0.1"

    def join(self, meeting: Meeting) -> Joined:
        return self.second


class Ends:
    """A machine that leaves as it is told to, at once, or when it is ended."""

    def __init__(self, code: int | None, *, lost: bool = False) -> None:
        self.code, self.lost, self.ended = code, lost, threading.Event()

    def wait(self) -> Sequence[Left]:
        if self.lost:
            raise MachineLost("its raylet died")
        if self.code is None:
            self.ended.wait()
        return [Left(code=self.code or 0, log="    the last words")]

    def end(self) -> None:
        self.ended.set()


@pytest.mark.slow
def test_two_machines_of_one_process_train_the_very_weights_of_one_machine_of_two(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second is started as the second node of a Slurm job is."""
    said = slurm_here(tmp_path / "bin", monkeypatch)
    job = replace(make_job(sft_rows(11), micro_batch_size=4, epochs=2), distributed="ddp")
    one, two = (folders_in(tmp_path / name) for name in ("one", "two"))
    told: list[int] = []
    TrlTrainer(options(processes=2)).train(job, one, quiet)
    spanning = TrlTrainer(options(machines=SlurmMachines(2))).train(job, two, lambda step, _: told.append(step))
    assert spanning.processes == 2
    assert told == [1, 2, 3, 4, 5, 6]  # the other machine tells nothing
    assert said.read_text().splitlines()[:3] == ["--nodes=1", "--ntasks=1", "--exclude=first"]
    for path in one.out.iterdir():
        assert path.read_bytes() == (two.out / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    ("second", "error", "words"),
    [
        (Ends(1), StepFailed, r"exit code 1[\s\S]*the last words"),
        (Ends(None, lost=True), MachineLost, "its raylet died"),
    ],
)
def test_a_machine_that_fails_or_is_lost_ends_the_training_at_once(
    make_job: MakeJob, tmp_path: Path, second: Ends, error: type[StepFailed], words: str
) -> None:
    """Here it would wait for the other for minutes."""
    job = replace(make_job(sft_rows(4)), distributed="ddp")
    with pytest.raises(error, match=words):
        TrlTrainer(options(machines=Two(second=second))).train(job, folders_in(tmp_path), quiet)
    assert second.ended.is_set()


@pytest.mark.parametrize("second", [Ends(0), Ends(None)])
def test_others_that_end_well_or_work_on_stop_nothing_and_are_ended(second: Ends) -> None:
    stopped: list[bool] = []
    watch = Watch(second, lambda: stopped.append(True))
    watch.close(patience=0.1)
    assert watch.failure is None and second.ended.is_set() and not stopped


def test_a_job_of_one_plain_process_spans_no_machine(
    make_job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "command", lambda *_, **__: ["sh", "-c", "exit 5"])
    with pytest.raises(StepFailed, match="exit code 5"):
        TrlTrainer(options(machines=Two(second=Ends(1)))).train(make_job(sft_rows(4)), folders_in(tmp_path), quiet)
