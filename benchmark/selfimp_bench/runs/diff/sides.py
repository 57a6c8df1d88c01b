"""The two runs of a comparison, read: run folders in their homes, runs of a home by name, or bundles."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from selfimp_bench.engines.hub.fetched import hub_folder
from selfimp_bench.errors import InputError
from selfimp_bench.runs.folders import find_run, is_of_several
from selfimp_bench.runs.judge import RunFiles, read_run
from selfimp_bench.runs.record import RecordedStep
from selfimp_bench.runs.verifying.open import home_of, whole_bundle
from selfimp_bench.runs.verifying.parts import run_folders
from selfimp_bench.runs.verifying.plans import plan_of
from selfimp_bench.steps.plan import Plan, Step
from selfimp_bench.steps.store import SCHEMA, StepRecord

_SEED: Final = re.compile(r"/seed(\d+)/")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run or a study lies: its folder, the store with what its models wrote (None: not here), and what was
    fetched."""

    subject: str
    folder: Path
    store: Path | None
    hub: Path


@dataclass(frozen=True, kw_only=True)
class Side:
    """One experiment's run. ``alone``: it has one model, which is compared with the one of the other run."""

    label: str
    run: RunFiles
    plan: Plan
    store: Path | None
    hub: Path
    alone: bool = field(default=False)

    @cached_property
    def records(self) -> dict[str, StepRecord]:
        """What every step did, by its id, as the run's record has it."""
        return {step.id: _as_step(step) for step in self.run.record.steps}

    @property
    def as_planned(self) -> bool:
        """Whether the run did the steps that the installed version plans."""
        return [step.id for step in self.plan.steps] == list(self.records)

    @cached_property
    def steps(self) -> dict[str, Step]:
        """The plan's steps by what both runs call them; see ``common_id``."""
        return {self.common_id(step.id): step for step in self.plan.steps}

    def common_id(self, step_id: str) -> str:
        """A step's id with the replicate in the place of the seed, and without the name of a run's only model."""
        first = self.run.manifest.seed
        common = _SEED.sub(lambda found: f"/replicate{int(found[1]) - first}/", step_id)
        if self.alone:
            (model,) = self.run.record.models
            common = re.sub(rf"^{re.escape(model)}/", "model/", common)
        return common


def _as_step(step: RecordedStep) -> StepRecord:
    return StepRecord(
        schema=SCHEMA,
        fingerprint=step.fingerprint,
        stage=step.stage,
        block={},
        version=step.version,
        inputs=step.inputs,
        artifacts=step.artifacts,
        counts=step.counts,
        seconds=step.seconds,
    )


@contextmanager
def opened(run: str, home: Path) -> Iterator[Place]:
    """Where a run is; a bundle is unpacked meanwhile. Raises InputError for what is neither."""
    if not Path(run).is_file():
        folder = find_run(run, home).resolve()
        try:
            of_home: Path | None = home_of(folder, home) / "store"
        except InputError:
            of_home = None
        yield Place(subject=f"{folder.parent.name}/{folder.name}", folder=folder, store=of_home, hub=hub_folder(home))
        return
    with whole_bundle(Path(run)) as (folder, store):
        yield Place(subject=run, folder=folder, store=store, hub=hub_folder(home))


def pairs_of(a: Place, b: Place) -> tuple[tuple[Path, Path], ...]:
    """The run folders to hold side by side: of two studies those of the experiments that both have.

    Raises InputError for a study beside a run, and for studies without an experiment in common.
    """
    several = [is_of_several(place.folder) for place in (a, b)]
    if several[0] != several[1]:
        words = [
            f"{place.subject} is {'a study' if s else 'one experiment'}"
            for place, s in zip((a, b), several, strict=True)
        ]
        raise InputError(f"{words[0]}, {words[1]}; expected two runs, or two studies")
    if not several[0]:
        return ((a.folder, b.folder),)
    ours, theirs = ({each.parent.name: each for each in run_folders(place.folder)[1:]} for place in (a, b))
    both = tuple((folder, theirs[name]) for name, folder in ours.items() if name in theirs)
    if not both:
        raise InputError(f"{a.subject} and {b.subject} have no experiment in common: {', '.join({*ours, *theirs})}")
    return both


def sides_of(pair: tuple[Path, Path], a: Place, b: Place) -> tuple[Side, Side]:
    """Both runs, read. Raises InputError for a run folder that was changed since its run."""
    runs = [read_run(folder) for folder in pair]
    alone = all(len(run.record.models) == 1 for run in runs)
    made = [
        Side(label=label, run=run, plan=plan_of(run.folder), store=place.store, hub=place.hub, alone=alone)
        for label, run, place in zip("AB", runs, (a, b), strict=True)
    ]
    return made[0], made[1]
