"""Executors by name: where the steps of a run are done."""

import math
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from selfimp_bench.engines.base import TrainOptions
from selfimp_bench.engines.worker.child import visible_gpus
from selfimp_bench.errors import InputError
from selfimp_bench.machine import available_cores, available_memory
from selfimp_bench.runs.cluster.hours import longest
from selfimp_bench.runs.cluster.local_pool import LocalPool
from selfimp_bench.runs.cluster.needs import Share
from selfimp_bench.runs.cluster.schedule import Pool, fill_store, pieces_of_work
from selfimp_bench.runs.cluster.simulate import urgency
from selfimp_bench.runs.cluster.slurm_image import JobImage
from selfimp_bench.runs.execute import refuse_lacks
from selfimp_bench.runs.hardware.device import Hardware, parse_hardware
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.progress import Progress
from selfimp_bench.steps.prompts import PromptsBlock

TIME_LIMITS = ("timeout_min", "slurm_time", "time")


@dataclass(frozen=True, kw_only=True)
class Executor:
    """What the command line says of it.

    address: of a Ray cluster; None starts one here. gpus_per_step: of a machine, for sampling and training; None is all
    GPUs of a Ray machine, and must be given for Slurm. machines_per_step: for training; None is one. slurm: submitit's
    parameters as NAME=VALUE. slurm_image: what jobs run inside of, an Apptainer file or an image for Pyxis; None is
    this very installation. cores: of this machine, for local steps side by side; None is all that this process may use.
    """

    name: Literal["local", "ray", "slurm"]
    address: str | None
    gpus_per_step: int | None
    machines_per_step: int | None
    slurm: tuple[str, ...]
    slurm_image: str | None
    cores: int | None = None


def do_elsewhere(
    executor: Executor,
    experiments: Sequence[Experiment],
    home: Path,
    training: TrainOptions,
    progress: Progress,
    *,
    device: str = "A100-80GB",
) -> frozenset[str]:
    """Have the steps done by Ray, by Slurm, or side by side on this machine; ``local`` with one core leaves them to the
    run itself, in this process. Returns the fingerprints of steps that this machine has done.

    device: the kind of GPU that a time limit is suggested for. Raises InputError for options that do not go together,
    NotReady as ``execute`` does, and what ``fill_store`` raises.
    """
    _check(executor)
    if executor.name == "local":
        return _side_by_side(executor, experiments, home, training, progress, device)
    on_gpus = [experiment for experiment in experiments if experiment.manifest.engines.device == "cuda"]
    if executor.name == "ray":
        pool, gpus = _ray(executor)
    else:
        image = _image(executor, home, experiments)
        pool, gpus = _slurm(executor, home, on_gpus, device, image)
    share = Share(gpus=gpus, machines=executor.machines_per_step or 1)
    urgent = _urgency(on_gpus, parse_hardware(f"{max(gpus, 1)}x{device}"))
    with _ended_in_order():
        fill_store(experiments, home=home, training=training, pool=pool, share=share, progress=progress, urgency=urgent)
    return frozenset()


def _side_by_side(
    executor: Executor,
    experiments: Sequence[Experiment],
    home: Path,
    training: TrainOptions,
    progress: Progress,
    device: str,
) -> frozenset[str]:
    cores = available_cores() if executor.cores is None else executor.cores
    if cores < 2:
        return frozenset()
    for experiment in experiments:
        refuse_lacks(experiment, home)
    gpus = visible_gpus() if any(each.manifest.engines.device == "cuda" for each in experiments) else ()
    count = min(executor.gpus_per_step or len(gpus), len(gpus))
    shares = [gpus[first : first + count] for first in range(0, len(gpus) - count + 1, count)] if count else []
    pool = LocalPool(cores, shares, available_memory(), progress.advance)
    urgent = dict(_urgency(experiments, parse_hardware(f"{max(count, 1)}x{device}")))
    for key, work in pieces_of_work(experiments).items():
        if isinstance(work.step.block, PromptsBlock):
            urgent[key] = math.inf  # what does not fit is said before anything is trained
    share = Share(gpus=count, machines=1)
    with _ended_in_order():
        return fill_store(
            experiments, home=home, training=training, pool=pool, share=share, progress=progress, urgency=urgent
        )


