"""What `fetch` brought from the hub: where it lies under the home, and the record of every file's hash. No network.

hub/models/ORG--NAME/REVISION/      a model's or encoder's files, under their names in the repository
hub/datasets/ORG--NAME/REVISION/    a data set's files
hub/fetched/*.json                  one record for each thing fetched, written last: without it nothing was accepted
hub/partial/                        downloads that broke off or are not yet proved; the next fetch goes on from there
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from selfimp_bench.canonical import LARGE, digest, file_sha256
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import DatasetRef, Encoder, ModelRef
from selfimp_bench.paths import leads_outside

SCHEMA = 1


class Kind(StrEnum):
    """What a repository is read as."""

    MODEL = "model"
    ENCODER = "encoder"
    DATASET = "dataset"


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """A part of a hub repository that a manifest pins. ``id`` is its name there; the last two are a data set's."""

    kind: Kind
    id: str
    repo: str
    revision: str
    configs: tuple[str, ...] = ()
    split: str | None = None

    def __str__(self) -> str:
        kind = "data set" if self.kind is Kind.DATASET else self.kind
        return f"{kind} {self.id}: {self.repo} at revision {self.revision}"


@dataclass(frozen=True, kw_only=True)
class FetchedFile:
    """A file as it was accepted: its path in the repository, size and sha256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """The record of one thing fetched. ``mirror`` is ``REPO@REVISION`` where it came from another repository.

    ``files`` of a data set are in the order of its rows.
    """

    schema: int
    pinned: Pinned
    mirror: str | None
    files: tuple[FetchedFile, ...]

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(file.bytes for file in self.files)


def pinned_model(model: ModelRef) -> Pinned | None:
    """What a model pins on the hub; None where it is shipped or lies in a folder of the user's."""
    if model.repo is None or model.revision is None:
        return None
    return Pinned(kind=Kind.MODEL, id=model.id, repo=model.repo, revision=model.revision)


def pinned_encoder(encoder: Encoder) -> Pinned | None:
    """What a sentence encoder pins on the hub; None where a Python package carries it."""
    if encoder.repo is None or encoder.revision is None:
        return None
    return Pinned(kind=Kind.ENCODER, id=encoder.id, repo=encoder.repo, revision=encoder.revision)


def pinned_dataset(dataset: DatasetRef) -> Pinned | None:
    """What a data set pins on the hub; None where it is generated or a file of the user's."""
    if dataset.repo is None or dataset.revision is None:
        return None
    return Pinned(
        kind=Kind.DATASET,
        id=dataset.id,
        repo=dataset.repo,
        revision=dataset.revision,
        configs=dataset.configs or (),
        split=dataset.part_of_split()[0],
    )


def hub_folder(home: Path) -> Path:
    """Where everything fetched lies."""
    return home / "hub"


def snapshot_folder(pinned: Pinned, hub: Path) -> Path:
    """Where the files of a pinned repository lie or will lie."""
    kind = "datasets" if pinned.kind is Kind.DATASET else "models"
    return hub / kind / _slug(pinned) / pinned.revision


def record_path(pinned: Pinned, hub: Path) -> Path:
    """Where its record lies or will lie."""
    part = "" if pinned.kind is not Kind.DATASET else f"--{digest([pinned.configs, pinned.split])[:8]}"
    return hub / "fetched" / f"{pinned.kind}--{_slug(pinned)}--{pinned.revision[:12]}{part}.json"


def find_fetched(pinned: Pinned, hub: Path) -> Fetched | None:
    """The record of what was fetched, its files proved present; None when it was not fetched.

    Raises InputError for a record that cannot be read, and for a file that is missing or was changed since: the size
    of all is compared, the content of those up to ``LARGE``.
    """
    record = read_record(pinned, hub)
    if record is not None and (damaged := damaged_file(record, hub, LARGE)) is not None:
        raise InputError(f"{pinned}: {damaged} is missing or was changed since it was fetched; {FETCH_AGAIN}")
    return record


FETCH_AGAIN = "run `selfimp-bench fetch` for this experiment again"


def locate_fetched(pinned: Pinned, hub: Path) -> Fetched:
    """Like ``find_fetched``, and raises InputError when it was not fetched."""
    record = find_fetched(pinned, hub)
    if record is None:
        raise InputError(
            f"{pinned} is not under {hub}, and a run uses no network; "
            "bring it there first with `selfimp-bench fetch` for this experiment"
        )
    return record


def prove_fetched(pinned: Pinned, hub: Path) -> Fetched:
    """Like ``locate_fetched``, for who reads the files: all are hashed, a large one once by a process."""
    record = locate_fetched(pinned, hub)
    if (damaged := damaged_file(record, hub, record.bytes)) is not None:
        raise InputError(f"{pinned}: {damaged} was changed since it was fetched; {FETCH_AGAIN}")
    return record


def read_record(pinned: Pinned, hub: Path) -> Fetched | None:
    """The record, nothing proved; None when there is none. Raises InputError when it cannot be read."""
    path = record_path(pinned, hub)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Fetched)
    except FileNotFoundError:
        return None
    except (ValueError, OSError, RecursionError) as error:
        raise InputError(f"{path}: not a record of this version ({error}); delete it and {FETCH_AGAIN}") from None


def damaged_file(record: Fetched, hub: Path, hash_up_to: int) -> Path | None:
    """The first file that is missing, of another size or, up to ``hash_up_to`` bytes, of another content; else None."""
    folder = snapshot_folder(record.pinned, hub)
    for file in record.files:
        path = folder / file.path
        if leads_outside(file.path) or not path.is_file() or path.stat().st_size != file.bytes:
            return path
        if file.bytes <= hash_up_to and file_sha256(path) != file.sha256:
            return path
    return None


def _slug(pinned: Pinned) -> str:
    return pinned.repo.replace("/", "--")
