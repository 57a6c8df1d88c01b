"""Steps side by side in real processes of this machine: as many as there is room for, and the same comes out."""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support import ManifestMaker

from selfimp_bench.engines.base import PLAIN_TRAINING
from selfimp_bench.errors import StepFailed
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.cluster.executors import Executor, do_elsewhere
from selfimp_bench.runs.cluster.local_pool import LocalPool
from selfimp_bench.runs.cluster.needs import Needs, Share
from selfimp_bench.runs.cluster.schedule import TRIES, fill_store
from selfimp_bench.runs.cluster.work import StepTask
from selfimp_bench.runs.execute import Before, execute
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.study import Experiment, open_experiment
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.progress import Place, Silent

GIB = 2**30
ONE = Needs(cpus=1, memory=GIB, gpus=0, machines=1, engine_gpus=0)
LOCAL = Executor(
    name="local", address=None, gpus_per_step=None, machines_per_step=None, slurm=(), slurm_image=None, cores=2
)


class Counting(Silent):
    """Counts the steps that are at work."""

    def __init__(self) -> None:
        self.now: set[str] = set()
        self.most = 0

    def start(self, step: Step, place: Place) -> None:
        self.now.add(step.id)

    def finish(self, step: Step, seconds: float, reused: bool) -> None:
        self.most = max(self.most, len(self.now))
        self.now.remove(step.id)


class Watched(LocalPool):
    """Two cores; ``at_submit`` is told the pool and every step that has been given to a slot."""

    def __init__(self, at_submit: Callable[["Watched", str], None]) -> None:
        super().__init__(2, (), 64 * GIB, lambda _step, _done, _of: None)
        self.at_submit = at_submit

    def submit(self, key: str, task: StepTask, needs: Needs) -> None:
        super().submit(key, task, needs)
        self.last = key
        self.at_submit(self, task.step_ids[0])

    def kill(self) -> None:
        """End the process of the task that was given out last."""
        (slot,) = (each for each in self._slots if each.key == self.last)
        slot.process.send_signal(signal.SIGKILL)


@pytest.fixture
def experiment(make_manifest: ManifestMaker) -> Experiment:
    return open_experiment(str(make_manifest()), profile=Profile.PAPER, only=None, replicates=1)


def made(experiment: Experiment, home: Path, before: Before | None = None) -> list[tuple[object, ...]]:
    record = read_record(execute(experiment, home, Silent(), before=before))
    return [(each.id, each.fingerprint, each.artifacts, each.counts, each.inputs) for each in record.steps]


def fill(experiment: Experiment, home: Path, pool: LocalPool) -> frozenset[str]:
    share = Share(gpus=0, machines=1)
    return fill_store([experiment], home=home, training=PLAIN_TRAINING, pool=pool, share=share, progress=Silent())


def test_steps_side_by_side_make_what_they_make_one_after_the_other(
    experiment: Experiment, common_home: Path, tmp_path: Path
) -> None:
    counting, before = Counting(), Before.now()
    done = do_elsewhere(LOCAL, [experiment], tmp_path / "home", PLAIN_TRAINING, counting)
    assert counting.most == 2 and not counting.now
    record = read_record(execute(experiment, tmp_path / "home", Silent(), before=replace(before, made=done)))
    assert {each.fingerprint for each in record.steps} == done
    assert not any(each.reused for each in record.steps) and record.started == before.started
    assert made(experiment, tmp_path / "home") == made(experiment, common_home)
    assert do_elsewhere(LOCAL, [experiment], tmp_path / "home", PLAIN_TRAINING, Counting()) == frozenset()


def test_with_one_core_the_run_itself_does_the_steps(experiment: Experiment, tmp_path: Path) -> None:
    one = replace(LOCAL, cores=1)
    assert do_elsewhere(one, [experiment], tmp_path / "home", PLAIN_TRAINING, Counting()) == frozenset()
    assert not (tmp_path / "home" / "store").exists()


