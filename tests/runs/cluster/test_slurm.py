"""Steps as Slurm jobs: what Slurm is told, what it answers, and what becomes of a job that it takes a machine from."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from slurm_here import Slurm, running_slurm, slurm_here, states
from support import ManifestMaker

from selfimp_bench.engines.base import PLAIN_TRAINING
from selfimp_bench.engines.trl.machines import Meeting
from selfimp_bench.errors import InputError, MachineLost, StepFailed
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.cluster import slurm_commands, slurm_pool
from selfimp_bench.runs.cluster.needs import Needs, Share
from selfimp_bench.runs.cluster.schedule import fill_store
from selfimp_bench.runs.cluster.slurm_image import JobImage
from selfimp_bench.runs.cluster.slurm_job import SlurmMachines
from selfimp_bench.runs.cluster.slurm_pool import SlurmPool
from selfimp_bench.runs.cluster.work import StepTask
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.record import RunRecord, read_record
from selfimp_bench.runs.study import Experiment, open_experiment
from selfimp_bench.steps.progress import Silent

ONE_NODE = Needs(cpus=4, memory=10**9, gpus=4, machines=1, engine_gpus=0)
TWO_NODES = Needs(cpus=4, memory=10**9, gpus=4, machines=2, engine_gpus=0)
CPU = Share(gpus=0, machines=1)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Path]:
    """An experiment, and a home in which all of it is done."""
    folder = tmp_path_factory.mktemp("done")
    path = ManifestMaker(folder=folder)()
    experiment = open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1)
    execute(experiment, folder / "home", Silent())
    return experiment, folder / "home"


# ---- what Slurm is told ----


def script_of(folder: Path) -> str:
    return next(folder.glob("*submission*.sh")).read_text()


def task_of(experiment: Experiment, home: Path) -> StepTask:
    step = experiment.plan().steps[0]
    return StepTask(experiment=experiment, home=home, training=PLAIN_TRAINING, step_ids=(step.id,), inputs={})


@pytest.fixture
def quiet_scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in Slurm's place; jobs are accepted and not done."""
    slurm_here(tmp_path / "bin", monkeypatch)
    accepts = "#!/bin/sh\necho Submitted batch job 7\n"
    (tmp_path / "bin" / "sbatch").write_text(accepts)


