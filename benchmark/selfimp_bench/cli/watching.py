"""A run while it goes on: lines that stay for steps done and live ones for steps at work, or a log's lines."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Final, Protocol

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from selfimp_bench.cli.console import plain
from selfimp_bench.steps.progress import Place, Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

    from selfimp_bench.steps.plan import Step

_OTHERS: Final = 3
"""Steps named in a log that run beside one that has finished."""

_ECHO: Final = 3
"""Columns left free at the right: ^C, which a terminal writes behind the last line, would else begin another one."""

_BAR: Final = (6, 24)
"""Columns of a bar at least, else there is none, and at most."""


def lasting(seconds: float) -> str:
    """``8 s``, ``2 min 5 s``, ``3 h 20 min``: a length of time with no more than two units."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, left = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {left} s" if left else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours >= 100:
        return f"{seconds / 3600:,.0f} h"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


@dataclass(kw_only=True)
class _AtWork:
    """A step that runs: its place, when it began and was last told of, and what it has done of how much.

    first: when it said something for the first time, and what it had done then: an engine starts before that.
    """

    step: "Step"
    place: Place
    began: float
    told: float
    done: int = 0
    of: int = 0
    first: tuple[float, int] | None = None

    def advance(self, done: int, of: int) -> None:
        self.done, self.of = done, of
        self.first = self.first or (time.monotonic(), done)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    @property
    def rate(self) -> float:
        """A second, since it first said something, or since it began where that is all that is known; 0 for nothing."""
        if self.first is not None and self.done > self.first[1]:
            return (self.done - self.first[1]) / max(time.monotonic() - self.first[0], 1e-9)
        return self.done / max(self.seconds, 1e-9)

    def words(self) -> list[str]:
        """What is done, the rate and the time left, as far as they are known."""
        if not self.of:
            return []
        found, rate = [f"{self.done:,} of {self.of:,}"], self.rate
        if rate:
            found.append(f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each")
            found.append(f"{lasting((self.of - self.done) / rate)} left")
        return found


class Told:
    """What a run has told so far. place: of the step that began last. interrupted: whether Ctrl-C was seen."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.at_work: list[_AtWork] = []
        self.place: Place | None = None
        self.interrupted = False

    def start(self, step: "Step", place: Place) -> _AtWork:
        if self.interrupted:
            raise KeyboardInterrupt
        now = time.monotonic()
        self.at_work = [each for each in self.at_work if each.step != step]
        self.at_work.append(_AtWork(step=step, place=place, began=now, told=now))
        self.place = place
        return self.at_work[-1]

    def find(self, step: "Step") -> _AtWork | None:
        return next((each for each in self.at_work if each.step == step), None)

    def finish(self, step: "Step") -> Place | None:
        """The step's place; it runs no longer."""
        found = self.find(step)
        self.at_work = [each for each in self.at_work if each is not found]
        return None if found is None else found.place

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self.began


@contextmanager
def minding_ctrl_c(told: Told) -> Iterator[None]:
    """Ctrl-C ends a run at its next step at the latest.

    Python raises it wherever the run is; in a finaliser, or under a library's bare ``except``, it would be forgotten.
    A process that ignores it, as one in the background does, goes on ignoring it.
    """

    def stop(*_: object) -> None:
        told.interrupted = True
        raise KeyboardInterrupt

    usual = current_thread() is main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        if usual:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class Watching(Progress, Protocol):
    """A progress that leaves the screen as it found it, and knows since when the run goes on."""

    told: Told

    def stop(self) -> None:
        """Take away what changes."""
        ...


class LiveProgress:
    """Two lines or more that change: where the run is, and each step at work; and a line for each step done."""

    def __init__(self, screen: "Console") -> None:
        self.screen = screen
        self._live: Live | None = None
        self.told = Told()

    def start(self, step: "Step", place: Place) -> None:
        """Show it at work from now on."""
        from rich.live import Live

        self.told.start(step, place)
        if self._live is None:
            shown = Live(console=self.screen, get_renderable=self.now, refresh_per_second=5, transient=True)
            shown.start()
            self._live = shown

    def advance(self, step: "Step", done: int, of: int) -> None:
        """Remember it until the lines are written anew."""
        if (found := self.told.find(step)) is not None:
            found.advance(done, of)

    def finish(self, step: "Step", seconds: float, reused: bool) -> None:
        """Leave a line behind, unless it was done before."""
        place = self.told.finish(step)
        if not reused:
            self.screen.print(_finished(place, step, seconds), soft_wrap=True)
        if not self.told.at_work:
            self.stop()

    def stop(self) -> None:
        """Take away the lines that change."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def now(self) -> Text:
        """The lines as they are now."""
        width = self.screen.width - _ECHO
        lines = [Text(f"{self.told.place}, {lasting(self.told.seconds)}", style="bold")]
        lines += [_live_line(each, width) for each in self.told.at_work]
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return Text("\n").join(lines)


def _live_line(at_work: _AtWork, width: int) -> Text:
    """A step's name, what is done, rate and time, and a bar in what room is left."""
    words = "".join(f"  {part}" for part in at_work.words())
    name, since = f"  {at_work.step.id}", f"  {lasting(at_work.seconds)}"
    room = width - cell_len(name) - cell_len(since) - cell_len(words)
    if room < 0:
        name = set_cell_size(name, max(cell_len(name) + room - 1, 0)) + "…"
    line = plain(name + since)
    if at_work.of and room - 2 >= _BAR[0]:
        length = min(room - 2, _BAR[1])
        full = min(length, length * at_work.done // at_work.of)
        line += Text("  ") + Text("━" * full, style="green") + Text("━" * (length - full), style="dim")
    return line + Text(words)


class LineProgress:
    """One line for each step done, and one every ``every`` seconds of a long step, for logs."""

    def __init__(self, screen: "Console", every: float = 15.0) -> None:
        self._screen = screen
        self._every = every
        self.told = Told()

    def start(self, step: "Step", place: Place) -> None:
        """Remember the step and its place."""
        self.told.start(step, place)

    def advance(self, step: "Step", done: int, of: int) -> None:
        """Print what is done, rate, time left and time taken, not more often than ``every`` seconds."""
        found = self.told.find(step)
        if found is None:
            return
        found.advance(done, of)
        if time.monotonic() - found.told >= self._every and done:
            found.told = time.monotonic()
            words = ", ".join([*found.words(), f"{lasting(found.seconds)} so far"])
            self._screen.print(plain(f"{found.place}: {step.id}  {words}"), soft_wrap=True)

    def finish(self, step: "Step", seconds: float, reused: bool) -> None:
        """Print what the step took, and what is at work still; reused steps pass in silence."""
        place = self.told.finish(step)
        if not reused:
            names = [each.step.id for each in self.told.at_work]
            rest = ", ..." if len(names) > _OTHERS else ""
            others = f"  ({len(names)} at work: {', '.join(names[:_OTHERS])}{rest})" if names else ""
            self._screen.print(_finished(place, step, seconds) + plain(others), soft_wrap=True)

    def stop(self) -> None:
        """Nothing has to be taken away."""


def _finished(place: Place | None, step: "Step", seconds: float) -> Text:
    return plain(f"{'' if place is None else f'{place}: '}{step.id}  {seconds:,.1f} s")
