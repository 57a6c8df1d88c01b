"""Where studies, reference tables and shipped assets lie, in a checkout and in an installed wheel.

A name is that of a study, which is one experiment or several, or of an experiment in it; ``NAME@VERSION`` is one
version of it. A file of one's own is named by its path, ``PATH#NAME`` is one experiment of it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.study import experiment_names, is_study
from selfimp_bench.manifest.yaml_source import UnreadableYaml, read_yaml
from selfimp_bench.places import MANIFESTS, REFERENCES

_FILE_NAME = re.compile(r"(?P<name>.+?)(?P<suite>\.suite)?\.v(?P<version>\d+)\.yaml")
_IN_FILE = "#"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something that a name stands for is written: a file, and which of its experiments; None: all of it."""

    path: Path
    experiment: str | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One experiment of the catalogue, or one study of several: its name, its version and where it is written."""

    name: str
    version: int
    place: Place

    @property
    def path(self) -> Path:
        """The file."""
        return self.place.path


def entries(root: Path = MANIFESTS) -> tuple[Entry, ...]:
    """Every released experiment, by folder, study and its order there."""
    return tuple(entry for path, name, version in _files(root) for entry in _experiments(path, name, version))


def studies(root: Path = MANIFESTS) -> tuple[Entry, ...]:
    """Every released study of several experiments, by folder."""
    return tuple(
        Entry(name=name, version=version, place=Place(path=path))
        for path, name, version in _files(root)
        if is_of_several(path)
    )


def is_of_several(path: Path) -> bool:
    """Whether a file holds several experiments, or, resolved, the claims across several."""
    match = _FILE_NAME.fullmatch(path.name)
    return (match is not None and match["suite"] is not None) or len(_names_in(path)) > 1


def find(name: str) -> Place:
    """Where NAME, NAME@VERSION, a path to a file of one's own or PATH#NAME is written, in its newest version.

    Raises InputError, with the nearest names, when there is nothing of this name.
    """
    path, mark, experiment = name.partition(_IN_FILE)
    if path.endswith((".yaml", ".yml")):
        return Place(path=Path(path), experiment=experiment if mark else None)
    wanted, _, version = name.partition("@")
    named = list(_named(wanted))
    matching = [entry for entry in named if version in ("", str(entry.version))]
    if matching:
        return max(matching, key=lambda entry: entry.version).place
    if named:
        versions = ", ".join(str(entry.version) for entry in named)
        raise InputError(f"{name}: {wanted} has no version {version}; it has {versions}")
    known = sorted({entry.name for entry in (*entries(), *studies())})
    near = get_close_matches(wanted, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    raise InputError(f"{name}: no experiment of this name; {hint} (a file of your own is given as a path to a .yaml)")


def find_path(name: str) -> Path:
    """A file or folder as it is named, that of PATH#NAME, else that of an experiment or study. Raises InputError."""
    path = Path(name)
    if path.exists():
        return path
    file, mark, _ = name.rpartition(_IN_FILE)
    if mark and Path(file).is_file():
        return Path(file)
    if path.name != name or path.suffix in (".yaml", ".yml", ".csv"):
        raise InputError(f"{name}: no such file or folder")
    return find(name).path


def find_member(name: str, version: int, several: Path) -> Place:
    """An experiment that several are claimed about: in their file, else beside it or in the catalogue.

    Raises InputError.
    """
    if name in _names_in(several):
        return Place(path=several, experiment=name)
    beside = several.parent / f"{name}.v{version}.yaml"
    return Place(path=beside) if beside.is_file() else find(f"{name}@{version}")


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


def _files(root: Path) -> Iterator[tuple[Path, str, int]]:
    """The files of studies and experiments with the names and versions that they are called by."""
    for path in sorted(root.glob("*/*.yaml")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is not None:
            yield path, match["name"], int(match["version"])


def _experiments(path: Path, name: str, version: int) -> Iterator[Entry]:
    if path.name.endswith(f".suite.v{version}.yaml"):
        return
    names = _names_in(path)
    for each in names:
        yield Entry(name=each, version=version, place=Place(path=path, experiment=each))
    if not names:
        yield Entry(name=name, version=version, place=Place(path=path))


def _named(wanted: str) -> Iterator[Entry]:
    """What is called so, without a look into files that do not hold the name."""
    for path, name, version in _files(MANIFESTS):
        if name == wanted:
            yield Entry(name=name, version=version, place=Place(path=path))
        elif wanted.encode() in path.read_bytes() and wanted in _names_in(path):
            yield Entry(name=wanted, version=version, place=Place(path=path, experiment=wanted))


def _names_in(path: Path) -> tuple[str, ...]:
    """The experiments of a study file; none of any other file, or of one that cannot be read."""
    try:
        state = path.stat()
    except OSError:
        return ()
    return _names_read(path, state.st_mtime_ns, state.st_size)


@cache
def _names_read(path: Path, _changed: int, _size: int) -> tuple[str, ...]:
    try:
        data = read_yaml(path).data
    except UnreadableYaml:
        return ()
    return experiment_names(data) if is_study(data) else ()
