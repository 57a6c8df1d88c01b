"""What Slurm's own commands say of jobs. Accounting (``sacct``) is asked where it is there, and never needed."""

import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

SECONDS: Final = 60.0
"""So long may a command take: a controller that is busy answers late."""

# Of squeue's long state names (squeue(1), JOB STATE CODES): a machine was lost, or Slurm took the job's from it.
LOST: Final = frozenset(
    {"BOOT_FAIL", "NODE_FAIL", "REVOKED", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"}
)
PREEMPTED: Final = "PREEMPTED"
TIMED_OUT: Final = frozenset({"TIMEOUT", "DEADLINE"})
OUT_OF_MEMORY: Final = "OUT_OF_MEMORY"
CANCELLED: Final = "CANCELLED"
WAITING: Final = "PENDING"
AT_WORK: Final = frozenset(
    {
        "CONFIGURING",
        "COMPLETING",
        "RUNNING",
        "RESIZING",
        "RESV_DEL_HOLD",
        "SIGNALING",
        "STAGE_OUT",
        "STOPPED",
        "SUSPENDED",
    }
)

# A pending job's reasons (squeue(1), JOB REASON CODES) that no waiting mends.
_NEVER: Final = frozenset(
    {
        *("AccountNotAllowed", "BadConstraints", "InvalidAccount", "InvalidQOS", "QOSNotAllowed"),
        *("PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit"),
    }
)


@dataclass(frozen=True, kw_only=True)
class JobState:
    """A job's number, its state by its long name, why it waits (``None`` when it does not), and its comment."""

    job: str
    state: str
    reason: str
    comment: str

    @property
    def at_work(self) -> bool:
        """Whether it waits or runs."""
        return self.state == WAITING or self.state in AT_WORK

    @property
    def never(self) -> bool:
        """Whether it waits for what will not come, such as a limit of its partition."""
        per_job = self.reason.startswith(("Assoc", "QOS")) and "PerJob" in self.reason
        return self.state == WAITING and (self.reason in _NEVER or per_job)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Slurm's; one that is missing, or does not answer in time, ends as with an error of its own."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, returncode=1, stdout="", stderr=str(error))


def my_jobs() -> Mapping[str, JobState] | None:
    """This user's jobs by number, those that ended of late, too; None when the controller does not answer.

    Not asked for by number: one that the controller has forgotten would make an error of the answer.
    """
    found = run("squeue", "--noheader", "--states=all", f"--user={os.getuid()}", "--format=%i|%T|%r|%k")
    if found.returncode != 0:
        return None
    jobs = {}
    for line in found.stdout.splitlines():
        job, state, reason, comment = line.strip().split("|", 3)
        jobs[job] = JobState(job=job, state=state, reason=reason, comment=comment)
    return jobs


def most_processors(partition: str | None) -> int | None:
    """The processors of the largest node, of a partition or of all; None when Slurm does not say."""
    of = [] if partition is None else [f"--partition={partition}"]
    found = run("sinfo", "--noheader", "--exact", "--format=%c", *of)
    numbers = [int(line.split()[0]) for line in found.stdout.splitlines() if line.strip()[:1].isdigit()]
    return max(numbers, default=None) if found.returncode == 0 else None


def accounted_state(job: str) -> str | None:
    """The state of a job that the controller has forgotten, where accounting is kept; else None."""
    found = run("sacct", "--noheader", "--allocations", "--parsable2", "--format=State", f"--jobs={job}")
    words = found.stdout.split()
    return words[0] if found.returncode == 0 and words else None


def cancel(jobs: Iterable[str]) -> str | None:
    """End jobs. Returns the command that a person has to run where that failed; else None."""
    numbers = list(jobs)
    if not numbers or run("scancel", *numbers).returncode == 0:
        return None
    return " ".join(["scancel", *numbers])
