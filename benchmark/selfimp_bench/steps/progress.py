"""What a run tells whoever watches; ``cli/watching.py`` shows it, tests and other callers may ignore it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from selfimp_bench.steps.plan import Step


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a step stands in what is run: all counts are from 1.

    step: of ``steps`` in all, in the order in which they begin. experiment: of ``experiments``, the one whose it is.
    """

    step: int
    steps: int
    experiment: int = 1
    experiments: int = 1

    def __str__(self) -> str:
        of_all = f"step {self.step} of {self.steps}"
        return of_all if self.experiments == 1 else f"experiment {self.experiment} of {self.experiments}, {of_all}"


class Progress(Protocol):
    """Told of steps as they start, advance and end; several may be at work at a time."""

    def start(self, step: Step, place: Place) -> None:
        """A step begins, or is looked up."""
        ...

    def advance(self, step: Step, done: int, of: int) -> None:
        """``done`` of ``of`` completions or optimizer steps of a step are there."""
        ...

    def finish(self, step: Step, seconds: float, reused: bool) -> None:
        """The step is finished; ``reused`` when its result was in the store already."""
        ...


class Silent:
    """A progress that nobody watches."""

    def start(self, step: Step, place: Place) -> None:
        """Say nothing."""

    def advance(self, step: Step, done: int, of: int) -> None:
        """Say nothing."""

    def finish(self, step: Step, seconds: float, reused: bool) -> None:
        """Say nothing."""


@dataclass(frozen=True, kw_only=True)
class PartOf:
    """The progress of one of several experiments, as a part of all. places: of its steps, by identity; shared work has
    that of the experiment that has it first."""

    whole: Progress
    places: Mapping[int, int]
    steps: int
    experiment: int
    experiments: int

    def start(self, step: Step, place: Place) -> None:
        """See ``Progress.start``."""
        number = self.places[id(step)]
        own = {"step": number, "steps": self.steps, "experiment": self.experiment, "experiments": self.experiments}
        self.whole.start(step, replace(place, **own))

    def advance(self, step: Step, done: int, of: int) -> None:
        """See ``Progress.advance``."""
        self.whole.advance(step, done, of)

    def finish(self, step: Step, seconds: float, reused: bool) -> None:
        """See ``Progress.finish``."""
        self.whole.finish(step, seconds, reused)


SILENT: Final = Silent()
