"""`validate`: every problem of manifests and reference tables."""

import click

from selfimp_bench.cli.command import command, print_json


@command("validate")
@click.argument("names", nargs=-1, metavar="[NAME|PATH]...")
@click.option(
    "-v", "--verbose", is_flag=True,
    help="Also what is assumed, what the papers contradict and where, and which worlds a claim passes.",
)  # fmt: skip
def validate_command(*, names: tuple[str, ...], verbose: bool, as_json: bool) -> int:
    """Check manifests and reference tables: every problem at once, as file:line:col where: problem.

    Sound manifests' claims are then held against the paper's own numbers; what it contradicts is no problem of the
    manifest. A claim that no run could fail, or none meet, is one. NAME is a study, PATH a file or folder; without any,
    all that is shipped.
    """
    from selfimp_bench.manifest.catalog import find_path

    for name in names:
        find_path(name)  # answers a mistyped name before anything else is imported

    from selfimp_bench.cli.screen import validation_lines
    from selfimp_bench.runs.validate import validate

    report = validate(names, judged=verbose)
    if as_json:
        print_json(report)
    else:
        for line in validation_lines(report, verbose=verbose):
            click.echo(line)
    return 2 if report.flaws else 0
