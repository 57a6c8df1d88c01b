"""`reproduce`, and `run`, which is its part without a verdict."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from selfimp_bench.cli.check import check_run, check_suite_run
from selfimp_bench.cli.command import (
    command,
    executor_options,
    hardware_option,
    home_option,
    image,
    log_to_option,
    name_argument,
    only_option,
    open_one,
    open_several,
    parsed_hardware,
    print_json,
    profile_option,
    progress,
    save_every_option,
    seeds_option,
    training_options,
)

if TYPE_CHECKING:
    from selfimp_bench.engines.base import Tracker, TrainOptions
    from selfimp_bench.runs.cluster.executors import Executor
    from selfimp_bench.runs.study import Experiment
    from selfimp_bench.runs.suite import OpenSuite


@command("run")
@name_argument
@profile_option
@only_option
@seeds_option
@home_option
@hardware_option
@save_every_option
@log_to_option
@executor_options
def run_command(
    *,
    name: str,
    profile: str,
    only: str | None,
    seeds: int,
    home: Path,
    hardware_text: str | None,
    save_every: int,
    log_to: "Tracker | None",
    executor: "Executor",
    as_json: bool,
) -> None:
    """Run or resume an experiment or a suite, and measure it; `check` then judges."""
    from selfimp_bench.manifest.catalog import find_suite
    from selfimp_bench.runs.suite import run_suite

    if (suite := find_suite(name)) is not None:
        opened = open_several(suite, profile, only, seeds)
        _refuse_misfits(opened.experiments, hardware_text)
        _do_elsewhere(executor, opened.experiments, home, training_options(save_every, log_to))
        folder = run_suite(opened, home, progress(home), training_options(save_every, log_to), image_digest=image())
    else:
        experiment = open_one(name, profile, only, seeds)
        _refuse_misfits((experiment,), hardware_text)
        _do_elsewhere(executor, (experiment,), home, training_options(save_every, log_to))
        folder = _run(experiment, home, training_options(save_every, log_to))
    if as_json:
        print_json({"run": str(folder)})
    else:
        click.echo(str(folder))


@command("reproduce")
@name_argument
@profile_option
@only_option
@seeds_option
@home_option
@hardware_option
@save_every_option
@log_to_option
@executor_options
def reproduce_command(
    *,
    name: str,
    profile: str,
    only: str | None,
    seeds: int,
    home: Path,
    hardware_text: str | None,
    save_every: int,
    log_to: "Tracker | None",
    executor: "Executor",
    as_json: bool,
) -> int:
    """Plan, run (or resume), measure, check and report."""
    from selfimp_bench.manifest.catalog import find_suite
    from selfimp_bench.report.write import write_report

    if (suite := find_suite(name)) is not None:
        opened = open_several(suite, profile, only, seeds)
        _refuse_misfits(opened.experiments, hardware_text)
        _do_elsewhere(executor, opened.experiments, home, training_options(save_every, log_to))
        return _reproduce_suite(opened, home, training_options(save_every, log_to), as_json=as_json)
    experiment = open_one(name, profile, only, seeds)
    _refuse_misfits((experiment,), hardware_text)
    _do_elsewhere(executor, (experiment,), home, training_options(save_every, log_to))
    folder = _run(experiment, home, training_options(save_every, log_to))
    code = check_run(folder, as_json=as_json)
    report = write_report(folder)
    if not as_json:
        click.echo(f"\nreport: {report}\nrecord: {folder / 'record.json'}")
    return code


def _run(experiment: "Experiment", home: Path, training: "TrainOptions") -> Path:
    from selfimp_bench.runs.execute import execute

    return execute(experiment, home, progress(home), training, image_digest=image())


def _refuse_misfits(experiments: Sequence["Experiment"], hardware: str | None) -> None:
    """Before anything runs: raises InputError when a step cannot run on the hardware named, if one is named."""
    from selfimp_bench.runs.hardware.outlook import outlook, refuse_misfits

    if (asked := parsed_hardware(hardware)) is not None:
        for experiment in experiments:
            refuse_misfits(outlook(experiment.plan(), asked, done=frozenset()))


def _do_elsewhere(
    executor: "Executor", experiments: "Sequence[Experiment]", home: Path, training: "TrainOptions"
) -> None:
    from selfimp_bench.runs.cluster.executors import do_elsewhere

    do_elsewhere(executor, experiments, home, training, progress(home))


def _reproduce_suite(opened: "OpenSuite", home: Path, training: "TrainOptions", *, as_json: bool) -> int:
    from selfimp_bench.report.write_suite import write_suite_report
    from selfimp_bench.runs.suite import run_suite

    folder = run_suite(opened, home, progress(home), training, image_digest=image())
    code = check_suite_run(folder, as_json=as_json)
    written = write_suite_report(folder)
    if not as_json:
        for report in (*written.experiments, written.page):
            click.echo(f"report: {report}")
        click.echo(f"record: {folder / 'suite.json'}")
    return code
