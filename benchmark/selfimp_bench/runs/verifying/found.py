"""What verifying finds: mismatches, what was computed again from what, and what was taken as recorded."""

from dataclasses import dataclass, field
from typing import Final

MOST: Final = 1000
"""Mismatches that are listed; more are only counted."""

_LONGEST: Final = 200


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """One thing that is not as it was recorded.

    what: its kind in a word or two. where: the file, step or cell. difference: how much it moves (recomputed less
    recorded for a number, else how many), empty where there is no such number.
    """

    what: str
    where: str
    recorded: str
    recomputed: str
    difference: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """A run, a study or a bundle verified.

    more: mismatches beyond those listed. recomputed, taken: what was computed again from what, and what had to be taken
    as recorded, a sentence each. signed: by whose key, where a bundle's signature was asked for and is good.
    """

    subject: str
    mismatches: tuple[Mismatch, ...]
    more: int
    recomputed: tuple[str, ...]
    taken: tuple[str, ...]
    signed: str | None
    seconds: float
    exit_code: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is found so far."""

    mismatches: list[Mismatch] = field(default_factory=list)
    recomputed: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def differs(self, what: str, where: str, recorded: object, recomputed: object, difference: str = "") -> None:
        """Note a mismatch."""
        self.mismatches.append(
            Mismatch(
                what=what,
                where=_short(where),
                recorded=_short(recorded),
                recomputed=_short(recomputed),
                difference=difference,
            )
        )

    def compare(self, what: str, where: str, recorded: object, recomputed: object) -> bool:
        """Note a mismatch unless both are equal; whether they are."""
        if recorded != recomputed:
            self.differs(what, where, recorded, recomputed, moved(recorded, recomputed))
        return recorded == recomputed


def moved(recorded: object, recomputed: object) -> str:
    """How far a number moved, with its sign; empty for anything else."""
    numbers = (recorded, recomputed)
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in numbers):
        return ""
    try:
        return f"{recomputed - recorded:+.6g}"  # type: ignore[operator]
    except OverflowError:  # integers beyond what a float can be
        return ""


def _short(value: object) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text):,} characters)"