@pytest.mark.usefixtures("quiet_scripts")
@pytest.mark.parametrize(("needs", "through_srun"), [(ONE_NODE, True), (TWO_NODES, False)])
def test_a_job_asks_for_its_nodes_and_starts_one_process_on_the_first(
    done: tuple[Experiment, Path], tmp_path: Path, needs: Needs, through_srun: bool
) -> None:
    pool = SlurmPool(tmp_path / "jobs", {"timeout_min": 10, "slurm_partition": "gpu"})
    pool.submit("key", task_of(done[0], tmp_path), needs)
    script = script_of(tmp_path / "jobs")
    asked = [line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")]
    assert {f"nodes={needs.machines}", "ntasks-per-node=1", "gpus-per-node=4", "cpus-per-task=4"} <= set(asked)
    assert {"partition=gpu", "time=10", "mem=1GB", "no-requeue", "job-name=problems/train"} <= set(asked)
    assert ("\nsrun " in script) is through_srun
    assert ("--cpus-per-task=4 " in script) is through_srun  # else srun gives the task one


@pytest.mark.usefixtures("quiet_scripts")
def test_a_job_asks_for_no_more_processors_than_a_node_has_and_for_no_time_that_nobody_named(
    done: tuple[Experiment, Path], tmp_path: Path
) -> None:
    many = Needs(cpus=64, memory=10**9, gpus=0, machines=1, engine_gpus=0)
    SlurmPool(tmp_path / "jobs", {}).submit("key", task_of(done[0], tmp_path), many)
    script = script_of(tmp_path / "jobs")
    assert "#SBATCH --cpus-per-task=4\n" in script
    assert "--time" not in script and "gpus" not in script


@pytest.mark.usefixtures("quiet_scripts")
def test_what_a_user_asks_of_slurm_goes_before_what_a_step_asks(done: tuple[Experiment, Path], tmp_path: Path) -> None:
    pool = SlurmPool(tmp_path / "jobs", {"cpus_per_task": 32, "mem_gb": 500})
    pool.submit("key", task_of(done[0], tmp_path), ONE_NODE)
    script = script_of(tmp_path / "jobs")
    assert "#SBATCH --cpus-per-task=32\n" in script and "#SBATCH --mem=500GB\n" in script


@pytest.mark.parametrize(
    ("parameter", "message"), [({"slurm_nonsense": 1}, "nonsense"), ({"partitoin": "gpu"}, "partitoin")]
)
@pytest.mark.usefixtures("quiet_scripts")
def test_a_parameter_that_slurm_does_not_have_is_refused(
    tmp_path: Path, parameter: dict[str, str | int], message: str
) -> None:
    with pytest.raises(InputError, match=f"--slurm: .*{message}"):
        SlurmPool(tmp_path / "jobs", parameter)


@pytest.mark.usefixtures("quiet_scripts")
def test_an_engine_that_no_node_holds_is_refused_before_anything_begins(tmp_path: Path) -> None:
    pool = SlurmPool(tmp_path / "jobs", {})
    pool.check(TWO_NODES)
    with pytest.raises(InputError, match=r"takes 8 GPUs \(tensor_parallel\)[\s\S]*--executor ray"):
        pool.check(Needs(cpus=1, memory=1, gpus=0, machines=1, engine_gpus=8))


@pytest.mark.usefixtures("quiet_scripts")
def test_a_job_in_an_image_has_its_python_and_sees_home_and_manifests(
    done: tuple[Experiment, Path], tmp_path: Path
) -> None:
    (tmp_path / "a.sif").touch()
    image = JobImage(str(tmp_path / "a.sif"), tmp_path / "home", [Path("/manifests")])
    SlurmPool(tmp_path / "one", {}, image).submit("key", task_of(done[0], tmp_path), ONE_NODE)
    inside = f"apptainer exec --nv --contain --no-home --bind={tmp_path}/home --bind={tmp_path}/home:/data"
    assert f"{inside} --bind=/manifests:/manifests:ro {tmp_path}/a.sif /opt/venv/bin/python -u -m" in script_of(
        tmp_path / "one"
    )
    pyxis = JobImage("registry#selfimp-bench:cuda", tmp_path / "home", [])
    SlurmPool(tmp_path / "two", {}, pyxis).submit("key", task_of(done[0], tmp_path), ONE_NODE)
    script = script_of(tmp_path / "two")
    assert "srun" in script and "--container-image=registry#selfimp-bench:cuda" in script
    assert f"--container-mounts={tmp_path}/home:{tmp_path}/home,{tmp_path}/home:/data" in script
    with pytest.raises(InputError, match=r"--slurm-image .*absent.sif: not found"):
        JobImage(str(tmp_path / "absent.sif"), tmp_path, [])


# ---- what Slurm answers ----


@pytest.mark.parametrize(
    ("line", "never"),
    [
        ("1|PENDING|PartitionTimeLimit|", True),
        ("1|PENDING|InvalidQOS|", True),
        ("1|PENDING|QOSMaxWallDurationPerJobLimit|", True),
        ("1|PENDING|QOSMaxJobsPerUserLimit|", False),
        ("1|PENDING|Resources|", False),
        ("1|RUNNING|None|", False),
    ],
)
def test_a_job_that_waits_for_what_will_not_come_is_told_from_one_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, never: bool
) -> None:
    slurm_here(tmp_path / "bin", monkeypatch)
    (tmp_path / "bin" / "squeue").write_text(f"#!/bin/sh\necho '{line}'\n")
    jobs = slurm_commands.my_jobs()
    assert jobs is not None and jobs["1"].never is never and jobs["1"].at_work


