"""A real Ray cluster of two machines (as processes of this one): both train together, then one of them is killed."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

import psutil
import pytest
from slurm_here import free_ports
from support import ManifestMaker

from selfimp_bench.engines.base import PLAIN_TRAINING
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.cluster.needs import Needs, Share
from selfimp_bench.runs.cluster.ray_pool import AT_START, RayPool
from selfimp_bench.runs.cluster.schedule import fill_store
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.record import read_record
from selfimp_bench.runs.study import Experiment, open_experiment
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.progress import Place, Silent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of Ray and what it imports
]

MEMORY = 80 * 2**20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that runs nothing, and two machines of one CPU each. The last test leaves one of them."""
    cluster = _start_cluster()
    yield cluster
    cluster.shutdown()


def _start_cluster() -> Any:
    """On a machine that may be busy: what Ray waits for by constants is said before, or waited for longer."""
    from ray._private import services
    from ray.cluster_utils import Cluster

    head: dict[str, Any] = {"num_cpus": 0, "include_dashboard": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray._private.node.time", _SlowClock())
        patch.setattr("ray._private.services.start_raylet", _saying_ports(services.start_raylet))
        for name, value in {**AT_START, "RAY_gcs_server_port_wait_time_s": "600"}.items():
            patch.setenv(name, value)
        cluster = Cluster()
        for node in (head, {"num_cpus": 1}, {"num_cpus": 1}):
            (port,) = free_ports(1)
            cluster.add_node(object_store_memory=MEMORY, runtime_env_agent_port=port, **node)
    return cluster


class _SlowClock:
    """Ray gives a node 30 seconds to start."""

    def monotonic(self) -> float:
        return time.monotonic() / 20

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


def _saying_ports(start: Callable[..., Any]) -> Callable[..., Any]:
    """A raylet gives its agents 15 seconds to say their ports in files, and dies. Here they are known: that of runtime
    environments is chosen, and nobody asks for the others."""
    from ray import _raylet

    def start_and_say(*given: Any, **named: Any) -> Any:
        asked = signature(start).bind(*given, **named).arguments
        ports = {
            _raylet.METRICS_AGENT_PORT_NAME: -1,
            _raylet.METRICS_EXPORT_PORT_NAME: -1,
            _raylet.DASHBOARD_AGENT_LISTEN_PORT_NAME: -1,
            _raylet.RUNTIME_ENV_AGENT_PORT_NAME: asked["runtime_env_agent_port"],
        }
        for name, port in ports.items():
            _raylet.persist_port(asked["session_dir"], asked["node_id"], name, port)
        return start(*given, **named)

    return start_and_say


@pytest.fixture
def suite(make_manifest: ManifestMaker) -> tuple[Experiment, ...]:
    """Two methods on real engines that share everything up to the second training."""
    paths = [
        make_manifest(name=name, engine="real", counts=(24, 24, 0), schedule=("sft-gold", method))
        for name, method in (("one", "dpo"), ("two", "sft"))
    ]
    return tuple(open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1) for path in paths)


class Begun(Silent):
    """Counts how often each step was begun."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def start(self, step: Step, place: Place) -> None:
        self.steps.append(f"{place.step} {step.id}")


def test_a_training_that_spans_both_machines_ends_like_one_of_two_processes(
    cluster: Any, make_manifest: ManifestMaker, tmp_path: Path
) -> None:
    def change(data: dict[str, Any]) -> None:
        data["engines"] |= {"sampler": "fake", "distributed": "ddp"}
        data["claims"][0]["order"]["lesser"]["metric"] = "pass@1.flexible"  # one iteration has nothing to rise from

    path = make_manifest(engine="real", counts=(64, 24, 0), schedule=("sft-gold",), change=change)
    experiment = open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1)
    share = Share(gpus=0, machines=2)
    pool = RayPool(cluster.address)
    fill_store(
        [experiment], home=tmp_path / "cluster", training=PLAIN_TRAINING, pool=pool, share=share, progress=Silent()
    )
    two = replace(PLAIN_TRAINING, processes=2)
    ours = read_record(execute(experiment, tmp_path / "cluster", Silent()))
    local = read_record(execute(experiment, tmp_path / "local", Silent(), two))
    assert all(step.reused for step in ours.steps)
    assert _written(ours) == _written(local)
    assert [step.counts["processes"] for step in ours.steps if "processes" in step.counts] == [2]


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        (
            Needs(cpus=1, memory=1, gpus=0, machines=3, engine_gpus=0),
            "takes 3 machines with 0 GPUs, and the cluster has 2",
        ),
        (
            Needs(cpus=1, memory=1, gpus=1, machines=1, engine_gpus=0),
            "takes 1 machine with 1 GPU, and the cluster has 0",
        ),
        (
            Needs(cpus=1, memory=1, gpus=0, machines=1, engine_gpus=8),
            r"takes 8 GPUs \(tensor_parallel\), and the cluster has 0",
        ),
    ],
)
def test_what_the_cluster_never_has_is_refused_before_anything_begins(cluster: Any, needs: Needs, message: str) -> None:
    pool = RayPool(cluster.address)
    try:
        with pytest.raises(InputError, match=message):
            pool.check(needs)
    finally:
        pool.close()


def test_a_suite_ends_like_a_local_run_though_a_machine_dies_in_the_middle_of_a_training(
    cluster: Any, suite: tuple[Experiment, ...], tmp_path: Path
) -> None:
    home = tmp_path / "cluster"
    killed: list[str] = []
    killer = threading.Thread(target=_kill_the_machine_that_trains, args=(cluster, home, killed), daemon=True)
    killer.start()
    begun = Begun()
    pool = RayPool(cluster.address)
    fill_store(suite, home=home, training=PLAIN_TRAINING, pool=pool, share=Share(gpus=0, machines=1), progress=begun)
    killer.join(timeout=60)
    assert len(killed) == 1, "no machine was killed: the trainings were over too soon"
    again = [step for step in begun.steps if begun.steps.count(step) > 1 or step.endswith("/train")]
    assert len(again) > 3, f"a training was lost and begun again; found {begun.steps}"
    for experiment in suite:
        ours, local = (read_record(execute(experiment, place, Silent())) for place in (home, tmp_path / "local"))
        assert all(step.reused for step in ours.steps)
        assert _written(ours) == _written(local)


def _kill_the_machine_that_trains(cluster: Any, home: Path, killed: list[str]) -> None:
    """Shoot its raylet (SIGKILL) as soon as a training has logged a step."""
    for _ in range(3000):
        time.sleep(0.1)
        if not any(home.glob("store/partial/*/train_log.jsonl")):
            continue
        for node in list(cluster.worker_nodes):
            if _trains(node):
                cluster.remove_node(node, allow_graceful=False)
                killed.append(str(node))
                return


def _trains(node: Any) -> bool:
    raylet = node.all_processes["raylet"][0].process.pid
    below = psutil.Process(raylet).children(recursive=True)
    return any("selfimp_bench.engines.trl.worker" in _words(process) for process in below)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _written(record: Any) -> list[tuple[object, ...]]:
    return [(step.id, step.fingerprint, step.artifacts, step.counts) for step in record.steps]
