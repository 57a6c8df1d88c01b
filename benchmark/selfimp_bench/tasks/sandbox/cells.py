"""Having programs examined, from any thread: cells are started on first use, one for every thread that asks at the
same time, and kept. A process that was forked starts its own. They end with the process that started them."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Condition, Lock
from typing import Final

from selfimp_bench.canonical import digest
from selfimp_bench.errors import InputError
from selfimp_bench.tasks.sandbox.cell import Cell, CellBroken, Ending, Examination, Order
from selfimp_bench.tasks.sandbox.mechanism import Mechanism
from selfimp_bench.tasks.sandbox.policy import (
    PATIENCE,
    SHORTEST,
    TIMES_REFERENCE,
    Limits,
    first_limits,
    limits_by_reference,
)
from selfimp_bench.tasks.sandbox.selftest import SandboxStatus, status
from selfimp_bench.tasks.sandbox.ways import Known, judge, known_of

_ATTEMPTS: Final = 2


def examine(order: Order, reference: Order | None) -> Examination:
    """Run a program and its tests in the sandbox, in the ways that these need (``ways.py``).

    reference: the same tests with a program that passes them, if there is one. It is run before the first program of
    its tests is; its time decides what is too long.
    Raises InputError if this machine offers no isolation that passes the self-test.
    """
    mechanism = _usable(sandbox_status())
    known = _known(order, reference, mechanism)
    return judge(order, known, lambda each: _timed(each, known, mechanism))


def _known(order: Order, reference: Order | None, mechanism: Mechanism) -> Known:
    """What is known about tests, found out once."""

    def patient(each: Order) -> Examination:
        with _CELLS.beside_others():
            return _examine(each, PATIENCE, mechanism)

    key = digest(reference or replace(order, program="", rescue=False))
    with _CELLS.found_out_once(key):
        if key in _CELLS.known:
            return _CELLS.known[key]
        known = known_of(order, reference, patient)
        if known.lasting:
            _CELLS.known[key] = known
        return known


def _timed(order: Order, known: Known, mechanism: Mechanism) -> Examination:
    """Run a program and its tests in one way; what took too long is run again, alone, and only that counts."""
    limits = limits_by_reference(known.cpu_seconds, known.idle_seconds)
    with _CELLS.beside_others():
        found = _examine(order, first_limits(known.idle_seconds), mechanism)
    if found.idle:  # what needs no processor need not be alone with it
        with _CELLS.beside_others():
            found = _examine(order, limits, mechanism)
    if found.ending not in (Ending.CPU, Ending.WALL) or found.idle:
        return found
    with _CELLS.alone():
        again = _examine(order, limits, mechanism)
    if known.cpu_seconds is None or again.idle or again.ending not in (Ending.CPU, Ending.WALL):
        return again
    return replace(again, remark=f"more than {SHORTEST.cpu_seconds:g} s and {TIMES_REFERENCE} times the reference")


def sandbox_status() -> SandboxStatus:
    """The strongest mechanism that passes the self-test here, found out once in a process."""
    return _CELLS.status()


def _usable(found: SandboxStatus) -> Mechanism:
    if found.mechanism is None:
        tried = "\n".join(f"  {failure}" for failure in found.failures)
        raise InputError(
            "programs cannot be graded here: no isolation passes its self-test, and without one nothing is run\n"
            f"{tried}\n"
            "install bubblewrap, or use a kernel with Landlock and seccomp; `selfimp-bench sandbox selftest` tells more"
        )
    return found.mechanism


def _examine(order: Order, limits: Limits, mechanism: Mechanism) -> Examination:
    """In an idle or a new cell; in another one if that broke."""
    remark, wide = "", order.wide
    for _ in range(_ATTEMPTS):
        try:
            cell = _CELLS.take(mechanism, wide=wide)
        except (CellBroken, OSError) as error:
            remark = str(error)
            continue
        try:
            found = cell.examine(order, limits)
        except CellBroken as error:
            cell.end()
            remark = str(error)
            continue
        except BaseException:
            cell.end()
            raise
        _CELLS.give_back(cell)
        if found.ending is not Ending.BROKEN:
            return found
        remark = found.remark or ""
    return Examination(ending=Ending.BROKEN, remark=remark, characters=len(order.program), cpu_seconds=0.0)


class _Cells:
    """The idle cells of this process, who runs beside whom, and which mechanism it uses."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._idle: list[Cell] = []
        self._of_the_parent: list[Cell] = []
        self._running = 0
        self._alone = False
        self._status: SandboxStatus | None = None
        self.known: dict[str, Known] = {}
        """By digest; written by who finds out."""
        self._finding_out: dict[str, Lock] = {}

    def status(self) -> SandboxStatus:
        with self._changed:
            if self._status is None:
                self._status = status()
            return self._status

    def found_out_once(self, key: str) -> Lock:
        """What is held while what belongs to the key is found out."""
        with self._changed:
            return self._finding_out.setdefault(key, Lock())

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """Wait while somebody is alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody runs, and let nobody begin."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._alone = True
            self._changed.wait_for(lambda: self._running == 0)
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()

    def take(self, mechanism: Mechanism, *, wide: bool) -> Cell:
        with self._changed:
            for cell in self._idle:
                if cell.wide is wide:
                    self._idle.remove(cell)
                    return cell
        return Cell(mechanism, wide=wide)

    def give_back(self, cell: Cell) -> None:
        with self._changed:
            self._idle.append(cell)

    def forget(self) -> None:
        """After a fork: the idle cells are the parent's, and the lock may have been held in another thread."""
        self._changed = Condition()
        self._finding_out = {}
        for cell in self._idle:
            cell.forget()
        self._of_the_parent += self._idle
        self._idle, self._running, self._alone = [], 0, False

    def end(self) -> None:
        with self._changed:
            idle, self._idle = self._idle, []
        for cell in idle:
            cell.end()


# State of a process, as with math-verify's workers: a grader is a plain function, and a cell costs a tenth of a second.
_CELLS: Final = _Cells()
os.register_at_fork(after_in_child=_CELLS.forget)
atexit.register(_CELLS.end)
