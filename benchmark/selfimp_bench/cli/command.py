"""What every command shares: its guard, its options, and what they become.

Heavy imports stay inside the functions, so that ``--help`` and completion answer at once.
"""

import errno
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from selfimp_bench.errors import SelfimpError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from selfimp_bench.cli.watching import Watching
    from selfimp_bench.engines.base import Tracker, TrainOptions
    from selfimp_bench.runs.cluster.executors import Executor
    from selfimp_bench.runs.hardware.device import Hardware
    from selfimp_bench.runs.study import Study

PROFILES = ("paper", "smoke")
SAVE_EVERY = 30.0


def complete_name(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """The names of studies that begin so."""
    from click.shell_completion import CompletionItem

    from selfimp_bench.manifest.catalog import entries, studies

    names = sorted({entry.name for entry in (*entries(), *studies())})
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class _Several(click.Command):
    """A command of which some options take all values up to the next option: ``--samples A B C``."""

    several: tuple[str, ...] = ()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_one_by_one(args, self.several)))


def _one_by_one(arguments: list[str], several: tuple[str, ...]) -> Iterator[str]:
    """The arguments with such an option before each of its values, as click reads them."""
    option, values = "", 0
    for place, argument in enumerate(arguments):
        if argument == "--":
            yield from arguments[place:]
            return
        if argument.startswith("-"):
            name, _, value = argument.partition("=")
            option, values = (name if name in several else ""), len(value)
        elif option:
            if values:
                yield option
            values += 1
        yield argument


def command(name: str, *, several: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], click.Command]:
    """A command with ``--json`` whose user errors print without a traceback and set the exit code.

    ``several`` are options, declared as ``multiple``, of which each takes all values up to the next option.
    """

    def decorate(function: Callable[..., Any]) -> click.Command:
        @wraps(function)
        def guarded(*, as_json: bool, **arguments: Any) -> None:
            sys.exit(_guard(lambda: function(as_json=as_json, **arguments), as_json=as_json))

        option = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
        made = click.command(name, cls=_Several)(option(guarded))
        made.several = several
        return made

    return decorate


def _guard(action: Callable[[], int | None], *, as_json: bool) -> int:
    _make_volume_folders()
    try:
        return action() or 0
    except SelfimpError as error:
        return _fail(str(error), error.exit_code, as_json=as_json)
    except KeyboardInterrupt as stop:
        return _fail(str(stop) or "stopped", 130, as_json=as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; so the flush at exit is quiet
        return 0
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP):
            advice = "nothing finished is lost: name another file or folder"
        elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES):
            advice = "nothing finished is lost: make room or choose another --home, and run the same command again"
        else:
            raise
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror}; {advice}", 2, as_json=as_json)


def _make_volume_folders() -> None:
    """On a container's fresh volume: the home folder and the folder for temporary files that the image names."""
    if volume() is not None:
        for name in ("HOME", "TMPDIR"):
            with suppress(OSError):  # without a writable volume some commands still work; those that write say so
                Path(os.environ.get(name, "/")).mkdir(parents=True, exist_ok=True)


_LONGEST_WORD = 400
_LONGEST_LINE = 4000


def _readable(message: str) -> str:
    """A message without what was read and is too long for one, or would move a terminal's cursor."""
    from selfimp_bench.plain_json import shortened

    lines = []
    for line in message.split("\n"):
        words = (shortened(word, _LONGEST_WORD) for word in line.split(" "))
        plain = "".join(each if each.isprintable() or each == "\t" else ascii(each)[1:-1] for each in " ".join(words))
        lines.append(shortened(plain, _LONGEST_LINE))
    return "\n".join(lines)


def _fail(message: str, code: int, *, as_json: bool) -> int:
    message = _readable(message)
    click.echo(f"selfimp-bench: {message}" if "\n" not in message else message, err=True)
    if as_json:
        print_json({"error": message, "exit_code": code})
    return code


def print_json(value: Any) -> None:
    """Print a value as the one JSON document of a command."""
    import msgspec

    click.echo(json.dumps(msgspec.to_builtins(value, str_keys=True), indent=2, ensure_ascii=False))


name_argument = click.argument("name", shell_complete=complete_name)


home_option = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="SELFIMP_BENCH_HOME",
    default=Path(".selfimp-bench"),
    show_default=True,
    show_envvar=True,
    help="Where results are kept.",
)


profile_option = click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default="paper",
    show_default=True,
    help="paper: as published; smoke: a tiny model through the same stages.",
)


only_option = click.option("--only", metavar="model=M", help="Run one model of the manifest.")


