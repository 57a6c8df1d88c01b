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
from selfimp_bench.runs.cluster.needs import GRADING_CPUS, Needs, Share, needs
from selfimp_bench.runs.cluster.schedule import TRIES, Ended, Loss, fill_store
from selfimp_bench.runs.cluster.work import StepTask, TaskResult, do_steps
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.study import Experiment, open_experiment
from selfimp_bench.steps.plan import fingerprint, plan_keys
from selfimp_bench.steps.progress import Silent

CPU = Share(gpus=0, machines=1)
Loses = Callable[[StepTask, int], bool]


class Here:
    """Does tasks in this process, the last one first; ``loses(task, try)`` says which are lost with their machine."""

    keeps_engines = False

    def __init__(self, loses: Loses = lambda _task, _time: False) -> None:
        self.loses = loses
        self.queue: list[tuple[str, StepTask]] = []
        self.begun: list[str] = []
        self.closed = False

    def check(self, needs: Needs) -> None:
        assert not self.begun

    def room(self, wanted: Sequence[Needs]) -> Sequence[bool]:
        return [True] * len(wanted)

    def submit(self, key: str, task: StepTask, needs: Needs) -> None:
        self.queue.append((key, task))
        self.begun.append(key)

    def wait(self) -> Sequence[Ended]:
        key, task = self.queue.pop()
        if self.loses(task, self.begun.count(key)):
            return [Ended(key=key, result=None, loss=Loss(words="the machine went away", kind="machine"))]
        return [Ended(key=key, result=do_steps(task), loss=None)]

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
    pool = Here(lambda task, time: task.steps()[0].stage == "train" and time == 1)
    fill(both, tmp_path / "cluster", pool)
    assert max(map(pool.begun.count, pool.begun)) == 2
    assert findings(both, tmp_path / "cluster") == findings(both, common_home)


def test_a_step_that_is_always_lost_is_given_up_in_words(both: tuple[Experiment, ...], tmp_path: Path) -> None:
    pool = Here(lambda task, _time: task.steps()[0].stage == "train")
    with pytest.raises(StepFailed, match=rf"train: lost {TRIES} times \(the machine went away\)"):
        fill(both, tmp_path / "cluster", pool)
    assert pool.closed


def test_a_step_that_fails_by_itself_is_not_tried_again(both: tuple[Experiment, ...], tmp_path: Path) -> None:
    class Refusing(Here):
        def wait(self) -> Sequence[Ended]:
            key, _ = self.queue.pop()
            return [
                Ended(key=key, result=TaskResult(records={}, error="no such file", input=True, lost=False), loss=None)
            ]

    pool = Refusing()
    with pytest.raises(InputError, match="no such file"):
        fill(both[:1], tmp_path / "home", pool)
    assert len(pool.begun) == len(set(pool.begun))


def needs_of(experiment: Experiment, share: Share) -> dict[str, Needs]:
    plan = experiment.plan()
    return {step.stage: needs(step, plan, share) for step in plan.steps}


def test_every_kind_of_step_asks_for_its_own(both: tuple[Experiment, ...]) -> None:
    eight = Share(gpus=8, machines=1)
    assert {each.gpus for each in needs_of(both[0], eight).values()} == {0}
    paper = open_experiment("gsm8k-iter-sft", profile=Profile.PAPER, only="model=llama-2-7b", replicates=1)
    asked = needs_of(paper, eight)
    assert asked["sample"] == asked["train"]
    assert (asked["sample"].cpus, asked["sample"].gpus, asked["sample"].machines) == (64, 8, 1)  # 8 threads each
    assert asked["sample"].memory > 2 * 13e9 + 8 * 8e9  # the weights as read and as copied, and eight processes
    assert (asked["embed"].cpus, asked["embed"].gpus) == (8, 1)
    assert (asked["grade"].cpus, asked["grade"].gpus) == (GRADING_CPUS, 0)  # SymPy is asked, too
    assert (asked["measure"].cpus, asked["measure"].gpus) == (1, 0)
    assert asked["measure"].memory < asked["grade"].memory < asked["sample"].memory


def test_only_distributed_training_spans_machines_and_only_an_engine_too_large_for_one_spans_their_gpus() -> None:
    large = open_experiment("gsm8k-iter-sft-dpo-70b", profile=Profile.PAPER, only=None, replicates=1)
    asked = needs_of(large, Share(gpus=4, machines=2))
    assert (asked["train"].gpus, asked["train"].machines, asked["train"].engine_gpus) == (4, 2, 0)
    assert (asked["sample"].gpus, asked["sample"].machines, asked["sample"].engine_gpus) == (0, 1, 8)  # its span
    assert needs_of(large, Share(gpus=8, machines=1))["sample"].engine_gpus == 0


