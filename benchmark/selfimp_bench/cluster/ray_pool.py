"""Steps as Ray tasks, on a cluster that runs already or on this machine."""

from collections.abc import Sequence
from typing import Any

from selfimp_bench.cluster.schedule import Ended, Needs
from selfimp_bench.cluster.work import StepTask, do_step
from selfimp_bench.engines.child import SOURCE_ROOT
from selfimp_bench.errors import InputError


class RayPool:
    """Tasks on Ray. Every machine has the same installation, and sees the home under the same path.

    address: of a running cluster (``auto`` finds this machine's); None starts one here.
    Raises InputError when Ray is not installed or no cluster answers.
    """

    def __init__(self, address: str | None) -> None:
        try:
            import ray
        except ImportError:
            raise InputError(
                "--executor ray: Ray is not installed; install selfimp-bench[ray], or leave --executor out"
            ) from None
        self._ray: Any = ray
        self._keys: dict[Any, str] = {}
        self._started = not ray.is_initialized()
        if self._started:
            environment = {"PYTHONPATH": str(SOURCE_ROOT)}
            try:
                ray.init(address=address, runtime_env={"env_vars": environment}, log_to_driver=False)
            except ConnectionError as error:
                raise InputError(
                    f"--address {address}: no Ray cluster answers there ({error}); start one with `ray start --head`, "
                    "or leave --address out"
                ) from None
        # Our own count of tries also covers what Ray counts as one: a lost machine.
        self._do_step = ray.remote(max_retries=0)(do_step)

    def gpus_per_machine(self) -> int:
        """The most GPUs that one machine of the cluster has."""
        return max((int(node["Resources"].get("GPU", 0)) for node in self._ray.nodes() if node["Alive"]), default=0)

    def submit(self, key: str, task: StepTask, needs: Needs) -> None:
        """See ``Pool.submit``."""
        reference = self._do_step.options(num_cpus=needs.cpus, num_gpus=needs.gpus).remote(task)
        self._keys[reference] = key

    def wait(self) -> Sequence[Ended]:
        """See ``Pool.wait``."""
        ready, _ = self._ray.wait(list(self._keys), num_returns=1)
        return [self._ended(reference) for reference in ready]

    def close(self) -> None:
        """Cancel what runs; leave the cluster, or end the one that was started here."""
        for reference in self._keys:
            self._ray.cancel(reference, force=True)
        self._keys.clear()
        if self._started:
            self._ray.shutdown()

    def _ended(self, reference: Any) -> Ended:
        key = self._keys.pop(reference)
        try:
            return Ended(key=key, result=self._ray.get(reference), loss=None)
        except self._ray.exceptions.RayTaskError:
            raise  # do_step returns the errors that are ours to explain; this is a bug
        except self._ray.exceptions.RayError as error:
            return Ended(key=key, result=None, loss=f"{type(error).__name__}: {str(error).splitlines()[0]}")