def _urgency(experiments: Sequence[Experiment], machine: Hardware) -> Mapping[str, float]:
    """By the plan's hours; none where a model's sizes are not known."""
    try:
        return urgency(experiments, machine)
    except InputError:
        return {}


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Meanwhile a polite end (SIGTERM, a closed terminal) is one by Ctrl-C, which ends what runs elsewhere."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    try:
        before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    except ValueError:  # not in the main thread
        before = []
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=False):
            signal.signal(number, handler)


def _check(executor: Executor) -> None:
    given = {
        "--address": executor.address,
        "--slurm": executor.slurm or None,
        "--slurm-image": executor.slurm_image,
        "--gpus-per-step": executor.gpus_per_step,
        "--machines-per-step": executor.machines_per_step,
        "--cores": executor.cores,
    }
    with_one = {
        "--address": ("ray",),
        "--slurm": ("slurm",),
        "--slurm-image": ("slurm",),
        "--gpus-per-step": ("local", "ray", "slurm"),
        "--cores": ("local",),
    }
    for option, value in given.items():
        names = with_one.get(option, ("ray", "slurm"))
        if value is not None and executor.name not in names:
            raise InputError(f"{option} goes with --executor {' or '.join(names)}, not {executor.name}")
    if executor.slurm_image is not None and (executor.machines_per_step or 1) > 1:
        raise InputError(
            "--slurm-image: a step in an image runs on one machine, for srun is not inside; leave --machines-per-step "
            "out, or use an installation that all machines see"
        )


def _ray(executor: Executor) -> tuple[Pool, int]:
    from selfimp_bench.runs.cluster.ray_pool import RayPool

    pool = RayPool(executor.address)
    return pool, pool.gpus_per_machine() if executor.gpus_per_step is None else executor.gpus_per_step


def _image(executor: Executor, home: Path, experiments: Iterable[Experiment]) -> JobImage | None:
    if executor.slurm_image is None:
        return None
    return JobImage(executor.slurm_image, home.resolve(), (each.path.resolve().parent for each in experiments))


def _slurm(
    executor: Executor, home: Path, on_gpus: Sequence[Experiment], device: str, image: JobImage | None
) -> tuple[Pool, int]:
    from selfimp_bench.runs.cluster.slurm_pool import SlurmPool

    if on_gpus and executor.gpus_per_step is None:
        raise InputError("--executor slurm: say with --gpus-per-step how many GPUs a job gets (as many as a node has)")
    gpus = executor.gpus_per_step or 0
    parameters = dict(_parameter(each) for each in executor.slurm)
    if on_gpus and not parameters.keys() & set(TIME_LIMITS):
        words = "--executor slurm: say with --slurm timeout_min=MINUTES how long a job may take"
        raise InputError(f"{words}{_limit(on_gpus, gpus, device)}")
    pool = SlurmPool((home / "jobs").resolve(), parameters, image)
    return pool, gpus


def _limit(experiments: Sequence[Experiment], gpus: int, device: str) -> str:
    """What the plan suggests, where it knows the models' sizes."""
    hardware = parse_hardware(f"{max(gpus, 1)}x{device}")
    try:
        found = longest(experiments, hardware)
    except InputError:
        found = None
    advice = "a step that runs out of it goes on from its last checkpoint in a new job"
    if found is None:
        return f"; {advice}"
    step, hours = found
    minutes = math.ceil(hours.at_most * 60 / 30 + 1) * 30
    return (
        f"; on {hardware} the longest step, {step}, takes {hours.expected:,.1f} to {hours.at_most:,.1f} hours by the "
        f"plan: --slurm timeout_min={minutes}, or less: {advice}"
    )


def _parameter(text: str) -> tuple[str, str | int]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--slurm {text}: expected NAME=VALUE, as in timeout_min=600 or slurm_partition=gpu")
    return name, int(value) if value.isdigit() else value
