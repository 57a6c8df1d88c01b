"""`fetch`: models and data from the hub, proved."""

from pathlib import Path

import click

from selfimp_bench.cli.command import (
    command,
    home_option,
    name_argument,
    only_option,
    open_study,
    print_json,
    profile_option,
    volume,
)
from selfimp_bench.plural import plural


@command("fetch")
@name_argument
@profile_option
@only_option
@click.option("--mirror", "mirrors", metavar="ID=REPO@REVISION", multiple=True, help="Take it from there, if equal.")
@home_option
def fetch_command(
    *, name: str, profile: str, only: str | None, mirrors: tuple[str, ...], home: Path, as_json: bool
) -> None:
    """Bring a study's models and data from the hub, proved; afterwards it runs with no network.

    What is there is hashed again. The same command goes on where one broke off. Gated models need HF_TOKEN.
    """
    study = open_study(name, profile, only, 1)

    from selfimp_bench.machine import ready_home
    from selfimp_bench.runs.fetch import fetch, parse_mirror
    from selfimp_bench.runs.hub_needs import hub_needs

    ready_home(home, volume())
    needs = hub_needs(study.experiments)
    report = fetch(
        needs,
        home,
        mirrors=[parse_mirror(mirror) for mirror in mirrors],
        endpoint=None,
        say=lambda line: click.echo(line, err=True),
    )
    if as_json:
        print_json(report)
        return
    for each in report.fetched:
        origin = "" if each.mirror is None else f", from {each.mirror}"
        how = "there already" if each.downloaded == 0 else "fetched"
        click.echo(f"{how}: {each.pinned}: {plural(each.files, 'file')}, {each.bytes / 1e6:,.1f} MB{origin}")
    click.echo(f"all that {name} needs is under {report.folder}" if needs else f"{name} needs nothing from the hub")
