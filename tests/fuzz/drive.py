"""Feeding a target: one input after the other, each with a limit of time and memory, and what is no refusal kept."""

import resource
import signal
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fuzz.edits import Edit, edited
from fuzz.target import Target
from selfimp_bench.errors import SelfimpError

SECONDS: Final = 10
MEMORY: Final = 2**30
"""Seconds and bytes that one input may take at most."""


class TooLong(BaseException):
    """An input took longer than it may."""


@dataclass(kw_only=True)
class Fed:
    """What became of inputs; ``crashes``: the last line of each traceback, with the edits that led to it."""

    counts: Counter[str] = field(default_factory=Counter)
    crashes: dict[str, str] = field(default_factory=dict)
    slowest: float = 0.0


def limit_memory() -> None:
    """From now on an allocation that goes too far fails."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))


def _alarm(*_: object) -> None:
    raise TooLong


def feed(target: Target, number: int, edits: Sequence[Edit], folder: Path, fed: Fed) -> None:
    """One input: the seed of this number, edited."""
    seed = target.seeds[number % len(target.seeds)]
    feed_bytes(target, seed.name, edited(seed.content, seed.form, edits), folder, fed, f"{number} {list(edits)}")


def feed_bytes(target: Target, name: str, content: bytes, folder: Path, fed: Fed, origin: str) -> None:
    """One input as bytes."""
    path = folder / name
    path.write_bytes(content)
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(SECONDS)
    began = time.monotonic()
    try:
        target.read(path)
        fed.counts["accepted"] += 1
    except SelfimpError:
        fed.counts["refused"] += 1
    except (Exception, TooLong) as error:
        fed.counts["crashed"] += 1
        where = traceback.extract_tb(error.__traceback__)[-1]
        key = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {str(error)[:200]}"
        if key not in fed.crashes:
            fed.crashes[key] = f"{target.name} {name} {origin}\n{traceback.format_exc()[-3000:]}"
    finally:
        signal.alarm(0)
    fed.slowest = max(fed.slowest, time.monotonic() - began)


def words(target: Target, fed: Fed, seconds: float) -> str:
    """What became of a target's inputs, in a line, and its crashes."""
    counts: Any = fed.counts
    first = (
        f"{target.name}: {counts.total()} inputs, {counts['refused']} refused, {counts['accepted']} accepted, "
        f"{counts['crashed']} crashes; slowest {fed.slowest:.2f} s; {seconds:.1f} s"
    )
    return "\n".join([first, *(f"  {key}\n    {text}" for key, text in fed.crashes.items())])