@pytest.mark.slow
def test_a_step_whose_process_is_killed_is_done_again(
    experiment: Experiment, common_home: Path, tmp_path: Path
) -> None:
    begun: list[str] = []

    def at_submit(pool: Watched, step: str) -> None:
        begun.append(step)
        if step.endswith("/train") and begun.count(step) == 1:
            pool.kill()

    fill(experiment, tmp_path / "home", Watched(at_submit))
    assert {begun.count(step) for step in begun if step.endswith("/train")} == {2}
    assert made(experiment, tmp_path / "home") == made(experiment, common_home)


@pytest.mark.slow
def test_a_step_whose_process_is_always_killed_is_given_up_in_words(experiment: Experiment, tmp_path: Path) -> None:
    def at_submit(pool: Watched, step: str) -> None:
        if step.endswith("/select"):
            pool.kill()

    with pytest.raises(StepFailed, match=rf"select: lost {TRIES} times \(a process on this machine was killed by sig"):
        fill(experiment, tmp_path / "home", Watched(at_submit))


def test_what_no_step_may_raise_comes_out_as_it_is_and_ends_every_process(
    experiment: Experiment, tmp_path: Path
) -> None:
    pool = LocalPool(2, (), 64 * GIB, lambda _step, _done, _of: None)
    steps = [each.id for each in experiment.plan().steps if each.stage == "select"]
    task = StepTask(experiment=experiment, home=tmp_path, training=PLAIN_TRAINING, step_ids=(steps[0],), inputs={})
    pool.submit("one", task, ONE)
    with pytest.raises(KeyError) as raised:
        pool.wait()
    assert "_do_or_find" in raised.value.__notes__[0]
    processes = [slot.process for slot in pool._slots]
    assert pool.close() is None and all(process.returncode is not None for process in processes)


@pytest.mark.slow
def test_a_slot_sees_its_share_of_the_gpus_and_keeps_it(experiment: Experiment, tmp_path: Path) -> None:
    pool = LocalPool(3, (("3", "4"), ("5", "6")), 64 * GIB, lambda _step, _done, _of: None)
    on_gpus = replace(ONE, gpus=2)
    task = StepTask(
        experiment=experiment, home=tmp_path, training=PLAIN_TRAINING, step_ids=("problems/train",), inputs={}
    )
    try:
        for key, needs in (("one", on_gpus), ("two", ONE), ("three", on_gpus)):
            pool.submit(key, task, needs)
        assert [_visible(slot.process.pid) for slot in pool._slots] == ["3,4", "", "5,6"]
        assert pool.room([on_gpus, ONE]) == [False, False]
        ended: list[str] = []
        while len(ended) < 3:
            ended += [each.key for each in pool.wait() if each.loss is None]
        assert sorted(ended) == ["one", "three", "two"] and pool.room([on_gpus, ONE, on_gpus, ONE]) == [
            True, True, True, False
        ]  # fmt: skip
        pool.submit("four", task, on_gpus)
        assert len(pool._slots) == 3
    finally:
        pool.close()


def _visible(process: int) -> str:
    entries = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    (found,) = (each for each in entries if each.startswith(b"CUDA_VISIBLE_DEVICES="))
    return os.fsdecode(found).partition("=")[2]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([ONE, ONE, ONE], [True, True, False]),
        ([replace(ONE, cpus=8), ONE], [True, False]),
        ([ONE, replace(ONE, cpus=2), ONE], [True, False, False]),
        ([replace(ONE, memory=9 * GIB), ONE], [True, False]),
        ([ONE, replace(ONE, memory=9 * GIB)], [True, False]),
        ([replace(ONE, memory=2 * GIB), replace(ONE, memory=2 * GIB)], [True, True]),
        ([replace(ONE, gpus=1), replace(ONE, gpus=1), ONE], [True, False, True]),
        ([replace(ONE, engine_gpus=2), replace(ONE, gpus=1)], [True, False]),
        ([], []),
    ],
)
def test_there_is_room_for_what_fits_and_what_does_not_keeps_its_place(
    wanted: Sequence[Needs], expected: Sequence[bool]
) -> None:
    assert LocalPool(2, (("0",),), 4 * GIB, lambda _step, _done, _of: None).room(wanted) == expected
