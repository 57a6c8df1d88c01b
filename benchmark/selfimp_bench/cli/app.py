"""The command line: the only module that prints, reads the environment and exits.

Heavy imports stay inside the commands, so that ``--help`` and completion answer at once.
"""

import errno
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from selfimp_bench.errors import InputError, SelfimpError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from selfimp_bench.engines.base import Tracker, TrainOptions
    from selfimp_bench.runs.cluster.executors import Executor
    from selfimp_bench.runs.hardware.device import Hardware
    from selfimp_bench.runs.study import Experiment
    from selfimp_bench.runs.suite import OpenSuite
    from selfimp_bench.steps.progress import Progress

_SECONDS_BETWEEN_LINES = 5.0
PROFILES = ("paper", "subset", "smoke")


def main() -> None:
    """The entry point ``selfimp-bench``."""
    cli(prog_name="selfimp-bench")


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"selfimp-bench {version('selfimp-bench')}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Version.")
def cli() -> None:
    """Reproduce published LLM self-improvement experiments and get an honest verdict.

    Start with `selfimp-bench list`, then `selfimp-bench reproduce tiny-iter-sft`.

    Exit codes: 0 done and nothing contradicted; 1 a claim is contradicted; 2 the input is wrong; 3 nothing
    contradicted but something inconclusive or unmeasured; 4 a step failed.
    """


def _complete_name(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    from selfimp_bench.manifest.catalog import entries, suites

    names = sorted({entry.name for entry in (*entries(), *suites())})
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _command(name: str, group: click.Group = cli) -> Callable[[Callable[..., Any]], click.Command]:
    """A command with ``--json`` whose user errors print without a traceback and set the exit code."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        @wraps(function)
        def guarded(*, as_json: bool, **arguments: Any) -> None:
            sys.exit(_guard(lambda: function(as_json=as_json, **arguments), as_json=as_json))

        option = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
        return group.command(name)(option(guarded))

    return decorate


def _guard(action: Callable[[], int | None], *, as_json: bool) -> int:
    _make_volume_folders()
    try:
        return action() or 0
    except SelfimpError as error:
        return _fail(str(error), error.exit_code, as_json=as_json)
    except KeyboardInterrupt:
        return _fail("stopped; finished steps are kept, the same command resumes", 130, as_json=as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; so the flush at exit is quiet
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES):
            raise
        place = f"{error.filename}: " if error.filename else ""
        advice = "nothing finished is lost: make room or choose another --home, and run the same command again"
        return _fail(f"{place}{error.strerror}; {advice}", 2, as_json=as_json)


def _make_volume_folders() -> None:
    """On a container's fresh volume: the home folder and the folder for temporary files that the image names."""
    if _volume() is not None:
        for name in ("HOME", "TMPDIR"):
            with suppress(OSError):  # without a writable volume some commands still work; those that write say so
                Path(os.environ.get(name, "/")).mkdir(parents=True, exist_ok=True)


def _fail(message: str, code: int, *, as_json: bool) -> int:
    click.echo(f"selfimp-bench: {message}" if "\n" not in message else message, err=True)
    if as_json:
        _print_json({"error": message, "exit_code": code})
    return code


def _print_json(value: Any) -> None:
    import msgspec

    click.echo(json.dumps(msgspec.to_builtins(value, str_keys=True), indent=2, ensure_ascii=False))


_name = click.argument("name", shell_complete=_complete_name)
_home = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="SELFIMP_BENCH_HOME",
    default=Path(".selfimp-bench"),
    show_default=True,
    show_envvar=True,
    help="Where results are kept.",
)
_profile = click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default="paper",
    show_default=True,
    help="paper: as published; subset: a fixed part; smoke: a tiny model through the same stages.",
)
_only = click.option("--only", metavar="model=M", help="Run one model of the manifest.")
_hardware = click.option("--hardware", "hardware_text", metavar="8xA100-80GB", help="The GPUs it is to run on.")
_seeds = click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Replicates to run.")


