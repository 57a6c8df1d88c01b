"""The kinds of faults by name, each with the number of times that one run of it takes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from faults import damage, disks, others
from faults.kills import WAYS, Tally, Way, kill
from faults.subjects import Run, Subject, subject

Kind = Callable[[Path, int | None, int], Tally]


def _kills(name: str, way: Way, usual: int) -> Kind:
    def do(folder: Path, times: int | None, seed: int) -> Tally:
        return kill(subject(name, folder.parent / "subjects"), folder, way, times or usual, seed)

    return do


_KILLS: Final = {
    "post-training": (20, 40, 40),
    "gap": (20, 40, 40),
    "grade-math": (4, 4, 12),
    "grade-programs": (0, 4, 6),
    "real-post-training": (0, 2, 0),
    "real-gap": (0, 0, 2),
    "keeping": (6, 20, 6),
    "side-by-side": (5, 0, 8),
    "real-side-by-side": (0, 0, 2),
}


def _of(name: str, do: Callable[[Subject, Path, int, int], Tally], usual: int) -> Kind:
    def kind(folder: Path, times: int | None, seed: int) -> Tally:
        return do(subject(name, folder.parent / "subjects"), folder, times or usual, seed)

    return kind


def _damage(name: str, usual: int) -> Kind:
    def kind(folder: Path, times: int | None, seed: int) -> Tally:
        made = subject(name, folder.parent / "subjects")
        assert isinstance(made, Run)
        return damage.finished(made, folder, times or usual, seed)

    return kind


def _unfinished(name: str, usual: int, *patterns: str) -> Kind:
    return _of(name, lambda *asked: damage.unfinished(*asked, patterns), usual)


_CHUNKS: Final = "store/partial/*/*.msgpack"
KINDS: Final[Mapping[str, Kind]] = {
    **{
        f"kill-{name}-{way}": _kills(name, way, times)
        for name, each in _KILLS.items()
        for way, times in zip(WAYS, each, strict=True)
        if times
    },
    "full-post-training": _of("post-training", disks.full, 12),
    "full-gap": _of("gap", disks.full, 6),
    "full-grade-math": _of("grade-math", disks.full, 4),
    "full-real-post-training": _of("real-post-training", disks.full, 1),
    "closed-post-training": _of("post-training", disks.closed, 6),
    "closed-gap": _of("gap", disks.closed, 3),
    "damage-post-training": _damage("post-training", 3),
    "damage-gap": _damage("gap", 3),
    "damage-unfinished-post-training": _unfinished("post-training", 12, _CHUNKS),
    "damage-unfinished-gap": _unfinished("gap", 4, _CHUNKS),
    "damage-unfinished-grade-math": _unfinished("grade-math", 6, ".*.partial"),
    "together-post-training": _of("post-training", others.together, 4),
    "together-gap": _of("gap", others.together, 4),
    "clock-post-training": _of("post-training", others.clock, 10),
    "gc-post-training": _of("post-training", others.collecting, 12),
    "gc-gap": _of("gap", others.collecting, 6),
    "hub": lambda folder, times, seed: others.hub_gone(folder, times or 10, seed),
}
