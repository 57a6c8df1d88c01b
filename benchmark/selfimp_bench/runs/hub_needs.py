"""What the steps of a plan need from the hub, and what of it is not there."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from selfimp_bench.engines.hub.fetched import (
    Fetched,
    Pinned,
    find_fetched,
    hub_folder,
    pinned_dataset,
    pinned_encoder,
    pinned_model,
)
from selfimp_bench.errors import InputError, NotReady
from selfimp_bench.manifest.catalog import entries, is_of_several
from selfimp_bench.manifest.model import DatasetRef, Encoder, ModelRef, Profile
from selfimp_bench.protocols.post_training.embed import EmbedBlock
from selfimp_bench.runs.forecast import records_of
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.dataset import ProblemsBlock
from selfimp_bench.steps.model import ModelBlock
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.store import Store


@dataclass(frozen=True, kw_only=True)
class Need:
    """A part of a hub repository that an experiment needs.

    ref: where the manifest names it. task: how a data set's rows are laid out. experiment: the first that needs it.
    """

    pinned: Pinned
    ref: ModelRef | DatasetRef | Encoder
    task: str | None
    experiment: str


@dataclass(frozen=True, kw_only=True)
class Shortfall:
    """A need that is not met: not fetched, or ``damaged`` with the reason."""

    need: Need
    damaged: str | None


def hub_needs(experiments: Iterable[Experiment]) -> tuple[Need, ...]:
    """What the experiments need from the hub, each once, in the order of their plans."""
    found: dict[Pinned, Need] = {}
    for experiment in experiments:
        for step in experiment.plan().steps:
            need = _need(step, experiment.manifest.name)
            if need is not None:
                found.setdefault(need.pinned, need)
    return tuple(found.values())


def shortfalls(needs: Iterable[Need], home: Path) -> tuple[Shortfall, ...]:
    """The needs that a run on this home would miss. Uses no network."""
    found = []
    for need in needs:
        try:
            there: Fetched | None = find_fetched(need.pinned, hub_folder(home))
        except InputError as error:
            found.append(Shortfall(need=need, damaged=str(error)))
            continue
        if there is None:
            found.append(Shortfall(need=need, damaged=None))
    return tuple(found)


def missing_words(experiment: Experiment, home: Path) -> str | None:
    """All that a run would miss from the hub, with the command that brings it; None where nothing is missing.

    Nothing is missing where every step is done already.
    """
    missing = shortfalls(hub_needs((experiment,)), home)
    plan = experiment.plan()
    if not missing or len(records_of(plan, Store(home / "store"))) == len(plan.steps):
        return None
    return "\n".join(
        [
            f"{experiment.manifest.name}: a run uses no network, and this is not under {hub_folder(home)}:",
            *(f"  {short.damaged or short.need.pinned}" for short in missing),
            f"bring it there with: {fetch_command(experiment, home)}",
        ]
    )


def refuse_shortfalls(experiment: Experiment, home: Path) -> None:
    """Before anything runs: raises NotReady with the words above where something is missing."""
    if (words := missing_words(experiment, home)) is not None:
        raise NotReady(words)


def fetch_command(experiment: Experiment, home: Path) -> str:
    """The command that brings what an experiment needs, as one would type it."""
    shipped = any(entry.path == experiment.path for entry in entries())
    own = f"{experiment.path}#{experiment.manifest.name}" if is_of_several(experiment.path) else str(experiment.path)
    words = ["selfimp-bench", "fetch", experiment.manifest.name if shipped else own]
    if experiment.profile is not Profile.PAPER:
        words += ["--profile", experiment.profile]
    if len(experiment.models) < len(experiment.manifest.models):
        words += ["--only", f"model={experiment.models[0].id}"]
    return shlex.join([*words, "--home", str(home)])


def _need(step: Step, experiment: str) -> Need | None:
    ref: ModelRef | DatasetRef | Encoder
    match step.block:
        case ModelBlock(model=ref):
            pinned, task = pinned_model(ref), None
        case ProblemsBlock(dataset=ref, task=task):
            pinned = pinned_dataset(ref)
        case EmbedBlock(encoder=ref, engine=engine) if engine != "fake":
            pinned, task = pinned_encoder(ref), None
        case _:
            return None
    return None if pinned is None else Need(pinned=pinned, ref=ref, task=task, experiment=experiment)