vary_option = click.option(
    "--vary",
    metavar="FIELD=VALUE",
    multiple=True,
    help="A variant, with another value where the source leaves one open (see `show`); it is not judged.",
)


hardware_option = click.option("--hardware", "hardware_text", metavar="8xA100-80GB", help="The GPUs it is to run on.")


seeds_option = click.option(
    "--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Replicates to run."
)


save_every_option = click.option(
    "--save-every",
    metavar="MINUTES",
    type=click.FloatRange(min=0),
    default=SAVE_EVERY,
    show_default=True,
    help="Minutes between checkpoints that a killed training resumes from (0: after every optimizer step).",
)


log_to_option = click.option(
    "--log-to",
    type=click.Choice(("tensorboard", "wandb")),
    help="Write training's losses, and what is measured and found, for TensorBoard or Weights & Biases too (offline, "
    "in store/logs/).",
)


def executor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where steps are done: options that reach the command as one function ``executor``, whose module is not light."""

    @click.option(
        "--executor", "executor_name", type=click.Choice(("local", "ray", "slurm")), default="local", show_default=True,
        help="Who does the steps: this machine, a Ray cluster, or Slurm jobs.",
    )  # fmt: skip
    @click.option("--address", metavar="HOST:PORT", help="Ray: a running cluster (auto: this machine's).")
    @click.option("--gpus-per-step", type=click.IntRange(min=0), help="GPUs of a machine for sampling or training.")
    @click.option("--machines-per-step", type=click.IntRange(min=1), help="Machines that a training step spans.")
    @click.option(
        "--cores", type=click.IntRange(min=1), envvar="SELFIMP_BENCH_CORES",
        help="Of this machine, for local steps side by side; 1: one after the other. Default: all.",
    )  # fmt: skip
    @click.option("--slurm", metavar="NAME=VALUE", multiple=True, help="Slurm: submitit's parameters.")
    @click.option("--slurm-image", metavar="IMAGE", help="Slurm: run jobs in it (a .sif of Apptainer, or Pyxis).")
    @wraps(command)
    def grouped(
        *,
        executor_name: Any,
        address: str | None,
        gpus_per_step: int | None,
        machines_per_step: int | None,
        cores: int | None,
        slurm: tuple[str, ...],
        slurm_image: str | None,
        **rest: Any,
    ) -> Any:
        def executor() -> "Executor":
            from selfimp_bench.runs.cluster.executors import Executor

            # The environment's is for local runs only; what is said on the command line has to fit.
            is_said = click.get_current_context().get_parameter_source("cores") is ParameterSource.COMMANDLINE
            return Executor(
                name=executor_name,
                address=address,
                gpus_per_step=gpus_per_step,
                machines_per_step=machines_per_step,
                slurm=slurm,
                slurm_image=slurm_image,
                cores=cores if executor_name == "local" or is_said else None,
            )

        return command(executor=executor, **rest)

    return grouped


def open_study(name: str, profile: str, only: str | None, seeds: int, vary: tuple[str, ...] = ()) -> "Study":
    """What is asked for. A mistyped name is answered before anything is imported that a name does not need."""
    from selfimp_bench.manifest.catalog import find

    find(name)

    from selfimp_bench.manifest.model import Profile
    from selfimp_bench.runs import study

    return study.open_study(name, profile=Profile(profile), only=only, replicates=seeds, vary=vary)


def training_options(save_minutes: float, log_to: "Tracker | None") -> "TrainOptions":
    """How training is watched and resumed."""
    from selfimp_bench.engines.base import TrainOptions

    return TrainOptions(save_minutes=save_minutes, log_to=log_to, processes=None, machines=None)


def parsed_hardware(hardware: str | None) -> "Hardware | None":
    """The hardware named, if one is."""
    from selfimp_bench.runs.hardware.device import parse_hardware

    return None if hardware is None else parse_hardware(hardware)


def image() -> str | None:
    """The digest of the container image that this runs in, where the user passed it."""
    return os.environ.get("SELFIMP_BENCH_IMAGE") or None


def volume() -> Path | None:
    """Where the container image that this runs in wants its volume; None outside containers."""
    named = os.environ.get("SELFIMP_BENCH_VOLUME")
    return Path(named) if named else None


def progress(home: Path) -> "Watching":
    """A run's progress on standard error, of a home that can be written to."""
    from selfimp_bench.cli.console import console
    from selfimp_bench.cli.watching import LineProgress, LiveProgress
    from selfimp_bench.machine import ready_home

    ready_home(home, volume())
    screen = console(stderr=True)
    return LiveProgress(screen) if screen.is_terminal and not screen.is_dumb_terminal else LineProgress(screen)