_save_every = click.option(
    "--save-every",
    metavar="STEPS",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Optimizer steps between checkpoints that a killed training resumes from.",
)
_log_to = click.option(
    "--log-to",
    type=click.Choice(("tensorboard", "wandb")),
    help="Write training's losses for TensorBoard or Weights & Biases too (offline, in store/logs/).",
)


def _executor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where steps are done: options that reach the command as one ``executor``."""

    @click.option(
        "--executor", "executor_name", type=click.Choice(("local", "ray", "slurm")), default="local", show_default=True,
        help="Who does the steps: this process, a Ray cluster, or Slurm jobs.",
    )  # fmt: skip
    @click.option("--address", metavar="HOST:PORT", help="Ray: a running cluster (auto: this machine's).")
    @click.option("--gpus-per-step", type=click.IntRange(min=0), help="GPUs of a machine for sampling or training.")
    @click.option("--machines-per-step", type=click.IntRange(min=1), help="Machines that a training step spans.")
    @click.option("--slurm", metavar="NAME=VALUE", multiple=True, help="Slurm: submitit's parameters.")
    @wraps(command)
    def grouped(
        *,
        executor_name: Any,
        address: str | None,
        gpus_per_step: int | None,
        machines_per_step: int | None,
        slurm: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        from selfimp_bench.runs.cluster.executors import Executor

        executor = Executor(
            name=executor_name,
            address=address,
            gpus_per_step=gpus_per_step,
            machines_per_step=machines_per_step,
            slurm=slurm,
        )
        return command(executor=executor, **rest)

    return grouped


@_command("list")
def list_command(*, as_json: bool) -> None:
    """The experiments, with paper, section, claims and size."""
    from selfimp_bench.cli.screen import console, table
    from selfimp_bench.manifest.catalog import entries, suites
    from selfimp_bench.protocols.load import load_manifest
    from selfimp_bench.protocols.load_suite import load_suite
    from selfimp_bench.runs.describe import size_words

    manifests = [load_manifest(entry.path) for entry in entries()]
    several = [load_suite(entry.path) for entry in suites()]
    if as_json:
        fields = ("name", "version", "title", "summary")
        _print_json(
            [
                {field: getattr(manifest, field) for field in fields}
                | {"paper": manifest.paper, "claims": len(manifest.claims), "models": [m.id for m in manifest.models]}
                for manifest in manifests
            ]
            + [
                {field: getattr(suite, field) for field in fields}
                | {"paper": suite.paper, "claims": len(suite.claims), "suite": [m.name for m in suite.experiments]}
                for suite in several
            ]
        )
        return
    screen = console()
    sizes = [(each, size_words(each)) for each in manifests]
    listed = [*sizes, *((each, f"suite of {len(each.experiments)} experiments") for each in several)]
    for paper, title in dict.fromkeys((each.paper.id, each.paper.title) for each, _ in listed):
        lines = [
            (each.name, f"v{each.version}", each.paper.section, str(len(each.claims)), size)
            for each, size in listed
            if (each.paper.id, each.paper.title) == (paper, title)
        ]
        screen.print(table(f"\n{title} ({paper})", ("experiment", "version", "from", "claims", "size"), lines))


@_command("show")
@_name
@_profile
def show_command(*, name: str, profile: str, as_json: bool) -> None:
    """One manifest resolved, with its claims, its assumptions, and what contradicts the numbers it compares with."""
    from selfimp_bench.cli.screen import console, manifest_lines, table
    from selfimp_bench.manifest.catalog import find_suite, find_table
    from selfimp_bench.manifest.conflicts import conflicts_about
    from selfimp_bench.runs.describe import assumptions

    if (suite := find_suite(name)) is not None:
        _show_suite(suite, as_json=as_json)
        return
    experiment = _open(name, profile, None, 1)
    found = assumptions(experiment.manifest)
    conflicts = conflicts_about(experiment.manifest.claims, lambda table: find_table(table, experiment.path))
    if as_json:
        shown = {"manifest": experiment.manifest, "manifest_digest": experiment.manifest_digest}
        _print_json(shown | {"assumptions": found, "conflicts": conflicts})
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


@_command("validate")
@click.argument("names", nargs=-1, metavar="[NAME|PATH]...")
def validate_command(*, names: tuple[str, ...], as_json: bool) -> int:
    """Check manifests and reference tables: every problem at once, as file:line:col where: problem.

    Sound manifests' claims are then held against the paper's own numbers; what it contradicts is no problem of the
    manifest. NAME is an experiment or a suite, PATH a file or folder; without any, all that is shipped.
    """
    from selfimp_bench.cli.screen_suite import paper_lines
    from selfimp_bench.runs.validate import validate

    report = validate(names)
    if as_json:
        _print_json(report)
    else:
        for flaw in report.flaws:
            click.echo(str(flaw))
        for note in report.notes:
            click.echo(note)
        for line in paper_lines(report.papers):
            click.echo(line)
        click.echo(f"{report.files} files, {len(report.flaws)} problems")
    return 2 if report.flaws else 0


@_command("plan")
@_name
@_profile
@_only
@_seeds
@_home
@_hardware
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

    hardware = _parsed(hardware_text)
    if (suite := find_suite(name)) is not None:
        return _plan_suite(_open_suite(suite, profile, only, seeds), home, hardware, as_json=as_json)
    experiment = _open(name, profile, only, seeds)
    plan = experiment.plan()
    expected = forecast(plan, Store(home / "store"))
    claims = decidable_claims(experiment)
    found = None if hardware is None else outlook(plan, hardware, done=expected.done())
    if as_json:
        _print_json({"experiment": experiment.manifest.name, "forecast": expected, "claims": claims, "hardware": found})
    else:
        for part in (*forecast_tables(expected, claims), *(outlook_tables(found) if found is not None else ())):
            console().print(part)
    return 2 if found is not None and found.misfits else 0


@_command("doctor")
@click.argument("name", required=False, shell_complete=_complete_name)
@_profile
@_only
@click.option("--online", is_flag=True, help="Also ask the hub for what is not fetched yet.")
@_home
def doctor_command(*, name: str | None, profile: str, only: str | None, online: bool, home: Path, as_json: bool) -> int:
    """What would stop a run of NAME here, before it starts; without NAME, the machine alone. Exit code 2 if anything.

    Home, packages, engines, GPU, memory, disk, models and data, licences and token, sandbox. Needs no network.
    """
    from selfimp_bench.runs.doctor import diagnose

    experiments = () if name is None else _experiments(name, profile, only)
    found = diagnose(experiments, home, volume=_volume(), online=online, endpoint=None)
    if as_json:
        _print_json({"sound": found.sound, "checks": found.checks})
    else:
        for check in found.checks:
            advice = "" if check.advice is None else f"\n         -> {check.advice}"
            click.echo(f"{check.state:8} {check.name}: {check.found}{advice}")
    return 0 if found.sound else 2


@_command("fetch")
@_name
@_profile
@_only
@click.option("--mirror", "mirrors", metavar="ID=REPO@REVISION", multiple=True, help="Take it from there, if equal.")
@_home
def fetch_command(
    *, name: str, profile: str, only: str | None, mirrors: tuple[str, ...], home: Path, as_json: bool
) -> None:
    """Bring an experiment's or suite's models and data from the hub, proved; afterwards it runs with no network.

    What is there is hashed again. The same command goes on where one broke off. Gated models need HF_TOKEN.
    """
    from selfimp_bench.machine import ready_home
    from selfimp_bench.runs.fetch import fetch, parse_mirror
    from selfimp_bench.runs.hub_needs import hub_needs

    ready_home(home, _volume())
    needs = hub_needs(_experiments(name, profile, only))
    report = fetch(
        needs,
        home,
        mirrors=[parse_mirror(mirror) for mirror in mirrors],
        endpoint=None,
        say=lambda line: click.echo(line, err=True),
    )
    if as_json:
        _print_json(report)
        return
    for each in report.fetched:
        origin = "" if each.mirror is None else f", from {each.mirror}"
        how = "there already" if each.downloaded == 0 else "fetched"
        click.echo(f"{how}: {each.pinned}: {each.files} files, {each.bytes / 1e6:,.1f} MB{origin}")
    click.echo(f"all that {name} needs is under {report.folder}" if needs else f"{name} needs nothing from the hub")


@_command("run")
@_name
@_profile
@_only
@_seeds
@_home
@_hardware
@_save_every
@_log_to
@_executor_options
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
        opened = _open_suite(suite, profile, only, seeds)
        _refuse_misfits(opened.experiments, hardware_text)
        _do_elsewhere(executor, opened.experiments, home, _training(save_every, log_to))
        folder = run_suite(opened, home, _progress(home), _training(save_every, log_to), image_digest=_image())
    else:
        experiment = _open(name, profile, only, seeds)
        _refuse_misfits((experiment,), hardware_text)
        _do_elsewhere(executor, (experiment,), home, _training(save_every, log_to))
        folder = _run(experiment, home, _training(save_every, log_to))
    if as_json:
        _print_json({"run": str(folder)})
    else:
        click.echo(str(folder))


@_command("reproduce")
@_name
@_profile
@_only
@_seeds
@_home
@_hardware
@_save_every
@_log_to
@_executor_options
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

    if (suite := find_suite(name)) is not None:
        opened = _open_suite(suite, profile, only, seeds)
        _refuse_misfits(opened.experiments, hardware_text)
        _do_elsewhere(executor, opened.experiments, home, _training(save_every, log_to))
        return _reproduce_suite(opened, home, _training(save_every, log_to), as_json=as_json)
    experiment = _open(name, profile, only, seeds)
    _refuse_misfits((experiment,), hardware_text)
    _do_elsewhere(executor, (experiment,), home, _training(save_every, log_to))
    folder = _run(experiment, home, _training(save_every, log_to))
    code = _check(folder, as_json=as_json)
    report = _report(folder)
    if not as_json:
        click.echo(f"\nreport: {report}\nrecord: {folder / 'record.json'}")
    return code


@_command("check")
@click.argument("run", metavar="RUN")
@_home
def check_command(*, run: str, home: Path, as_json: bool) -> int:
    """Judge a finished run (a run folder, or an experiment's or suite's NAME or NAME/ID). Needs no GPU."""
    from selfimp_bench.runs.judge import find_run
    from selfimp_bench.runs.suite import find_suite_run

    if (suite := find_suite_run(run, home)) is not None:
        return _check_suite(suite, as_json=as_json)
    return _check(find_run(run, home), as_json=as_json)


@_command("report")
@click.argument("run", metavar="RUN")
@_home
def report_command(*, run: str, home: Path, as_json: bool) -> None:
    """Write report.html and figures/ of a finished run, or of a suite's and all its experiments'. Needs no GPU."""
    from selfimp_bench.report.write_suite import write_suite_report
    from selfimp_bench.runs.judge import find_run, judge_run
    from selfimp_bench.runs.suite import find_suite_run

    if (suite := find_suite_run(run, home)) is not None:
        path = write_suite_report(suite).page
    else:
        folder = find_run(run, home)
        judge_run(folder)
        path = _report(folder)
    if as_json:
        _print_json({"report": str(path)})
    else:
        click.echo(str(path))


@_command("explain")
@click.argument("run", metavar="RUN")
@click.argument("claim", metavar="CLAIM")
@_home
def explain_command(*, run: str, claim: str, home: Path, as_json: bool) -> None:
    """Why a claim got its verdict in a finished run: the rule, every term and its source, and what would decide it."""
    from selfimp_bench.cli.screen import console, explanation_parts
    from selfimp_bench.runs.explain import explain_run, explain_suite
    from selfimp_bench.runs.judge import find_run
    from selfimp_bench.runs.suite import find_suite_run

    suite = find_suite_run(run, home)
    found = explain_run(find_run(run, home), claim) if suite is None else explain_suite(suite, claim)
    if as_json:
        _print_json(found)
        return
    for part in explanation_parts(found):
        console().print(part)


@_command("grade")
@click.option("--task", metavar="TASK", required=True, help="Whose answers these are.")
@click.option("--problems", type=click.Path(path_type=Path), required=True, help="JSONL or Parquet.")
@click.option("--samples", type=click.Path(path_type=Path), required=True, multiple=True, help="JSONL or Parquet.")
@click.option("--extraction", type=click.Choice(("strict", "flexible")), default="strict", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="JSONL or Parquet.")
def grade_command(
    *, task: str, problems: Path, samples: tuple[Path, ...], extraction: str, out: Path, as_json: bool
) -> None:
    """Outcomes for anybody's own generations."""
    import msgspec

    from selfimp_bench.manifest.model import Grading
    from selfimp_bench.runs.grade_files import grade_files
    from selfimp_bench.tasks.grading.graders import GRADERS

    if task not in GRADERS:
        raise InputError(f"--task {task}: no such task; known: {', '.join(GRADERS)}")
    grading = msgspec.convert({"task": task, "extraction": extraction, "source": "command line"}, Grading)
    counts = grade_files(grading, problems=problems, samples=samples, out=out, told=_told())
    if as_json:
        _print_json({"out": str(out), "outcomes": counts})
    else:
        total = sum(counts.values())
        for outcome, count in counts.items():
            click.echo(f"{outcome:10} {count:8}  {count / total:7.2%}")
        click.echo(f"written: {out}")


