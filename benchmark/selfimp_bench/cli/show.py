"""`show`: a study, resolved."""

from typing import TYPE_CHECKING, Any

import click

from selfimp_bench.cli.command import command, name_argument, open_study, print_json, profile_option

if TYPE_CHECKING:
    from selfimp_bench.runs.study import Experiment


@command("show")
@name_argument
@profile_option
@click.option("--resolved", is_flag=True, help="The whole of it, as runs record it.")
def show_command(*, name: str, profile: str, resolved: bool, as_json: bool) -> None:
    """A study resolved, with its claims, its assumptions, and what contradicts the numbers it compares with."""
    study = open_study(name, profile, None, 1)
    if resolved:
        click.echo(study.text, nl=False)
        return

    from selfimp_bench.cli.console import show
    from selfimp_bench.cli.screen import across_parts, experiment_parts

    if as_json:
        experiments = [_described(each) for each in study.experiments]
        print_json({"study": study.name, "digest": study.digest, "across": study.across, "experiments": experiments})
        return
    parts = experiment_parts(**_described(study.experiments[0])) if study.across is None else across_parts(study.across)
    show(parts)


def _described(experiment: "Experiment") -> dict[str, Any]:
    from selfimp_bench.manifest.catalog import find_table
    from selfimp_bench.manifest.conflicts import conflicts_about
    from selfimp_bench.runs.describe import assumptions

    manifest = experiment.manifest
    return {
        "manifest": manifest,
        "manifest_digest": experiment.manifest_digest,
        "assumptions": assumptions(manifest),
        "conflicts": conflicts_about(manifest.claims, lambda table: find_table(table, experiment.path)),
    }
