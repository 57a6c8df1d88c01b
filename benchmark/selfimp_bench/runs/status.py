"""How far a run is, for whoever looks from elsewhere: ``status.json`` in its run folder, rewritten while it goes.

What the file says of a run that goes on is believed only while its process holds the lock beside it, which the kernel
frees with the process; where locks mean nothing to other machines (``locks.py``), while it was rewritten lately.
"""

import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from selfimp_bench.canonical import pretty_json
from selfimp_bench.locks import LEASE, on_network
from selfimp_bench.runs.study import Experiment, Study
from selfimp_bench.steps.plan import Step, plan_keys
from selfimp_bench.steps.progress import Place, Progress

STATUS: Final = "status.json"
LOCK: Final = ".running"
EVERY: Final = 1.0
"""Seconds between two versions of the file, at least; without news it is rewritten every ``LEASE`` / 4 seconds."""
_LONGEST: Final = 1000


@dataclass(frozen=True, kw_only=True)
class AtWork:
    """A step that is at work, or that a cluster has queued, since so many seconds (by ``updated``).

    done, of: completions or optimizer steps, and rate: those a second; None where nobody tells.
    """

    step: str
    experiment: str
    seconds: float
    done: int | None = None
    of: int | None = None
    rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class Status:
    """What ``status.json`` holds.

    run: NAME/ID. state: as the process said last. words: why it failed. experiment: number (from 1), of so many, the
    one that is at work. steps: pieces of work in all, each once; done: those whose results are there. elapsed: seconds
    of this invocation. left: about how many seconds more; None where a kind of step with an engine that is to do was
    not done yet in this run (one without counts nothing until then). host, process: who writes. started, updated: ISO
    8601, UTC.
    """

    schema: Literal[1]
    run: str
    state: Literal["running", "finished", "failed", "stopped"]
    words: str
    experiment: str
    number: int
    experiments: int
    steps: int
    done: int
    at_work: tuple[AtWork, ...]
    elapsed: float
    left: float | None
    executor: str
    host: str
    process: int
    started: str
    updated: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A run as another process finds it.

    state: ``killed`` where the file says that it is running and no such process is there. unreadable: why the file says
    nothing, where it does not. elapsed: seconds until now, or until it was heard of last.
    """

    run: str
    state: Literal["running", "finished", "failed", "stopped", "killed", "unreadable"]
    elapsed: float
    status: Status | None
    unreadable: str = ""


@dataclass(kw_only=True)
class _Begun:
    """A step at work: when it began, and what was told of it first and last."""

    step: Step
    clock: float
    first: tuple[float, int] | None = None
    last: tuple[int, int] | None = None

    def at_work(self, experiment: str, now: float) -> AtWork:
        found = AtWork(step=self.step.id, experiment=experiment, seconds=round(now - self.clock, 1))
        if self.last is None or self.first is None:
            return found
        seconds, done = now - self.first[0], self.last[0] - self.first[1]
        rate = round(done / seconds, 3) if seconds > EVERY and done > 0 else None
        return replace(found, done=self.last[0], of=self.last[1], rate=rate)


class _Reported:
    """A progress that remembers how far the run is, and tells another."""

    def __init__(self, study: Study, home: Path, executor: str, told: Progress) -> None:
        self._told, self._lock = told, threading.Lock()
        self._experiments = study.experiments
        self._steps, self._owners = _pieces(study.experiments)
        self._units = {key: _units(experiment, step) for key, (experiment, step) in self._owners.items()}
        self._done: set[str] = set()
        self._begun: dict[str, _Begun] = {}
        self._seconds: dict[object, list[tuple[float, int]]] = {}
        self._did, self._clock = 0.0, time.monotonic()
        self._last = self._clock
        self._current = 0
        self._run = str(study.run_folder(home).relative_to(home / "runs"))
        self._executor, self._started = executor, _now()
        self.changed = threading.Event()

    def start(self, step: Step, place: Place) -> None:
        """See ``Progress.start``."""
        with self._lock:
            key = self._steps.get(id(step))
            if key is not None and key not in self._done:
                self._begun[key] = _Begun(step=step, clock=time.monotonic())
                self._current = self._experiments.index(self._owners[key][0])
        self.changed.set()
        self._told.start(step, place)

    def advance(self, step: Step, done: int, of: int) -> None:
        """See ``Progress.advance``."""
        with self._lock:
            for each in self._begun.values():
                if each.step == step:
                    each.first = each.first or (time.monotonic(), done)
                    each.last = (done, of)
        self.changed.set()
        self._told.advance(step, done, of)

    def finish(self, step: Step, seconds: float, reused: bool) -> None:
        """See ``Progress.finish``."""
        with self._lock:
            key = self._steps.get(id(step))
            if key is not None and key not in self._done:
                self._begun.pop(key, None)
                self._done.add(key)
                self._seconds.setdefault(_kind(step), []).append((seconds, self._units[key]))
                if not reused:
                    self._did, self._last = self._did + seconds, time.monotonic()
        self.changed.set()
        self._told.finish(step, seconds, reused)

    def status(self, state: Literal["running", "finished", "failed", "stopped"], words: str = "") -> Status:
        """How far it is now."""
        with self._lock:
            now = time.monotonic()
            names = [each.manifest.name for each in self._experiments]
            return Status(
                schema=1,
                run=self._run,
                state=state,
                words=words[:_LONGEST],
                experiment=names[self._current],
                number=self._current + 1,
                experiments=len(names),
                steps=len(self._owners),
                done=len(self._done),
                at_work=tuple(
                    each.at_work(self._owners[key][0].manifest.name, now) for key, each in self._begun.items()
                )
                if state == "running"
                else (),
                elapsed=round(now - self._clock, 1),
                left=self._left(now) if state == "running" else None,
                executor=self._executor,
                host=socket.gethostname(),
                process=os.getpid(),
                started=self._started,
                updated=_now(),
            )

    def _left(self, now: float) -> float | None:
        """The steps to do at the rates of those of their kind that are done, side by side as steps were so far.

        Of a cluster that is known only until the last one ended: what has begun since may be queued.
        """
        expected = 0.0
        for key, (experiment, step) in self._owners.items():
            seen = self._seconds.get(_kind(step))
            if seen is None and experiment.plan().stage(step).engine(step.block) is not None:
                return None
            if key in self._done or seen is None:
                continue
            whole = sum(seconds for seconds, _ in seen) / max(1, sum(units for _, units in seen)) * self._units[key]
            expected += max(0.0, whole - (now - self._begun[key].clock if key in self._begun else 0.0))
        did, until = self._did, self._last
        if self._executor == "local":
            did, until = did + sum(now - each.clock for each in self._begun.values()), now
        return round(expected * (until - self._clock) / did, 1) if did else None


def _pieces(experiments: Sequence[Experiment]) -> tuple[dict[int, str], dict[str, tuple[Experiment, Step]]]:
    """The key of every step by its identity, and the first experiment that has the work, with its step."""
    keys: dict[int, str] = {}
    owners: dict[str, tuple[Experiment, Step]] = {}
    for experiment in experiments:
        plan = experiment.plan()
        own = plan_keys(plan)
        for step in plan.steps:
            keys[id(step)] = own[step.id]
            owners.setdefault(own[step.id], (experiment, step))
    return keys, owners


def _units(experiment: Experiment, step: Step) -> int:
    return max(1, step.rows_at_most) if experiment.plan().stage(step).rated_by_rows else 1


def _kind(step: Step) -> object:
    """Steps that take equally long for equally many rows: of one stage, engine and model, in one role."""
    return (step.stage, step.version, step.id.partition("/")[0], step.id.rpartition("/")[2])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@contextmanager
def watched(
    study: Study,
    home: Path,
    told: Progress,
    *,
    executor: str = "local",
    on_news: Callable[[Status], None] = lambda _: None,
) -> Iterator[Progress]:
    """A progress to give to a run, of which ``status.json`` in the run folder is kept up meanwhile.

    on_news: is given every version, in a thread of its own. A disk that takes no more changes nothing of the run.
    """
    folder, reported = study.run_folder(home), _Reported(study, home, executor, told)
    ended = threading.Event()

    def write(status: Status) -> None:
        with suppress(OSError):
            _write(folder / STATUS, pretty_json(status))
            on_news(status)

    def keep_up() -> None:
        while not ended.wait(EVERY):
            reported.changed.wait(LEASE / 4 - EVERY)
            if not ended.is_set():
                reported.changed.clear()
                write(reported.status("running"))

    with _running(folder):
        write(reported.status("running"))
        thread = threading.Thread(target=keep_up, name="status", daemon=True)
        thread.start()
        last = reported.status("running")
        try:
            yield reported
            last = reported.status("finished")
        except KeyboardInterrupt:
            last = reported.status("stopped")
            raise
        except BaseException as error:
            last = reported.status("failed", str(error) or type(error).__name__)
            raise
        finally:
            ended.set()
            reported.changed.set()
            thread.join()
            write(last)


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all for a reader; after a crash of the machine it may be either, for it is only news."""
    temporary = path.with_name(f".{path.name}.{os.getpid():08x}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _running(folder: Path) -> Iterator[None]:
    """Hold the lock that says that a run is at work, with others that do the same run."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK).touch()
    try:
        stream = (folder / LOCK).open("rb")
    except OSError:
        yield
        return
    with stream:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(stream, fcntl.LOCK_SH)
        yield


def statuses(home: Path) -> tuple[Seen, ...]:
    """Every run of a home that has a ``status.json``: those at work first, then by when they were last heard of."""
    found = [_seen(path) for path in sorted(home.glob(f"runs/*/*/{STATUS}"))]
    ordered = sorted(found, key=lambda each: "" if each.status is None else each.status.updated, reverse=True)
    return tuple(sorted(ordered, key=lambda each: each.state != "running"))


def _seen(path: Path) -> Seen:
    run = f"{path.parent.parent.name}/{path.parent.name}"
    try:
        status = msgspec.json.decode(path.read_bytes(), type=Status)
        heard = (datetime.now(UTC) - datetime.fromisoformat(status.updated)).total_seconds()
    except (OSError, ValueError, TypeError, RecursionError) as error:
        return Seen(run=run, state="unreadable", elapsed=0.0, status=None, unreadable=f"{path}: {error}")
    if status.state != "running":
        return Seen(run=run, state=status.state, elapsed=status.elapsed, status=status)
    if _is_alive(path.parent, status, heard):
        return Seen(run=run, state="running", elapsed=round(status.elapsed + max(0.0, heard), 1), status=status)
    return Seen(run=run, state="killed", elapsed=status.elapsed, status=status)


def _is_alive(folder: Path, status: Status, heard: float) -> bool:
    """Whether somebody holds the lock; where that may mean nothing here, whether the run was heard of lately."""
    try:
        with (folder / LOCK).open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError:
        return heard < LEASE
    return on_network(folder) and status.host != socket.gethostname() and heard < LEASE
