"""Run folders by name: an experiment's holds its record.json, that of several experiments together study.json."""

from pathlib import Path
from typing import Final

from selfimp_bench.errors import InputError
from selfimp_bench.paths import INSIDE, leads_outside

RECORD: Final = "record.json"
STUDY_RECORD: Final = "study.json"
TABLES: Final = "reference_results"
FINDINGS: Final = "findings.json"
A_FILE: Final = f"{INSIDE}, of at most 255 bytes a name"
_OLD_RECORD: Final = "suite.json"
_LONGEST_NAME: Final = 255
_LONGEST_PATH: Final = 1000
"""Bytes; file systems take a little more in all."""


def is_inside(name: str) -> bool:
    """Whether a name that stands in a record can be that of a file or folder below the one it is relative to."""
    parts = [part.encode(errors="replace") for part in name.split("/")]
    return not leads_outside(name) and max(map(len, parts)) <= _LONGEST_NAME and len(name) <= _LONGEST_PATH


def find_run(run: str, home: Path) -> Path:
    """A run folder from its path, or from NAME or NAME/ID under ``home``.

    Raises InputError when there is none, or when NAME has several.
    """
    under = home / "runs" / run
    for folder in (Path(run), under):
        if _is_run(folder):
            return folder
    found = [folder for folder in sorted(under.glob("*")) if _is_run(folder)]
    if len(found) == 1:
        return found[0]
    if found:
        named = ", ".join(f"{run}/{folder.name}" for folder in found)
        raise InputError(f"{run}: {len(found)} runs; name one of {named}")
    for folder in (Path(run), under, *sorted(under.glob("*"))):
        if (folder / _OLD_RECORD).is_file():
            words = (
                "a run of an earlier version, which this one cannot read; judge it with that version, or run it again"
            )
            raise InputError(f"{folder}: found {_OLD_RECORD}, expected {RECORD} or {STUDY_RECORD}: {words}")
    lacks, name = "", "NAME" if "/" in run else run
    if Path(run).is_dir() or under.is_dir():
        lacks, name = (
            f" (a folder without {RECORD} or {STUDY_RECORD}: the command that began a run goes on with it)",
            "NAME",
        )
    raise InputError(f"{run}: no finished run there{lacks}, nor under {under}; `selfimp-bench run {name}` makes one")


def is_of_several(folder: Path) -> bool:
    """Whether a run folder is that of several experiments together."""
    return (folder / STUDY_RECORD).is_file()


def record_path(folder: Path) -> Path:
    """The record of a run folder."""
    return folder / (STUDY_RECORD if is_of_several(folder) else RECORD)


def _is_run(folder: Path) -> bool:
    return (folder / RECORD).is_file() or (folder / STUDY_RECORD).is_file()
