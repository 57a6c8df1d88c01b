"""What goes into a bundle, and what is left out of it: weights always, rows of fetched data unless they are wanted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from selfimp_bench.engines.hub.fetched import locate_fetched, pinned_dataset
from selfimp_bench.errors import InputError
from selfimp_bench.runs.folders import is_of_several
from selfimp_bench.runs.record import read_study_record
from selfimp_bench.steps.dataset import ProblemsBlock
from selfimp_bench.steps.plan import Plan, Step
from selfimp_bench.steps.rows import PROBLEMS
from selfimp_bench.steps.training_rows import TRAINING_SET

BUNDLE: Final = "bundle.json"
SIGNATURE: Final = "bundle.sig"
README: Final = "README.md"
CRATE: Final = "ro-crate-metadata.json"

_OF_CHECKPOINTS: Final = ("config.json", "generation_config.json")
"""Of a training step's files those that are carried, beside its logs: what a sampler reads to know how much fits."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file of a bundle."""

    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What ``bundle.json`` holds.

    run: the folder of the run or study, in the bundle. with_data: whether rows of fetched data are in it. files: every
    other file but the signature, by its path. left_out: the artifacts that are not there, by their paths in a home.
    """

    schema: int
    run: str
    with_data: bool
    files: dict[str, Part]
    left_out: dict[str, Part]


def run_folders(folder: Path) -> tuple[Path, ...]:
    """A run folder, or a study's and those of its experiments."""
    if not is_of_several(folder):
        return (folder,)
    record = read_study_record(folder)
    return (folder, *(folder.parent.parent / run.folder for run in record.runs))


def is_left_out(plan: Plan, step: Step, path: str, *, with_data: bool) -> bool:
    """Whether a file of a step is not in a bundle: weights, and what holds rows of data that users fetch themselves."""
    stage = plan.stage(step)
    if stage.checkpoint is not None and stage.engine(step.block) is not None:
        return path not in _OF_CHECKPOINTS and not path.endswith(".jsonl")
    if with_data or path not in (PROBLEMS, TRAINING_SET):
        return False
    steps = plan.by_id()
    return any(_is_fetched(steps[name]) for name in (step.id, *step.inputs.values()))


def _is_fetched(step: Step) -> bool:
    return isinstance(step.block, ProblemsBlock) and pinned_dataset(step.block.dataset) is not None


def refuse_unfetched(plan: Plan, store: Path, fingerprints: dict[str, str], hub: Path) -> None:
    """Raises InputError for data whose rows are not among the evidence and were not fetched here either."""
    for step in plan.steps:
        if _is_fetched(step) and not (store / fingerprints[step.id] / PROBLEMS).is_file():
            assert isinstance(step.block, ProblemsBlock)
            pinned = pinned_dataset(step.block.dataset)
            assert pinned is not None
            try:
                locate_fetched(pinned, hub)
            except InputError as error:
                raise InputError(f"the rows of {pinned} are not in the bundle, and not here: {error}") from None


def bundle_json(bundle: Bundle) -> bytes:
    """The bytes of ``bundle.json``: sorted keys, so that equal bundles are equal files."""
    return msgspec.json.format(msgspec.json.encode(bundle, order="deterministic"), indent=1) + b"\n"
