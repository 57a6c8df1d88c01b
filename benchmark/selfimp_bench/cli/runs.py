"""`runs`: what was run here."""

from pathlib import Path

from selfimp_bench.cli.command import command, home_option, print_json


@command("runs")
@home_option
def runs_command(*, home: Path, as_json: bool) -> None:
    """The finished runs of a home, newest first, with what was found when they were last judged."""
    from selfimp_bench.runs.listing import listed_runs

    found = listed_runs(home)
    if as_json:
        print_json(found)
        return

    from selfimp_bench.cli.console import Column, show, table

    if not found:
        show([f"no finished run under {home / 'runs'}; `selfimp-bench reproduce tiny-iter-sft` makes one"])
        return
    rows = [
        (
            each.run,
            each.started.replace("T", " ")[:16],
            each.profile,
            str(each.seeds or ""),
            each.words or ", ".join(f"{count} {verdict}" for verdict, count in each.verdicts.items()),
        )
        for each in found
    ]
    columns = (
        Column(name="run", room="whole"),
        Column(name="started (UTC)", room="whole"),
        "profile",
        "seeds",
        "found",
    )
    show([table(None, columns, rows)])
