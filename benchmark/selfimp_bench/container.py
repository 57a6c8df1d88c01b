"""Inside a container: the volume that holds everything written, and what the image was built from."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from selfimp_bench.errors import InputError

_FACTS = Path("image", "image.json")


@dataclass(frozen=True, kw_only=True)
class Image:
    """The image a run was made in; its digests are sha256, in hex.

    digest: the image's own, which nothing inside it can know: as the user passed it, else None.
    lock_digest: of the lock file that it was installed from. wheels_digest: of the list of the installed wheels.
    manifests_digest, references_digest: of the names and contents of the manifests and reference tables in it.
    """

    digest: str | None = None
    accelerator: str
    base_image: str
    commit: str
    lock_digest: str
    manifests_digest: str
    references_digest: str
    wheels_digest: str


def describe_image(digest: str | None, prefix: Path = Path(sys.prefix)) -> Image | None:
    """The image that this environment was built into; None outside images."""
    try:
        facts = msgspec.json.decode((prefix / _FACTS).read_bytes(), type=Image)
    except FileNotFoundError:
        return None
    return replace(facts, digest=digest)


def ready_home(home: Path, volume: Path | None) -> None:
    """Make the folder for results. ``volume`` is where an image expects its volume; None outside images.

    Raises InputError when nothing is mounted there (the results would vanish with the container), or when this user
    may not write into ``home``.
    """
    if volume is not None and home.absolute().is_relative_to(volume) and not is_mounted(volume):
        raise InputError(
            f"{volume}: no volume is mounted here, so the results would be lost with the container; "
            f"mount one: docker run --volume selfimp-bench:{volume} ..."
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{home}: {error.strerror}; {_writable(volume)}") from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise InputError(f"{home}: user {os.getuid()} may not write here; {_writable(volume)}")


def is_mounted(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether something is mounted at this very folder, by the kernel's own list (proc_pid_mountinfo(5), field 5).

    Not ``Path.is_mount``: that compares devices, and a folder of the file system that the root lies on has the root's.
    """
    escaped = str(folder).replace("\\", "\\134").replace(" ", "\\040")
    return any(line.split(" ")[4] == escaped for line in mounts.read_text().splitlines())


def _writable(volume: Path | None) -> str:
    if volume is None:
        return "give a folder that you may write as --home or SELFIMP_BENCH_HOME"
    return (
        f"mount a volume that the container's user may write: docker run --volume selfimp-bench:{volume} ..., or a "
        f'folder of yours: docker run --user "$(id -u):$(id -g)" --volume "$PWD/data:{volume}" ... (rootless Podman '
        "wants --userns keep-id, too)"
    )
