"""The store: results by fingerprint. Only this module writes artifacts.

store/<fingerprint>/     artifacts, and step.json, written last: its existence means the step finished
store/<fingerprint>/taken-out.json  names of artifacts that `gc` or `--keep` took out: the step still counts as done
store/partial/           what running steps write; renamed into place when they finish
store/partial/<fingerprint>/    what a step that was killed resumes from; gone when it finishes
store/logs/<fingerprint>/       what a step says of its speed and memory: no artifact, no part of any digest
store/locks/             one file lock a fingerprint, so that two runs on one home never do a step twice at a time, and
                         one that those hold together who read its checkpoint, so that its weights stay meanwhile
store/in-use             locked by whoever does steps, together, and by `gc`, alone
"""

import contextlib
import fcntl
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Meta

from selfimp_bench.canonical import LARGE, digest, file_sha256, pretty_json
from selfimp_bench.durable import put_in_place, write_atomically
from selfimp_bench.errors import InputError
from selfimp_bench.locks import held
from selfimp_bench.seals import seal_faults, seal_of

Row = TypeVar("Row")

STEP_FILE = "step.json"
TAKEN_OUT = "taken-out.json"
SCHEMA: Final = 1
_ROWS_AT_ONCE: Final = 1 << 16

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0, le=2**53)]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file a step wrote: path inside the step's folder, sha256, size in bytes, and rows where it is a table."""

    path: str
    sha256: Sha256
    bytes: Count
    rows: Count | None


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """What a finished step did. ``counts`` are the stage's own numbers (rows, drops, tokens); seconds are wall time;
    ``seal`` is the digest of all the rest (``seals.py``)."""

    schema: Literal[1]
    fingerprint: str
    stage: str
    block: Mapping[str, Any]
    version: str
    inputs: Mapping[str, Sha256]
    artifacts: tuple[Artifact, ...]
    counts: Mapping[str, Count]
    seconds: Seconds
    seal: str = ""

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

    def write_table(self, name: str, rows: Iterable[Any], schema: pa.Schema) -> None:
        """Write dataclass rows as Parquet (zstd), as they come; the same rows give the same bytes."""
        left, self._rows[name] = iter(rows), 0
        with pq.ParquetWriter(self.path / name, schema, compression="zstd") as writer:
            while True:
                batch = list(islice(left, _ROWS_AT_ONCE))
                if batch or not self._rows[name]:
                    columns = {each: msgspec.to_builtins(list(map(attrgetter(each), batch))) for each in schema.names}
                    writer.write_table(pa.Table.from_pydict(columns, schema=schema))
                self._rows[name] += len(batch)
                if len(batch) < _ROWS_AT_ONCE:
                    return

    def write_columns(self, name: str, table: pa.Table) -> None:
        """Write a table as Parquet (zstd)."""
        pq.write_table(table, self.path / name, compression="zstd")
        self._rows[name] = table.num_rows

    def write_json(self, name: str, value: Any) -> None:
        """Write a value as indented JSON with sorted keys."""
        (self.path / name).write_bytes(pretty_json(value))

    def copy_in(self, source: Path) -> None:
        """Copy the files of a folder, without step.json."""
        for file in sorted(source.iterdir()):
            if file.is_file() and file.name not in (STEP_FILE, TAKEN_OUT):
                shutil.copyfile(file, self.path / file.name)

    def artifacts(self) -> tuple[Artifact, ...]:
        """Everything in the folder, hashed, in order of path."""
        files = sorted(path for path in self.path.rglob("*") if path.is_file())
        return tuple(self._artifact(file) for file in files)

    def _artifact(self, file: Path) -> Artifact:
        name = file.relative_to(self.path).as_posix()
        return Artifact(path=name, sha256=file_sha256(file), bytes=file.stat().st_size, rows=self._rows.get(name))


