"""`gc`: room on the disk."""

from pathlib import Path

import click

from selfimp_bench.cli.command import command, home_option, print_json
from selfimp_bench.plural import plural


@command("gc")
@home_option
@click.option("--dry-run", "dry", is_flag=True, help="Say what would go, and remove nothing.")
def gc_command(*, home: Path, dry: bool, as_json: bool) -> None:
    """Remove weights of checkpoints that finished runs trained further, and what killed runs left.

    Last checkpoints, records and all other results stay; a removed checkpoint is trained again where it is wanted.
    """
    from selfimp_bench.runs.gc import collect

    collected = collect(home, dry=dry)
    if as_json:
        print_json(collected)
        return
    would = "would remove" if dry else "removed"
    click.echo(
        f"{would} the weights of {plural(collected.checkpoints, 'checkpoint')}, {collected.bytes / 1e9:.2f} GB"
        + ("" if dry else f", and {plural(collected.leftovers, 'thing')} that killed runs left")
    )
