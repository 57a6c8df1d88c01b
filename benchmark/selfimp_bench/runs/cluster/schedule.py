"""Filling the store: every step of several experiments once, each as soon as what it reads is there."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, Protocol

from selfimp_bench.engines.base import TrainOptions
from selfimp_bench.errors import InputError, SelfimpError, StepFailed
from selfimp_bench.runs.cluster.needs import Needs, Share, engine_key, needs
from selfimp_bench.runs.cluster.work import StepTask, TaskResult
from selfimp_bench.runs.hub_needs import refuse_shortfalls
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.plan import Step, fingerprint, plan_keys
from selfimp_bench.steps.progress import Place, Progress
from selfimp_bench.steps.store import StepRecord, Store

TRIES: Final = 4
"""How often a step is begun whose machine or process is lost before it got any further. A step that fails by itself is
not tried again."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """How a task was lost: with its machine, or because the machine was taken from it (preempted, or out of time)."""

    words: str
    kind: Literal["machine", "time", "preempted"]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A task that ended; ``result`` is None when its machine or process was lost, and ``loss`` says how."""

    key: str
    result: TaskResult | None
    loss: Loss | None


class Pool(Protocol):
    """Runs tasks somewhere: on Ray, on Slurm, in processes of this machine.

    keeps_engines: whether a task finds open what the one before it opened, so that each step is a task of its own; else
    steps that share an engine are one task.
    """

    @property
    def keeps_engines(self) -> bool: ...

    def room(self, wanted: Sequence[Needs]) -> Sequence[bool]:
        """Of tasks in order of urgency, which to submit now; the others are asked for again once a task has ended."""
        ...

    def check(self, needs: Needs) -> None:
        """Raise InputError for what there will never be, such as more GPUs than any machine has."""
        ...

    def submit(self, key: str, task: StepTask, needs: Needs) -> None:
        """Begin a task, or queue it."""
        ...

    def wait(self) -> Sequence[Ended]:
        """Wait until at least one of the submitted tasks has ended, and return those that have, each once."""
        ...

    def close(self) -> str | None:
        """Give back what the pool holds; tasks that still run are ended. Returns what a person has to end, if any."""
        ...


@dataclass(frozen=True, kw_only=True)
class Work:
    """A piece of work: the first experiment's step that has its key, and the keys of what it reads, by name and id."""

    key: str
    experiment: Experiment
    step: Step
    names: Mapping[str, str]
    reads: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Running:
    """Work that one task does, and what had been done of it when it began."""

    parts: tuple[Work, ...]
    mark: frozenset[str]


def fill_store(
    experiments: Sequence[Experiment],
    *,
    home: Path,
    training: TrainOptions,
    pool: Pool,
    share: Share,
    progress: Progress,
    urgency: Mapping[str, float] = MappingProxyType({}),
) -> frozenset[str]:
    """Have every step done that is not in the store. Afterwards a run of each experiment finds everything there.

    Returns the fingerprints of the steps that were done.

    urgency: of pieces of work by key; of those that may begin, the more urgent do first.

    Raises InputError or StepFailed for the first step that fails, after the tasks that still run have been ended.
    """
    home = home.resolve()
    for experiment in experiments:
        refuse_shortfalls(experiment, home)
    with Store(home / "store").in_use():
        filling = _Filling(experiments, home, training, pool, share, progress, urgency)
        filling.run()
    return frozenset(filling.made)


