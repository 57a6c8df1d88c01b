"""`check`: the verdict on a finished run."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from selfimp_bench.cli.command import command, home_option, print_json

if TYPE_CHECKING:
    from selfimp_bench.runs.judge import StudyJudgement


@command("check")
@click.argument("run", metavar="RUN")
@home_option
def check_command(*, run: str, home: Path, as_json: bool) -> int:
    """Judge a finished run (a run folder, or a study's NAME or NAME/ID). Needs no GPU."""
    from selfimp_bench.runs.folders import find_run

    folder = find_run(run, home)

    from selfimp_bench.runs.judge import judge_study

    judgement = judge_study(folder)
    show_findings(judgement, as_json=as_json)
    return judgement.exit_code


def show_findings(judgement: "StudyJudgement", *, as_json: bool) -> None:
    """Print what was found, for a person or as JSON."""
    from selfimp_bench.cli.console import show
    from selfimp_bench.cli.screen import findings_tables

    if as_json:
        print_json(judgement)
        return
    for words in judgement.unwritten:
        click.echo(words, err=True)
    show(findings_tables(judgement))
