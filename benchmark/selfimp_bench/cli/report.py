"""`report`: the page of a finished run."""

from pathlib import Path

import click

from selfimp_bench.cli.command import command, home_option, print_json


@command("report")
@click.argument("run", metavar="RUN")
@home_option
def report_command(*, run: str, home: Path, as_json: bool) -> None:
    """Write report.html and figures/ of a finished run, or of a suite's and all its experiments'. Needs no GPU."""
    from selfimp_bench.report.write import write_report
    from selfimp_bench.report.write_suite import write_suite_report
    from selfimp_bench.runs.judge import find_run, judge_run
    from selfimp_bench.runs.suite import find_suite_run

    if (suite := find_suite_run(run, home)) is not None:
        path = write_suite_report(suite).page
    else:
        folder = find_run(run, home)
        judge_run(folder)
        path = write_report(folder)
    if as_json:
        print_json({"report": str(path)})
    else:
        click.echo(str(path))
