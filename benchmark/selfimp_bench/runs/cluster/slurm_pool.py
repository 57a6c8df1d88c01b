"""Steps as Slurm jobs. submitit writes and submits them; what becomes of them is asked of Slurm itself.

A job is never requeued: the scheduler begins a lost step again, as a new job. A job that a killed driver left behind is
taken over by the next one.
"""

import contextlib
import io
import math
import os
import pickle
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from selfimp_bench.canonical import digest
from selfimp_bench.engines.worker import child
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.plural import plural
from selfimp_bench.runs.cluster import slurm_commands as slurm
from selfimp_bench.runs.cluster.needs import Needs
from selfimp_bench.runs.cluster.schedule import Ended, Loss
from selfimp_bench.runs.cluster.slurm_image import JobImage
from selfimp_bench.runs.cluster.slurm_job import do_in_job, result_file
from selfimp_bench.runs.cluster.work import StepTask, TaskResult

POLL_SECONDS: Final = 2.0
"""Between two questions to Slurm's controller."""

PATIENCE: Final = 20.0
"""So long may what a job wrote take to appear, after Slurm says that it ended: network file systems cache folders."""

_OF_SBATCH: Final = {"timeout_min": "time", "mem_gb": "mem", "name": "job_name", "tasks_per_node": "ntasks_per_node"}
"""submitit's general names for what sbatch calls otherwise."""

_TRANSIENT: Final = ("unable to contact", "timed out", "temporarily", "try again", "connection refused")
_TRIES: Final = 6


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A submitted job. ``adopted``: by another driver, which may be at work still."""

    number: str
    adopted: bool


class SlurmPool:
    """Tasks as jobs; their scripts, pickles, results and logs lie in ``folder``, which every machine sees.

    parameters: submitit's own, such as ``slurm_partition`` or ``timeout_min``; they go before what each step asks.
    image: what jobs run inside of; None is this very installation.
    Raises InputError when submitit is not installed, Slurm is not there or does not answer, or a parameter is unknown.
    """

    keeps_engines = False

    def __init__(self, folder: Path, parameters: Mapping[str, str | int], image: JobImage | None = None) -> None:
        try:
            import submitit
        except ImportError:
            raise InputError(
                "--executor slurm: submitit is not installed; install selfimp-bench[slurm], or leave --executor out"
            ) from None
        self._submitit: Any = submitit
        self._folder = folder
        self._image = image
        self._jobs: dict[str, _Job] = {}
        self._ended_at: dict[str, float] = {}
        self._parameters = {_sbatch_name(name): value for name, value in parameters.items()}
        if isinstance(memory := self._parameters.get("mem"), int) and memory:
            self._parameters["mem"] = f"{memory}GB"
        self._executor()
        self._processors = slurm.most_processors(_word(self._parameters.get("partition")))
        if slurm.my_jobs() is None:
            raise InputError(
                "--executor slurm: Slurm's controller does not answer squeue; run it on a machine from which sbatch "
                "and squeue work"
            )

    def room(self, wanted: Sequence[Needs]) -> Sequence[bool]:
        """See ``Pool.room``: the cluster has its own queue."""
        return [True] * len(wanted)

    def check(self, needs: Needs) -> None:
        """See ``Pool.check``. What a node has, Slurm itself says when a job is submitted."""
        if needs.engine_gpus:
            raise InputError(
                f"--executor slurm: an engine takes {needs.engine_gpus} GPUs (tensor_parallel), more than "
                "--gpus-per-step; engines span nodes on Ray only (--executor ray). Take larger nodes, or leave its "
                "model out with --only"
            )

    def submit(self, key: str, task: StepTask, needs: Needs) -> None:
        """See ``Pool.submit``. Raises InputError with Slurm's words for what it refuses."""
        marks = _marks(self._folder, task)
        there = (slurm.my_jobs() or {}).values()
        if left := [job for job in there if job.at_work and marks.issubset(job.comment.split("."))]:
            self._jobs[key] = _Job(number=left[0].job, adopted=True)
            return
        asked: dict[str, Any] = {
            "job_name": task.step_ids[0],
            "comment": ".".join(sorted(marks)),
            "time": None,  # else submitit's five minutes
            "nodes": needs.machines,
            "ntasks_per_node": 1,
            "cpus_per_task": min(needs.cpus, self._processors or needs.cpus),
            "mem": f"{math.ceil(needs.memory / 2**30)}GB",
            "gpus_per_node": needs.gpus or None,
        }
        asked.update(self._parameters)
        # Of several nodes the first has one process, which starts the others by srun. srun asks for CPUs anew.
        asked["use_srun"] = needs.machines == 1
        asked["srun_args"] = [f"--cpus-per-task={asked['cpus_per_task']}", *(self._image.srun if self._image else ())]
        self._jobs[key] = _Job(number=self._submit(asked, task, needs.machines), adopted=False)

    def wait(self) -> Sequence[Ended]:
        """See ``Pool.wait``."""
        while True:
            states = slurm.my_jobs()
            ended = [] if states is None else [self._look(key, job, states) for key, job in self._jobs.items()]
            if found := [each for each in ended if each is not None]:
                for each in found:
                    del self._jobs[each.key]
                return found
            time.sleep(POLL_SECONDS)

    def close(self) -> str | None:
        """Cancel the jobs that still wait or run."""
        left = slurm.cancel([job.number for job in self._jobs.values()])
        self._jobs.clear()
        return None if left is None else f"jobs that may still run could not be cancelled; cancel them: {left}"

    def _executor(self, **parameters: Any) -> Any:
        try:
            python = self._image.python if self._image else None
            executor = self._submitit.SlurmExecutor(folder=self._folder, python=python)
            executor.update_parameters(**(parameters or self._parameters), additional_parameters=_ADDED)
        except RuntimeError as error:
            raise InputError(f"--executor slurm: {error}; run it on a machine from which sbatch works") from None
        except (AssertionError, NameError, TypeError, ValueError) as error:
            raise InputError(f"--slurm: {error}") from None
        return executor

    def _submit(self, asked: Mapping[str, Any], task: StepTask, nodes: int) -> str:
        """The number of a new job."""
        for left in reversed(range(_TRIES)):
            try:
                with contextlib.redirect_stderr(io.StringIO()):  # submitit prints what it raises
                    return str(self._executor(**asked).submit(do_in_job, task, nodes, self._folder).job_id)
            except self._submitit.core.utils.FailedJobError as error:
                words = _refusal(str(error))
                if left and any(each in words.lower() for each in _TRANSIENT):
                    time.sleep(POLL_SECONDS * (_TRIES - left))
                    continue
            except OSError as error:
                words = str(error)
            except self._submitit.core.utils.FailedSubmissionError as error:
                words = str(error)
            break
        memory = "" if asked["mem"] is None else f", {asked['mem']} of memory"
        raise InputError(
            f"--executor slurm: sbatch refused step {task.step_ids[0]} ({plural(asked['nodes'], 'node')} with "
            f"{asked['cpus_per_task']} CPUs{memory}, {asked['gpus_per_node'] or 0} GPUs): {words}; another partition, "
            "account or amount: --slurm slurm_partition=..., slurm_account=..., slurm_qos=..., timeout_min=..., "
            "cpus_per_task=..., mem_gb=..."
        )

    def _look(self, key: str, job: _Job, states: Mapping[str, slurm.JobState]) -> Ended | None:
        """What became of a job; None while it waits or runs."""
        state = states.get(job.number)
        if state is not None and state.never:
            raise InputError(
                f"--executor slurm: job {job.number} will never start: {state.reason}; ask for something else with "
                "--slurm (slurm_partition, slurm_account, slurm_qos, timeout_min, cpus_per_task, mem_gb)"
            )
        result = _read(result_file(self._folder, job.number))
        if result is not None and (result.error is None or result.input):
            return Ended(key=key, result=result, loss=None)
        if state is not None and state.at_work:
            return None
        since = self._ended_at.setdefault(job.number, time.monotonic())
        if result is None and time.monotonic() - since < PATIENCE and not _lost(state):
            return None
        return self._end(key, job, None if state is None else state.state, result)

    def _end(self, key: str, job: _Job, state: str | None, result: TaskResult | None) -> Ended:
        """A job that ended without what was asked for."""
        state = state or slurm.accounted_state(job.number) or "unknown to Slurm by now"
        log = self._log(job.number)
        words = f"job {job.number}: {state}"
        if state in slurm.TIMED_OUT:
            return Ended(key=key, result=None, loss=Loss(words=words, kind="time"))
        if state == slurm.PREEMPTED:
            return Ended(key=key, result=None, loss=Loss(words=words, kind="preempted"))
        if state in slurm.LOST or (state.startswith(slurm.CANCELLED) and job.adopted):
            return Ended(key=key, result=None, loss=Loss(words=words, kind="machine"))
        if result is not None:
            return Ended(key=key, result=result, loss=None)
        if state.startswith(slurm.CANCELLED):
            raise StepFailed(
                f"{words} by someone else than this run; run the same command again: finished steps are kept"
            )
        if state == slurm.OUT_OF_MEMORY:
            raise StepFailed(f"{words}; ask for more with --slurm mem_gb=...\n{log}")
        return Ended(key=key, result=None, loss=Loss(words=f"{words}; the end of its log:\n{log}\n", kind="machine"))

    def _log(self, job: str) -> str:
        said = "".join(file.read_text(errors="replace") for file in sorted(self._folder.glob(f"{job}_*log.err")))
        return child.tail(said)


