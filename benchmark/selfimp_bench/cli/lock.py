"""`lock`: pin what a released study says."""

import click

from selfimp_bench.cli.command import command, name_argument, print_json


@command("lock")
@name_argument
def lock_command(*, name: str, as_json: bool) -> None:
    """Write the lock beside a study: one digest an experiment, and those of the tables that it selects from.

    `validate` refuses a released study that its lock does not match.
    """
    from selfimp_bench.manifest.catalog import find_path
    from selfimp_bench.runs.lock import write_lock

    path = write_lock(find_path(name))
    if as_json:
        print_json({"lock": str(path)})
    else:
        click.echo(str(path))
