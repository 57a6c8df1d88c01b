"""`init`: an experiment of one's own, from one that is there."""

from pathlib import Path

import click

from selfimp_bench.cli.command import command, complete_name, print_json
from selfimp_bench.plural import plural


@command("init")
@click.argument("name")
@click.option(
    "--from", "source", metavar="EXPERIMENT", required=True, shell_complete=complete_name, help="What it is like."
)
@click.option("--model", metavar="FOLDER|ORG/NAME@REVISION", help="Your model, in place of the experiment's.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="train, test and perhaps ood, as .jsonl or .parquet.",
)
@click.option(
    "--iterations", type=click.IntRange(1, 100), metavar="T", help="How many; the schedule goes on as it began."
)
@click.option("--task", metavar="TASK", help="Whose answers these are, with --data (see `grade --help`).")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where it is written.  [default: here]",
)
def init_command(
    *,
    name: str,
    source: str,
    model: str | None,
    data: Path | None,
    iterations: int | None,
    task: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Write NAME.v1.yaml, an experiment of your own that is like another.

    Rows, digests and weights are hashed, rows without ids get some, and of the claims stay those that the new
    experiment can decide; the others are listed with the reason.
    """
    from selfimp_bench.runs.init import init

    made = init(name, source=source, folder=out, model=model, data=data, iterations=iterations, task=task)
    if as_json:
        print_json(made)
        return
    click.echo(f"written: {made.path}")
    for note in made.notes:
        click.echo(f"  {note}")
    click.echo(
        f"{plural(len(made.kept), 'claim')} kept: {', '.join(made.kept)}"
        if made.kept
        else "no claim kept: measured, nothing claimed"
    )
    for claim, reason in made.dropped.items():
        click.echo(f"  left out: {claim}: {reason}")
    click.echo(f"next: selfimp-bench doctor {made.path}; selfimp-bench reproduce {made.path}")
