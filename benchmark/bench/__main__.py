"""``python -m bench``: measures the rows, each in a process of its own, and writes what came of them.

``ci/bench`` calls it with the environment that it needs.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bench import commands, grading, programs, sampling, training
from bench.row import Figure, Row, Setting, Tier
from bench.table import Outcome, terminal, written

ROWS: tuple[Row, ...] = (*commands.ROWS, *grading.ROWS, *programs.ROWS, *sampling.ROWS, *training.ROWS)


@click.command()
@click.option("--full", is_flag=True, help="All the work of every row, not the small one of CI.")
@click.option("--only", multiple=True, metavar="ROW", help="This row only; may be given several times.")
@click.option("--list", "listed", is_flag=True, help="List the rows and measure nothing.")
@click.option("--peers", type=click.Path(path_type=Path), required=True, help="The environment with the peers.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write BENCHMARKS.md and benchmarks.json into this folder."
)
@click.option("--row", hidden=True, help="Measure this row here and print its figures as JSON.")
def main(full: bool, only: tuple[str, ...], listed: bool, peers: Path, out: Path | None, row: str | None) -> None:
    """Measure the kit beside its peers; exit code 1 if a bar is missed, 2 if a row could not be measured."""
    tier: Tier = "full" if full else "quick"
    wanted = {each.name: each for each in ROWS if tier in each.tiers}
    if unknown := set(only) - set(wanted):
        raise click.UsageError(f"no row {', '.join(sorted(unknown))} in the {tier} tier; rows: {', '.join(wanted)}")
    if listed:
        click.echo("\n".join(f"{each.name}: {each.what}, against {each.against}" for each in wanted.values()))
        return
    if row:
        with tempfile.TemporaryDirectory() as folder:
            figures = wanted[row].measure(Setting(tier=tier, folder=Path(folder), peers=peers))
        click.echo(json.dumps({name: asdict(one) for name, one in figures.items()}))
        return
    outcomes = [_measured(each, tier, peers) for name, each in wanted.items() if not only or name in only]
    if out:
        written(out, tier, outcomes)
    sys.exit(max(outcome.code for outcome in outcomes))


def _measured(row: Row, tier: Tier, peers: Path) -> Outcome:
    """``row``, measured by a process of its own, so that no row's memory is another's."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "bench", "--peers", str(peers), "--row", row.name]
    ended = subprocess.run(command + ["--full"] * (tier == "full"), capture_output=True, text=True, check=False)
    figures: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1]) if ended.returncode == 0 else {}
    outcome = Outcome(
        row=row,
        figures={name: Figure(**one) for name, one in figures.items()},
        seconds=time.perf_counter() - started,
        failure="" if ended.returncode == 0 else ended.stderr[-2000:],
    )
    click.echo(terminal(outcome))
    return outcome


if __name__ == "__main__":
    main()
