"""What a machine has to offer a run: memory, room on a disk, installed packages, and the container it may be in."""

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import msgspec

from selfimp_bench.errors import InputError, NotReady
from selfimp_bench.mounts import is_mounted
from selfimp_bench.places import ROOT

_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?(?:==(?P<version>[^\s;,]+))?")
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, kw_only=True)
class Package:
    """A distribution as it is wanted, and as it is installed (None: not at all)."""

    name: str
    wanted: str | None
    installed: str | None


def available_memory(root: Path = Path("/")) -> int:
    """Bytes of memory that a new process can have: what the kernel calls available, within the container's limit."""
    lines = (root / "proc/meminfo").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    available = int(kilobytes) * 1024
    limit, used = (_number(root / "sys/fs/cgroup" / name) for name in ("memory.max", "memory.current"))
    return available if limit is None or used is None else min(available, limit - used)


def available_cores(root: Path = Path("/")) -> int:
    """Processors that this process may use, within the container's limit, rounded up."""
    own = len(os.sched_getaffinity(0))
    try:
        quota, period = (root / "sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return own
    return min(own, -(-int(quota) // int(period))) if quota.isdigit() else own


def _number(path: Path) -> int | None:
    """The number in a file; None when it has another word (``max``) or is not there."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def free_disk(folder: Path) -> int:
    """Free bytes on the disk that a folder lies on or would lie on."""
    return shutil.disk_usage(_nearest(folder)).free


def shared_memory() -> int:
    """Bytes of /dev/shm, through which processes share arrays; 0 without it."""
    return shutil.disk_usage(SHARED_MEMORY).total if SHARED_MEMORY.is_dir() else 0


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest above it that exists."""
    resolved = folder.absolute()
    return next(path for path in (resolved, *resolved.parents) if path.exists())


def unmet_requirements(lines: Iterable[str] | None = None) -> tuple[Package, ...]:
    """Requirements of this package (or these) that are not installed, or not in the exact version that one pins; what
    an extra requires need not be there."""
    asked = list((requires("selfimp-bench") or []) if lines is None else lines)
    needed = {each.name for each in _installed(line for line in asked if "extra ==" not in line)}
    return tuple(
        each
        for each in _installed(asked)
        if (each.name in needed if each.installed is None else not _same(each.wanted, each.installed))
    )


def unlocked_packages(lock: Path) -> tuple[Package, ...]:
    """Packages that are installed in another version than a lock has; those that are not installed are left out."""
    lines = (line for line in lock.read_text("utf-8").splitlines() if line[:1].isalnum())
    return tuple(
        each for each in _installed(lines) if each.installed is not None and not _same(each.wanted, each.installed)
    )


def find_lock(root: Path = ROOT) -> Path | None:
    """The lock of a checkout that fits this machine's torch; None for an installed wheel, which has none."""
    try:
        build = "cpu" if version("torch").endswith("+cpu") else "cuda"
    except PackageNotFoundError:
        build = "cpu"
    path = root / "ci" / "locks" / f"{build}.lock"
    return path if path.is_file() else None


def _installed(lines: Iterable[str]) -> Iterator[Package]:
    for line in lines:
        if match := _PIN.match(line):
            try:
                found: str | None = version(match["name"])
            except PackageNotFoundError:
                found = None
            yield Package(name=match["name"], wanted=match["version"], installed=found)


def _same(wanted: str | None, installed: str) -> bool:
    """Equal but for the build (``2.13.0+cpu``); anything is the same as no version in particular."""
    return wanted is None or wanted.partition("+")[0] == installed.partition("+")[0]


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
        raise NotReady(
            f"{volume}: no volume is mounted here, so the results would be lost with the container; "
            f"mount one: docker run --volume selfimp-bench:{volume} ..."
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{home}: {error.strerror}; {_writable(volume)}") from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise InputError(f"{home}: user {os.getuid()} may not write here; {_writable(volume)}")


def _writable(volume: Path | None) -> str:
    if volume is None:
        return "give a folder that you may write as --home or SELFIMP_BENCH_HOME"
    return (
        f"mount a volume that the container's user may write: docker run --volume selfimp-bench:{volume} ..., or a "
        f'folder of yours: docker run --user "$(id -u):$(id -g)" --volume "$PWD/data:{volume}" ... (rootless Podman '
        "wants --userns keep-id, too)"
    )