@cli.group("sandbox")
def sandbox_group() -> None:
    """The isolation in which programs that a model wrote are graded."""


@_command("selftest", sandbox_group)
@click.option(
    "--mechanism",
    type=click.Choice(("active", "bubblewrap", "landlock")),
    default="active",
    show_default=True,
    help="active: the strongest that passes here, which grading would use.",
)
def sandbox_selftest_command(*, mechanism: str, as_json: bool) -> int:
    """Run every hostile program of the corpus against the isolation, and say what happened.

    Exit code 4 if an attack got through or did not end as it should, or if the isolation cannot be had here.
    """
    from selfimp_bench.cli.screen import console, selftest_lines
    from selfimp_bench.tasks.sandbox.mechanism import Mechanism
    from selfimp_bench.tasks.sandbox.selftest import try_mechanisms

    tried = try_mechanisms(tuple(Mechanism) if mechanism == "active" else (Mechanism(mechanism),))
    if as_json:
        _print_json([{"mechanism": each.mechanism, "passed": each.passed, "tried": each} for each in tried])
    else:
        for each in tried:
            for part in selftest_lines(each):
                console().print(part)
    return 0 if tried[-1].passed else 4


def _told() -> Callable[[int], None]:
    """Says every few seconds how many are done."""
    began = last = time.monotonic()
    first: int | None = None

    def told(done: int) -> None:
        nonlocal last, first
        first = done - 1 if first is None else first
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            click.echo(f"{done} graded, {(done - first) / (now - began):.0f}/s", err=True)

    return told


