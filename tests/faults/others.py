"""Several runs on one home, a clock that goes back, a hub that goes away."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fake_hub import FakeHub, Fault, running_hub
from hub_experiments import fill, hub_experiment
from support import ManifestMaker

from faults.forked import Telling, fork
from faults.kills import Tally, compare, end, shot_at, undisturbed, undisturbed_home
from faults.subjects import Subject
from selfimp_bench.engines.hub.fetched import hub_folder
from selfimp_bench.manifest.model import Profile
from selfimp_bench.runs.fetch import fetch
from selfimp_bench.runs.gc import collect
from selfimp_bench.runs.hub_needs import hub_needs
from selfimp_bench.runs.study import open_experiment

DAY: Final = 86400.0
FAKETIME: Final = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
"""libfaketime, where it is installed: it gives what a run starts another clock, too."""


def together(subject: Subject, folder: Path, times: int, seed: int) -> Tally:
    """Two and four runs at a time on one home; of four one is killed and begun again."""
    draw, tally = random.Random(f"{seed} {subject.name} together"), Tally()
    expected = undisturbed(subject, folder)
    for number in range(times):
        home, count = folder / f"together-{number}", (2, 4)[number % 2]
        home.mkdir()
        logs = [folder / f"together-{number}-{each}.log" for each in range(count)]
        runs = [fork(lambda telling, home=home: subject.run(home, telling), log) for log in logs]
        if count == 4:
            time.sleep(draw.uniform(0, 10 * subject.seconds))
            runs[0].kill()
            killed = runs[0].wait() == -signal.SIGKILL
            tally.done["killed beside others"] += killed
            if killed:
                runs[0] = fork(lambda telling, home=home: subject.run(home, telling), logs[0])
        for run in runs:
            if code := run.wait():
                tally.faults.append(f"{subject.name}: exit code {code} of {count} together: {run.words()[-2000:]}")
        made = [line for run in runs for line in run.said if line.startswith("made ") and line != "made record"]
        tally.done[f"{count} at a time"] += 1
        if count == 2 and len(set(made)) != len(made):
            tally.faults.append(f"{subject.name}: a step was done twice by two together")
        compare(subject, home, expected, f"after {count} together", tally)
    return tally


def clock(subject: Subject, folder: Path, times: int, seed: int) -> Tally:
    """Killed again and again, with another clock each time, and files from its future and its past."""
    draw, tally = random.Random(f"{seed} {subject.name} clock"), Tally()
    expected = undisturbed(subject, folder)
    home = folder / "clock"
    home.mkdir()
    for number in range(times):
        shift = draw.uniform(-30, 30) * DAY
        log = folder / f"clock-{number}.log"
        run = fork(lambda telling, shift=shift: _shifted(shift, lambda: subject.run(home, telling)), log)
        time.sleep(draw.uniform(0, 10 * subject.seconds))
        run.kill()
        tally.done["clock moved and killed"] += run.wait() == -signal.SIGKILL
        tally.faults += [f"{subject.name}: still running with another clock: {left}" for left in run.left_running()]
        for path in home.rglob("*"):
            moved = time.time() + draw.uniform(-30, 30) * DAY
            os.utime(path, (moved, moved))
    end(subject, home, expected, "after the clock moved", tally)
    tally.done["with libfaketime"] += bool(FAKETIME)
    return tally


def _shifted(seconds: float, action: Callable[[], None]) -> None:
    """Do something with another clock, in this process and in those that it starts."""
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + int(seconds * 1e9)
    if FAKETIME:
        os.environ |= {
            "LD_PRELOAD": str(FAKETIME[0]),
            "FAKETIME": f"{seconds:+.0f}",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    action()


def collecting(subject: Subject, folder: Path, times: int, seed: int) -> Tally:
    """`gc` of a finished home, killed before one of its changes, and beside a run: what is done stays done."""
    draw, tally = random.Random(f"{seed} {subject.name} gc"), Tally()
    expected = undisturbed(subject, folder)
    home = folder / "collected"
    for number in range(times):
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(undisturbed_home(subject, folder), home)
        collected = shot_at(draw.randint(1, 20), home, lambda _telling: _collect(home))
        run = fork(collected, folder / "collected.log")
        beside = fork(lambda telling: subject.run(home, telling), folder / "beside.log") if number % 2 else None
        tally.done["killed while it collects"] += (code := run.wait()) == -signal.SIGKILL
        tally.done["refused beside a run"] += code == 2
        if code not in (0, 2, -signal.SIGKILL) or (code == 2 and "a run is at work" not in run.words()):
            tally.faults.append(f"{subject.name}: gc: exit code {code}: {run.words()[-2000:]}")
        if beside is not None and (code := beside.wait()):
            tally.faults.append(f"{subject.name}: exit code {code} beside gc: {beside.words()[-2000:]}")
        end(subject, home, expected, "after gc", tally)
    return tally


def _collect(home: Path) -> None:
    collect(home, dry=False)


class _Fetching:
    """A fetch of a small experiment's model and data."""

    name = "fetch"
    seconds = 0.2
    changes = 12

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir(parents=True)
        path = hub_experiment(ManifestMaker(folder=folder))
        opened = open_experiment(str(path), profile=Profile.PAPER, only=None, replicates=1)
        self._needs, self._url = hub_needs((opened,)), url

    def run(self, home: Path, telling: Telling) -> None:
        """Fetch; lines that it would say count as parts of it."""
        fetch(self._needs, home, mirrors=[], endpoint=self._url, say=lambda _: telling.tell("advance"))

    def results(self, home: Path) -> dict[str, bytes]:
        """Every accepted file and record."""
        hub = hub_folder(home)
        files = (path for path in sorted(hub.rglob("*")) if path.is_file() and path.name != ".lock")
        return {path.relative_to(hub).as_posix(): path.read_bytes() for path in files}


