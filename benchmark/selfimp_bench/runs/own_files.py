"""What is the user's own: models and data in files beside a manifest, and functions in packages that are installed.

What the first steps of a run would say of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from selfimp_bench.engines.weights import weight_files
from selfimp_bench.errors import InputError
from selfimp_bench.installed import Brought, entry_point, load
from selfimp_bench.plural import plural
from selfimp_bench.runs.hardware.fit import gigabytes
from selfimp_bench.steps.dataset import ProblemsBlock, load_dataset
from selfimp_bench.steps.model import ModelBlock, examine_model, locate_model
from selfimp_bench.steps.plan import Plan
from selfimp_bench.steps.versions import brought_code


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


def own_methods(plan: Plan) -> tuple[Brought, ...]:
    """Every function of other packages that the plan's steps call, each once, in order."""
    return tuple(dict.fromkeys(each for step in plan.steps for each in plan.stage(step).brings(step.block)))


def method_words(wanted: Brought) -> str:
    """What a function of another package is, and its code. Raises InputError, NotInstalled."""
    load(wanted)
    return f"{wanted}: {entry_point(wanted).value}, code {brought_code(wanted)[:16]}"


def _model(block: ModelBlock, base: Path) -> str:
    folder = locate_model(block.model, base, Path())
    examine_model(block, folder, {})
    files = weight_files(folder)
    size = gigabytes(sum(file.stat().st_size for file in files))
    return f"{block.model.id}: {plural(len(files), 'file')} of weights, {size}, in {folder}"


def _problems(block: ProblemsBlock, base: Path) -> str:
    found = load_dataset(block.dataset, block.task, base, Path())
    return f"{block.dataset.id}: {plural(len(found), 'problem')} in {base / str(block.dataset.path)}"
