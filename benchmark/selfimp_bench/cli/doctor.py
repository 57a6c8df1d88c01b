"""`doctor`: what would stop a run here."""

from pathlib import Path

import click

from selfimp_bench.cli.command import (
    command,
    complete_name,
    home_option,
    only_option,
    open_study,
    print_json,
    profile_option,
    volume,
)


@command("doctor")
@click.argument("name", required=False, shell_complete=complete_name)
@profile_option
@only_option
@click.option("--online", is_flag=True, help="Also ask the hub for what is not fetched yet.")
@home_option
def doctor_command(*, name: str | None, profile: str, only: str | None, online: bool, home: Path, as_json: bool) -> int:
    """What would stop a run of NAME here, before it starts; without NAME, the machine alone. Exit code 2 if anything.

    Home, packages, engines, GPU, memory, disk, models and data, licences and token, sandbox. Needs no network.
    """
    experiments = () if name is None else open_study(name, profile, only, 1).experiments

    from selfimp_bench.runs.doctor import diagnose

    found = diagnose(experiments, home, volume=volume(), online=online, endpoint=None)
    if as_json:
        print_json({"sound": found.sound, "checks": found.checks})
    else:
        from selfimp_bench.cli.console import STYLES, plain, show

        for check in found.checks:
            line = plain(f"{check.state:8} {check.name}: {check.found}")
            line.stylize(STYLES[check.state], 0, len(check.state))
            show([line])
            if check.advice is not None:
                show([f"         -> {check.advice}"], whole=True)
    return 0 if found.sound else 2
