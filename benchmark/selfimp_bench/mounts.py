"""What is mounted where, by the kernel's own list (proc_pid_mountinfo(5))."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")
_OCTAL: Final = re.compile(r"\\([0-7]{3})")
"""How the list writes a blank, a tab, a line's end and a backslash."""


def mounted(mounts: Path) -> Iterator[tuple[str, str]]:
    """Every mount: the folder at which it lies, and its kind of file system."""
    for line in mounts.read_text(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        yield _OCTAL.sub(lambda found: chr(int(found[1], 8)), before.split(" ")[4]), after.split(" ")[0]


def is_mounted(folder: Path, mounts: Path = MOUNTS) -> bool:
    """Whether something is mounted at this very folder.

    Not ``Path.is_mount``: that compares devices, and a folder of the file system that the root lies on has the root's.
    """
    return any(place == str(folder) for place, _ in mounted(mounts))


def file_system(folder: Path, mounts: Path = MOUNTS) -> str:
    """The kind of file system that a folder lies on; empty where the list does not say."""
    inside = folder.resolve()
    best, found = -1, ""
    for place, kind in mounted(mounts):
        if inside.is_relative_to(place) and len(place) >= best:
            best, found = len(place), kind
    return found
