"""`validate`: every problem of manifests and reference tables."""

import click

from selfimp_bench.cli.command import command, print_json


@command("validate")
@click.argument("names", nargs=-1, metavar="[NAME|PATH]...")
def validate_command(*, names: tuple[str, ...], as_json: bool) -> int:
    """Check manifests and reference tables: every problem at once, as file:line:col where: problem.

    Sound manifests' claims are then held against the paper's own numbers; what it contradicts is no problem of the
    manifest. NAME is an experiment or a suite, PATH a file or folder; without any, all that is shipped.
    """
    from selfimp_bench.cli.screen import paper_lines
    from selfimp_bench.runs.validate import validate

    report = validate(names)
    if as_json:
        print_json(report)
    else:
        for flaw in report.flaws:
            click.echo(str(flaw))
        for note in report.notes:
            click.echo(note)
        for line in paper_lines(report.papers):
            click.echo(line)
        click.echo(f"{report.files} files, {len(report.flaws)} problems")
    return 2 if report.flaws else 0
