"""`report`: the pages of a finished run."""

from pathlib import Path

import click

from selfimp_bench.cli.command import command, home_option, print_json


@command("report")
@click.argument("run", metavar="RUN")
@home_option
def report_command(*, run: str, home: Path, as_json: bool) -> None:
    """Write report.html and figures/ of a finished run, and of every experiment in it. Needs no GPU."""
    from selfimp_bench.runs.folders import find_run

    folder = find_run(run, home)

    from selfimp_bench.report.write_study import write_study_report
    from selfimp_bench.runs.judge import judge_study

    path = write_study_report(judge_study(folder)).page
    if as_json:
        print_json({"report": str(path)})
    else:
        click.echo(str(path))
