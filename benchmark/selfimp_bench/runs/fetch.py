"""`fetch`: bring what experiments need from the hub under the home, proved, so that they run with no network."""

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfimp_bench.canonical import pretty_json
from selfimp_bench.durable import put_in_place, write_atomically
from selfimp_bench.engines.hub.choice import CARD, encoder_files, model_files, split_files
from selfimp_bench.engines.hub.fetched import (
    SCHEMA,
    Fetched,
    FetchedFile,
    Kind,
    Pinned,
    damaged_file,
    hub_folder,
    read_record,
    record_path,
    snapshot_folder,
)
from selfimp_bench.engines.hub.hub import (
    HubFile,
    Listing,
    Source,
    download,
    list_repository,
    proved,
    read_small,
    refuse_without_access,
)
from selfimp_bench.engines.weights import INDEX, WEIGHTS, weights_digest
from selfimp_bench.errors import InputError
from selfimp_bench.locks import held
from selfimp_bench.manifest.model import DatasetRef
from selfimp_bench.runs.hub_needs import Need
from selfimp_bench.steps.dataset import read_hub_files, refuse_other_content

_MIRROR = re.compile(r"(?P<id>[^=]+)=(?P<repo>[^@]+)@(?P<revision>[0-9a-f]{40})")


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """Another repository to take a model or data set from; ``id`` is its name in the manifest."""

    id: str
    repo: str
    revision: str


@dataclass(frozen=True, kw_only=True)
class FetchedNeed:
    """A need that is met: ``downloaded`` of its ``bytes`` came over the network now."""

    pinned: Pinned
    mirror: str | None
    files: int
    bytes: int
    downloaded: int


@dataclass(frozen=True, kw_only=True)
class FetchReport:
    """Everything that the experiments asked for need from the hub, and the folder it lies in."""

    folder: str
    fetched: tuple[FetchedNeed, ...]


@dataclass(frozen=True, kw_only=True)
class _Order:
    """A need that is not met yet: where its files come from, and which they are."""

    need: Need
    source: Source
    files: tuple[HubFile, ...]


def parse_mirror(text: str) -> Mirror:
    """A mirror from ``ID=REPO@REVISION``. Raises InputError."""
    match = _MIRROR.fullmatch(text)
    if match is None:
        raise InputError(
            f"--mirror {text}: expected ID=REPO@REVISION, ID as in the manifest, REVISION of 40 hex digits"
        )
    return Mirror(id=match["id"], repo=match["repo"], revision=match["revision"])


def fetch(
    needs: Sequence[Need], home: Path, *, mirrors: Sequence[Mirror], endpoint: str | None, say: Callable[[str], None]
) -> FetchReport:
    """Bring what is needed and not there; what is there is hashed again, and brought anew where it was damaged.

    Everything is looked up, and the disk's room compared, before the first download. ``say`` gets a line a file.
    ``endpoint`` as of ``Source``. Raises InputError; what came before it stays, and the same call goes on from there.
    """
    _refuse_unknown(mirrors, needs)
    hub = hub_folder(home)
    hub.mkdir(parents=True, exist_ok=True)
    with held(hub / ".lock"):
        there = {need.pinned: _proved_record(need.pinned, hub, say) for need in needs}
        by_id = {mirror.id: mirror for mirror in mirrors}
        absent = [need for need in needs if there[need.pinned] is None]
        orders = {need.pinned: _order(need, by_id.get(need.pinned.id), endpoint, hub) for need in absent}
        _refuse_full_disk(orders.values(), hub)
        return FetchReport(
            folder=str(hub),
            fetched=tuple(
                _met(record, 0) if (record := there[need.pinned]) else _bring(orders[need.pinned], hub, say)
                for need in needs
            ),
        )


def _refuse_unknown(mirrors: Iterable[Mirror], needs: Iterable[Need]) -> None:
    known = sorted({need.pinned.id for need in needs})
    for mirror in mirrors:
        if mirror.id not in known:
            raise InputError(f"--mirror {mirror.id}: nothing of this name is fetched; expected {' or '.join(known)}")


def _proved_record(pinned: Pinned, hub: Path, say: Callable[[str], None]) -> Fetched | None:
    """The record of what was fetched before, every file hashed; damaged files are deleted, and the record with them."""
    try:
        record = read_record(pinned, hub)
    except InputError:
        record = None
    if record is None:
        return None
    sound = True
    while (damaged := damaged_file(record, hub, record.bytes)) is not None:
        sound = False
        say(f"{damaged} was missing or changed; it is fetched again")
        record_path(pinned, hub).unlink(missing_ok=True)
        rest = tuple(file for file in record.files if snapshot_folder(pinned, hub) / file.path != damaged)
        damaged.unlink(missing_ok=True)
        record = Fetched(schema=SCHEMA, pinned=pinned, mirror=record.mirror, files=rest)
    return record if sound else None


def _order(need: Need, mirror: Mirror | None, endpoint: str | None, hub: Path) -> _Order:
    """Look up what a need asks for; raises InputError that names the experiment."""
    try:
        order = _look_up(need, mirror, endpoint, hub)
        _refuse_other_weights(order)
    except InputError as error:
        raise InputError(f"{need.experiment} needs {error}") from None
    return order


def _look_up(need: Need, mirror: Mirror | None, endpoint: str | None, hub: Path) -> _Order:
    """Small files that say which others are wanted are read on the way."""
    own = Source(wanted=need.pinned, repo=need.pinned.repo, revision=need.pinned.revision, endpoint=endpoint)
    if mirror is not None:
        source = Source(wanted=need.pinned, repo=mirror.repo, revision=mirror.revision, endpoint=endpoint)
        return _Order(need=need, source=source, files=_mirrored(need, own, source, hub))
    listing = list_repository(own)
    if listing.gated:
        refuse_without_access(own)
    return _Order(need=need, source=own, files=_wanted(need, own, listing, hub))


