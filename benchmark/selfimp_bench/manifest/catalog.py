"""Where manifests, reference tables and shipped assets lie, in a checkout and in an installed wheel."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from selfimp_bench.errors import InputError
from selfimp_bench.places import MANIFESTS, REFERENCES

_FILE_NAME = re.compile(r"(?P<name>.+?)(?P<suite>\.suite)?\.v(?P<version>\d+)\.yaml")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One manifest file of the catalogue."""

    name: str
    version: int
    path: Path


def entries(root: Path = MANIFESTS) -> tuple[Entry, ...]:
    """Every released manifest, by folder, name and version."""
    return _entries(root, suite=False)


def suites(root: Path = MANIFESTS) -> tuple[Entry, ...]:
    """Every released suite (``NAME.suite.vVERSION.yaml``), by folder, name and version."""
    return _entries(root, suite=True)


def is_suite(path: Path) -> bool:
    """Whether a file's name is that of a suite."""
    match = _FILE_NAME.fullmatch(path.name)
    return match is not None and match["suite"] is not None


def find_suite(name: str) -> Path | None:
    """The file of the suite NAME (its newest version), NAME@VERSION, or a path to one; None for anything else."""
    if name.endswith((".yaml", ".yml")):
        return Path(name) if is_suite(Path(name)) else None
    wanted, _, version = name.partition("@")
    named = [entry for entry in suites() if entry.name == wanted and version in ("", str(entry.version))]
    return max(named, key=lambda entry: entry.version).path if named else None


def _entries(root: Path, *, suite: bool) -> tuple[Entry, ...]:
    found = []
    for path in root.glob("*/*.yaml"):
        match = _FILE_NAME.fullmatch(path.name)
        if match is not None and is_suite(path) is suite:
            found.append(Entry(name=match["name"], version=int(match["version"]), path=path))
    return tuple(sorted(found, key=lambda entry: (entry.path.parent, entry.name, entry.version)))


def find_manifest(name: str) -> Path:
    """The file for NAME (its newest version), NAME@VERSION, or a path to a manifest of one's own.

    Raises InputError, with the nearest names, when there is none.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    wanted, _, version = name.partition("@")
    named = [entry for entry in entries() if entry.name == wanted]
    matching = [entry for entry in named if not version or str(entry.version) == version]
    if matching:
        return max(matching, key=lambda entry: entry.version).path
    if named:
        versions = ", ".join(str(entry.version) for entry in named)
        raise InputError(f"{name}: {wanted} has no version {version}; it has {versions}")
    known = sorted({entry.name for entry in (*entries(), *suites())})
    near = get_close_matches(wanted, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    raise InputError(f"{name}: no experiment of this name; {hint} (a file of your own is given as a path to a .yaml)")


def find_path(name: str) -> Path:
    """A file or folder as it is named, else the file of an experiment or suite of this name. Raises InputError."""
    path = Path(name)
    if path.exists():
        return path
    if path.name != name or path.suffix in (".yaml", ".yml", ".csv"):
        raise InputError(f"{name}: no such file or folder")
    return find_suite(name) or find_manifest(name)


def find_member(name: str, version: int, suite: Path) -> Path:
    """The manifest of an experiment that a suite names: beside the suite, else in the catalogue. Raises InputError."""
    beside = suite.parent / f"{name}.v{version}.yaml"
    return beside if beside.is_file() else find_manifest(f"{name}@{version}")


def find_table(table: str, manifest: Path) -> Path:
    """A reference table by its manifest's ``table`` value: beside the manifest first, else in the catalogue."""
    candidates = (manifest.parent / table, REFERENCES / table)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise InputError(
        f"{manifest}: reference table {table} not found; looked at {candidates[0]} and {candidates[1]}; "
        "put the table there, or correct `table` in the claim"
    )
