"""Executors by name: where the steps of a run are done."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from selfimp_bench.engines.base import TrainOptions
from selfimp_bench.errors import InputError
from selfimp_bench.runs.cluster.schedule import Pool, Share, fill_store
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Executor:
    """What the command line says of it.

    address: of a Ray cluster; None starts one here. gpus_per_step: of a machine, for sampling and training; None is all
    GPUs of a Ray machine, and must be given for Slurm. machines_per_step: for training; None is one. slurm: submitit's
    parameters as NAME=VALUE.
    """

    name: Literal["local", "ray", "slurm"]
    address: str | None
    gpus_per_step: int | None
    machines_per_step: int | None
    slurm: tuple[str, ...]


def do_elsewhere(
    executor: Executor, experiments: Sequence[Experiment], home: Path, training: TrainOptions, progress: Progress
) -> None:
    """Have the steps done by Ray or Slurm; ``local`` leaves them to the run itself, in this process.

    Raises InputError for options that do not go together, and what ``fill_store`` raises.
    """
    _check(executor)
    if executor.name == "local":
        return
    on_gpus = any(experiment.manifest.engines.device == "cuda" for experiment in experiments)
    pool, gpus = _ray(executor) if executor.name == "ray" else _slurm(executor, home, on_gpus=on_gpus)
    share = Share(gpus=gpus, machines=executor.machines_per_step or 1)
    fill_store(experiments, home=home, training=training, pool=pool, share=share, progress=progress)


def _check(executor: Executor) -> None:
    given = {
        "--address": executor.address,
        "--slurm": executor.slurm or None,
        "--gpus-per-step": executor.gpus_per_step,
        "--machines-per-step": executor.machines_per_step,
    }
    with_one = {"--address": ("ray",), "--slurm": ("slurm",)}
    for option, value in given.items():
        names = with_one.get(option, ("ray", "slurm"))
        if value is not None and executor.name not in names:
            raise InputError(f"{option} goes with --executor {' or '.join(names)}, not {executor.name}")


def _ray(executor: Executor) -> tuple[Pool, int]:
    from selfimp_bench.runs.cluster.ray_pool import RayPool

    pool = RayPool(executor.address)
    return pool, pool.gpus_per_machine() if executor.gpus_per_step is None else executor.gpus_per_step


def _slurm(executor: Executor, home: Path, *, on_gpus: bool) -> tuple[Pool, int]:
    from selfimp_bench.runs.cluster.slurm_pool import SlurmPool

    if on_gpus and executor.gpus_per_step is None:
        raise InputError("--executor slurm: say with --gpus-per-step how many GPUs a job gets (as many as a node has)")
    parameters = dict(_parameter(each) for each in executor.slurm)
    return SlurmPool((home / "jobs").resolve(), parameters, "slurm"), executor.gpus_per_step or 0


def _parameter(text: str) -> tuple[str, str | int]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--slurm {text}: expected NAME=VALUE, as in timeout_min=600 or slurm_partition=gpu")
    return name, int(value) if value.isdigit() else value
