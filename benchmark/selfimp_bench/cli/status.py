"""`status`: how far runs are, from another terminal."""

from pathlib import Path
from typing import TYPE_CHECKING

from selfimp_bench.cli.command import command, home_option, print_json

if TYPE_CHECKING:
    from selfimp_bench.runs.status import Seen

_NAME = 20
"""Columns that the name of a run has at least."""


@command("status")
@home_option
def status_command(*, home: Path, as_json: bool) -> None:
    """The runs of a home that go on, and how those ended that do not: a line each.

    A run that was killed is told from one at work by its lock, whatever its status.json says. The time left is there
    once every kind of step that is to do was done in that run.
    """
    from selfimp_bench.runs.status import statuses

    found = statuses(home)
    if as_json:
        print_json(found)
        return

    from selfimp_bench.cli.console import console, show

    width = console().width
    nothing = [f"no run under {home / 'runs'} has said how far it is"]
    show([status_line(each, width) for each in found] or nothing)


def status_line(seen: "Seen", width: int) -> str:
    """A run in one line of at most so many columns."""
    rest = f"{seen.state:<8} {_words(seen)}"
    name = seen.run
    room = max(_NAME, min(len(name), width - len(rest) - 1))
    if len(name) > room:
        name = f"{name[: room - 5]}~{name[-4:]}"
    line = f"{name:<{room}} {rest}"
    return line if len(line) <= width else f"{line[: width - 3]}..."


def _words(seen: "Seen") -> str:
    from selfimp_bench.cli.watching import lasting

    status = seen.status
    if status is None:
        return seen.unreadable
    parts = [f"{status.done}/{status.steps} steps", lasting(seen.elapsed)]
    if status.experiments > 1:
        parts.insert(0, f"exp. {status.number}/{status.experiments}")
    if seen.state == "running":
        if status.left is not None:
            parts.append(f"~{lasting(status.left)} left")
        if status.at_work:
            last = status.at_work[-1]
            named = last.step.partition("/")[2] or last.step
            parts.append(named if len(status.at_work) == 1 else f"{len(status.at_work)} at work: {named}")
            if last.done is not None and last.of:
                rate = "" if last.rate is None else f" {last.rate:.1f}/s"
                parts.append(f"{last.done}/{last.of}{rate}")
    elif seen.state == "failed":
        parts.append(status.words.splitlines()[0] if status.words else "")
    return ", ".join(part for part in parts if part)