def _open(name: str, profile: str, only: str | None, seeds: int) -> "Experiment":
    from selfimp_bench.manifest.model import Profile
    from selfimp_bench.runs.study import open_experiment

    return open_experiment(name, profile=Profile(profile), only=only, replicates=seeds)


def _experiments(name: str, profile: str, only: str | None) -> "tuple[Experiment, ...]":
    """An experiment, or those of a suite."""
    from selfimp_bench.manifest.catalog import find_suite

    if (suite := find_suite(name)) is not None:
        return _open_suite(suite, profile, only, 1).experiments
    return (_open(name, profile, only, 1),)


def _run(experiment: "Experiment", home: Path, training: "TrainOptions") -> Path:
    from selfimp_bench.runs.execute import execute

    return execute(experiment, home, _progress(home), training, image_digest=_image())


def _training(save_every: int, log_to: "Tracker | None") -> "TrainOptions":
    from selfimp_bench.engines.base import TrainOptions

    return TrainOptions(save_every=save_every, log_to=log_to, processes=None, machines=None)


def _image() -> str | None:
    """The digest of the container image that this runs in, where the user passed it."""
    return os.environ.get("SELFIMP_BENCH_IMAGE") or None


def _volume() -> Path | None:
    """Where the container image that this runs in wants its volume; None outside containers."""
    named = os.environ.get("SELFIMP_BENCH_VOLUME")
    return Path(named) if named else None


