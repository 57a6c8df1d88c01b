"""Rows with their figures: for a terminal, as ``BENCHMARKS.md`` and as JSON."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.row import Bar, Figure, Row


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A row that was measured, in how many wall seconds; ``failure`` is what it said where it could not be."""

    row: Row
    figures: Mapping[str, Figure]
    seconds: float
    failure: str = ""

    @property
    def code(self) -> int:
        """0 where every bar is met or its limit stated, 1 where one is missed, 2 where nothing was measured."""
        if self.failure:
            return 2
        return int(any(_verdict(bar, self.figures[name]) == "missed" for name, bar in self.row.bars.items()))


def terminal(outcome: Outcome) -> str:
    """A line a figure."""
    if outcome.failure:
        return f"{outcome.row.name}: not measured\n{outcome.failure}"
    return "\n".join(
        f"{outcome.row.name}: {name} {_number(figure.value, bar.unit)} ({_number(figure.low, bar.unit)} to "
        f"{_number(figure.high, bar.unit)}), bar {_bar(bar)}: {_verdict(bar, figure)}"
        for name, bar, figure in _figures(outcome)
    )


def written(folder: Path, tier: str, outcomes: Sequence[Outcome]) -> None:
    """Write ``benchmarks.json`` and ``BENCHMARKS.md`` into ``folder``."""
    record = {"machine": machine(), "tier": tier, "rows": [_as_json(outcome) for outcome in outcomes]}
    (folder / "benchmarks.json").write_text(json.dumps(record, indent=2) + "\n")
    lines = (f"| {line} |" for outcome in outcomes for line in _lines(outcome))
    head = "| what | against | figure | measured | bar | |\n|---|---|---|---|---|---|\n"
    (folder / "BENCHMARKS.md").write_text(head + "\n".join(lines) + "\n")


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    models = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {"processor": models[0], "cores": os.cpu_count(), "python": platform.python_version()}


def _lines(outcome: Outcome) -> list[str]:
    if outcome.failure:
        return [f"{outcome.row.what} | {outcome.row.against} | - | not measured | - | "]
    return [
        f"{outcome.row.what} | {outcome.row.against} | {name} | {_number(figure.value, bar.unit)} "
        f"({_number(figure.low, bar.unit)} to {_number(figure.high, bar.unit)}) | {_bar(bar)} | {_verdict(bar, figure)}"
        for name, bar, figure in _figures(outcome)
    ]


def _figures(outcome: Outcome) -> list[tuple[str, Bar, Figure]]:
    return [(name, bar, outcome.figures[name]) for name, bar in outcome.row.bars.items()]


def _verdict(bar: Bar, figure: Figure) -> str:
    if bar.at_least is None and bar.at_most is None:
        return ""
    if bar.met(figure.value):
        return "met"
    return f"limit: {bar.limit}" if bar.limit else "missed"


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
