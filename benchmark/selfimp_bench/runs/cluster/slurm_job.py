"""What runs inside a Slurm job: a task, and in a job of several nodes the srun that starts the others."""

import os
import pickle
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from selfimp_bench.durable import write_atomically
from selfimp_bench.engines.trl.machines import Left, Meeting
from selfimp_bench.engines.worker import child
from selfimp_bench.errors import MachineLost
from selfimp_bench.runs.cluster.slurm_part import meeting_arguments
from selfimp_bench.runs.cluster.work import StepTask, do_steps

_LOST_WORDS = ("node failure", "node_fail", "not responding", "communication connection failure", "force terminated")
"""What srun says when a node goes away (srun's and slurmstepd's messages, in lower case)."""


def result_file(folder: Path, job: str) -> Path:
    """Where a job leaves what came of its task."""
    return folder / f"{job}.result"


def do_in_job(task: StepTask, nodes: int, folder: Path) -> None:
    """Do a task on the first of a job's nodes, and write what came of it."""
    for number in (signal.SIGTERM, signal.SIGCONT, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)  # submitit's own would outlive a cancelled job's first warning
    result = do_steps(task, SlurmMachines(nodes) if nodes > 1 else None)
    write_atomically(result_file(folder, os.environ["SLURM_JOB_ID"]), pickle.dumps(result))


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
        cpus = os.environ.get("SLURM_CPUS_PER_TASK", "1")
        options = [f"--nodes={others}", f"--ntasks={others}", f"--exclude={here}", f"--cpus-per-task={cpus}"]
        self._process = subprocess.Popen(
            ["srun", *options, *each],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": str(child.SOURCE_ROOT)},
        )

    def wait(self) -> Sequence[Left]:
        """See ``Joined.wait``."""
        output, _ = self._process.communicate()
        said = output.decode(errors="replace")
        own = [line for line in said.splitlines() if line.startswith(("srun: ", "slurmstepd: "))]
        if self._process.returncode != 0 and any(words in line.lower() for line in own for words in _LOST_WORDS):
            raise MachineLost(f"a node of the job went away:\n{child.tail(said)}")
        return [Left(code=self._process.returncode, log=child.tail(said))]

    def end(self) -> None:
        """See ``Joined.end``. On SIGTERM srun ends what it started on the nodes."""
        self._process.terminate()