def _progress(home: Path) -> "Progress":
    from selfimp_bench.cli.screen import BarProgress, LineProgress, console
    from selfimp_bench.machine import ready_home

    ready_home(home, _volume())
    screen = console(stderr=True)
    return BarProgress(screen) if screen.is_terminal else LineProgress(screen)


def _open_suite(path: Path, profile: str, only: str | None, seeds: int) -> "OpenSuite":
    from selfimp_bench.manifest.model import Profile
    from selfimp_bench.runs.suite import open_suite

    return open_suite(path, profile=Profile(profile), only=only, replicates=seeds)


def _show_suite(path: Path, *, as_json: bool) -> None:
    from selfimp_bench.cli.screen import console, table
    from selfimp_bench.cli.screen_suite import suite_lines
    from selfimp_bench.protocols.load_suite import load_suite

    suite = load_suite(path)
    if as_json:
        _print_json({"suite": suite})
        return
    screen = console()
    for line in suite_lines(suite):
        screen.print(line, markup=False)
    claims = [(claim.id, claim.statement, claim.source) for claim in suite.claims]
    screen.print(table(f"\nClaims ({len(claims)})", ("id", "statement", "source"), claims))
    assumed = [(claim.id, claim.assumed) for claim in suite.claims if claim.assumed is not None]
    screen.print(table(f"\nAssumed, because the source does not say ({len(assumed)})", ("claim", "why"), assumed))


