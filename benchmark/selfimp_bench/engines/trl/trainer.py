"""The trainer on TRL: checks a job, runs ``worker.py`` on it, and reports what it left.

One process works alone. Several are torchrun's, one a GPU, of this machine and of each that takes part; those find the
job in the work folder, which all of them see.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from selfimp_bench.engines.base import Checkpoint, OnProgress, TrainFolders, TrainJob, TrainOptions
from selfimp_bench.engines.trl.job import Failure, Result, WorkerJob, read_job, read_result, write_job
from selfimp_bench.engines.trl.machines import Left, Machines, Meeting, Watch
from selfimp_bench.engines.trl.training_set import check_job, read_training_set, share_batch
from selfimp_bench.engines.worker import child
from selfimp_bench.errors import InputError, MachineLost, StepFailed
from selfimp_bench.manifest.model import PreferenceOptimisation

LIBRARIES: Final = ("trl", "transformers", "accelerate", "deepspeed", "peft", "bitsandbytes", "torch")

WORKER: Final = "selfimp_bench.engines.trl.worker"
LAUNCHER: Final = "selfimp_bench.engines.trl.launcher"
# What the checkpoints in a work folder were made by; those of another number of processes cannot be resumed.
PROCESSES_FILE: Final = "processes"
# In the work folder: where workers find their job, and leave its result.
JOB: Final = "job"
# In the work folder: where DeepSpeed builds what it lacks, a folder a machine; kept, because a build takes a minute.
EXTENSIONS: Final = "extensions"
TRACKERS: Final = {"tensorboard": "selfimp-bench[tensorboard]", "wandb": "wandb"}
# So long may other machines take to leave a job that is over here.
PATIENCE: Final = 60.0


class TrlTrainer:
    """Trains with TRL's SFTTrainer and DPOTrainer in child processes: one, or one per device."""

    def __init__(self, options: TrainOptions) -> None:
        self._options = options

    def train(self, job: TrainJob, folders: TrainFolders, on_progress: OnProgress) -> Checkpoint:
        """See ``Trainer.train``."""
        check_job(job)
        check_preference(job.preference)
        tracker = self._options.log_to
        if tracker is not None and find_spec(tracker) is None:
            raise InputError(f"--log-to {tracker}: it is not installed; pip install {TRACKERS[tracker]}")
        read_training_set(job.training_set, job.method, max_length=job.optimisation.max_length)  # fails in time
        machines = None if job.distributed is None else self._options.machines
        work = self._worker_job(job, folders, machines)
        _forget_other_numbers_of_processes(work)
        began = time.monotonic()
        if work.launched and job.method == "dpo":  # processes of its own: their memory is free when the policy comes
            _run(work, ("reference",), machines, on_progress)
            result = _run(work, ("train",), machines, on_progress)
        else:  # a start costs seconds
            result = _run(work, ("reference", "train"), machines, on_progress)
        return Checkpoint(
            path=folders.out,
            optimizer_steps=result.optimizer_steps,
            rows=result.rows,
            tokens=result.tokens,
            processes=work.processes,
            seconds=time.monotonic() - began,
        )

    def _worker_job(self, job: TrainJob, folders: TrainFolders, machines: Machines | None) -> WorkerJob:
        processes = 1 if job.distributed is None else self._options.processes or _devices(job)
        processes *= 1 if machines is None else machines.count
        return WorkerJob(
            job=job,
            folders=folders,
            processes=processes,
            launched=processes > 1 or job.distributed == "deepspeed-zero3",
            share=share_batch(
                job.optimisation.batch_size, rows_per_pass_at_most=job.micro_batch_size, devices=processes
            ),
            save_minutes=self._options.save_minutes,
            log_to=self._options.log_to,
        )


def take_part(meeting: Meeting) -> Left:
    """Do this machine's share of a job that another one began. Returns when that is over, however it ended."""
    work = read_job(meeting.job)
    with tempfile.TemporaryDirectory(prefix="selfimp-trl-") as scratch, tempfile.TemporaryFile() as log:
        with _start(work, meeting, Path(scratch), log) as process:
            assert process.stdout
            process.stdout.read()  # progress is told where the job began
        return Left(code=process.returncode, log=_tail(log))


def check_preference(preference: PreferenceOptimisation | None) -> None:
    """Raise InputError for preference settings that no loss of ours has."""
    if preference is not None and preference.label_smoothing != 0:
        raise InputError(
            f"label_smoothing {preference.label_smoothing}: TRL 1.16 reads it for its robust and exo_pair losses only, "
            "its sigmoid loss ignores it; set it to 0"
        )


def _devices(job: TrainJob) -> int:
    return max(len(child.visible_gpus()), 1) if job.device == "cuda" else 1


def _forget_other_numbers_of_processes(work: WorkerJob) -> None:
    """Empty the work folder when what lies there was made by another number of processes."""
    mark = work.folders.work / PROCESSES_FILE
    if mark.is_file() and mark.read_text() != str(work.processes):
        for entry in work.folders.work.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    mark.write_text(str(work.processes))


