"""`explain`: why a claim got its verdict."""

from pathlib import Path

import click

from selfimp_bench.cli.command import command, home_option, print_json


@command("explain")
@click.argument("run", metavar="RUN")
@click.argument("claim", metavar="CLAIM")
@home_option
def explain_command(*, run: str, claim: str, home: Path, as_json: bool) -> None:
    """Why a claim got its verdict in a finished run: the rule, every term and its source, and what would decide it."""
    from selfimp_bench.runs.folders import find_run

    folder = find_run(run, home)

    from selfimp_bench.cli.console import show
    from selfimp_bench.cli.screen import explanation_parts
    from selfimp_bench.runs.explain import explain

    found = explain(folder, claim)
    if as_json:
        print_json(found)
        return
    show(explanation_parts(found))
