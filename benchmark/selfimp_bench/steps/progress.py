"""What a run tells whoever watches; ``cli/console.py`` prints it, tests and other callers may ignore it."""

from typing import Final, Protocol

from selfimp_bench.steps.plan import Step


class Progress(Protocol):
    """Told of steps as they start, advance and end."""

    def start(self, step: Step, position: int, total: int) -> None:
        """Step ``position`` (from 1) of ``total`` begins."""
        ...

    def advance(self, done: int, of: int) -> None:
        """``done`` of ``of`` completions or optimizer steps of the current step are there."""
        ...

    def finish(self, step: Step, seconds: float, reused: bool) -> None:
        """The step is finished; ``reused`` when its result was in the store already."""
        ...


class Silent:
    """A progress that nobody watches."""

    def start(self, step: Step, position: int, total: int) -> None:
        """Say nothing."""

    def advance(self, done: int, of: int) -> None:
        """Say nothing."""

    def finish(self, step: Step, seconds: float, reused: bool) -> None:
        """Say nothing."""


SILENT: Final = Silent()
