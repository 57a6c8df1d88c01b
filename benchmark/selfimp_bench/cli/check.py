"""`check`: the verdict on a finished run."""

from pathlib import Path

import click

from selfimp_bench.cli.command import command, home_option, print_json


@command("check")
@click.argument("run", metavar="RUN")
@home_option
def check_command(*, run: str, home: Path, as_json: bool) -> int:
    """Judge a finished run (a run folder, or an experiment's or suite's NAME or NAME/ID). Needs no GPU."""
    from selfimp_bench.runs.judge import find_run
    from selfimp_bench.runs.suite import find_suite_run

    if (suite := find_suite_run(run, home)) is not None:
        return check_suite_run(suite, as_json=as_json)
    return check_run(find_run(run, home), as_json=as_json)


def check_run(folder: Path, *, as_json: bool) -> int:
    """Judge an experiment's run and print its findings."""
    from selfimp_bench.cli.screen import console, findings_table
    from selfimp_bench.runs.judge import judge_run

    judgement = judge_run(folder)
    if as_json:
        print_json(judgement)
    else:
        for part in findings_table(judgement):
            console().print(part)
    return judgement.exit_code


def check_suite_run(folder: Path, *, as_json: bool) -> int:
    """Judge a suite's run and print all findings."""
    from selfimp_bench.cli.screen import console
    from selfimp_bench.cli.screen_suite import suite_findings
    from selfimp_bench.runs.suite import check_suite

    judgement = check_suite(folder)
    if as_json:
        print_json(judgement)
    else:
        for part in suite_findings(judgement):
            console().print(part)
    return judgement.exit_code
