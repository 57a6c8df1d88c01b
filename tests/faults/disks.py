"""Disks that are full, or that may no longer be written to: the run ends with advice, and goes on once they can be."""

import contextlib
import os
import random
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from faults.forked import TRACEBACK, Forked, Telling, fork
from faults.kills import Tally, compare, undisturbed, undisturbed_home
from faults.subjects import Subject

ROOM = "size=1g"


def full(subject: Subject, folder: Path, times: int, seed: int) -> Tally:
    """On a disk of a size between nothing and what the run takes."""
    draw, tally = random.Random(f"{seed} {subject.name} full"), Tally()
    expected = undisturbed(subject, folder)
    taken = sum(path.stat().st_blocks * 512 for path in undisturbed_home(subject, folder).rglob("*") if path.is_file())
    for number in range(times):
        size = draw.randint(16 * 1024, taken)
        with disk(folder / f"full-{number}") as set_room:
            set_room(size)
            limit = (lambda size=size: _limit_files(size // 8)) if not may_mount() else None
            run = _run(subject, folder / f"full-{number}", before=limit)
            _ended_with_advice(run, f"{subject.name} on a disk of {size} bytes", "disk full", tally)
            set_room(None)
            _goes_on(subject, folder / f"full-{number}", expected, f"after a disk of {size} bytes", tally)
    return tally


def closed(subject: Subject, folder: Path, times: int, seed: int) -> Tally:
    """On a disk, or in a folder, that from the end of some step on is read-only."""
    draw, tally = random.Random(f"{seed} {subject.name} closed"), Tally()
    expected = undisturbed(subject, folder)
    steps = max(1, len(expected) // 2)
    for number in range(times):
        home, left = folder / f"closed-{number}", [draw.randint(1, steps)]

        def close(words: str, home: Path = home, left: list[int] = left) -> None:
            left[0] -= words.startswith("made ")
            if words.startswith("made ") and left[0] == 0:
                left[0] = -1
                set_writable(home, writable=False)

        with disk(home):
            run = _run(subject, home, at=close)
            _ended_with_advice(run, f"{subject.name} on a disk that became read-only", "disk read-only", tally)
            set_writable(home, writable=True)
            _goes_on(subject, home, expected, "after its disk was read-only", tally)
    return tally


def _run(
    subject: Subject,
    home: Path,
    *,
    before: Callable[[], None] | None = None,
    at: Callable[[str], None] = lambda _: None,
) -> Forked:
    def action(telling: Telling) -> None:
        if before is not None:
            before()
        subject.run(home, telling)

    run = fork(action, home.with_name(f"{home.name}.log"), at)
    run.wait()
    return run


def _ended_with_advice(run: Forked, what: str, kind: str, tally: Tally) -> None:
    tally.done[kind if run.code else f"{kind}, and nothing more to write"] += 1
    if run.code == TRACEBACK or run.code not in (0, 2, 4) or (run.code and not run.words().strip()):
        tally.faults.append(f"{what}: exit code {run.code}: {run.words()[-2000:]}")
    tally.faults += [f"{what}: still running: {left}" for left in run.left_running()]


def _goes_on(subject: Subject, home: Path, expected: dict[str, object], when: str, tally: Tally) -> None:
    run = _run(subject, home)
    if run.code:
        tally.faults.append(f"{subject.name}: exit code {run.code} {when}: {run.words()[-2000:]}")
    else:
        compare(subject, home, expected, when, tally)


def may_mount() -> bool:
    """Whether this user may mount a file system."""
    return os.geteuid() == 0 and _call("unshare", "--mount", "true") == 0


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[Callable[[int | None], None]]:
    """A folder that is a disk of its own, where one may be mounted; its size in bytes can be set, None is ample."""
    folder.mkdir()
    mounted = may_mount() and _call("mount", "-t", "tmpfs", "-o", ROOM, "tmpfs", str(folder)) == 0
    try:
        yield lambda size: _resize(folder, size) if mounted else None
    finally:
        if mounted:
            _call("umount", "--lazy", str(folder))


def set_writable(folder: Path, *, writable: bool) -> None:
    """Let a disk be written to, or no more; where this is no disk of its own, its folders."""
    if may_mount():
        subprocess.run(["mount", "-o", f"remount,{'rw' if writable else 'ro'}", str(folder)], check=True)
        return
    for each in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        each.chmod(0o755 if writable else 0o555)


def _resize(folder: Path, size: int | None) -> None:
    words = ROOM if size is None else f"size={size}"
    subprocess.run(["mount", "-o", f"remount,{words}", str(folder)], check=True)


def _limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(size, 1), resource.RLIM_INFINITY))


def _call(*command: str) -> int:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode
    except FileNotFoundError:
        return 127