class Chunks:
    """Rows that a step writes as it makes them, and finds again after a kill: files in its ``Store.partial`` folder.

    A file is the sha256 of the rows, 32 bytes, and the rows.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, row: type[Row]) -> list[Row]:
        """Every row of every chunk. A file that is not as it was written is removed, so that its rows are made anew."""
        rows: list[Row] = []
        for path in sorted(self._folder.glob("*.msgpack")):
            content = path.read_bytes()
            if content[:_DIGEST] == sha256(content[_DIGEST:]).digest():
                rows.extend(msgspec.msgpack.decode(content[_DIGEST:], type=list[row]))  # type: ignore[valid-type]
            else:
                path.unlink()
        return rows

    def add(self, rows: Sequence[Any]) -> None:
        """Write one chunk, whole or not at all."""
        content = msgspec.msgpack.encode(rows)
        write_atomically(self._folder / f"{uuid.uuid4().hex}.msgpack", sha256(content).digest() + content)


_DIGEST: Final = 32


class Store:
    """The results under one home."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, fingerprint: str) -> Path:
        """Where a step's result lies or will lie."""
        return self.root / fingerprint

    def find(self, fingerprint: str) -> StepRecord | None:
        """The record of a finished step, or None. Raises InputError when it, or an artifact, is not as it was written.

        Of large artifacts only the size is compared, until they are read (``proved``).
        """
        path = self.folder(fingerprint) / STEP_FILE
        again = f"delete {path.parent} to have the step done again"
        try:
            raw = path.read_bytes()
            record = msgspec.json.decode(raw, type=StepRecord)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path}: cannot be read ({error}); {again}") from None
        for fault in seal_faults(raw, record.seal, pretty_json(record)):
            raise InputError(f"{path}: {fault}; {again}")
        if record.fingerprint != fingerprint:
            raise InputError(f"{path}: is that of another step, {record.fingerprint}; {again}")
        taken_out = self.taken_out(fingerprint)
        for artifact in record.artifacts:
            if artifact.path not in taken_out:
                self._check(path.parent, artifact, whole=artifact.bytes <= LARGE)
        return record

    def proved(self, record: StepRecord, name: str) -> Path:
        """An artifact of a finished step, to be read. Raises InputError when it is missing or was changed: large ones,
        too, are hashed here, once by a process."""
        folder = self.folder(record.fingerprint)
        for artifact in record.artifacts:
            if artifact.path == name:
                self._check(folder, artifact, whole=True)
                return folder / name
        raise InputError(f"{folder / name}: no artifact of this step; delete {folder} to have the step done again")

    @contextlib.contextmanager
    def lock(self, fingerprint: str) -> Iterator[None]:
        """Hold the step; another run that wants it waits here, and then finds it done."""
        with held(self.root / "locks" / f"{fingerprint}.lock"):
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

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep ``gc`` away while steps are done; waits for one that is at work."""
        path = self.root / "in-use"
        if not path.is_file():
            self.root.mkdir(parents=True, exist_ok=True)
            path.touch()
        with path.open("rb") as stream:
            with contextlib.suppress(OSError):  # a file system without locks, on which `gc` refuses
                fcntl.flock(stream, fcntl.LOCK_SH)
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep runs away meanwhile. Raises InputError where one is at work."""
        with (self.root / "in-use").open("a+b") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(f"{self.root}: a run is at work here; nothing was removed, try again later") from None
            except OSError as error:
                words = f"{error.strerror}: nobody can know whether a run is at work here; nothing was removed"
                raise InputError(f"{self.root}: {words}") from None
            yield

    def taken_out(self, fingerprint: str) -> frozenset[str]:
        """The artifacts of a finished step that ``take_out`` removed. Raises InputError when that cannot be read."""
        path = self.folder(fingerprint) / TAKEN_OUT
        try:
            return msgspec.json.decode(path.read_bytes(), type=frozenset[str])
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError, RecursionError) as error:
            folder = path.parent
            raise InputError(f"{path}: cannot be read ({error}); delete {folder} to have the step done again") from None

    def take_out(self, fingerprint: str, names: Sequence[str]) -> None:
        """Remove artifacts of a finished step, which counts as done all the same. To be called ``alone``, or by
        ``take_out_unread``."""
        folder, gone = self.folder(fingerprint), {*names, *self.taken_out(fingerprint)}
        write_atomically(folder / TAKEN_OUT, pretty_json(sorted(gone)))  # first: what is missing is meant to be
        for name in names:
            (folder / name).unlink(missing_ok=True)

    def take_out_unread(self, fingerprint: str, names: Sequence[str]) -> bool:
        """``take_out`` while runs are at work; False, and nothing removed, where somebody reads the step's checkpoint,
        or nobody can know."""
        try:
            with self._readers(fingerprint, fcntl.LOCK_EX | fcntl.LOCK_NB):
                self.take_out(fingerprint, names)
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def reading(self, fingerprint: str) -> Iterator[None]:
        """Read a step's checkpoint: meanwhile nobody takes anything out of it."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # a file system without locks, on which nothing is taken out
                stack.enter_context(self._readers(fingerprint, fcntl.LOCK_SH))
            yield

    @contextlib.contextmanager
    def _readers(self, fingerprint: str, kind: int) -> Iterator[None]:
        path = self.root / "locks" / f"{fingerprint}.read"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as stream:
            fcntl.flock(stream, kind)
            yield

    def put_back(self, folder: StepFolder, record: StepRecord) -> None:
        """What was taken out of a finished step, made again, goes back beside the rest; the step counts as done all the
        while. Hold ``lock``."""
        target = self.folder(record.fingerprint)
        for name in sorted(self.taken_out(record.fingerprint)):
            put_in_place(folder.path / name, target / name)
        (target / TAKEN_OUT).unlink()
        shutil.rmtree(self.root / "partial" / record.fingerprint, ignore_errors=True)

    def remove_leftovers(self) -> int:
        """Remove what killed runs left that no step goes on from; how many things. To be called ``alone``."""
        removed = 0
        for path in sorted((self.root / "partial").glob("*")):
            if len(path.name) != len(digest("")) or (self.folder(path.name) / STEP_FILE).is_file():
                shutil.rmtree(path)
                removed += 1
        return removed

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

    def finish(self, folder: StepFolder, record: StepRecord) -> StepRecord:
        """Seal the record, write it last, and move the folder into place in one rename; returns the record sealed."""
        record = replace(record, seal=seal_of(pretty_json(record)))
        folder.write_json(STEP_FILE, record)
        target = self.folder(record.fingerprint)
        if target.exists() and not (target / STEP_FILE).exists():
            shutil.rmtree(target)
        if not target.exists():  # else another finished the same, having taken this process for dead (``locks.py``)
            put_in_place(folder.path, target)
        shutil.rmtree(self.root / "partial" / record.fingerprint, ignore_errors=True)
        return record

    def _check(self, folder: Path, artifact: Artifact, *, whole: bool) -> None:
        path = folder / artifact.path
        intact = path.is_file() and path.stat().st_size == artifact.bytes
        if not intact or (whole and file_sha256(path) != artifact.sha256):
            state = "was changed" if path.is_file() else "is missing"
            raise InputError(f"{path}: {state} since its step finished; delete {folder} to have the step done again")


def arrow_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet artifact, whole, with these columns only (None: all)."""
    with pq.ParquetFile(path) as file:  # pq.read_table would import pyarrow's datasets, and pandas with them
        return file.read(columns=None if columns is None else list(columns))


def read_table(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows of a Parquet artifact, with these columns only (None: all)."""
    rows: list[dict[str, Any]] = arrow_table(path, columns).to_pylist()
    return rows


def iterate_columns(path: Path, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of a Parquet artifact as the values of these columns, in bounded memory."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=list(names)):
            yield from zip(*(batch.column(name).to_pylist() for name in names), strict=True)


def read_columns(path: Path, names: Sequence[str]) -> list[list[Any]]:
    """These columns of a Parquet artifact, whole."""
    table = arrow_table(path, names)
    return [table[name].to_pylist() for name in names]
