"""Models and data in the user's own files, beside a manifest: what the first steps of a run would say of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from selfimp_bench.engines.weights import weight_files
from selfimp_bench.errors import InputError
from selfimp_bench.runs.hardware.fit import gigabytes
from selfimp_bench.steps.dataset import ProblemsBlock, load_dataset
from selfimp_bench.steps.model import ModelBlock, examine_model, locate_model
from selfimp_bench.steps.plan import Plan


@dataclass(frozen=True, kw_only=True)
class OwnFile:
    """A model or a data set of the user's: what it is, and whether it is the pinned one; the words say either."""

    kind: str
    sound: bool
    words: str


def own_files(plan: Plan, base: Path) -> Iterator[OwnFile]:
    """Every model folder and problems file that the plan reads by a path from ``base``: read whole and hashed."""
    for step in plan.steps:
        block = step.block
        if isinstance(block, ModelBlock) and block.model.path is not None:
            look, kind = partial(_model, block, base), "model"
        elif isinstance(block, ProblemsBlock) and block.dataset.path is not None:
            look, kind = partial(_problems, block, base), "data"
        else:
            continue
        try:
            yield OwnFile(kind=kind, sound=True, words=look())
        except InputError as error:
            yield OwnFile(kind=kind, sound=False, words=str(error))


def _model(block: ModelBlock, base: Path) -> str:
    folder = locate_model(block.model, base, Path())
    examine_model(block, folder, {})
    files = weight_files(folder)
    size = gigabytes(sum(file.stat().st_size for file in files))
    return f"{block.model.id}: {len(files)} file{'s' if len(files) > 1 else ''} of weights, {size}, in {folder}"


def _problems(block: ProblemsBlock, base: Path) -> str:
    found = load_dataset(block.dataset, block.task, base, Path())
    return f"{block.dataset.id}: {len(found)} problems in {base / str(block.dataset.path)}"
