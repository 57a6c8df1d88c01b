"""Steps as Slurm jobs: as processes of this machine, and what Slurm is told of jobs of several nodes."""

import shutil
from pathlib import Path
from typing import cast

import pytest
from slurm_here import slurm_here
from support import ManifestMaker

from selfimp_bench.engines.base import PLAIN_TRAINING
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.cluster.schedule import Needs, Share, fill_store
from selfimp_bench.runs.cluster.slurm_pool import SlurmPool
from selfimp_bench.runs.cluster.work import StepTask
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.study import open_experiment
from selfimp_bench.steps.progress import Silent

ONE_NODE = Needs(cpus=4, gpus=4, machines=1, engine_gpus=0)
TWO_NODES = Needs(cpus=4, gpus=4, machines=2, engine_gpus=0)


@pytest.mark.slow
def test_submitits_jobs_fill_the_store_as_processes_of_this_machine(
    make_manifest: ManifestMaker, tmp_path: Path
) -> None:
    """Its local executor runs the same pickles and scripts as its Slurm one, without sbatch. A job takes seconds."""
    experiment = open_experiment(str(make_manifest()), profile=Profile.PAPER, only=None, replicates=1)
    before = read_record(execute(experiment, tmp_path, Silent())).steps
    missing = [step for step in before if step.id.endswith(("t1/train", "t2/select", "/measure"))]
    assert len(missing) == 3
    for step in missing:
        shutil.rmtree(tmp_path / "store" / step.fingerprint)
    pool, share = SlurmPool(tmp_path / "jobs", {"timeout_min": 10}, "local"), Share(gpus=0, machines=1)
    fill_store([experiment], home=tmp_path, training=PLAIN_TRAINING, pool=pool, share=share, progress=Silent())
    after = read_record(execute(experiment, tmp_path, Silent())).steps
    assert all(step.reused for step in after)
    assert [step.artifacts for step in after] == [step.artifacts for step in before]


@pytest.mark.parametrize(("needs", "through_srun"), [(ONE_NODE, True), (TWO_NODES, False)])
def test_a_job_asks_for_its_nodes_and_starts_one_process_on_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, needs: Needs, through_srun: bool
) -> None:
    slurm_here(tmp_path / "bin", monkeypatch)
    pool = SlurmPool(tmp_path / "jobs", {"timeout_min": 10, "slurm_partition": "gpu"}, "slurm")
    pool.submit("key", cast(StepTask, "a step"), needs)
    script = next((tmp_path / "jobs").glob("*submission*.sh")).read_text()
    asked = [line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")]
    assert {f"nodes={needs.machines}", "ntasks-per-node=1", "gpus-per-node=4", "cpus-per-task=4"} <= set(asked)
    assert {"partition=gpu", "time=10"} <= set(asked)
    assert ("\nsrun " in script) is through_srun


def test_what_a_user_asks_of_slurm_goes_before_what_a_step_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm_here(tmp_path / "bin", monkeypatch)
    pool = SlurmPool(tmp_path / "jobs", {"cpus_per_task": 32}, "slurm")
    pool.submit("key", cast(StepTask, "a step"), ONE_NODE)
    assert "--cpus-per-task=32" in next((tmp_path / "jobs").glob("*submission*.sh")).read_text()


def test_an_engine_that_no_node_holds_is_refused_before_anything_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm_here(tmp_path / "bin", monkeypatch)
    pool = SlurmPool(tmp_path / "jobs", {}, "slurm")
    pool.check(TWO_NODES)
    with pytest.raises(InputError, match=r"takes 8 GPUs \(tensor_parallel\)[\s\S]*--executor ray"):
        pool.check(Needs(cpus=1, gpus=0, machines=1, engine_gpus=8))
