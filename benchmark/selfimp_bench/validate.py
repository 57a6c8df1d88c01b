"""Validating manifests and reference tables: every flaw of every file at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from selfimp_bench import reference
from selfimp_bench.catalog import MANIFESTS, REFERENCES, find_table
from selfimp_bench.check import find_claim_flaws, tables_of
from selfimp_bench.describe import assumptions
from selfimp_bench.errors import InputError
from selfimp_bench.flaw import Flaw
from selfimp_bench.manifest import load
from selfimp_bench.manifest.model import Manifest


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What was looked at and found. ``notes`` are for information: assumed values of sound manifests."""

    files: int
    flaws: tuple[Flaw, ...]
    notes: tuple[str, ...]


def validate(paths: Sequence[Path]) -> Validation:
    """Check these files (``.yaml`` manifests, ``.csv`` tables, or folders of them); without any, all that is shipped.

    Raises InputError for a path that is not there.
    """
    files = [file for path in paths or (MANIFESTS, REFERENCES) for file in _files(path)]
    flaws: list[Flaw] = []
    notes: list[str] = []
    for file in files:
        found = reference.find_flaws(file) if file.suffix == ".csv" else _manifest_flaws(file, notes)
        flaws.extend(found)
    return Validation(files=len(files), flaws=tuple(flaws), notes=tuple(notes))


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.suffix == ".csv" or _versioned(file))
    elif path.exists():
        yield path
    else:
        raise InputError(f"{path}: no such file or folder")


def _versioned(file: Path) -> bool:
    """Manifests are named ``<name>.v<version>.yaml``; other YAML files (source.yaml) are not manifests."""
    return file.suffix == ".yaml" and ".v" in file.stem


def _manifest_flaws(file: Path, notes: list[str]) -> tuple[Flaw, ...]:
    flaws = load.find_flaws(file)
    if flaws:
        return flaws
    manifest = load.load_manifest(file)
    for item in assumptions(manifest):
        notes.append(f"{file}: {item.path}: assumed {item.value}: {item.reason}")
    return tuple(_claim_flaws(file, manifest))


def _claim_flaws(file: Path, manifest: Manifest) -> Iterator[Flaw]:
    """What only the reference tables can show: claims that name tables or rows that are not there."""
    try:
        tables = tables_of(manifest.claims, lambda name: reference.read_table(find_table(name, file), name))
    except InputError as error:
        yield Flaw(file=str(file), line=1, column=1, where="$.claims", message=str(error))
        return
    for flaw in find_claim_flaws(manifest.claims, tables):
        yield Flaw(file=str(file), line=1, column=1, where=flaw.where, message=flaw.message)
