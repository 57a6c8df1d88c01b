"""A row of the benchmark: what is measured against what, and where its bars are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

Tier: TypeAlias = Literal["quick", "full"]

SMALL_WORK: Final = 0.8
"""What is left of a bar where the work is small: medians of a few seconds move by a tenth from one run to the next."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a row is given: how much work it does, where it may write, and where its peers are installed."""

    tier: Tier
    folder: Path
    peers: Path

    @property
    def quick(self) -> bool:
        """Whether the work is to be small."""
        return self.tier == "quick"

    @property
    def packages(self) -> Path:
        """Where the peers' packages are."""
        return self.peers / "lib" / "python3.11" / "site-packages"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number of a row: the median of its turns, the least and the most of them."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What a figure must reach: at least, or at most, so many of its unit; ``None`` on both sides is told only.

    ``limit`` says, where the bar cannot be met, why: the measured reason. Such a row does not fail.
    """

    unit: str
    at_least: float | None = None
    at_most: float | None = None
    limit: str = ""

    def met(self, value: float) -> bool:
        """Whether ``value`` reaches this bar."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def eased(self) -> "Bar":
        """This bar for the quick tier."""
        least = None if self.at_least is None else self.at_least * SMALL_WORK
        return replace(self, at_least=least, at_most=None if self.at_most is None else self.at_most / SMALL_WORK)


@dataclass(frozen=True, kw_only=True)
class Row:
    """``measure`` returns a figure for every bar, under its name; it raises ``AssertionError`` where results differ."""

    name: str
    what: str
    against: str
    bars: Mapping[str, Bar]
    measure: Callable[[Setting], Mapping[str, Figure]]
    tiers: tuple[Tier, ...] = ("quick", "full")

    def held(self, tier: Tier) -> "Row":
        """This row with the bars that ``tier`` holds it to."""
        return self if tier == "full" else replace(self, bars={name: bar.eased() for name, bar in self.bars.items()})
