"""Slurm on this machine: a real one of two nodes where it is installed and the user is root, else scripts in its place.

Both are told and asked through the same commands. A real one has munge, slurmctld and two slurmd of its own.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import pytest

DAEMONS: Final = ("munged", "slurmctld", "slurmd")

SRUN = """#!/bin/sh
# Runs a command once for each of --ntasks, as processes of this machine.
printf '%s\\n' "$@" > "$0.said"
tasks=1
while :; do
  case "$1" in
    --ntasks=*) tasks=${1#*=}; shift ;;
    --output|--error) shift 2 ;;
    --*) shift ;;
    *) break ;;
  esac
done
for task in $(seq 0 $((tasks - 1))); do SLURM_PROCID=$task "$@" & last=$!; done
wait $last
"""
SBATCH = """#!/bin/sh
# Starts a job's script at once, as a process group of this machine.
jobs=$(dirname "$0")/jobs
mkdir -p "$jobs"
asked() { sed -n "s/^#SBATCH --$1=//p" "$2" | head -n 1; }
case $(asked partition "$1") in nowhere)
  echo "sbatch: error: invalid partition specified: nowhere" >&2
  echo "sbatch: error: Batch job submission failed: Invalid partition name specified" >&2
  exit 1 ;;
esac
job=$(($(ls "$jobs" | grep -c '[.]state$') + 1))
asked comment "$1" >"$jobs/$job.comment"
cp "$1" "$jobs/$job.script"
echo RUNNING >"$jobs/$job.state"
SLURM_JOB_ID=$job SLURM_JOB_NUM_NODES=1 SLURM_NTASKS=1 setsid sh -c '
  bash "$1.script" >"$1.out" 2>&1; code=$?
  [ "$(cat "$1.state")" != RUNNING ] || { [ $code = 0 ] && echo COMPLETED || echo FAILED; } >"$1.state"
' job "$jobs/$job" </dev/null >/dev/null 2>&1 &
echo $! >"$jobs/$job.pid"
echo "Submitted batch job $job"
"""
SQUEUE = """#!/bin/sh
jobs=$(dirname "$0")/jobs
for state in "$jobs"/*.state; do
  [ -e "$state" ] || exit 0
  job=$(basename "$state" .state)
  echo "$job|$(cat "$state")|None|$(cat "$jobs/$job.comment")"
done
"""
SCANCEL = """#!/bin/sh
jobs=$(dirname "$0")/jobs
for job in "$@"; do
  case $(cat "$jobs/$job.state") in RUNNING) echo "${SCANCEL_STATE:-CANCELLED}" >"$jobs/$job.state" ;; esac
  kill -KILL -- "-$(cat "$jobs/$job.pid")" 2>/dev/null
done
exit 0
"""
SINFO = """#!/bin/sh
echo "4 8000"
"""
SCRIPTS: Final = {"srun": SRUN, "sbatch": SBATCH, "squeue": SQUEUE, "scancel": SCANCEL, "sinfo": SINFO}

CONF = """ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobRequeue=1
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1
InactiveLimit=0
KillWait=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=8000
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=8000
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=60 State=UP PriorityTier=1
PartitionName=short Nodes=n1,n2 MaxTime=1 State=UP PriorityTier=1
PartitionName=urgent Nodes=n1,n2 MaxTime=60 State=UP PriorityTier=10
"""


class Slurm(Protocol):
    """A cluster, and what may befall its jobs."""

    def lose_node(self, job: str) -> None: ...
    def preempt(self, job: str) -> None: ...
    def end_time(self, job: str) -> None: ...


def slurm_here(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Put scripts for Slurm's commands on the PATH, as on a job's first node. What srun is told goes to the file
    returned."""
    folder.mkdir()
    for name, script in SCRIPTS.items():
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    patch.setenv("SLURMD_NODENAME", "first")
    return folder / "srun.said"


def states() -> dict[str, str]:
    """Every job's state by its number."""
    lines = _said("squeue", "--noheader", "--states=all", "--format=%i|%T|%r|%k").split()
    return {line.split("|")[0]: line.split("|")[1] for line in lines}


@dataclass(frozen=True)
class Scripts:
    """Slurm's place taken by scripts: a job is a process group, and its state a file's word."""

    def lose_node(self, job: str) -> None:
        self._end(job, "NODE_FAIL")

    def preempt(self, job: str) -> None:
        self._end(job, "PREEMPTED")

    def end_time(self, job: str) -> None:
        self._end(job, "TIMEOUT")

    def _end(self, job: str, state: str) -> None:
        subprocess.run(["scancel", job], env=os.environ | {"SCANCEL_STATE": state}, check=True)


@dataclass(frozen=True)
class Real:
    """A real Slurm: nodes are set down, an urgent job takes the place of another, a time limit is put forward."""

    def lose_node(self, job: str) -> None:
        node = _said("squeue", "--noheader", f"--jobs={job}", "--format=%B").strip()
        _said("scontrol", "update", f"nodename={node}", "state=down", "reason=test")

    def preempt(self, job: str) -> None:
        wants = ["--partition=urgent", "--nodes=2", "--cpus-per-task=4", "--output=/dev/null"]
        _said("sbatch", *wants, "--wrap", "sleep 1")

    def end_time(self, job: str) -> None:
        soon = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 1))
        _said("scontrol", "update", f"jobid={job}", f"EndTime={soon}")


@contextmanager
def running_slurm(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """The real one where it can be had, else the scripts."""
    if os.getuid() != 0 or not all(map(shutil.which, DAEMONS)):
        slurm_here(folder / "bin", patch)
        yield Scripts()
        return
    conf = _configure(folder)
    patch.setenv("SLURM_CONF", str(conf))
    try:
        _munge(folder)
        _said("slurmctld", "-c")
        for node in ("n1", "n2"):
            _said("slurmd", "-N", node)
        _wait_for_nodes()
        yield Real()
    finally:
        for mark in (*folder.glob("slurm*.pid"), *folder.glob("munged.pid")):
            _stop(int(mark.read_text()))


def _configure(folder: Path) -> Path:
    (folder / "state").mkdir(parents=True)
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(folder=folder, host=socket.gethostname().partition(".")[0], ports=free_ports(3)))
    return conf


def _munge(folder: Path) -> None:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    kinds = {"key-file": key, **{kind: folder / f"munge.{kind}" for kind in ("log-file", "seed-file")}}
    places = [f"--{kind}={path}" for kind, path in kinds.items()]
    _said("munged", "--force", *places, f"--socket={folder}/munge.sock", f"--pid-file={folder}/munged.pid")


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_for_nodes() -> None:
    for _ in range(300):
        if _said("sinfo", "--noheader", "--Node", "--partition=main", "--format=%T").split() == ["idle", "idle"]:
            return
        time.sleep(0.1)
    raise TimeoutError("the nodes of the tests' Slurm do not come up: " + _said("sinfo"))


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _stop(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)  # their jobs have ended, and their folder goes