def test_a_controller_that_does_not_answer_is_no_empty_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm_here(tmp_path / "bin", monkeypatch)
    (tmp_path / "bin" / "squeue").write_text("#!/bin/sh\nexit 1\n")
    assert slurm_commands.my_jobs() is None
    with pytest.raises(InputError, match="does not answer squeue"):
        SlurmPool(tmp_path / "jobs", {})


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        ("srun: error: Node failure on n2", True),
        ("slurmstepd: error: *** STEP 5.0 ON n1 CANCELLED DUE TO NODE FAILURE, SEE SLURMCTLD LOG ***", True),
        ("ValueError: a node failure of ours", False),
    ],
)
def test_a_node_that_leaves_a_training_is_a_lost_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, lost: bool
) -> None:
    slurm_here(tmp_path / "bin", monkeypatch)
    (tmp_path / "bin" / "srun").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    meeting = Meeting(job=tmp_path, stages=("train",), machines=2, machine=0, address="first", port=1)
    joined = SlurmMachines(2).join(meeting)
    if lost:
        with pytest.raises(MachineLost, match="a node of the job went away"):
            joined.wait()
    else:
        assert [left.code for left in joined.wait()] == [1]


# ---- a cluster ----


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Slurm, or scripts in its place, asked often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slurm_pool, "POLL_SECONDS", 0.3)
        with running_slurm(tmp_path_factory.mktemp("slurm"), patch) as cluster:
            yield cluster


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(900):
        if holds():
            return
        time.sleep(0.1)
    raise TimeoutError


class Filling:
    """A home in which some steps are missing, while jobs do them. Those begin when ``go`` is called."""

    def __init__(self, done: tuple[Experiment, Path], folder: Path, *missing: str) -> None:
        self.experiment, self.home = done[0], folder / "home"
        shutil.copytree(done[1], self.home)
        self.before = self.record()
        for step in self.before.steps:
            if step.id.endswith(missing):
                shutil.rmtree(self.home / "store" / step.fingerprint)
        self.hold = folder / "hold"
        self.hold.touch()
        self.before_jobs = set(states())
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._fill, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _fill(self) -> None:
        wait = f"while [ -e {self.hold} ]; do sleep 0.1; done"
        try:
            pool = SlurmPool(self.home / "jobs", {"slurm_setup": [wait]})  # type: ignore[dict-item]
            fill_store(
                [self.experiment], home=self.home, training=PLAIN_TRAINING, pool=pool, share=CPU, progress=Silent()
            )
        except BaseException as error:
            self.error = error

    def jobs(self) -> dict[str, str]:
        return {job: state for job, state in states().items() if job not in self.before_jobs}

    def running(self) -> str:
        """The number of this test's one job, once it runs."""
        wait_until(lambda: self.error is not None or list(self.jobs().values()) == ["RUNNING"])
        assert self.error is None, self.error
        return next(iter(self.jobs()))

    def ended(self) -> list[str]:
        """The states of this test's jobs, once all have ended."""
        wait_until(lambda: not {"RUNNING", "COMPLETING"}.intersection(self.jobs().values()))
        return list(self.jobs().values())

    def end(self) -> None:
        """Let the jobs go, and wait for the scheduler."""
        self.hold.unlink()
        self._thread.join(90)
        assert not self._thread.is_alive()

    def record(self) -> RunRecord:
        return read_record(execute(self.experiment, self.home, Silent()))

    def assert_whole(self) -> None:
        assert self.error is None, self.error
        after = self.record().steps
        assert all(step.reused for step in after)
        assert [step.artifacts for step in after] == [step.artifacts for step in self.before.steps]


Befall = Callable[[Slurm, str], None]


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_jobs_fill_the_store_and_steps_of_one_checkpoint_share_one(
    done: tuple[Experiment, Path], tmp_path: Path
) -> None:
    run = Filling(done, tmp_path, "t1/sample.greedy", "t1/sample.sample", "t1/sample.ood", "t1/train", "/measure")
    run.start()
    run.end()
    run.assert_whole()
    assert run.ended() == ["COMPLETED"] * 3  # the training, all its samples, the measure


