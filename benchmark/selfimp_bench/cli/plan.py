"""`plan`: what a run would do and cost."""

from collections.abc import Sequence
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

if TYPE_CHECKING:
    from selfimp_bench.runs.cluster.simulate import Simulation
    from selfimp_bench.runs.forecast import Forecast
    from selfimp_bench.runs.hardware.outlook import StudyOutlook
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
    nodes_text: str | None,
    as_json: bool,
) -> int:
    """The steps, which are done already, what they cost, and which claims this size can decide.

    With --hardware also GPU hours, memory, batch and disk there, and exit code 2 when a step cannot run there.
    Prompts that do not fit a model are named with what becomes of them, and counted here where model and data are.
    With --nodes also how long a cluster takes for all of it, what lies idle meanwhile, and in which order it goes.
    """
    hardware = parsed_hardware(hardware_text)
    study = open_study(name, profile, only, seeds, vary)

    from selfimp_bench.runs.forecast import forecast
    from selfimp_bench.runs.hardware.outlook import study_outlook
    from selfimp_bench.runs.prompt_fits import prompt_fits
    from selfimp_bench.steps.store import Store

    expected = forecast(study.plan().plan, Store(home / "store"))
    found = None if hardware is None else study_outlook(study, hardware, done=expected.done())
    prompts = prompt_fits(study.experiments, home)
    simulated = None if nodes_text is None else _simulated(study, nodes_text)
    if as_json:
        print_json(_document(study, expected, prompts, found) | {"nodes": simulated})
    else:
        _show(study, expected, prompts, found)
        if simulated is not None:
            _show_simulation(simulated)
    return 2 if found is not None and found.whole.misfits else 0


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


def _show(study: "Study", expected: "Forecast", prompts: "Sequence[PromptFit]", found: "StudyOutlook | None") -> None:
    from selfimp_bench.cli.console import console
    from selfimp_bench.cli.hardware_tables import study_outlook_tables
    from selfimp_bench.cli.screen import plan_tables
    from selfimp_bench.runs.prompt_fits import fit_lines

    for part in plan_tables(study, expected):
        console().print(part)
    console().print("\nDo the prompts fit the models?")
    for line in fit_lines(prompts):
        console().print(line.words, markup=False)
    for part in () if found is None else study_outlook_tables(study, found):
        console().print(part)