def test_samples_of_one_checkpoint_are_one_task_and_are_told_one_by_one(
    both: tuple[Experiment, ...], tmp_path: Path
) -> None:
    class Seen(Here):
        def __init__(self) -> None:
            super().__init__()
            self.tasks: list[tuple[str, ...]] = []

        def submit(self, key: str, task: StepTask, needs: Needs) -> None:
            self.tasks.append(task.step_ids)
            super().submit(key, task, needs)

    pool = Seen()
    fill(both[:1], tmp_path / "home", pool)
    samples = [task for task in pool.tasks if any("sample." in step for step in task)]
    assert [len(task) for task in samples] == [4, 3]  # the last iteration trains nothing more
    assert all(len(task) == 1 for task in pool.tasks if task[0].endswith("/train"))


def test_a_record_of_another_installation_is_refused(both: tuple[Experiment, ...], tmp_path: Path) -> None:
    class Other(Here):
        def wait(self) -> Sequence[Ended]:
            (ended,) = super().wait()
            assert ended.result is not None
            records = {name: replace(each, fingerprint="0") for name, each in ended.result.records.items()}
            return [replace(ended, result=replace(ended.result, records=records))]

    with pytest.raises(InputError, match="every machine needs the same installation"):
        fill(both[:1], tmp_path / "home", Other())


@pytest.mark.parametrize(
    ("kind", "saves", "given_up"), [("time", True, False), ("time", False, True), ("preempted", False, False)]
)
def test_only_a_time_limit_that_left_nothing_to_go_on_from_ends_a_run(
    both: tuple[Experiment, ...], tmp_path: Path, kind: Literal["time", "preempted"], saves: bool, given_up: bool
) -> None:
    """A training whose machine is taken from it more often than a lost one would be begun again."""
    taken = TRIES + 2

    class Taking(Here):
        def wait(self) -> Sequence[Ended]:
            key, task = self.queue[-1]
            if task.steps()[0].stage != "train" or self.begun.count(key) > taken:
                return super().wait()
            self.queue.pop()
            if saves:
                step = task.steps()[0]
                mine = (
                    task.home
                    / "store"
                    / "partial"
                    / fingerprint(
                        step, {name: task.inputs[source].content_digest() for name, source in step.inputs.items()}
                    )
                )
                mine.mkdir(parents=True, exist_ok=True)
                (mine / f"{self.begun.count(key)}.msgpack").touch()
            return [Ended(key=key, result=None, loss=Loss(words="job 7: TIMEOUT", kind=kind))]

    if given_up:
        with pytest.raises(StepFailed, match=r"train: job 7: TIMEOUT.*timeout_min"):
            fill(both[:1], tmp_path / "home", Taking())
    else:
        pool = Taking()
        fill(both[:1], tmp_path / "home", pool)
        assert max(map(pool.begun.count, pool.begun)) == taken + 1


def test_a_step_that_loses_one_of_its_machines_is_tried_again(both: tuple[Experiment, ...], tmp_path: Path) -> None:
    class Losing(Here):
        def wait(self) -> Sequence[Ended]:
            key, _ = self.queue.pop()
            return [Ended(key=key, result=TaskResult(records={}, error="it left", input=False, lost=True), loss=None)]

    pool = Losing()
    with pytest.raises(StepFailed, match=rf"lost {TRIES} times \(it left\)"):
        fill(both[:1], tmp_path / "home", pool)
    assert max(map(pool.begun.count, pool.begun)) == TRIES


def executor(name: Literal["local", "ray", "slurm"], **given: Any) -> Executor:
    nothing = Executor(name=name, address=None, gpus_per_step=None, machines_per_step=None, slurm=(), slurm_image=None)
    return replace(nothing, **given)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (executor("local", address="auto"), "--address goes with --executor ray"),
        (executor("ray", slurm=("a=b",)), "--slurm goes with --executor slurm"),
        (executor("ray", cores=2), "--cores goes with --executor local"),
        (executor("local", machines_per_step=2), "--machines-per-step goes with --executor ray or slurm"),
        (executor("slurm", slurm=("partition",)), "expected NAME=VALUE"),
        (executor("ray", slurm_image="a.sif"), "--slurm-image goes with --executor slurm"),
        (executor("slurm", slurm_image="a", machines_per_step=2), "a step in an image runs on one machine"),
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


def test_slurm_asks_how_long_a_job_may_take_and_says_what_the_plan_expects(tmp_path: Path) -> None:
    paper = open_experiment("gsm8k-iter-sft", profile=Profile.PAPER, only=None, replicates=1)
    words = r"on 8xA100-80GB the longest step, .*/train, takes [\d.]+ to [\d.]+ hours .*--slurm timeout_min=\d+"
    with pytest.raises(InputError, match=words):
        do_elsewhere(executor("slurm", gpus_per_step=8), [paper], tmp_path, PLAIN_TRAINING, Silent())