def _parsed(hardware: str | None) -> "Hardware | None":
    from selfimp_bench.runs.hardware.device import parse_hardware

    return None if hardware is None else parse_hardware(hardware)


def _refuse_misfits(experiments: Sequence["Experiment"], hardware: str | None) -> None:
    """Before anything runs: raises InputError when a step cannot run on the hardware named, if one is named."""
    from selfimp_bench.runs.hardware.outlook import outlook, refuse_misfits

    if (asked := _parsed(hardware)) is not None:
        for experiment in experiments:
            refuse_misfits(outlook(experiment.plan(), asked, done=frozenset()))


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
        _print_json(whole)
        return 2 if found is not None and found.whole.misfits else 0
    for part in (*suite_plan_tables(planned, expected), *(suite_outlook_tables(found) if found is not None else ())):
        console().print(part)
    for member in opened.suite.experiments:
        if member.pending is not None:
            click.echo(f"left out: {member.name}: {member.pending}")
    return 2 if found is not None and found.whole.misfits else 0


def _reproduce_suite(opened: "OpenSuite", home: Path, training: "TrainOptions", *, as_json: bool) -> int:
    from selfimp_bench.report.write_suite import write_suite_report
    from selfimp_bench.runs.suite import run_suite

    folder = run_suite(opened, home, _progress(home), training, image_digest=_image())
    code = _check_suite(folder, as_json=as_json)
    written = write_suite_report(folder)
    if not as_json:
        for report in (*written.experiments, written.page):
            click.echo(f"report: {report}")
        click.echo(f"record: {folder / 'suite.json'}")
    return code


def _check_suite(folder: Path, *, as_json: bool) -> int:
    from selfimp_bench.cli.screen import console
    from selfimp_bench.cli.screen_suite import suite_findings
    from selfimp_bench.runs.suite import check_suite

    judgement = check_suite(folder)
    if as_json:
        _print_json(judgement)
    else:
        for part in suite_findings(judgement):
            console().print(part)
    return judgement.exit_code


def _do_elsewhere(
    executor: "Executor", experiments: "Sequence[Experiment]", home: Path, training: "TrainOptions"
) -> None:
    from selfimp_bench.runs.cluster.executors import do_elsewhere

    do_elsewhere(executor, experiments, home, training, _progress(home))


def _check(folder: Path, *, as_json: bool) -> int:
    from selfimp_bench.cli.screen import console, findings_table
    from selfimp_bench.runs.judge import judge_run

    judgement = judge_run(folder)
    if as_json:
        _print_json(judgement)
    else:
        for part in findings_table(judgement):
            console().print(part)
    return judgement.exit_code


def _report(folder: Path) -> Path:
    from selfimp_bench.report.write import write_report

    return write_report(folder)