def _run(work: WorkerJob, stages: tuple[str, ...], machines: Machines | None, on_progress: OnProgress) -> Result:
    """Run workers to their end. Raises what they failed with."""
    folder = work.folders.work / JOB
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir()
    write_job(folder, work)
    ended = _work(work, _meeting(folder, stages, machines), machines, on_progress)
    result = read_result(folder)
    if isinstance(result, Failure):
        raise (InputError if result.kind == "input" else StepFailed)(result.message)
    if ended.code != 0 or not isinstance(result, Result):
        job = work.job
        raise StepFailed(
            f"the trl trainer's process {child.exit_words(ended.code)} while training {job.method} from {job.start}. "
            "Finished steps are kept, and training goes on from its last checkpoint: run the same command again; if "
            f"memory ran out, lower engines.micro_batch_size (now {job.micro_batch_size}). The end of its log:\n"
            f"{ended.log}"
        )
    return result


def _meeting(folder: Path, stages: tuple[str, ...], machines: Machines | None) -> Meeting:
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    return Meeting(
        job=folder.resolve(),
        stages=stages,
        machines=1 if machines is None else machines.count,
        machine=0,
        address="127.0.0.1" if machines is None else machines.address,
        port=port,
    )


def _work(work: WorkerJob, meeting: Meeting, machines: Machines | None, on_progress: OnProgress) -> Left:
    """Have the job done. Returns how it ended, on another machine if that failed first. Raises MachineLost."""
    watch, patience = None, PATIENCE
    with tempfile.TemporaryDirectory(prefix="selfimp-trl-") as scratch, tempfile.TemporaryFile() as log:
        with _start(work, meeting, Path(scratch), log) as process:
            assert process.stdout
            try:
                if machines is not None:
                    watch = Watch(machines.join(meeting), partial(_kill, process))
                for line in process.stdout:
                    _report(line, on_progress)
            except BaseException:  # KeyboardInterrupt too: leave no trainer behind
                _kill(process)
                patience = 0.0
                raise
            finally:
                if watch is not None:
                    watch.close(patience=patience)
        here = Left(code=process.returncode, log=_tail(log))
    failure = None if watch is None else watch.failure
    if isinstance(failure, MachineLost):
        raise failure
    return failure or here


def _start(work: WorkerJob, meeting: Meeting, scratch: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    _forget_unfinished_builds(_extensions(work, meeting))
    return subprocess.Popen(
        _command(work, meeting),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=scratch,
        env=_environment(work, meeting, scratch),
        start_new_session=True,  # so that a launcher and its workers can be ended together
    )


def _extensions(work: WorkerJob, meeting: Meeting) -> Path:
    return work.folders.work.resolve() / EXTENSIONS / str(meeting.machine)


def _forget_unfinished_builds(folder: Path) -> None:
    """Remove builds that a killed start left: PyTorch waits for ever for whoever holds a build's lock.

    Nobody does here: a step is done once at a time, and each of its machines has a folder of its own.
    """
    for lock in folder.glob("*/lock"):
        shutil.rmtree(lock.parent)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return child.tail(log.read().decode(errors="replace"))


def _command(work: WorkerJob, meeting: Meeting) -> list[str]:
    unneeded = ["sklearn", "scipy"]
    unneeded += [] if work.job.lora else ["peft", "bitsandbytes"]
    unneeded += [] if work.job.distributed == "deepspeed-zero3" else ["deepspeed"]
    worker = child.command(WORKER, str(meeting.job), *meeting.stages, without=unneeded)
    if not work.launched:
        return worker
    return child.command(
        LAUNCHER,
        f"--nnodes={meeting.machines}",
        f"--node-rank={meeting.machine}",
        f"--nproc-per-node={work.processes // meeting.machines}",
        f"--master-addr={meeting.address}",
        f"--master-port={meeting.port}",
        "--no-python",
        *worker,
    )


def _environment(work: WorkerJob, meeting: Meeting, scratch: Path) -> dict[str, str]:
    job = work.job
    gpus = child.visible_gpus()[: work.processes // meeting.machines] if work.launched else None
    variables = child.environment(device=job.device, threads=job.threads, gpus=gpus, scratch=scratch)
    if not work.launched:
        return variables
    if job.distributed == "deepspeed-zero3":
        accelerator = {"DS_ACCELERATOR": "cpu"} if job.device == "cpu" else {}
        built = {"TORCH_EXTENSIONS_DIR": str(_extensions(work, meeting))}
        return variables | {"ACCELERATE_USE_DEEPSPEED": "true", **accelerator, **built}
    return variables | ({"ACCELERATE_USE_CPU": "true"} if job.device == "cpu" else {})


def _report(line: bytes, on_progress: OnProgress) -> None:
    try:
        progress = json.loads(line)
        done, of = progress["step"], progress["steps"]
    except (ValueError, KeyError, TypeError):  # something a library printed
        return
    on_progress(done, of)
