"""`reproduce`, and `run`, which is its part without a verdict."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from selfimp_bench.cli.check import show_findings
from selfimp_bench.cli.command import (
    SAVE_EVERY,
    command,
    executor_options,
    hardware_option,
    home_option,
    image,
    log_to_option,
    name_argument,
    only_option,
    open_study,
    parsed_hardware,
    print_json,
    profile_option,
    progress,
    save_every_option,
    seeds_option,
    training_options,
    vary_option,
    volume,
)
from selfimp_bench.plural import plural

if TYPE_CHECKING:
    from selfimp_bench.cli.watching import Told
    from selfimp_bench.engines.base import Tracker
    from selfimp_bench.runs.cluster.executors import Executor
    from selfimp_bench.runs.hardware.device import Hardware
    from selfimp_bench.runs.judge import StudyJudgement
    from selfimp_bench.runs.status import Status
    from selfimp_bench.runs.study import Study


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A run as it is asked for, in the words of the command line."""

    name: str
    profile: str
    only: str | None
    seeds: int
    vary: tuple[str, ...]
    home: Path
    hardware_text: str | None
    save_every: float
    log_to: "Tracker | None"
    keep: str
    live: bool
    executor: "Callable[[], Executor]"


_keep_option = click.option(
    "--keep",
    type=click.Choice(("all", "last")),
    default="all",
    show_default=True,
    help="Checkpoints that stay: all, or the last of each chain (weights go once no step needs them; see gc).",
)


_live_option = click.option(
    "--live", is_flag=True, help="Keep up a page of what there is so far, live.html in the run folder."
)


