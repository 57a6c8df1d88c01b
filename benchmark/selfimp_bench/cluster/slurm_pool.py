"""Steps as Slurm jobs, through submitit."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from selfimp_bench.cluster.schedule import Ended, Needs
from selfimp_bench.cluster.work import StepTask, do_step
from selfimp_bench.errors import InputError

POLL_SECONDS: Final = 2.0


class SlurmPool:
    """Tasks as jobs; their scripts, pickles and logs lie in ``folder``, which every machine sees.

    parameters: submitit's own, such as ``slurm_partition`` or ``timeout_min``; CPUs and GPUs come from each step.
    cluster: ``slurm``, or ``local`` for processes of this machine.
    Raises InputError when submitit is not installed, Slurm is not there, or a parameter is unknown.
    """

    def __init__(self, folder: Path, parameters: Mapping[str, str | int], cluster: Literal["slurm", "local"]) -> None:
        try:
            import submitit
        except ImportError:
            raise InputError(
                "--executor slurm: submitit is not installed; install selfimp-bench[slurm], or leave --executor out"
            ) from None
        self._submitit: Any = submitit
        self._jobs: dict[str, Any] = {}
        try:
            self._executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
            self._executor.update_parameters(**parameters)
        except RuntimeError as error:
            raise InputError(f"--executor slurm: {error}; run it on a machine from which sbatch works") from None
        except (NameError, TypeError, ValueError) as error:
            raise InputError(f"--slurm: {error}") from None

    def submit(self, key: str, task: StepTask, needs: Needs) -> None:
        """See ``Pool.submit``."""
        self._executor.update_parameters(nodes=1, cpus_per_task=needs.cpus, gpus_per_node=needs.gpus)
        self._jobs[key] = self._executor.submit(do_step, task)

    def wait(self) -> Sequence[Ended]:
        """See ``Pool.wait``."""
        while True:
            ended = [key for key, job in self._jobs.items() if job.done()]
            if ended:
                return [self._ended(key) for key in ended]
            time.sleep(POLL_SECONDS)

    def close(self) -> None:
        """Cancel the jobs that still wait or run."""
        for job in self._jobs.values():
            job.cancel(check=False)
        self._jobs.clear()

    def _ended(self, key: str) -> Ended:
        job = self._jobs.pop(key)
        try:
            return Ended(key=key, result=job.result(), loss=None)
        except self._submitit.core.utils.FailedJobError:
            raise  # do_step returns the errors that are ours to explain; this is a bug
        except self._submitit.core.utils.UncompletedJobError as error:
            return Ended(key=key, result=None, loss=str(error).splitlines()[0])
