"""The store: results by fingerprint. Only this module writes artifacts.

store/<fingerprint>/     artifacts, and step.json, written last: its existence means the step finished
store/partial/           what running steps write; renamed into place when they finish
store/partial/<fingerprint>/    what a step that was killed resumes from; gone when it finishes
store/logs/<fingerprint>/       what a step says of its speed and memory: no artifact, no part of any digest
store/locks/             one file lock a fingerprint, so that two runs on one home never do a step twice at a time
"""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from selfimp_bench.canonical import digest, file_sha256
from selfimp_bench.errors import InputError

Row = TypeVar("Row")

STEP_FILE = "step.json"
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file a step wrote: path inside the step's folder, sha256, size in bytes, and rows where it is a table."""

    path: str
    sha256: str
    bytes: int
    rows: int | None


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """What a finished step did. ``counts`` are the stage's own numbers (rows, drops, tokens); seconds are wall time."""

    schema: int
    fingerprint: str
    stage: str
    block: Mapping[str, Any]
    version: str
    inputs: Mapping[str, str]
    artifacts: tuple[Artifact, ...]
    counts: Mapping[str, int]
    seconds: float

    def content_digest(self) -> str:
        """One digest of everything the step wrote: what steps that use it depend on."""
        return artifacts_digest(self.artifacts)


def artifacts_digest(artifacts: Sequence[Artifact]) -> str:
    """One digest of the paths and contents of all artifacts of a step, in their order."""
    return digest([(artifact.path, artifact.sha256) for artifact in artifacts])


class StepFolder:
    """The folder a running step writes into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, int] = {}

    def write_table(self, name: str, rows: Sequence[Any], schema: pa.Schema) -> None:
        """Write dataclass rows as Parquet (zstd); the same rows give the same bytes."""
        table = pa.Table.from_pylist([msgspec.to_builtins(row) for row in rows], schema=schema)
        pq.write_table(table, self.path / name, compression="zstd")
        self._rows[name] = len(rows)

    def write_json(self, name: str, value: Any) -> None:
        """Write a value as indented JSON with sorted keys."""
        (self.path / name).write_bytes(pretty_json(value))

    def copy_in(self, source: Path) -> None:
        """Copy the files of a folder, without step.json."""
        for file in sorted(source.iterdir()):
            if file.is_file() and file.name != STEP_FILE:
                shutil.copyfile(file, self.path / file.name)

    def artifacts(self) -> tuple[Artifact, ...]:
        """Everything in the folder, hashed, in order of path."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file())
        return tuple(self._artifact(file) for file in files)

    def _artifact(self, file: Path) -> Artifact:
        name = file.relative_to(self.path).as_posix()
        return Artifact(path=name, sha256=file_sha256(file), bytes=file.stat().st_size, rows=self._rows.get(name))


class Chunks:
    """Rows that a step writes as it makes them, and finds again after a kill: files in its ``Store.partial`` folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, row: type[Row]) -> list[Row]:
        """Every row of every chunk. A file that a crash of the machine left unreadable is removed."""
        rows: list[Row] = []
        for path in sorted(self._folder.glob("*.msgpack")):
            try:
                rows.extend(msgspec.msgpack.decode(path.read_bytes(), type=list[row]))  # type: ignore[valid-type]
            except msgspec.DecodeError:
                path.unlink()
        return rows

    def add(self, rows: Sequence[Any]) -> None:
        """Write one chunk, whole or not at all."""
        write_atomically(self._folder / f"{uuid.uuid4().hex}.msgpack", msgspec.msgpack.encode(rows))


class Store:
    """The results under one home."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, fingerprint: str) -> Path:
        """Where a step's result lies or will lie."""
        return self.root / fingerprint

    def find(self, fingerprint: str) -> StepRecord | None:
        """The record of a finished step, or None. Raises InputError when an artifact is missing or was changed."""
        path = self.folder(fingerprint) / STEP_FILE
        try:
            record = msgspec.json.decode(path.read_bytes(), type=StepRecord)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, OSError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}); delete {path.parent} to have the step done again"
            ) from None
        for artifact in record.artifacts:
            self._check(path.parent, artifact)
        return record

    @contextlib.contextmanager
    def lock(self, fingerprint: str) -> Iterator[None]:
        """Hold the step; another run that wants it waits here, and then finds it done."""
        locks = self.root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with FileLock(locks / f"{fingerprint}.lock"):
            yield

    @contextlib.contextmanager
    def step_folder(self, fingerprint: str) -> Iterator[StepFolder]:
        """An empty folder to write a step into; removed when the step fails. Hold ``lock`` meanwhile."""
        partial = self.root / "partial"
        partial.mkdir(parents=True, exist_ok=True)
        for left_by_a_killed_run in partial.glob(f"{fingerprint}.*"):
            shutil.rmtree(left_by_a_killed_run)
        path = partial / f"{fingerprint}.{uuid.uuid4().hex[:8]}"
        path.mkdir()
        try:
            yield StepFolder(path)
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def partial(self, fingerprint: str) -> Path:
        """A folder of a running step that outlives a kill: the same step finds it as it left it. Hold ``lock``."""
        path = self.root / "partial" / fingerprint
        path.mkdir(parents=True, exist_ok=True)
        return path

    def saved(self, fingerprint: str) -> frozenset[str]:
        """Names of what a step left to go on from, and of its record when it is finished: more with every part done."""
        partial = self.root / "partial" / fingerprint
        found = [
            *partial.rglob("*.msgpack"),
            *partial.rglob("checkpoint-*/whole"),
            self.folder(fingerprint) / STEP_FILE,
        ]
        return frozenset(str(path) for path in found if path.exists())

    def logs(self, fingerprint: str) -> Path:
        """A folder for what a step says of its speed and memory, which differ from run to run."""
        path = self.root / "logs" / fingerprint
        path.mkdir(parents=True, exist_ok=True)
        return path

    def finish(self, folder: StepFolder, record: StepRecord) -> None:
        """Write the step record, last, move the folder into place in one rename, and drop what a resume needed."""
        folder.write_json(STEP_FILE, record)
        _flush(folder.path)
        target = self.folder(record.fingerprint)
        if target.exists():
            shutil.rmtree(target)
        folder.path.rename(target)
        shutil.rmtree(self.root / "partial" / record.fingerprint, ignore_errors=True)

    def _check(self, folder: Path, artifact: Artifact) -> None:
        """Sizes always; contents too where hashing is cheap (``verify`` hashes everything)."""
        path = folder / artifact.path
        cheap = artifact.bytes <= 32 * 2**20
        intact = path.is_file() and path.stat().st_size == artifact.bytes
        if not intact or (cheap and file_sha256(path) != artifact.sha256):
            state = "was changed" if path.is_file() else "is missing"
            raise InputError(f"{path}: {state} since its step finished; delete {folder} to have the step done again")


def read_table(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows of a Parquet artifact, with these columns only (None: all)."""
    rows: list[dict[str, Any]] = pq.read_table(path, columns=None if columns is None else list(columns)).to_pylist()
    return rows


def pretty_json(value: Any) -> bytes:
    """Indented JSON with sorted keys, UTF-8, ending in a newline: the form of every JSON file a person may read."""
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=2) + b"\n"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader or a crash sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """Push a folder's files to the disk before the rename that declares them finished."""
    for file in folder.rglob("*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