def _run_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a run, which reach the command as one ``asked``."""

    @wraps(function)
    def grouped(*, as_json: bool, **given: Any) -> Any:
        return function(asked=_Asked(**given), as_json=as_json)

    options = (
        name_argument,
        profile_option,
        only_option,
        seeds_option,
        vary_option,
        home_option,
        hardware_option,
        save_every_option,
        log_to_option,
        _keep_option,
        _live_option,
        executor_options,
    )
    for option in reversed(options):
        grouped = option(grouped)
    return grouped


@command("run")
@_run_options
def run_command(*, asked: _Asked, as_json: bool) -> None:
    """Run or resume a study, and measure it; `check` then judges."""
    folder = _run(_open(asked), asked)
    _track(asked, folder)
    if as_json:
        print_json({"run": str(folder)})
    else:
        click.echo(str(folder))


@command("reproduce")
@_run_options
def reproduce_command(*, asked: _Asked, as_json: bool) -> int:
    """Plan, run (or resume), measure, check and report."""
    study = _open(asked)

    from selfimp_bench.report.write_study import write_study_report
    from selfimp_bench.runs.folders import record_path
    from selfimp_bench.runs.judge import judge_study
    from selfimp_bench.seals import seal_of

    folder = _run(study, asked)
    judgement = judge_study(folder)
    show_findings(judgement, as_json=as_json)
    written = write_study_report(judgement)
    _track(asked, folder, judgement)
    if not as_json:
        click.echo()
        for page in dict.fromkeys((*written.experiments, written.page)):
            click.echo(f"report: {page}")
        click.echo(f"record: {record_path(folder)}, sealed {seal_of(record_path(folder).read_bytes())}")
    return judgement.exit_code


def _track(asked: _Asked, folder: Path, judgement: "StudyJudgement | None" = None) -> None:
    """For the tracker that was asked for, if one was."""
    if asked.log_to is None:
        return

    from selfimp_bench.report.texts import markdown
    from selfimp_bench.runs.trackers.write import write_tracked

    findings = None if judgement is None else markdown(judgement)
    write_tracked(asked.log_to, folder, asked.home / "store" / "logs" / "runs" / folder.name, judgement, findings)


def _open(asked: _Asked) -> "Study":
    if asked.log_to is not None:
        from selfimp_bench.runs.trackers.tracked import refuse_missing

        refuse_missing(asked.log_to, "--log-to")
    return open_study(asked.name, asked.profile, asked.only, asked.seeds, asked.vary)


def _run(study: "Study", asked: _Asked) -> Path:
    """The run folder, when every step is done."""
    from selfimp_bench.errors import NotReady

    try:
        return _run_here(study, asked)
    except NotReady as error:
        if (place := volume()) is None:
            raise
        raise NotReady("\n".join([str(error), *_from_outside(study, asked, place)])) from None


def _from_outside(study: "Study", asked: _Asked, volume: Path) -> list[str]:
    """The commands that lead from this container to a run: what it needs is fetched first, then it is done."""
    from selfimp_bench.runs.hub_needs import hub_needs

    words = [asked.name, *(["--profile", asked.profile] if asked.profile != "paper" else [])]
    words += ["--only", asked.only] if asked.only is not None else []
    on_gpus = any(experiment.manifest.engines.device == "cuda" for experiment in study.experiments)
    docker, image = ["docker", "run", "--rm"], [f"--volume=selfimp-bench:{volume}", "selfimp-bench"]
    commands = [[*docker, "--env=HF_TOKEN", *image, "fetch", *words]] if hub_needs(study.experiments) else []
    gpus = ["--gpus=all", "--ipc=host"] if on_gpus else []
    own = click.get_current_context().command.name or "reproduce"
    commands.append([*docker, "--network=none", *gpus, *image, own, *words, *_further_words(asked)])
    where = " on a machine with GPUs (NVIDIA container toolkit; image: `ci/build-image cuda`)" if on_gpus else ""
    return [f"from outside the container{where}:", *(f"  {shlex.join(command)}" for command in commands)]


def _further_words(asked: _Asked) -> list[str]:
    """What else was asked of the run, but for where it is done: without it another study would be run, or otherwise."""
    return [
        *(["--seeds", str(asked.seeds)] if asked.seeds != 1 else []),
        *(word for each in asked.vary for word in ("--vary", each)),
        *(["--hardware", asked.hardware_text] if asked.hardware_text is not None else []),
        *(["--save-every", f"{asked.save_every:g}"] if asked.save_every != SAVE_EVERY else []),
        *(["--log-to", asked.log_to] if asked.log_to is not None else []),
        *(["--keep", asked.keep] if asked.keep != "all" else []),
        *(["--live"] if asked.live else []),
    ]


def _run_here(study: "Study", asked: _Asked) -> Path:
    from selfimp_bench.cli.watching import minding_ctrl_c
    from selfimp_bench.runs.cluster.executors import do_elsewhere
    from selfimp_bench.runs.execute import Before, run_study
    from selfimp_bench.runs.keep import KeepingLast
    from selfimp_bench.runs.status import watched

    named = _refuse_misfits(study, asked.hardware_text)
    training = training_options(asked.save_every, asked.log_to)
    device = {} if named is None else {"device": named.name}
    before, executor, watching = Before.now(), asked.executor(), progress(asked.home)
    _tell_of_what_is_made_again(study, asked.home)
    try:
        page = _live_page(study, asked.home) if asked.live else _no_page
        shown = watched(study, asked.home, watching, executor=executor.name, on_news=page)
        with minding_ctrl_c(watching.told), shown as seen:
            told = KeepingLast(study.experiments, asked.home, seen) if asked.keep == "last" else seen
            made = do_elsewhere(executor, study.experiments, asked.home, training, told, **device)
            before = replace(before, made=made)
            return run_study(study, asked.home, told, training, image_digest=image(), before=before)
    except KeyboardInterrupt:
        watching.stop()
        raise KeyboardInterrupt(_stopped(study, asked, watching.told)) from None
    finally:
        watching.stop()


def _no_page(_: "Status") -> None:
    """Nobody asked for one."""


def _live_page(study: "Study", home: Path) -> "Callable[[Status], None]":
    from selfimp_bench.report.live import LivePage

    page = LivePage(study, home)
    click.echo(f"live: {page.path.resolve().as_uri()}", err=True)
    return page


def _tell_of_what_is_made_again(study: "Study", home: Path) -> None:
    """Say before it is done which trainings are done a second time, for steps that read weights that were taken out."""
    from selfimp_bench.runs.keep import made_again
    from selfimp_bench.steps.store import Store

    for experiment in study.experiments:
        for step in made_again(experiment.plan(), Store(home / "store")):
            click.echo(
                f"{experiment.manifest.name}: {step}: its weights were taken out and are needed: again", err=True
            )


def _stopped(study: "Study", asked: _Asked, told: "Told") -> str:
    """What is kept of a run that is stopped, and how it goes on."""
    from selfimp_bench.cli.watching import lasting
    from selfimp_bench.runs.kept import kept
    from selfimp_bench.steps.store import Store

    planned = study.plan()
    found = kept(planned.plan, Store(asked.home / "store"))
    at_work = dict.fromkeys(planned.ids[id(each.step)] for each in told.at_work)
    lines = [
        f"selfimp-bench: stopped after {lasting(told.seconds)}",
        f"kept: {len(found.finished):,} of {plural(found.steps, 'step')}, in {asked.home / 'store'}",
        *(f"goes on from what it saved: {planned.names[step]}" for step in found.begun),
        *(f"begins anew: {planned.names[step]}" for step in at_work if not found.has(step)),
    ]
    return "\n".join([*lines, f"go on: {shlex.join(['selfimp-bench', *sys.argv[1:]])}"])


def _refuse_misfits(study: "Study", hardware: str | None) -> "Hardware | None":
    """Before anything runs: raises InputError when a step cannot run on the hardware named, which it returns."""
    from selfimp_bench.runs.hardware.outlook import outlook, refuse_misfits

    if (named := parsed_hardware(hardware)) is not None:
        refuse_misfits(outlook(study.plan().plan, named, done=frozenset()))
    return named
