"""Steps as Ray tasks, on a cluster that runs already or on this machine.

A step that spans machines lies in a placement group of its own: its task in the first bundle, what it needs of other
machines in the others.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from selfimp_bench.engines.trl.machines import Left, Meeting
from selfimp_bench.engines.trl.trainer import take_part
from selfimp_bench.engines.worker.child import SOURCE_ROOT
from selfimp_bench.errors import InputError, MachineLost
from selfimp_bench.plural import plural
from selfimp_bench.runs.cluster.needs import Needs
from selfimp_bench.runs.cluster.schedule import Ended, Loss
from selfimp_bench.runs.cluster.work import StepTask, TaskResult, do_steps

AT_START: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",  # a run uses no network
    "RAY_agent_register_timeout_ms": "600000",
    "RAY_worker_register_timeout_seconds": "600",
}
"""Read where a cluster starts, unless set already. On a busy machine Ray's own processes take minutes to answer."""


class RayPool:
    """Tasks on Ray. Every machine has the same installation, and sees the home under the same path.

    address: of a running cluster (``auto`` finds this machine's); None starts one here.
    Raises InputError when Ray is not installed or no cluster answers.
    """

    keeps_engines = False

    def __init__(self, address: str | None) -> None:
        try:
            import ray
        except ImportError:
            raise InputError(
                "--executor ray: Ray is not installed; install selfimp-bench[ray], or leave --executor out"
            ) from None
        self._ray: Any = ray
        self._keys: dict[Any, str] = {}
        self._groups: dict[Any, Any] = {}
        self._started = not ray.is_initialized()
        if self._started:
            for name, value in AT_START.items():
                os.environ.setdefault(name, value)
            environment = {"PYTHONPATH": str(SOURCE_ROOT)}
            try:
                ray.init(address=address, runtime_env={"env_vars": environment}, log_to_driver=False)
            except ConnectionError as error:
                raise InputError(
                    f"--address {address}: no Ray cluster answers there ({error}); start one with `ray start --head`, "
                    "or leave --address out"
                ) from None
            except Exception as error:  # of a node that does not come up Ray says so in a plain one
                if type(error) is not Exception:
                    raise
                raise InputError(
                    f"--executor ray: Ray does not start here ({str(error).splitlines()[0]}); look at the machine's "
                    "load and at /tmp/ray/session_latest/logs, or run without --executor"
                ) from None
        # Our own count of tries also covers what Ray counts as one: a lost machine.
        self._do_steps = ray.remote(max_retries=0)(do_steps)
        self._do_spanning = ray.remote(max_retries=0)(do_spanning)

    def room(self, wanted: Sequence[Needs]) -> Sequence[bool]:
        """See ``Pool.room``: the cluster has its own queue."""
        return [True] * len(wanted)

    def gpus_per_machine(self) -> int:
        """The most GPUs that one machine of the cluster has."""
        return max(self._gpus(), default=0)

    def check(self, needs: Needs) -> None:
        """See ``Pool.check``."""
        found = self._gpus()
        able = sum(gpus >= needs.gpus for gpus in found)
        if able < needs.machines:
            raise InputError(
                f"--executor ray: a step takes {plural(needs.machines, 'machine')} with {plural(needs.gpus, 'GPU')}, "
                f"and the cluster has {able}; start more (`ray start`), or lower --machines-per-step or --gpus-per-step"
            )
        if sum(found) < needs.engine_gpus:
            raise InputError(
                f"--executor ray: an engine takes {needs.engine_gpus} GPUs (tensor_parallel), and the cluster has "
                f"{sum(found)}; start more machines (`ray start`), or leave its model out with --only"
            )

    def submit(self, key: str, task: StepTask, needs: Needs) -> None:
        """See ``Pool.submit``. A machine with fewer processors than are asked for does with those that it has."""
        needs = replace(needs, cpus=min(needs.cpus, self._processors(needs.gpus)))
        if needs.machines == 1 and not needs.engine_gpus:
            reference = self._do_steps.options(num_cpus=needs.cpus, num_gpus=needs.gpus).remote(task)
        else:
            group = self._group(needs)
            reference = self._do_spanning.options(
                num_cpus=needs.cpus, num_gpus=needs.gpus, scheduling_strategy=_place(group, 0)
            ).remote(task, needs)
            self._groups[reference] = group
        self._keys[reference] = key

    def _group(self, needs: Needs) -> Any:
        """Bundles for a step that spans machines: one a machine, or one a GPU of its engine, as close as can be."""
        from ray.util import placement_group

        if needs.engine_gpus:
            engine = [{"CPU": needs.cpus, "GPU": 1}, *[{"GPU": 1}] * (needs.engine_gpus - 1)]
            return placement_group(engine, strategy="PACK")
        bundle = {"CPU": needs.cpus} | ({"GPU": needs.gpus} if needs.gpus else {})
        return placement_group([bundle] * needs.machines, strategy="STRICT_SPREAD")

    def _gpus(self) -> list[int]:
        """The GPUs of every machine on which steps can run."""
        resources = (node["Resources"] for node in self._ray.nodes() if node["Alive"])
        return [int(each.get("GPU", 0)) for each in resources if each.get("CPU", 0)]

    def _processors(self, gpus: int) -> int:
        """Of every machine that has so many GPUs, the fewest; 1 where there is none just now."""
        resources = (node["Resources"] for node in self._ray.nodes() if node["Alive"])
        return min(
            (int(each["CPU"]) for each in resources if each.get("CPU") and each.get("GPU", 0) >= gpus), default=1
        )

    def wait(self) -> Sequence[Ended]:
        """See ``Pool.wait``."""
        ready, _ = self._ray.wait(list(self._keys), num_returns=1)
        return [self._ended(reference) for reference in ready]

    def close(self) -> str | None:
        """Cancel what runs; leave the cluster, or end the one that was started here."""
        for reference in self._keys:
            self._ray.cancel(reference, force=True)
            self._give_back(reference)
        self._keys.clear()
        if self._started:
            self._ray.shutdown()
        return None

    def _give_back(self, reference: Any) -> None:
        if (group := self._groups.pop(reference, None)) is not None:
            self._ray.util.remove_placement_group(group)

    def _ended(self, reference: Any) -> Ended:
        key = self._keys.pop(reference)
        self._give_back(reference)
        try:
            return Ended(key=key, result=self._ray.get(reference), loss=None)
        except self._ray.exceptions.RayTaskError:
            raise  # do_steps returns the errors that are ours to explain; this is a bug
        except self._ray.exceptions.RayError as error:
            words = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            return Ended(key=key, result=None, loss=Loss(words=words, kind="machine"))


