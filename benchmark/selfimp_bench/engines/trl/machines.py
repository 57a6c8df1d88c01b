"""The machines that one training job spans: this one, which the job is done on, and others that join it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Protocol

from selfimp_bench.errors import MachineLost


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """Where the launchers of a job meet, and which of them this one is.

    job: its folder, which all machines see. stages: of ``worker.py``. machine: this one's number; number 0 began
    the job, and is found at ``address`` and ``port``.
    """

    job: Path
    stages: tuple[str, ...]
    machines: int
    machine: int
    address: str
    port: int


@dataclass(frozen=True, kw_only=True)
class Left:
    """How a machine's part ended: the exit code of its launcher, and the end of its log."""

    code: int
    log: str


class Joined(Protocol):
    """Other machines, at work."""

    def wait(self) -> Sequence[Left]:
        """Wait until all have left, or one has with an exit code other than 0. Raises MachineLost."""
        ...

    def end(self) -> None:
        """End those that still work."""
        ...


class Machines(Protocol):
    """``count`` machines, all with the same number of GPUs; the others reach this one at ``address``."""

    @property
    def count(self) -> int:
        """How many, this one too."""
        ...

    @property
    def address(self) -> str:
        """A name or number of this machine that the others know."""
        ...

    def join(self, meeting: Meeting) -> Joined:
        """Have every other machine call ``trl.take_part`` with the meeting and its own number."""
        ...


class Watch:
    """Calls ``stop`` as soon as a machine that joined fails or is lost; ``failure`` then says how."""

    def __init__(self, joined: Joined, stop: Callable[[], None]) -> None:
        self.failure: Left | MachineLost | None = None
        self._joined = joined
        self._stop = stop
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self, *, patience: float) -> None:
        """The job is over here: give the others so many seconds to leave, then end them."""
        self._thread.join(patience)
        self._joined.end()
        self._thread.join()

    def _watch(self) -> None:
        try:
            self.failure = next((left for left in self._joined.wait() if left.code != 0), None)
        except MachineLost as error:
            self.failure = error
        if self.failure is not None:
            self._stop()
