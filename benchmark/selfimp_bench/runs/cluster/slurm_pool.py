"""Steps as Slurm jobs, through submitit. A job of several nodes does its step on the first, and starts the others."""

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from selfimp_bench.engines.trl.machines import Left, Meeting
from selfimp_bench.engines.worker import child
from selfimp_bench.errors import InputError
from selfimp_bench.runs.cluster.schedule import Ended, Needs
from selfimp_bench.runs.cluster.slurm_part import meeting_arguments
from selfimp_bench.runs.cluster.work import StepResult, StepTask, do_step

POLL_SECONDS: Final = 2.0


class SlurmPool:
    """Tasks as jobs; their scripts, pickles and logs lie in ``folder``, which every machine sees.

    parameters: submitit's own, such as ``slurm_partition`` or ``timeout_min``; they go before what each step asks.
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
        self._parameters = dict(parameters)
        try:
            self._executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
            self._executor.update_parameters(**parameters)
        except RuntimeError as error:
            raise InputError(f"--executor slurm: {error}; run it on a machine from which sbatch works") from None
        except (NameError, TypeError, ValueError) as error:
            raise InputError(f"--slurm: {error}") from None

    def check(self, needs: Needs) -> None:
        """See ``Pool.check``. What a node has, Slurm itself says when a job is submitted."""
        if needs.engine_gpus:
            raise InputError(
                f"--executor slurm: an engine takes {needs.engine_gpus} GPUs (tensor_parallel), more than "
                "--gpus-per-step; engines span nodes on Ray only (--executor ray). Take larger nodes, or leave its "
                "model out with --only"
            )

    def submit(self, key: str, task: StepTask, needs: Needs) -> None:
        """See ``Pool.submit``."""
        asked = {"nodes": needs.machines, "tasks_per_node": 1, "cpus_per_task": needs.cpus, "gpus_per_node": needs.gpus}
        alone = needs.machines == 1  # else one process, on the first node, starts the others by srun
        self._executor.update_parameters(**asked | self._parameters, slurm_use_srun=alone)
        self._jobs[key] = self._executor.submit(do_on_nodes, task, needs.machines).task(0)

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


def do_on_nodes(task: StepTask, nodes: int) -> StepResult:
    """Do a step on the first of a job's nodes."""
    return do_step(task, SlurmMachines(nodes) if nodes > 1 else None)


class SlurmMachines:
    """The nodes of the job that this process runs in, on the first of them; see ``Machines``."""

    def __init__(self, count: int) -> None:
        self._count = count

    @property
    def count(self) -> int:
        """See ``Machines.count``."""
        return self._count

    @property
    def address(self) -> str:
        """See ``Machines.address``."""
        return socket.gethostname()

    def join(self, meeting: Meeting) -> "_SlurmJoined":
        """See ``Machines.join``."""
        return _SlurmJoined(meeting, others=self.count - 1, here=os.environ["SLURMD_NODENAME"])


class _SlurmJoined:
    """One srun for all other nodes. When a node is lost, Slurm ends the whole job."""

    def __init__(self, meeting: Meeting, *, others: int, here: str) -> None:
        each = child.command("selfimp_bench.runs.cluster.slurm_part", *meeting_arguments(meeting))
        srun = ["srun", f"--nodes={others}", f"--ntasks={others}", f"--exclude={here}", *each]
        self._process = subprocess.Popen(
            srun,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(child.SOURCE_ROOT)},
        )

    def wait(self) -> Sequence[Left]:
        """See ``Joined.wait``."""
        said, _ = self._process.communicate()
        return [Left(code=self._process.returncode, log=child.tail(said.decode(errors="replace")))]

    def end(self) -> None:
        """See ``Joined.end``. On SIGTERM srun ends what it started on the nodes."""
        self._process.terminate()
