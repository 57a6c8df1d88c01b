"""The trainer on TRL: checks a job, runs ``trl_worker.py`` on it, and reports what it left."""

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, Final

from selfimp_bench.engines import child
from selfimp_bench.engines.base import Checkpoint, OnProgress, TrainJob
from selfimp_bench.engines.training_set import check_job, read_training_set
from selfimp_bench.engines.trl_job import Failure, Result, read_result, write_job
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.manifest.model import PreferenceOptimisation

# Bump when a change to trl_worker.py or trl_config.py can change a weight.
REVISION: Final = 1
LIBRARIES: Final = ("trl", "transformers", "accelerate", "torch")


class TrlTrainer:
    """Trains with TRL's SFTTrainer and DPOTrainer in a child process, on one device."""

    def train(self, job: TrainJob, out_dir: Path, on_progress: OnProgress) -> Checkpoint:
        """See ``Trainer.train``."""
        check_job(job)
        check_preference(job.preference)
        read_training_set(job.training_set, job.method, max_length=job.optimisation.max_length)  # fails in time
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="selfimp-trl-") as scratch, tempfile.TemporaryFile() as log:
            code = _run(job, Path(scratch), out_dir, log, on_progress)
            result = read_result(Path(scratch))
            log.seek(0)
            log_tail = child.tail(log.read().decode(errors="replace"))
        if isinstance(result, Failure):
            raise (InputError if result.kind == "input" else StepFailed)(result.message)
        if code != 0 or not isinstance(result, Result):
            raise StepFailed(
                f"the trl trainer's process {child.exit_words(code)} while training {job.method} from {job.start}. "
                "Finished steps are kept: run the same command again; if memory ran out, lower "
                f"engines.micro_batch_size (now {job.micro_batch_size}). The end of its log:\n{log_tail}"
            )
        return Checkpoint(
            path=out_dir,
            optimizer_steps=result.optimizer_steps,
            rows=result.rows,
            tokens=result.tokens,
            seconds=time.monotonic() - began,
        )


def check_preference(preference: PreferenceOptimisation | None) -> None:
    """Raise InputError for preference settings that TRL would drop in silence."""
    if preference is not None and preference.label_smoothing != 0:
        raise InputError(
            f"label_smoothing {preference.label_smoothing}: TRL 1.16 reads it for its robust and exo_pair losses only, "
            "its sigmoid loss ignores it; set it to 0"
        )


def _run(job: TrainJob, scratch: Path, out_dir: Path, log: IO[bytes], on_progress: OnProgress) -> int:
    write_job(scratch, job)
    with subprocess.Popen(
        child.command("selfimp_bench.engines.trl_worker", str(scratch), str(out_dir.resolve())),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=scratch,
        env=child.environment(device=job.device, threads=job.threads, gpus=None, scratch=scratch),
    ) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                _report(line, on_progress)
        except BaseException:  # KeyboardInterrupt too: leave no trainer behind
            process.kill()
            raise
    return process.returncode


def _report(line: bytes, on_progress: OnProgress) -> None:
    try:
        progress = json.loads(line)
        on_progress(progress["step"], progress["steps"])
    except (ValueError, KeyError, TypeError):  # something a library printed
        return
