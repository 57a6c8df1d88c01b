"""`plan`: what a run would do and cost."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from selfimp_bench.cli.command import (
    command,
    hardware_option,
    home_option,
    name_argument,
    only_option,
    open_study,
    parsed_hardware,
    print_json,
    profile_option,
    seeds_option,
    vary_option,
)
from selfimp_bench.errors import InputError

if TYPE_CHECKING:
    from selfimp_bench.cli.plan_tables import Planned
    from selfimp_bench.runs.cluster.simulate import Simulation
    from selfimp_bench.runs.decide import Decidability
    from selfimp_bench.runs.forecast import Forecast
    from selfimp_bench.runs.hardware.device import Hardware
    from selfimp_bench.runs.hardware.outlook import StudyOutlook
    from selfimp_bench.runs.hardware.savings import Savings
    from selfimp_bench.runs.prompt_fits import PromptFit
    from selfimp_bench.runs.study import Study


@command("plan")
@name_argument
@profile_option
@only_option
@seeds_option
@vary_option
@home_option
@hardware_option
@click.option(
    "--price", type=click.FloatRange(min=0), metavar="PER_GPU_HOUR", help="Of one GPU of --hardware, in any currency."
)
@click.option("--steps", is_flag=True, help="Every step, too.")
@click.option(
    "--nodes", "nodes_text", metavar="4x8xA100-80GB", help="Simulate --executor on so many machines of so many GPUs."
)
def plan_command(
    *,
    name: str,
    profile: str,
    only: str | None,
    seeds: int,
    vary: tuple[str, ...],
    home: Path,
    hardware_text: str | None,
    price: float | None,
    steps: bool,
    nodes_text: str | None,
    as_json: bool,
) -> int:
    """What a run costs, what is in its way, and which claims this size can decide; with --steps every step, too.

    With --hardware also GPU hours, where they go, what saves some, memory and batch there, and exit code 2 when a step
    cannot run there; --price makes money of the hours.
    Prompts that do not fit a model are named with what becomes of them, and counted here where model and data are.
    With --nodes also how long a cluster takes for all of it, what lies idle meanwhile, and in which order it goes.
    """
    hardware = parsed_hardware(hardware_text)
    if price is not None and hardware is None:
        raise InputError("--price is of a GPU hour: say on which GPUs (--hardware 8xA100-80GB)")
    study = open_study(name, profile, only, seeds, vary)

    from selfimp_bench.runs.disk import disk_use
    from selfimp_bench.runs.forecast import forecast
    from selfimp_bench.runs.hub_needs import hub_needs, shortfalls
    from selfimp_bench.runs.prompt_fits import prompt_fits
    from selfimp_bench.steps.store import Store

    expected = forecast(study.plan().plan, Store(home / "store"))
    found, saved = (None, None) if hardware is None else _outlook(study, hardware, expected)
    prompts = prompt_fits(study.experiments, home)
    missing = shortfalls(hub_needs(study.experiments), home)
    disk = disk_use(study.experiments, missing, home)
    simulated = None if nodes_text is None else _simulated(study, nodes_text)
    if as_json:
        room = {"total": disk.total, **asdict(disk)}
        beside = {"nodes": simulated, "disk": room, "price": price, "savings": saved}
        print_json(_document(study, expected, prompts, found) | beside)
    else:
        from selfimp_bench.cli.plan_tables import Planned

        planned = Planned(
            study=study,
            expected=expected,
            disk=disk,
            missing=missing,
            outlook=found,
            price=price,
            claims=_claims(study),
        )
        _show(planned, prompts, saved, steps=steps)
        if simulated is not None:
            _show_simulation(simulated)
    return 2 if found is not None and found.whole.misfits else 0


def _outlook(study: "Study", hardware: "Hardware", expected: "Forecast") -> "tuple[StudyOutlook, Savings | None]":
    """With what saves hours; None where no step uses a GPU."""
    from selfimp_bench.runs.hardware.outlook import study_outlook
    from selfimp_bench.runs.hardware.savings import savings

    found = study_outlook(study, hardware, done=expected.done())
    return found, savings(study, hardware, found) if found.whole.costs else None


def _simulated(study: "Study", nodes: str) -> "Simulation":
    from selfimp_bench.runs.cluster.simulate import parse_nodes, simulate

    return simulate(study.experiments, parse_nodes(nodes))


def _show_simulation(found: "Simulation") -> None:
    from selfimp_bench.cli.console import show
    from selfimp_bench.cli.hardware_tables import simulation_lines

    show(simulation_lines(found))


def _document(
    study: "Study", expected: "Forecast", prompts: "Sequence[PromptFit]", found: "StudyOutlook | None"
) -> dict[str, Any]:
    from selfimp_bench.runs.decide import decidable_claims

    return {
        "study": study.name,
        "variant": study.variant,
        "forecast": expected,
        "experiments": [
            {
                "experiment": part.experiment,
                "steps": part.steps,
                "shared": part.shared,
                "claims": decidable_claims(experiment) if study.across is None and not study.variant else None,
            }
            for part, experiment in zip(study.plan().experiments, study.experiments, strict=True)
        ],
        "prompts": prompts,
        "hardware": found,
    }


def _claims(study: "Study") -> "Sequence[Decidability] | None":
    """What one experiment can decide; None of several, which takes too long for all of them."""
    from selfimp_bench.runs.decide import decidable_claims

    if study.across is not None or study.variant:
        return None
    return decidable_claims(study.experiments[0])


def _show(planned: "Planned", prompts: "Sequence[PromptFit]", saved: "Savings | None", *, steps: bool) -> None:
    from selfimp_bench.cli.console import show
    from selfimp_bench.cli.hardware_tables import savings_tables, study_outlook_tables
    from selfimp_bench.cli.plan_tables import plan_tables
    from selfimp_bench.runs.prompt_fits import fit_lines

    show(plan_tables(planned, steps=steps))
    show(["\nDo the prompts fit the models?", *(line.words for line in fit_lines(prompts))])
    if planned.outlook is not None:
        show(study_outlook_tables(planned.study, planned.outlook))
    if saved is not None:
        show(savings_tables(saved))
