"""``python -m bench``: measures the rows, each in a process of its own, and writes what came of them.

``ci/bench`` calls it with the environment that it needs.
"""

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from compileall import compile_dir
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bench.row import Figure, Row, Setting, Tier
from bench.table import Outcome, terminal, written
from selfimp_bench.places import PACKAGE


@click.command()
@click.option("--full", is_flag=True, help="All the work of every row, not the small one of CI.")
@click.option("--only", multiple=True, metavar="ROW", help="This row only; may be given several times.")
@click.option("--list", "listed", is_flag=True, help="List the rows and measure nothing.")
@click.option("--peers", type=click.Path(path_type=Path), required=True, help="The environment with the peers.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Write BENCHMARKS.md and benchmarks.json into this folder; rows not measured now stay as they are there.",
)
@click.option("--rows", "module", default="bench.rows", hidden=True, help="The module that has the rows.")
@click.option("--row", hidden=True, help="Measure this row here and print its figures as JSON.")
def main(
    full: bool, only: tuple[str, ...], listed: bool, peers: Path, out: Path | None, module: str, row: str | None
) -> None:
    """Measure the kit beside its peers.

    A row that misses a bar is measured once more before that counts. Exit code 1: a bar is missed, a result is wrong,
    or a row could not be measured.
    """
    tier: Tier = "full" if full else "quick"
    every: Sequence[Row] = importlib.import_module(module).ROWS
    rows = {each.name: each.held(tier) for each in every if tier in each.tiers}
    if unknown := set(only) - set(rows):
        raise click.UsageError(f"no row {', '.join(sorted(unknown))} in the {tier} tier; rows: {', '.join(rows)}")
    if listed:
        click.echo("\n".join(f"{each.name}: {each.what}, against {each.against}" for each in rows.values()))
        return
    if row:
        with tempfile.TemporaryDirectory() as folder:
            figures = rows[row].measure(Setting(tier=tier, folder=Path(folder), peers=peers))
        click.echo(json.dumps({name: asdict(one) for name, one in figures.items()}))
        return
    compile_dir(PACKAGE, quiet=1)  # as whoever installed the kit has it, even where PYTHONDONTWRITEBYTECODE is set
    outcomes = [_judged(each, module, tier, peers) for name, each in rows.items() if not only or name in only]
    missed = [outcome.row.name for outcome in outcomes if outcome.missed]
    click.echo(
        f"{len(outcomes)} measured in {sum(outcome.seconds for outcome in outcomes):.0f} s, "
        f"{len(missed)} missed{': ' if missed else ''}{', '.join(missed)}"
    )
    if out:
        written(out, tier, outcomes, peers)
    sys.exit(1 if missed else 0)


def _judged(row: Row, module: str, tier: Tier, peers: Path) -> Outcome:
    """``row`` measured, and where that misses a bar once more."""
    outcome = _measured(row, module, tier, peers)
    click.echo(terminal(outcome))
    if outcome.missed:
        click.echo(f"{row.name}: once more")
        outcome = _measured(row, module, tier, peers)
        click.echo(terminal(outcome))
    return outcome


def _measured(row: Row, module: str, tier: Tier, peers: Path) -> Outcome:
    """``row``, measured by a process of its own, so that no row's memory is another's."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "bench", "--peers", str(peers), "--rows", module, "--row", row.name]
    ended = subprocess.run(command + ["--full"] * (tier == "full"), capture_output=True, text=True, check=False)
    figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1]) if ended.returncode == 0 else {}
    return Outcome(
        row=row,
        figures={name: Figure(**one) for name, one in figures.items()},
        seconds=time.perf_counter() - started,
        failure="" if ended.returncode == 0 else ended.stderr[-2000:] or f"exit code {ended.returncode}",
    )


if __name__ == "__main__":
    main()
