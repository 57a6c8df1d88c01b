"""Runs that are killed (SIGKILL) again and again, and go on each time: they end as if nothing had happened."""

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from faults.forked import Action, Forked, Telling, fork
from faults.subjects import SIDE_BY_SIDE, Subject
from selfimp_bench.steps import resume

Way = Literal["boundary", "operation", "instant"]
WAYS: Final[tuple[Way, ...]] = ("boundary", "operation", "instant")
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES: Final = frozenset({"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"})


@dataclass(kw_only=True)
class Tally:
    """What was done to runs, by kind, and every fault that was found."""

    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.done += other.done
        self.faults += other.faults


def kill(subject: Subject, folder: Path, way: Way, times: int, seed: int) -> Tally:
    """Kill so many times; whenever a home is finished, compare it with an undisturbed one and begin another.

    boundary: as a step ends, or tells that a part of it is there. operation: before a change of a file or folder.
    instant: at a random moment inside a step that is being done.
    """
    draw, tally = random.Random(f"{seed} {subject.name} {way}"), Tally()
    expected = undisturbed(subject, folder)
    home, finished = folder / f"{way}-0", set[str]()
    home.mkdir(parents=True)
    begun = missed = 0
    while tally.done[f"killed at {way}"] < times:
        if (begun := begun + 1) > _RUNS * times:
            tally.faults.append(
                f"{subject.name}: {_RUNS * times} runs for {times} kills at {way}; they end before these"
            )
            break
        # Runs that end before their instant have the next ones earlier.
        run = _KILLS[way](subject, home, frozenset(finished), draw, 2.0**-missed)
        code = run.wait()
        lost = finished & {line.removeprefix("made ") for line in run.said if line.startswith("made ")}
        tally.faults += [f"{subject.name}: {name} was finished, and is done again" for name in lost - _LAST]
        finished |= {line.partition(" ")[2] for line in run.said if line.startswith(("made ", "reused "))} - _LAST
        tally.faults += [f"{subject.name}: still running after a kill: {left}" for left in run.left_running()]
        if code == -signal.SIGKILL:
            tally.done[f"killed at {way}"] += 1
            missed = 0
            continue
        missed += 1
        if code:
            tally.faults.append(f"{subject.name}: exit code {code} after a kill at {way}: {run.words()[-2000:]}")
            return tally
        compare(subject, home, expected, f"after kills at {way}", tally)
        home, finished = folder / f"{way}-{tally.done['ended equal']}", set()
        home.mkdir()
    end(subject, home, expected, f"after kills at {way}", tally)
    return tally


_RUNS: Final = 10
"""So many runs for each kill that is asked for: a moment that is drawn may lie after a run's end."""
_LAST: Final = frozenset({"record", "grades"})
"""What every run makes anew."""


def undisturbed(subject: Subject, folder: Path) -> dict[str, Any]:
    """The results of a run that nobody disturbs; made once beside the folder of a kind of fault."""
    home = undisturbed_home(subject, folder)
    if not home.exists():
        home.mkdir(parents=True)
        run = fork(lambda telling: subject.run(home, telling), _log(home))
        assert run.wait() == 0, run.words()
        assert not run.left_running()
    return dict(subject.results(home))


def undisturbed_home(subject: Subject, folder: Path) -> Path:
    """Where it lies."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder.parent / f"undisturbed-{SIDE_BY_SIDE.get(subject.name, subject.name)}"


def end(subject: Subject, home: Path, expected: dict[str, Any], when: str, tally: Tally) -> None:
    """Let a run come to its end, and compare."""
    run = fork(lambda telling: subject.run(home, telling), _log(home))
    if code := run.wait():
        tally.faults.append(f"{subject.name}: exit code {code} {when}: {run.words()[-2000:]}")
    else:
        tally.faults += [f"{subject.name}: still running {when}: {left}" for left in run.left_running()]
        compare(subject, home, expected, when, tally)


def compare(subject: Subject, home: Path, expected: dict[str, Any], when: str, tally: Tally) -> None:
    """Hold a finished home against the undisturbed one."""
    found = dict(subject.results(home))
    differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if differing:
        tally.faults.append(f"{subject.name}: {', '.join(differing)} differ {when} in {home}")
    tally.done["ended equal"] += not differing


def _log(home: Path) -> Path:
    return home.with_name(f"{home.name}.log")


def _at_boundary(subject: Subject, home: Path, _finished: frozenset[str], draw: random.Random, _part: float) -> Forked:
    """It shoots itself as the first new step ends, or where a later one tells that a part is there."""
    midway, new = draw.random() < 0.5, Counter[str]()

    def at(words: str) -> None:
        new["made"] += words.startswith("made ")
        if words.startswith("made ") if not midway else new["made"] and words == "advance":
            os.kill(os.getpid(), signal.SIGKILL)

    return fork(lambda telling: subject.run(home, telling), _log(home), at)


def _at_operation(subject: Subject, home: Path, _finished: frozenset[str], draw: random.Random, _part: float) -> Forked:
    """It shoots itself before one of its next changes under the home."""
    return fork(shot_at(draw.randint(1, subject.changes), home, lambda telling: subject.run(home, telling)), _log(home))


def shot_at(change: int, home: Path, action: Action) -> Action:
    """The action, that ends by SIGKILL before its change of this number (from 1) of a file or folder under the home."""
    left, root = [change], str(home)

    def audit(event: str, arguments: Sequence[Any]) -> None:
        changes = event in _CHANGES or (event == "open" and (arguments[2] or 0) & _WRITING)
        if changes and str(arguments[0]).startswith(root):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    def shot(telling: Telling) -> None:
        sys.addaudithook(audit)
        action(telling)

    return shot


def _at_instant(subject: Subject, home: Path, finished: frozenset[str], draw: random.Random, part: float) -> Forked:
    """Some time after it has begun something that is not finished yet."""
    run = fork(lambda telling: subject.run(home, telling), _log(home))
    begun = False
    while not begun and (new := run.read()):
        begun = any(line == "advance" or line.partition(" ")[2] not in finished for line in new)
    if begun:
        time.sleep(draw.uniform(0, part * subject.seconds))
        run.kill()
    return run


def kill_midway(subject: Subject, home: Path, draw: random.Random) -> bool:
    """Kill it after some part of something, with chunks as small as can be; False where it came to its end."""
    left = [draw.randint(1, 60)]

    def at(words: str) -> None:
        left[0] -= words == "advance"
        if words == "advance" and left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def action(telling: Any) -> None:
        resume.CHUNK = 3  # type: ignore[misc]
        subject.run(home, telling)

    return fork(action, _log(home), at).wait() == -signal.SIGKILL


_KILLS: Final[dict[Way, Callable[[Subject, Path, frozenset[str], random.Random, float], Forked]]] = {
    "boundary": _at_boundary,
    "operation": _at_operation,
    "instant": _at_instant,
}