def hub_gone(folder: Path, times: int, seed: int) -> Tally:
    """The hub breaks off, answers with errors or changed bytes, or is not there; or the fetch is killed meanwhile."""
    draw, tally = random.Random(f"{seed} hub"), Tally()
    os.environ |= {"HF_TOKEN_PATH": str(folder / "no-token")}
    with running_hub() as hub:
        fill(hub)
        subject = _Fetching(folder / "subject", hub.url)
        expected = undisturbed(subject, folder)
        for number in range(times):
            home = folder / f"hub-{number}"
            home.mkdir()
            kind = ("cut", "error", "changed", "gone", "killed")[number % 5]
            _disturb(hub, kind, draw)
            run = fork(_without_waiting(subject, home), folder / "hub.log")
            if kind == "killed":
                time.sleep(draw.uniform(0, 0.4))
                run.kill()
            code = run.wait()
            tally.done[f"hub {kind}"] += 1
            if code not in (0, 2, -signal.SIGKILL) or (code == 2 and not run.words().strip()):
                tally.faults.append(f"hub {kind}: exit code {code}: {run.words()[-2000:]}")
            hub.faults.clear()
            end(subject, home, expected, f"after the hub was {kind}", tally)
            shutil.rmtree(home)
    return tally


def _disturb(hub: FakeHub, kind: str, draw: random.Random) -> None:
    on = draw.choice(("/cdn/", "/resolve", "/api/"))
    if kind == "cut":
        hub.faults.append(Fault(on="/cdn/", cut=draw.randint(0, 2_000_000)))
    elif kind == "error":
        hub.faults.append(Fault(on=on, status=draw.choice((403, 404, 429, 500, 503))))
    elif kind == "changed":
        hub.faults.append(Fault(on="/cdn/", corrupt=True, times=draw.randint(1, 3)))
    elif kind == "gone":
        hub.faults.append(Fault(on="", cut=0, times=10**6))


def _without_waiting(subject: _Fetching, home: Path) -> Callable[[Telling], None]:
    def action(telling: Telling) -> None:
        time.sleep = lambda _seconds: None  # type: ignore[assignment]  # between tries the client waits
        subject.run(home, telling)

    return action
