"""`gc`: room on the disk. Out go weights of checkpoints that were trained further, and what killed runs left.

Of every finished run each chain keeps its last checkpoint, all records and all other artifacts; a step whose weights
are out counts as done, and is done again where a new step wants them. What no finished run names stays.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from selfimp_bench.durable import is_half_written
from selfimp_bench.engines.fake import MEMORY_FILE
from selfimp_bench.errors import InputError
from selfimp_bench.runs.folders import RECORD
from selfimp_bench.runs.record import RunRecord, is_fingerprint, read_record
from selfimp_bench.steps.store import Store
from selfimp_bench.steps.train import STAGE

_TRAINING: Final = re.compile(r"(?P<chain>.*)/t(?P<iteration>[0-9]+)/[^/]+")
_AN_HOUR: Final = 3600.0
_WEIGHTS: Final = ("*.safetensors", MEMORY_FILE)


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What was removed, or would be: checkpoints whose weights went, their bytes, and things that killed runs left."""

    checkpoints: int
    bytes: int
    leftovers: int


def collect(home: Path, *, dry: bool) -> Collected:
    """Make room in a home; ``dry`` only counts (leftovers not).

    Raises InputError where a run is at work there, where there is no store, and for a run's record that cannot be read:
    nothing is removed then.
    """
    store = Store(home / "store")
    if not store.root.is_dir():
        raise InputError(f"{home}: no results there; name the folder of your runs with --home")
    with store.alone():
        weights = _weights(store, finished_runs(home))
        freed = sum(_size(store.folder(key) / name) for key, names in weights.items() for name in names)
        if not dry:
            for key, names in weights.items():
                store.take_out(key, names)
        leftovers = 0 if dry else store.remove_leftovers() + _remove_half_written(home)
    return Collected(checkpoints=len(weights), bytes=freed, leftovers=leftovers)


def finished_runs(home: Path) -> list[RunRecord]:
    """The records of a home's finished runs. Raises InputError for one that cannot be read."""
    return [_read(path) for path in sorted(home.glob(f"runs/*/*/{RECORD}"))]


def _read(path: Path) -> RunRecord:
    """A run's record, of which no step leads out of the store: its weights would be removed there."""
    record = read_record(path.parent)
    if strange := [step.id for step in record.steps if not is_fingerprint(step.fingerprint)]:
        raise InputError(f"{path}: the fingerprint of {strange[0]} is none; nothing was removed: fetch that run anew")
    return record


def _weights(store: Store, records: list[RunRecord]) -> dict[str, list[str]]:
    """The weight files that can go, by their steps' fingerprints; those that are out already are left out."""
    runs = [[(step.id, step.fingerprint) for step in record.steps if step.stage == STAGE.name] for record in records]
    found = {key: weight_files(store, key) for key in sorted(trained_further(runs))}
    return {key: names for key, names in found.items() if names}


def trained_further(runs: Iterable[Iterable[tuple[str, str]]]) -> frozenset[str]:
    """Of the trainings of runs, by step id and key, the keys of those that are the last of no chain."""
    last, others = _chains(runs)
    return others - last


def last_of_chains(runs: Iterable[Iterable[tuple[str, str]]]) -> frozenset[str]:
    """The keys of the others."""
    return _chains(runs)[0]


def _chains(runs: Iterable[Iterable[tuple[str, str]]]) -> tuple[frozenset[str], frozenset[str]]:
    """The keys of the trainings that are the last of a chain, and of those that are not."""
    last, others = set[str](), set[str]()
    for run in runs:
        chains: dict[str, list[tuple[int, str]]] = {}
        for name, key in run:
            if found := _TRAINING.fullmatch(name):
                chains.setdefault(found["chain"], []).append((int(found["iteration"]), key))
        for chain in chains.values():
            *before, (_, final) = sorted(chain)
            last.add(final)
            others |= {key for _, key in before}
    return frozenset(last), frozenset(others)


def weight_files(store: Store, key: str) -> list[str]:
    """The files with weights that are there of a finished training."""
    return sorted(path.name for name in _WEIGHTS for path in store.folder(key).glob(name))


def _remove_half_written(home: Path) -> int:
    """Files in run folders that a kill left before they had their names; young ones may still be written."""
    found = [
        path
        for path in (home / "runs").rglob(".*")
        if is_half_written(path) and path.is_file() and time.time() - path.stat().st_mtime > _AN_HOUR
    ]
    for path in found:
        path.unlink()
    return len(found)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
