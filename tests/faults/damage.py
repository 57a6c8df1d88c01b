"""Bytes that change on the disk, in every kind of file that a home has: noticed and named, or of no consequence."""

import random
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from faults.forked import Telling, fork
from faults.kills import Tally, end, kill_midway, undisturbed, undisturbed_home
from faults.subjects import Run, Subject
from selfimp_bench.runs.judge import judge_study

Damage = Callable[[bytes, random.Random], bytes | None]


def _flip(content: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << draw.randrange(8))]) + content[at + 1 :]


def _zero(content: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(content))
    return content[:at] + bytes(min(512, len(content) - at)) + content[at + 512 :]


DAMAGES: Final[dict[str, Damage]] = {
    "flipped": _flip,
    "cut": lambda content, draw: content[: draw.randrange(len(content))],
    "emptied": lambda _content, _draw: b"",
    "lengthened": lambda content, draw: content + draw.randbytes(7),
    "zeroed": _zero,
    "deleted": lambda _content, _draw: None,
}


def finished(subject: Run, folder: Path, times: int, seed: int) -> Tally:
    """Damage files of finished steps, and go on; and files of a run folder, and judge it. ``times`` each kind."""
    draw, tally = random.Random(f"{seed} {subject.name} damage"), Tally()
    expected = undisturbed(subject, folder)
    home = folder / "damaged"
    shutil.copytree(undisturbed_home(subject, folder), home)
    run_folder = subject.folder(home)

    def judge(_telling: Telling) -> None:
        judge_study(run_folder)

    for kind, files in _kinds(home).items():
        for _ in range(times):
            path = draw.choice(files)
            before = path.read_bytes()
            name = draw.choice(sorted(DAMAGES)) if before else "lengthened"
            after = DAMAGES[name](before, draw)
            path.unlink() if after is None else path.write_bytes(after)
            in_store = path.is_relative_to(home / "store")
            run = fork((lambda telling: subject.run(home, telling)) if in_store else judge, folder / "damaged.log")
            code, words = run.wait(), run.words()
            tally.done[f"{name} and {'refused' if code else 'of no consequence'}"] += 1
            where = f"{subject.name}: {kind} {path.relative_to(home)} {name}"
            if code not in (0, 2) or (code and path.parent.name not in words and path.name not in words):
                tally.faults.append(f"{where}: exit code {code}: {words[-1500:]}")
            elif not code and (differing := _differing(dict(subject.results(home)), expected, path)):
                tally.faults.append(f"{where}: nobody noticed, and {', '.join(differing)} differ")
            shutil.rmtree(home) if in_store and not code else None
            if home.exists():
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(before)
            else:
                shutil.copytree(undisturbed_home(subject, folder), home)
    return tally


def _differing(found: dict[str, Any], expected: dict[str, Any], damaged: Path) -> list[str]:
    """What differs beside the damaged file itself."""
    names = (name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    return sorted(name for name in names if Path(name).name != damaged.name)


def _kinds(home: Path) -> dict[str, list[Path]]:
    """All files of a home by what they are: their names, where they lie in the store or in a run folder."""
    kinds: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(home.rglob("*")):
        place = path.relative_to(home).parts
        if (
            path.is_file()
            and path.suffix != ".lock"
            and place[:2] != ("store", "logs")
            and path.name != "findings.json"
        ):
            kinds[f"{place[0]} {path.name}"].append(path)
    return kinds


def unfinished(subject: Subject, folder: Path, times: int, seed: int, patterns: Sequence[str]) -> Tally:
    """Damage what a killed run left to go on from, and let it go on: it ends like an undisturbed one."""
    draw, tally = random.Random(f"{seed} {subject.name} unfinished"), Tally()
    expected = undisturbed(subject, folder)
    for number in range(times):
        home = folder / f"unfinished-{number}"
        home.mkdir()
        files: list[Path] = []
        while not files and kill_midway(subject, home, draw):
            files = sorted(path for pattern in patterns for path in home.glob(pattern) if path.is_file())
        if not files:
            tally.done["finished before it could be damaged"] += 1
            continue
        path = draw.choice(files)
        name = draw.choice(sorted(DAMAGES)) if path.stat().st_size else "lengthened"
        after = DAMAGES[name](path.read_bytes(), draw)
        path.unlink() if after is None else path.write_bytes(after)
        tally.done[f"{name} in what was left"] += 1
        end(subject, home, expected, f"after {path.name} of an unfinished step was {name}", tally)
        shutil.rmtree(home)
    return tally
