"""Names of files that come out of a file: those that would lead outside of the folder they belong to."""

from pathlib import PurePosixPath

INSIDE = "a path inside the folder, without `..`"


def leads_outside(name: str) -> bool:
    """Whether a name is no path to something below the folder it is relative to: absolute, with ``..``, or none."""
    path = PurePosixPath(name)
    strange = any(character == "\\" or ord(character) < 32 for character in name)
    return path.is_absolute() or ".." in path.parts or not path.parts or strange