@pytest.mark.slow
@pytest.mark.parametrize(
    ("befall", "state"),
    [
        (lambda slurm, job: slurm.lose_node(job), "NODE_FAIL"),
        (lambda slurm, job: slurm.preempt(job), "PREEMPTED"),
    ],
)
def test_a_job_that_loses_its_node_or_its_place_is_begun_again_as_the_same_step_by_us_alone(
    slurm: Slurm, done: tuple[Experiment, Path], tmp_path: Path, befall: Befall, state: str
) -> None:
    run = Filling(done, tmp_path, "/measure")
    run.start()
    befall(slurm, run.running())
    run.end()
    run.assert_whole()
    ours = run.ended()
    assert ours.count(state) == 1 and "COMPLETED" in ours  # it was not requeued


@pytest.mark.slow
def test_a_job_out_of_time_goes_on_where_it_got_further_and_else_says_what_to_ask_for(
    slurm: Slurm, done: tuple[Experiment, Path], tmp_path: Path
) -> None:
    further, stuck = Filling(done, tmp_path / "one", "/measure"), Filling(done, tmp_path / "two", "/measure")
    further.start()
    first = further.running()
    stuck.before_jobs.add(first)
    stuck.start()
    second = stuck.running()
    lost = next(step for step in further.before.steps if step.id.endswith("/measure"))
    saved = further.home / "store" / "partial" / lost.fingerprint / "part.msgpack"
    saved.parent.mkdir(parents=True)
    saved.touch()
    for job in (first, second):
        slurm.end_time(job)
    stuck._thread.join(60)
    assert isinstance(stuck.error, StepFailed)
    assert f"job {second}: TIMEOUT" in str(stuck.error) and "timeout_min" in str(stuck.error)
    wait_until(lambda: states()[first] == "TIMEOUT")
    further.end()
    further.assert_whole()


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_what_sbatch_refuses_is_an_input_error_in_slurm_s_words(done: tuple[Experiment, Path], tmp_path: Path) -> None:
    pool = SlurmPool(tmp_path / "jobs", {"slurm_partition": "nowhere"})
    with pytest.raises(InputError, match=r"invalid partition specified: nowhere.*slurm_partition=\.\.\."):
        pool.submit("key", task_of(done[0], tmp_path), Needs(cpus=1, memory=1, gpus=0, machines=1, engine_gpus=0))


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_a_job_that_someone_cancels_ends_the_run(done: tuple[Experiment, Path], tmp_path: Path) -> None:
    run = Filling(done, tmp_path, "/measure")
    run.start()
    subprocess.run(["scancel", run.running()], check=True)
    run._thread.join(60)
    assert isinstance(run.error, StepFailed) and "CANCELLED by someone else" in str(run.error)


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
def test_a_killed_driver_s_job_is_taken_over_and_a_stopped_driver_leaves_none(
    done: tuple[Experiment, Path], tmp_path: Path
) -> None:
    run = Filling(done, tmp_path, "/measure")
    run.before_jobs = set(states())
    setup = f"while [ -e {run.hold} ]; do sleep 0.1; done"
    driver = f"""
from pathlib import Path
from selfimp_bench.runs.cluster import executors, slurm_pool
executors._parameter = lambda _: ("slurm_setup", [{setup!r}])
wait = slurm_pool.SlurmPool.wait
slurm_pool.SlurmPool.wait = lambda pool: (Path({str(tmp_path / "waits")!r}).touch(), wait(pool))[1]
from selfimp_bench.cli.app import main
main()
"""
    words = ["run", str(run.experiment.path), "--home", str(run.home), "--executor", "slurm", "--slurm", "a=b"]
    command: list[Any] = [sys.executable, "-c", driver, *words]
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    job = run.running()
    killed.kill()
    killed.wait()
    (tmp_path / "waits").unlink(missing_ok=True)
    stopped = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    wait_until((tmp_path / "waits").exists)
    assert run.running() == job
    os.kill(stopped.pid, signal.SIGTERM)
    assert stopped.wait(60) == 130
    assert run.ended() == ["CANCELLED"]
