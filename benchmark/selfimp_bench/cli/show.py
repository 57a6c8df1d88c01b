"""`show`: one manifest, resolved."""

from pathlib import Path

from selfimp_bench.cli.command import command, name_argument, open_study, print_json, profile_option


@command("show")
@name_argument
@profile_option
def show_command(*, name: str, profile: str, as_json: bool) -> None:
    """One manifest resolved, with its claims, its assumptions, and what contradicts the numbers it compares with."""
    from selfimp_bench.cli.screen import console, manifest_lines, table
    from selfimp_bench.manifest.catalog import find_suite, find_table
    from selfimp_bench.manifest.conflicts import conflicts_about
    from selfimp_bench.runs.describe import assumptions

    if (suite := find_suite(name)) is not None:
        _show_suite(suite, as_json=as_json)
        return
    experiment = open_study(name, profile, None, 1).experiments[0]
    found = assumptions(experiment.manifest)
    conflicts = conflicts_about(experiment.manifest.claims, lambda table: find_table(table, experiment.path))
    if as_json:
        shown = {"manifest": experiment.manifest, "manifest_digest": experiment.manifest_digest}
        print_json(shown | {"assumptions": found, "conflicts": conflicts})
        return
    screen = console()
    for line in manifest_lines(experiment.manifest):
        screen.print(line, markup=False)
    claims = [(claim.id, claim.statement, claim.source) for claim in experiment.manifest.claims]
    screen.print(table(f"\nClaims ({len(claims)})", ("id", "statement", "source"), claims))
    assumed = [(item.path, item.value, item.reason) for item in found]
    screen.print(table(f"\nAssumed, because the source does not say ({len(found)})", ("what", "value", "why"), assumed))
    if conflicts:
        rows = [(each.id, each.says, " against ".join(each.between)) for each in conflicts]
        screen.print(
            table(f"\nThe source contradicts itself about these numbers ({len(rows)})", ("id", "", "places"), rows)
        )


def _show_suite(path: Path, *, as_json: bool) -> None:
    from selfimp_bench.cli.screen import across_lines, console, table
    from selfimp_bench.protocols.load_suite import load_suite

    suite = load_suite(path)
    if as_json:
        print_json({"suite": suite})
        return
    screen = console()
    for line in across_lines(suite):
        screen.print(line, markup=False)
    claims = [(claim.id, claim.statement, claim.source) for claim in suite.claims]
    screen.print(table(f"\nClaims ({len(claims)})", ("id", "statement", "source"), claims))
    assumed = [(claim.id, claim.assumed) for claim in suite.claims if claim.assumed is not None]
    screen.print(table(f"\nAssumed, because the source does not say ({len(assumed)})", ("claim", "why"), assumed))