_ADDED: Final = {"no-requeue": True, "signal": "USR2@0"}
"""In every script. submitit's own signal before the end would end an engine that could still save; 0 sends none."""


def _marks(folder: Path, task: StepTask) -> frozenset[str]:
    """One a step, by which a job is known again: equal for the same step of the same run of the same home and code."""
    run = [str(folder), task.experiment.run_id]
    return frozenset(digest([*run, step.id, step.version])[:12] for step in task.steps())


def _sbatch_name(name: str) -> str:
    return _OF_SBATCH.get(name, name.removeprefix("slurm_"))


def _word(value: object) -> str | None:
    return None if value is None else str(value)


def _lost(state: slurm.JobState | None) -> bool:
    """Whether Slurm ended it: nothing is written any more."""
    ends = slurm.LOST | slurm.TIMED_OUT | {slurm.PREEMPTED, slurm.CANCELLED, slurm.OUT_OF_MEMORY}
    return state is not None and state.state in ends


def _refusal(error: str) -> str:
    """sbatch's words of what submitit raises: a line each, after its own name."""
    lines = [line.partition("sbatch: error: ")[2] for line in error.splitlines() if "sbatch: error: " in line]
    return "; ".join(dict.fromkeys(lines)) or error.strip().splitlines()[-1]


def _read(path: Path) -> TaskResult | None:
    """A job's result: what this very user's job wrote into this home."""
    with contextlib.suppress(OSError):
        os.scandir(path.parent).close()  # so that a network file system looks again
    try:
        found = pickle.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    assert isinstance(found, TaskResult)
    return found