class _Filling:
    """A store while it is filled."""

    def __init__(
        self,
        experiments: Sequence[Experiment],
        home: Path,
        training: TrainOptions,
        pool: Pool,
        share: Share,
        progress: Progress,
        urgency: Mapping[str, float],
    ) -> None:
        self._urgency = urgency
        self._home, self._store = home, Store(home / "store")
        self._training, self._pool, self._progress = training, pool, progress
        self._waiting = pieces_of_work(experiments)
        self._total = len(self._waiting)
        self._numbers = {experiment.run_id: number for number, experiment in enumerate(experiments, start=1)}
        self._needs = {key: needs(work.step, work.experiment.plan(), share) for key, work in self._waiting.items()}
        self._running: dict[str, _Running] = {}
        self._records: dict[str, StepRecord] = {}
        self._tries: dict[str, int] = defaultdict(int)
        self._missing: set[str] = set()
        self.made: set[str] = set()

    def run(self) -> None:
        try:
            for each in set(self._needs.values()):
                self._pool.check(each)
            while self._waiting or self._running:
                while self._begin():
                    pass
                for ended in self._pool.wait() if self._running else ():
                    self._end(ended)
        except BaseException as error:
            left = self._pool.close()
            if left is not None and isinstance(error, SelfimpError):
                raise type(error)(f"{error}\n{left}") from None
            raise
        self._pool.close()

    def _begin(self) -> bool:
        """Begin what is ready. Returns whether something was found done, so that more may be ready now."""
        found, wanted, groups = False, list[str](), dict[object, list[Work]]()
        ready = [key for key, work in self._waiting.items() if self._is_ready(work)]
        for key in sorted(ready, key=lambda key: -self._urgency.get(key, 0.0)):
            if key not in self._missing and (record := self._find(self._waiting[key])):
                self._records[key], found = record, True
                self._progress.finish(self._take(key).step, record.seconds, True)
            else:
                wanted.append(key)
        self._missing.update(wanted)
        rooms = self._pool.room([self._needs[key] for key in wanted])
        for key in (key for key, has_room in zip(wanted, rooms, strict=True) if has_room):
            work = self._take(key)
            alone = self._pool.keeps_engines
            engine = None if alone else engine_key(work.step, work.experiment.plan(), work.names)
            own = key if engine is None else (id(work.experiment), engine, self._needs[key])
            groups.setdefault(own, []).append(work)
        for parts in groups.values():
            self._submit(tuple(parts))
        return found

    def _take(self, key: str) -> Work:
        """A piece of work that waits no longer."""
        work = self._waiting.pop(key)
        place = Place(
            step=self._total - len(self._waiting),
            steps=self._total,
            experiment=self._numbers[work.experiment.run_id],
            experiments=len(self._numbers),
        )
        self._progress.start(work.step, place)
        return work

    def _submit(self, parts: tuple[Work, ...]) -> None:
        key = parts[0].key
        self._tries[key] += 1
        self._running[key] = _Running(parts=parts, mark=self._mark(parts))
        experiment = parts[0].experiment
        task = StepTask(
            experiment=replace(experiment, path=experiment.path.resolve()),
            home=self._home,
            training=self._training,
            step_ids=tuple(work.step.id for work in parts),
            inputs={source: self._records[read] for work in parts for source, read in work.reads.items()},
        )
        self._pool.submit(key, task, self._needs[key])

    def _end(self, ended: Ended) -> None:
        running = self._running.pop(ended.key)
        result = ended.result
        if result is None or result.lost:
            error = "" if result is None or result.error is None else result.error
            self._lose(running, ended.loss or Loss(words=error, kind="machine"))
            return
        for work in running.parts:
            if record := result.records.get(work.step.id):
                self._check_installation(work, record)
                self._records[work.key] = record
                self.made.add(record.fingerprint)
                self._progress.finish(work.step, record.seconds, False)
        if result.error is not None:
            raise (InputError if result.input else StepFailed)(result.error)

    def _check_installation(self, work: Work, record: StepRecord) -> None:
        if record.fingerprint != self._fingerprint(work):
            raise InputError(
                f"step {work.step.id}: done by another version than this run's ({record.version!r}, here "
                f"{work.step.version!r}); every machine needs the same installation (ci/setup, or the same image)"
            )

    def _lose(self, running: _Running, loss: Loss) -> None:
        """Have it begun again, unless that leads nowhere."""
        further = self._mark(running.parts) != running.mark
        name, key = running.parts[0].step.id, running.parts[0].key
        if loss.kind == "time" and not further:
            raise StepFailed(
                f"step {name}: {loss.words}, and all that time left nothing to go on from; give it more time (--slurm "
                "timeout_min=...), or have it saved more often (--save-every), and run the same command again"
            )
        if further or loss.kind == "preempted":
            self._tries[key] = 0
        elif self._tries[key] >= TRIES:
            raise StepFailed(
                f"step {name}: lost {TRIES} times ({loss.words}); look at that machine's memory and log, and run the "
                "same command again: finished steps are kept"
            )
        for work in running.parts:
            self._waiting[work.key] = work
            self._missing.discard(work.key)  # it may be done all the same

    def _is_ready(self, work: Work) -> bool:
        return all(source in self._records for source in work.reads.values())

    def _find(self, work: Work) -> StepRecord | None:
        return self._store.find(self._fingerprint(work))

    def _fingerprint(self, work: Work) -> str:
        digests = {
            name: self._records[work.reads[source]].content_digest() for name, source in work.step.inputs.items()
        }
        return fingerprint(work.step, digests)

    def _mark(self, parts: Iterable[Work]) -> frozenset[str]:
        """What is there to go on from: it differs as soon as one of the parts has got further."""
        return frozenset(name for work in parts for name in self._store.saved(self._fingerprint(work)))


def pieces_of_work(experiments: Iterable[Experiment]) -> dict[str, Work]:
    """Every piece of work once, by key, in an order in which what is read comes first."""
    found: dict[str, Work] = {}
    for experiment in experiments:
        plan = experiment.plan()
        keys = plan_keys(plan)
        for step in plan.steps:
            names = {name: keys[source] for name, source in step.inputs.items()}
            reads = {source: keys[source] for source in step.inputs.values()}
            work = Work(key=keys[step.id], experiment=experiment, step=step, names=names, reads=reads)
            found.setdefault(work.key, work)
    return found
