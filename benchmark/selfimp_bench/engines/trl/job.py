"""The files through which TrlTrainer and its workers speak: ``job.json`` one way, ``result.json`` back."""

from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from selfimp_bench.engines.base import Tracker, TrainFolders, TrainJob
from selfimp_bench.engines.trl.training_set import BatchShare

WEIGHTS: Final = "model.safetensors"
LOG: Final = "train_log.jsonl"
SPEED_LOG: Final = "train_speed.jsonl"


class WorkerJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job as one of ``processes`` workers does it. ``launched`` workers are torchrun's, be it one."""

    job: TrainJob
    folders: TrainFolders
    processes: int
    launched: bool
    share: BatchShare
    save_minutes: float
    log_to: Tracker | None


class Result(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A job done; see ``Checkpoint``."""

    optimizer_steps: int
    rows: int
    tokens: int


class Failure(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A job that the worker refused or gave up; ``kind`` says which of our errors the client raises."""

    kind: Literal["input", "step"]
    message: str


def write_job(folder: Path, job: WorkerJob) -> None:
    """Write ``job.json``, its paths absolute: the worker runs in a folder of its own."""
    (folder / "job.json").write_bytes(msgspec.json.format(msgspec.json.encode(job, enc_hook=_encode_path)))


def read_job(folder: Path) -> WorkerJob:
    """Read ``job.json``."""
    return msgspec.json.decode((folder / "job.json").read_bytes(), type=WorkerJob, dec_hook=_decode_path)


def write_result(folder: Path, result: Result | Failure) -> None:
    """Write ``result.json``."""
    (folder / "result.json").write_bytes(msgspec.json.encode(result))


def read_result(folder: Path) -> Result | Failure | None:
    """Read ``result.json``; None when the worker died before writing one."""
    path = folder / "result.json"
    return msgspec.json.decode(path.read_bytes(), type=Result | Failure) if path.is_file() else None


def _encode_path(value: object) -> str:
    if isinstance(value, Path):
        return str(value.resolve())
    raise NotImplementedError(type(value))


def _decode_path(type_: type, value: Any) -> Path:
    if type_ is Path:
        return Path(value)
    raise NotImplementedError(type_)
