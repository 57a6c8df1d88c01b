"""A row of the benchmark: what is measured against what, and where its bars are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Tier: TypeAlias = Literal["quick", "full"]


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


@dataclass(frozen=True, kw_only=True)
class Row:
    """``measure`` returns a figure for every bar, under its name; it raises ``AssertionError`` where results differ."""

    name: str
    what: str
    against: str
    bars: Mapping[str, Bar]
    measure: Callable[[Setting], Mapping[str, Figure]]
    tiers: tuple[Tier, ...] = ("quick", "full")