def do_spanning(task: StepTask, needs: Needs) -> TaskResult:
    """Do a step that spans machines, in the first bundle of its placement group."""
    return do_steps(task, RayMachines(needs) if needs.machines > 1 else None)


class RayMachines:
    """The machines of the placement group that this task lies in; see ``Machines``."""

    def __init__(self, needs: Needs) -> None:
        import ray

        self._ray: Any = ray
        self._needs = needs

    @property
    def count(self) -> int:
        """See ``Machines.count``."""
        return self._needs.machines

    @property
    def address(self) -> str:
        """See ``Machines.address``."""
        return str(self._ray.util.get_node_ip_address())

    def join(self, meeting: Meeting) -> "_RayJoined":
        """See ``Machines.join``."""
        group = self._ray.util.get_current_placement_group()
        part = self._ray.remote(max_retries=0)(take_part)
        return _RayJoined(
            [
                part.options(
                    num_cpus=self._needs.cpus, num_gpus=self._needs.gpus, scheduling_strategy=_place(group, machine)
                ).remote(replace(meeting, machine=machine))
                for machine in range(1, self.count)
            ],
        )


class _RayJoined:
    def __init__(self, parts: Sequence[Any]) -> None:
        import ray

        self._ray: Any = ray
        self._parts = list(parts)

    def wait(self) -> Sequence[Left]:
        """See ``Joined.wait``."""
        working, left = self._parts, list[Left]()
        while working and not any(each.code for each in left):
            ready, working = self._ray.wait(working, num_returns=1)
            try:
                left += self._ray.get(ready)
            except self._ray.exceptions.RayTaskError:
                raise  # take_part returns what a launcher ends with; this is a bug
            except self._ray.exceptions.RayError as error:
                raise MachineLost(f"{type(error).__name__}: {str(error).splitlines()[0]}") from None
        return left

    def end(self) -> None:
        """See ``Joined.end``."""
        for part in self._parts:
            self._ray.cancel(part, force=True)


def _place(group: Any, bundle: int) -> Any:
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    return PlacementGroupSchedulingStrategy(placement_group=group, placement_group_bundle_index=bundle)
