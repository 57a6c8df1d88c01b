"""`plan`: what a run would do and cost."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from selfimp_bench.cli.command import (
    command,
    hardware_option,
    home_option,
    name_argument,
    only_option,
    open_one,
    open_several,
    parsed_hardware,
    print_json,
    profile_option,
    seeds_option,
)

if TYPE_CHECKING:
    from selfimp_bench.runs.hardware.device import Hardware
    from selfimp_bench.runs.suite import OpenSuite


@command("plan")
@name_argument
@profile_option
@only_option
@seeds_option
@home_option
@hardware_option
def plan_command(
    *, name: str, profile: str, only: str | None, seeds: int, home: Path, hardware_text: str | None, as_json: bool
) -> int:
    """The steps, which are done already, what they cost, and which claims this size can decide.

    With --hardware also GPU hours, memory, batch and disk there, and exit code 2 when a step cannot run there.
    """
    from selfimp_bench.cli.hardware_tables import outlook_tables
    from selfimp_bench.cli.screen import console, forecast_tables
    from selfimp_bench.manifest.catalog import find_suite
    from selfimp_bench.runs.forecast import forecast
    from selfimp_bench.runs.hardware.outlook import outlook
    from selfimp_bench.runs.judge import decidable_claims
    from selfimp_bench.steps.store import Store

    hardware = parsed_hardware(hardware_text)
    if (suite := find_suite(name)) is not None:
        return _plan_suite(open_several(suite, profile, only, seeds), home, hardware, as_json=as_json)
    experiment = open_one(name, profile, only, seeds)
    plan = experiment.plan()
    expected = forecast(plan, Store(home / "store"))
    claims = decidable_claims(experiment)
    found = None if hardware is None else outlook(plan, hardware, done=expected.done())
    if as_json:
        print_json({"experiment": experiment.manifest.name, "forecast": expected, "claims": claims, "hardware": found})
    else:
        for part in (*forecast_tables(expected, claims), *(outlook_tables(found) if found is not None else ())):
            console().print(part)
    return 2 if found is not None and found.misfits else 0


def _plan_suite(opened: "OpenSuite", home: Path, hardware: "Hardware | None", *, as_json: bool) -> int:
    from selfimp_bench.cli.hardware_tables import suite_outlook_tables
    from selfimp_bench.cli.screen import console
    from selfimp_bench.cli.screen_suite import suite_plan_tables
    from selfimp_bench.runs.forecast import forecast
    from selfimp_bench.runs.hardware.suite_outlook import suite_outlook
    from selfimp_bench.runs.suite import plan_suite
    from selfimp_bench.steps.store import Store

    planned = plan_suite(opened)
    expected = forecast(planned.plan, Store(home / "store"))
    found = None if hardware is None else suite_outlook(opened, planned, hardware, done=expected.done())
    if as_json:
        whole = {"suite": opened.suite.name, "experiments": planned.members, "forecast": expected, "hardware": found}
        print_json(whole)
        return 2 if found is not None and found.whole.misfits else 0
    for part in (*suite_plan_tables(planned, expected), *(suite_outlook_tables(found) if found is not None else ())):
        console().print(part)
    for member in opened.suite.experiments:
        if member.pending is not None:
            click.echo(f"left out: {member.name}: {member.pending}")
    return 2 if found is not None and found.whole.misfits else 0
