"""Steps side by side on this machine, in slots: processes that stay, with the engines that their steps opened.

A step begins where its processors, its memory and, if it wants one, a share of the GPUs are free. The GPUs are dealt
into shares once, so that a share that holds all of them does one step at a time on them, while others are at work on
the processors.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from selfimp_bench.engines.worker import child
from selfimp_bench.runs.cluster.needs import Needs
from selfimp_bench.runs.cluster.schedule import Ended, Loss
from selfimp_bench.runs.cluster.work import StepTask, TaskResult
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.train import TrainBlock

PATIENCE: Final = 20.0
"""Seconds in which a slot that is asked to end gives back its engines."""


@dataclass(kw_only=True)
class _Slot:
    """A process, the GPUs that it sees, and what it holds open; ``key``, ``needs`` and ``step`` of the task that it
    does."""

    process: subprocess.Popen[bytes]
    connection: Connection
    gpus: tuple[str, ...]
    engines: set[object] = field(default_factory=set)
    memory: int = 0
    key: str | None = None
    needs: Needs | None = None
    step: Step | None = None

    def end(self) -> None:
        """Have it end; ``join`` waits for that."""
        self.process.send_signal(signal.SIGTERM)

    def join(self) -> None:
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.connection.close()


class LocalPool:
    """Slots of this machine.

    cores: processors for all slots together. shares: GPUs of each slot that has some. memory: bytes for all slots.
    on_progress: is told what a task's step has done, and of how much.
    """

    keeps_engines = True

    def __init__(
        self, cores: int, shares: Sequence[tuple[str, ...]], memory: int, on_progress: Callable[[Step, int, int], None]
    ) -> None:
        self._cores, self._shares, self._memory = cores, tuple(shares), memory
        self._on_progress = on_progress
        self._slots: list[_Slot] = []
        self._experiments: dict[str, Experiment] = {}

    def check(self, needs: Needs) -> None:
        """See ``Pool.check``: a step that wants more than there is does with all of it, or its engine says why not."""

    def room(self, wanted: Sequence[Needs]) -> Sequence[bool]:
        """See ``Pool.room``. What does not fit keeps its place: nothing behind it takes what it waits for."""
        running = [slot.needs for slot in self._slots if slot.needs is not None]
        cores = self._cores - sum(self._processors(each) for each in running)
        shares = len(self._shares) - sum(self._on_gpus(each) for each in running)
        memory = self._memory - sum(each.memory for each in running)
        found, any_running = [], bool(running)
        for each in wanted:
            if self._on_gpus(each) and shares <= 0:
                found.append(False)
                continue
            cores -= self._processors(each)
            memory -= each.memory
            fits = cores >= 0 and (memory >= 0 or not any_running)
            shares -= self._on_gpus(each)
            any_running = any_running or fits
            found.append(fits)
        return found

    def submit(self, key: str, task: StepTask, needs: Needs) -> None:
        """See ``Pool.submit``: in the slot that has the engine open, else in one that has none, else in a new one."""
        experiment = self._experiments.setdefault(task.experiment.run_id, task.experiment)
        step = experiment.plan().by_id()[task.step_ids[0]]
        engine = _engine(step)
        idle = [each for each in self._slots if each.key is None and bool(each.gpus) == self._on_gpus(needs)]
        idle.sort(key=lambda each: (engine is not None and engine not in each.engines, bool(each.engines)))
        slot = idle[0] if idle else self._start(self._on_gpus(needs))
        slot.key, slot.needs, slot.step = key, needs, step
        if engine is not None:
            slot.engines.add(engine)
        slot.memory = max(slot.memory, needs.memory) if slot.engines else 0
        self._make_room()
        with contextlib.suppress(OSError):  # it has died, which ``wait`` finds
            slot.connection.send(replace(task, experiment=replace(experiment)))  # without its plan

    def wait(self) -> Sequence[Ended]:
        """See ``Pool.wait``."""
        while True:
            running = {slot.connection: slot for slot in self._slots if slot.key is not None}
            ready = (running[each] for each in wait(list(running)) if isinstance(each, Connection))
            if ended := [each for each in map(self._hear, ready) if each is not None]:
                return ended

    def close(self) -> str | None:
        """See ``Pool.close``."""
        self._retire(list(self._slots))
        return None

    def _processors(self, needs: Needs) -> int:
        return min(needs.cpus, self._cores)

    def _on_gpus(self, needs: Needs) -> bool:
        return bool(self._shares) and bool(needs.gpus or needs.engine_gpus)

    def _start(self, on_gpus: bool) -> _Slot:
        taken = [slot.gpus for slot in self._slots]
        gpus = next(share for share in self._shares if share not in taken) if on_gpus else ()
        ours, theirs = Pipe()
        paths = [str(child.SOURCE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        visible = {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if self._shares else {}
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", SLOT, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                # A group of its own: Ctrl-C reaches this process, which ends the slots.
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=2,  # what this process prints is one document, perhaps
                env=os.environ | visible | {child.PARENT: str(os.getpid()), "PYTHONPATH": os.pathsep.join(paths)},
            )
        self._slots.append(_Slot(process=process, connection=ours, gpus=gpus))
        return self._slots[-1]

    def _make_room(self) -> None:
        """End idle slots while the engines that they hold leave too little memory."""
        idle = [slot for slot in self._slots if slot.key is None]
        while idle and sum(slot.needs.memory if slot.needs else slot.memory for slot in self._slots) > self._memory:
            self._retire([idle.pop(0)])

    def _retire(self, slots: Sequence[_Slot]) -> None:
        for slot in slots:
            slot.end()
        for slot in slots:
            slot.join()
            self._slots.remove(slot)

    def _hear(self, slot: _Slot) -> Ended | None:
        """What a slot says: how its task ended, or None for how far it is. Raises what no task should."""
        key = slot.key
        assert key is not None
        try:
            said: Any = slot.connection.recv()
        except (EOFError, OSError):
            self._retire([slot])
            words = f"a process on this machine {child.exit_words(slot.process.returncode)}"
            return Ended(key=key, result=None, loss=Loss(words=words, kind="machine"))
        if isinstance(said, TaskResult):
            slot.key = slot.needs = None
            return Ended(key=key, result=said, loss=None)
        if isinstance(said, BaseException):
            raise said
        assert slot.step is not None
        self._on_progress(slot.step, *said)
        return None


SLOT: Final = "selfimp_bench.runs.cluster.slot"


def _engine(step: Step) -> object | None:
    """What a slot has open after such a step, and the next one finds open; None where that is nothing."""
    block = step.block
    engine = getattr(block, "engine", None)
    if engine is None or isinstance(block, TrainBlock):
        return None
    return (engine, getattr(block, "settings", None) or getattr(block, "encoder", None))
