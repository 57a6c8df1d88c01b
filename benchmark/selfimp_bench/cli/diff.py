"""`diff`: two runs side by side, and what explains their difference."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from selfimp_bench.cli.command import command, home_option, print_json
from selfimp_bench.plural import plural

if TYPE_CHECKING:
    from rich.console import RenderableType

    from selfimp_bench.runs.diff.diff import Compared, Difference
    from selfimp_bench.runs.diff.pins import Pin

_ROWS = 40
"""Rows of a table that are shown; `--json` has all."""
_LONGEST = 60
_DIGEST = re.compile(r"\b[0-9a-f]{40,}\b")


@command("diff")
@click.argument("run_a", metavar="RUN_A")
@click.argument("run_b", metavar="RUN_B")
@home_option
def diff_command(*, run_a: str, run_b: str, home: Path, as_json: bool) -> None:
    """What differs between two finished runs (run folders, NAME or NAME/ID of the home, or bundles), and why.

    First what their manifests pin and their records tell differently. Then every measurement that differs, and how many
    points of that the problems' rows (data), what models wrote (generations), the grader and the metrics explain: each
    swapped alone, in A for B's and in B for A's, and the rest, which they do together. No engine runs, so of what
    models wrote differently the first causes are named. Exit codes: 0, whatever differs; 2 what cannot be read.
    """
    from selfimp_bench.runs.diff.diff import diff_runs

    found = diff_runs(run_a, run_b, home)
    if as_json:
        print_json(found)
        return

    from selfimp_bench.cli.console import show

    show(part for each in found for part in _parts(each))


def _parts(found: "Difference") -> "Iterator[str | RenderableType]":
    yield f"A  {found.a}\nB  {found.b}"
    yield from _pins("Pinned differently", found.pins)
    yield from _pins("Recorded differently", found.records)
    if found.cells:
        yield from _cells(found)
    for cause in found.causes:
        yield f"other texts: {cause.component}: {cause.what} ({plural(cause.steps, 'step')}, first {cause.first})"
    yield from (f"not swapped: {words}" for words in found.cannot)
    alone = [f"{count} only in {name}" for count, name in ((found.only_a, "A"), (found.only_b, "B")) if count]
    yield f"measurements: {len(found.cells)} differ, {found.same} equal{''.join(f', {each}' for each in alone)}"
    yield from found.words


def _pins(title: str, pins: "Sequence[Pin]") -> "Iterator[str | RenderableType]":
    from selfimp_bench.cli.console import table

    if pins:
        rows = [(each.component, each.field, _short(each.a), _short(each.b)) for each in pins[:_ROWS]]
        yield table(f"\n{title} ({len(pins)})", ("", "field", "A", "B"), rows)
    if len(pins) > _ROWS:
        yield f"and {len(pins) - _ROWS} more (--json has all)"


def _short(value: str | None) -> str:
    text = "-" if value is None else _DIGEST.sub(lambda found: f"{found[0][:12]}...", value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _cells(found: "Difference") -> "Iterator[str | RenderableType]":
    from selfimp_bench.cli.console import Column, Table

    numbers = (Column(name=name, room="whole", right=True) for name in ("A", "B", "B-A", *found.differing, "rest"))
    title = f"\nMeasured differently ({len(found.cells)}); points by swapping one alone in A"
    rows = (row for each in found.cells[:_ROWS] for row in _rows(each))
    yield Table(title, (Column(name="measurement"), *numbers), rows)
    if len(found.cells) > _ROWS:
        yield f"and {len(found.cells) - _ROWS} more (--json has all)"


def _rows(cell: "Compared") -> Iterator[Sequence[str]]:
    """A line, and one more where swapping in B says otherwise than swapping in A."""
    name = " ".join([*([cell.model] if cell.model else []), cell.metric, cell.split, f"t={cell.iteration}"])
    effects = [[_points(each.from_a) for each in cell.effects], [_points(each.from_b) for each in cell.effects]]
    rests = [_points(cell.rest_from_a), _points(cell.rest_from_b)]
    yield (name, _value(cell.a), _value(cell.b), _points(cell.difference), *effects[0], rests[0])
    if (effects[0], rests[0]) != (effects[1], rests[1]):
        yield ("  swapped in B", "", "", "", *effects[1], rests[1])


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _points(value: float | None) -> str:
    return "" if value is None else f"{value:+.4f}".replace("-0.0000", "+0.0000").replace("+0.0000", "0")