def _wanted(need: Need, source: Source, listing: Listing, hub: Path) -> tuple[HubFile, ...]:
    def content(name: str) -> bytes | None:
        file = listing.find(name)
        return None if file is None else read_small(source, file, hub / "partial")

    match need.pinned.kind:
        case Kind.MODEL:
            return model_files(source, listing, content(INDEX))
        case Kind.ENCODER:
            return encoder_files(source, listing)
        case Kind.DATASET:
            return split_files(source, listing, content(CARD))


def _mirrored(need: Need, own: Source, mirror: Source, hub: Path) -> tuple[HubFile, ...]:
    """What a mirror gives in place of the pinned repository, where it can be proved to be the same.

    A data set is proved by the digest of its rows, later. Every file of a model must have the size and hash that the
    hub gives for the pinned repository, whose listing is open to all even where its files are not.
    """
    listing = list_repository(mirror)
    offered = _wanted(need, mirror, listing, hub)
    if isinstance(need.ref, DatasetRef):
        if need.ref.digest is None:
            raise InputError(
                f"{mirror}: refused, because the manifest pins no digest of the rows that a mirror could be held "
                "against; use the pinned repository"
            )
        return offered
    original = list_repository(own)
    names = {file.path: file for file in offered}
    differing = [
        file.path for file in offered if (twin := original.find(file.path)) is None or not file.same_content(twin)
    ]
    lacking = [file.path for file in original.files if _is_setting(file) and file.path not in names]
    if differing or lacking:
        raise InputError(
            f"{mirror}: refused, because these files are not those of {own.repo}: {', '.join([*differing, *lacking])}; "
            "expected equal sizes and hashes; use the pinned repository or another mirror"
        )
    return offered


def _is_setting(file: HubFile) -> bool:
    return "/" not in file.path and file.path.endswith((".json", ".jinja"))


def _refuse_other_weights(order: _Order) -> None:
    """Compare the weights that a manifest pins with what the hub lists, before anything large is downloaded."""
    if isinstance(order.need.ref, DatasetRef) or (pinned := order.need.ref.weights_sha256) is None:
        return
    listed = {
        file.path: file.sha256 for file in order.files if file.path.endswith(".safetensors") and "/" not in file.path
    }
    known = {path: sha256 for path, sha256 in listed.items() if sha256 is not None}
    if known and known.keys() == listed.keys() and (found := weights_digest(known)) != pinned:
        held = WEIGHTS if len(known) == 1 else f"the weights in {len(known)} shards"
        raise InputError(f"{order.source}: {held} has sha256 {found}; the manifest pins {pinned}; {_OTHER_WEIGHTS}")


_OTHER_WEIGHTS = "correct `revision`, or write a manifest for these weights"


def _refuse_full_disk(orders: Iterable[_Order], hub: Path) -> None:
    """Raises InputError when what is still to come does not fit on the home's disk."""
    missing = {
        snapshot_folder(order.need.pinned, hub) / file.path: file.bytes - _size(_part(file, hub))
        for order in orders
        for file in order.files
    }
    needed = sum(size for path, size in missing.items() if not path.is_file())
    free = shutil.disk_usage(hub).free
    if needed > free:
        raise InputError(
            f"{hub}: {needed / 1e9:.2f} GB are still to be fetched, and its disk has {free / 1e9:.2f} GB free; make "
            "room, or choose another --home"
        )


def _bring(order: _Order, hub: Path, say: Callable[[str], None]) -> FetchedNeed:
    pinned = order.need.pinned
    folder = snapshot_folder(pinned, hub)
    files, downloaded = [], 0
    for number, file in enumerate(order.files, start=1):
        path = folder / file.path
        found = proved(file, path)
        if found is None:
            say(f"{pinned.id} [{number}/{len(order.files)}] {file.path}  {file.bytes / 1e6:,.1f} MB")
            part = _part(file, hub)
            found = download(order.source, file, part)
            path.parent.mkdir(parents=True, exist_ok=True)
            put_in_place(part, path)
            downloaded += file.bytes
        files.append(found)
    own = order.source.repo == pinned.repo
    mirror = None if own else f"{order.source.repo}@{order.source.revision}"
    record = Fetched(schema=SCHEMA, pinned=pinned, mirror=mirror, files=tuple(files))
    _refuse_other_rows(order, files, folder)
    write_atomically(record_path(pinned, hub), pretty_json(record))
    return _met(record, downloaded)


def _refuse_other_rows(order: _Order, files: Sequence[FetchedFile], folder: Path) -> None:
    """Raises InputError when a data set's rows are not the pinned ones; without a record they stay unaccepted."""
    ref, task = order.need.ref, order.need.task
    if isinstance(ref, DatasetRef) and task is not None:
        refuse_other_content(ref, read_hub_files(ref, task, [folder / file.path for file in files]))


def _met(record: Fetched, downloaded: int) -> FetchedNeed:
    return FetchedNeed(
        pinned=record.pinned,
        mirror=record.mirror,
        files=len(record.files),
        bytes=record.bytes,
        downloaded=downloaded,
    )


def _part(file: HubFile, hub: Path) -> Path:
    """Where a download lies until it is proved; equal contents share a name, whatever repository they are of."""
    return hub / "partial" / (file.sha256 or file.git_sha1)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
