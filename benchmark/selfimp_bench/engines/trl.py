"""The trainer on TRL: checks a job, runs ``trl_worker.py`` on it, and reports what it left."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from selfimp_bench.engines import child
from selfimp_bench.engines.base import Checkpoint, OnProgress, TrainFolders, TrainJob, TrainOptions
from selfimp_bench.engines.training_set import check_job, read_training_set, share_batch
from selfimp_bench.engines.trl_job import Failure, Result, WorkerJob, read_result, write_job
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.manifest.model import PreferenceOptimisation

# Bump when a change to trl_*.py can change a weight.
REVISION: Final = 1
LIBRARIES: Final = ("trl", "transformers", "accelerate", "deepspeed", "peft", "bitsandbytes", "torch")

WORKER: Final = "selfimp_bench.engines.trl_worker"
# What the checkpoints in a work folder were made by; those of another number of processes cannot be resumed.
PROCESSES_FILE: Final = "processes"


class TrlTrainer:
    """Trains with TRL's SFTTrainer and DPOTrainer in child processes: one, or one per device."""

    def __init__(self, options: TrainOptions) -> None:
        self._options = options

    def train(self, job: TrainJob, folders: TrainFolders, on_progress: OnProgress) -> Checkpoint:
        """See ``Trainer.train``."""
        check_job(job)
        check_preference(job.preference)
        if self._options.tensorboard and find_spec("tensorboard") is None:
            raise InputError(
                "--log-to tensorboard: TensorBoard is not installed; pip install selfimp-bench[tensorboard]"
            )
        read_training_set(job.training_set, job.method, max_length=job.optimisation.max_length)  # fails in time
        work = self._worker_job(job, folders)
        _forget_other_numbers_of_processes(work)
        began = time.monotonic()
        if work.launched and job.method == "dpo":  # processes of its own: their memory is free when the policy comes
            _run(work, ("reference",), on_progress)
            result = _run(work, ("train",), on_progress)
        else:  # a start costs seconds
            result = _run(work, ("reference", "train"), on_progress)
        return Checkpoint(
            path=folders.out,
            optimizer_steps=result.optimizer_steps,
            rows=result.rows,
            tokens=result.tokens,
            processes=work.processes,
            seconds=time.monotonic() - began,
        )

    def _worker_job(self, job: TrainJob, folders: TrainFolders) -> WorkerJob:
        processes = 1 if job.distributed is None else self._options.processes or _devices(job)
        return WorkerJob(
            job=job,
            folders=folders,
            processes=processes,
            launched=processes > 1 or job.distributed == "deepspeed-zero3",
            share=share_batch(
                job.optimisation.batch_size, rows_per_pass_at_most=job.micro_batch_size, devices=processes
            ),
            save_every=self._options.save_every,
            tensorboard=self._options.tensorboard,
        )


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


def _run(work: WorkerJob, stages: tuple[str, ...], on_progress: OnProgress) -> Result:
    """Run workers to their end. Raises what they failed with."""
    with tempfile.TemporaryDirectory(prefix="selfimp-trl-") as scratch, tempfile.TemporaryFile() as log:
        write_job(Path(scratch), work)
        code = _wait(work, stages, Path(scratch), log, on_progress)
        result = read_result(Path(scratch))
        log.seek(0)
        log_tail = child.tail(log.read().decode(errors="replace"))
    if isinstance(result, Failure):
        raise (InputError if result.kind == "input" else StepFailed)(result.message)
    if code != 0 or not isinstance(result, Result):
        job = work.job
        raise StepFailed(
            f"the trl trainer's process {child.exit_words(code)} while training {job.method} from {job.start}. "
            "Finished steps are kept, and training goes on from its last checkpoint: run the same command again; if "
            f"memory ran out, lower engines.micro_batch_size (now {job.micro_batch_size}). The end of its log:\n"
            f"{log_tail}"
        )
    return result


def _wait(work: WorkerJob, stages: tuple[str, ...], scratch: Path, log: IO[bytes], on_progress: OnProgress) -> int:
    with subprocess.Popen(
        _command(work, scratch, stages),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=scratch,
        env=_environment(work, scratch),
        start_new_session=True,  # so that a launcher and its workers can be ended together
    ) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                _report(line, on_progress)
        except BaseException:  # KeyboardInterrupt too: leave no trainer behind
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode


def _command(work: WorkerJob, scratch: Path, stages: tuple[str, ...]) -> list[str]:
    unneeded = ["sklearn", "scipy"]
    unneeded += [] if work.job.lora else ["peft", "bitsandbytes"]
    unneeded += [] if work.job.distributed == "deepspeed-zero3" else ["deepspeed"]
    interpreter, *worker = child.command(WORKER, str(scratch), *stages, without=unneeded)
    if not work.launched:
        return [interpreter, *worker]
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={work.processes}"]
    return [sys.executable, "-P", "-m", *launcher, "--module", *worker[2:]]


def _environment(work: WorkerJob, scratch: Path) -> dict[str, str]:
    job = work.job
    gpus = child.visible_gpus()[: work.processes] if work.launched else None
    variables = child.environment(device=job.device, threads=job.threads, gpus=gpus, scratch=scratch)
    if not work.launched:
        return variables
    variables["PYTHONSAFEPATH"] = "1"  # as -P, for the workers
    if job.distributed == "deepspeed-zero3":
        accelerator = {"DS_ACCELERATOR": "cpu"} if job.device == "cpu" else {}
        return variables | {"ACCELERATE_USE_DEEPSPEED": "true", **accelerator}
    return variables | ({"ACCELERATE_USE_CPU": "true"} if job.device == "cpu" else {})


def _report(line: bytes, on_progress: OnProgress) -> None:
    try:
        progress = json.loads(line)
        done, of = progress["step"], progress["steps"]
    except (ValueError, KeyError, TypeError):  # something a library printed
        return
    on_progress(done, of)
