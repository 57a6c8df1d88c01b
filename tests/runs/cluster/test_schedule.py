"""The scheduler: every step once, in an order that its inputs allow, and again where it was lost."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from support import ManifestMaker

from selfimp_bench.engines.base import PLAIN_TRAINING
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.cluster.executors import Executor, do_elsewhere
from selfimp_bench.runs.cluster.schedule import TRIES, Ended, Needs, Share, fill_store, needs
from selfimp_bench.runs.cluster.work import StepResult, StepTask, do_step
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.study import Experiment, open_experiment
from selfimp_bench.steps.plan import plan_keys
from selfimp_bench.steps.progress import Silent

CPU = Share(gpus=0, machines=1)
Loses = Callable[[StepTask, int], bool]


class Here:
    """Does tasks in this process, the last one first; ``loses(task, try)`` says which are lost with their machine."""

    def __init__(self, loses: Loses = lambda _task, _time: False) -> None:
        self.loses = loses
        self.queue: list[tuple[str, StepTask]] = []
        self.begun: list[str] = []
        self.closed = False

    def check(self, needs: Needs) -> None:
        assert not self.begun

    def submit(self, key: str, task: StepTask, needs: Needs) -> None:
        self.queue.append((key, task))
        self.begun.append(key)

    def wait(self) -> Sequence[Ended]:
        key, task = self.queue.pop()
        if self.loses(task, self.begun.count(key)):
            return [Ended(key=key, result=None, loss="the machine went away")]
        return [Ended(key=key, result=do_step(task), loss=None)]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def both(make_manifest: ManifestMaker) -> tuple[Experiment, ...]:
    """Two methods that share everything up to the second training."""
    paths = [
        make_manifest(name=name, schedule=("sft-gold", method)) for name, method in (("one", "dpo"), ("two", "sft"))
    ]
    return tuple(open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1) for path in paths)


def fill(experiments: Sequence[Experiment], home: Path, pool: Here) -> None:
    fill_store(experiments, home=home, training=PLAIN_TRAINING, pool=pool, share=CPU, progress=Silent())


def findings(experiments: Sequence[Experiment], home: Path) -> list[tuple[object, ...]]:
    """What every step of every experiment wrote, and whether a run had anything left to do."""
    found: list[tuple[object, ...]] = []
    for experiment in experiments:
        record = read_record(execute(experiment, home, Silent()))
        found.append(tuple((step.id, step.fingerprint, step.artifacts, step.counts) for step in record.steps))
    return found


def test_a_filled_store_leaves_a_run_nothing_to_do_and_equals_a_local_one(
    both: tuple[Experiment, ...], common_home: Path, tmp_path: Path
) -> None:
    pool = Here()
    fill(both, tmp_path / "cluster", pool)
    keys = {key for experiment in both for key in plan_keys(experiment.plan()).values()}
    assert len(pool.begun) == len(set(pool.begun))
    assert keys.issuperset(pool.begun)  # steps with equal inputs may turn out to be equal work
    assert pool.closed
    for experiment in both:
        record = read_record(execute(experiment, tmp_path / "cluster", Silent()))
        assert all(step.reused for step in record.steps)
    assert findings(both, tmp_path / "cluster") == findings(both, common_home)


def test_what_is_in_the_store_is_not_begun(both: tuple[Experiment, ...], tmp_path: Path) -> None:
    execute(both[0], tmp_path / "home", Silent())
    pool = Here()
    fill(both, tmp_path / "home", pool)
    done = set(plan_keys(both[0].plan()).values())
    assert pool.begun and not done.intersection(pool.begun)


def test_a_lost_step_is_done_again_and_the_rest_goes_on(
    both: tuple[Experiment, ...], common_home: Path, tmp_path: Path
) -> None:
    pool = Here(lambda task, time: task.step().stage == "train" and time == 1)
    fill(both, tmp_path / "cluster", pool)
    assert max(map(pool.begun.count, pool.begun)) == 2
    assert findings(both, tmp_path / "cluster") == findings(both, common_home)


def test_a_step_that_is_always_lost_is_given_up_in_words(both: tuple[Experiment, ...], tmp_path: Path) -> None:
    pool = Here(lambda task, _time: task.step().stage == "train")
    with pytest.raises(StepFailed, match=rf"train: lost {TRIES} times \(the machine went away\)"):
        fill(both, tmp_path / "cluster", pool)
    assert pool.closed


def test_a_step_that_fails_by_itself_is_not_tried_again(both: tuple[Experiment, ...], tmp_path: Path) -> None:
    class Refusing(Here):
        def wait(self) -> Sequence[Ended]:
            key, _ = self.queue.pop()
            return [
                Ended(key=key, result=StepResult(record=None, error="no such file", input=True, lost=False), loss=None)
            ]

    pool = Refusing()
    with pytest.raises(InputError, match="no such file"):
        fill(both[:1], tmp_path / "home", pool)
    assert len(pool.begun) == len(set(pool.begun))


def test_only_steps_on_gpus_ask_for_them(both: tuple[Experiment, ...]) -> None:
    eight = Share(gpus=8, machines=1)
    assert {needs(step.block, eight).gpus for step in both[0].plan().steps} == {0}
    paper = open_experiment("gsm8k-iter-sft", profile=Profile.PAPER, only=None, replicates=1)
    asked = {step.stage: needs(step.block, eight) for step in paper.plan().steps}
    assert asked["sample"] == asked["train"] == Needs(cpus=8, gpus=8, machines=1, engine_gpus=0)
    assert asked["embed"] == Needs(cpus=1, gpus=1, machines=1, engine_gpus=0)
    assert asked["grade"] == asked["measure"] == asked["problems"]
    assert asked["grade"] == Needs(cpus=1, gpus=0, machines=1, engine_gpus=0)


def test_only_distributed_training_spans_machines_and_only_an_engine_too_large_for_one_spans_their_gpus() -> None:
    large = open_experiment("gsm8k-iter-sft-dpo-70b", profile=Profile.PAPER, only=None, replicates=1)
    asked = {step.stage: needs(step.block, Share(gpus=4, machines=2)) for step in large.plan().steps}
    assert asked["train"] == Needs(cpus=4, gpus=4, machines=2, engine_gpus=0)
    assert asked["sample"] == Needs(cpus=1, gpus=0, machines=1, engine_gpus=8)  # its tensor_parallel
    of_eight = {step.stage: needs(step.block, Share(gpus=8, machines=1)) for step in large.plan().steps}
    assert of_eight["sample"].engine_gpus == 0


def test_a_step_that_loses_one_of_its_machines_is_tried_again(both: tuple[Experiment, ...], tmp_path: Path) -> None:
    class Losing(Here):
        def wait(self) -> Sequence[Ended]:
            key, _ = self.queue.pop()
            return [Ended(key=key, result=StepResult(record=None, error="it left", input=False, lost=True), loss=None)]

    pool = Losing()
    with pytest.raises(StepFailed, match=rf"lost {TRIES} times \(it left\)"):
        fill(both[:1], tmp_path / "home", pool)
    assert max(map(pool.begun.count, pool.begun)) == TRIES


def executor(name: Literal["local", "ray", "slurm"], **given: Any) -> Executor:
    nothing = Executor(name=name, address=None, gpus_per_step=None, machines_per_step=None, slurm=())
    return replace(nothing, **given)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (executor("local", address="auto"), "--address goes with --executor ray"),
        (executor("ray", slurm=("a=b",)), "--slurm goes with --executor slurm"),
        (executor("local", gpus_per_step=8), "--gpus-per-step goes with --executor ray or slurm"),
        (executor("local", machines_per_step=2), "--machines-per-step goes with --executor ray or slurm"),
        (executor("slurm", slurm=("partition",)), "expected NAME=VALUE"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    both: tuple[Experiment, ...], tmp_path: Path, asked: Executor, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        do_elsewhere(asked, both, tmp_path, PLAIN_TRAINING, Silent())


def test_slurm_is_refused_where_it_is_not(
    both: tuple[Experiment, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever this test is run: where Slurm is, it would get jobs."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="from which sbatch works"):
        do_elsewhere(executor("slurm"), both, tmp_path, PLAIN_TRAINING, Silent())


def test_slurm_asks_how_many_gpus_a_job_gets(tmp_path: Path) -> None:
    paper = open_experiment("gsm8k-iter-sft", profile=Profile.PAPER, only=None, replicates=1)
    with pytest.raises(InputError, match="--gpus-per-step"):
        do_elsewhere(executor("slurm"), [paper], tmp_path, PLAIN_TRAINING, Silent())
