"""From a study file to its resolved experiments and to the suite that it is, with every flaw at its line.

A protocol plugs in by one ``StudyPart``: its blocks, its expansion, and what it measures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import find_table
from selfimp_bench.manifest.claims_across import suite_of
from selfimp_bench.manifest.claims_rows import Scope, Tables
from selfimp_bench.manifest.claims_within import claims_of
from selfimp_bench.manifest.fault import Fault, JsonPath, nearest, shown
from selfimp_bench.manifest.measured import MeasuredCell, cells_of
from selfimp_bench.manifest.model import Datasets, Grading, Measure, PostTraining, Sampling
from selfimp_bench.manifest.reference_table import ReferenceTable, read_table
from selfimp_bench.manifest.study import Entry, check_keys, entry, ood_task, task_word
from selfimp_bench.manifest.study_catalogue import with_facts
from selfimp_bench.manifest.study_figures import figures_of
from selfimp_bench.manifest.study_tree import Misfit, Node, mapping, origins, plain, planted
from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.post_training.study import BLOCKS, post_training_blocks
from selfimp_bench.protocols.verification.study import BLOCKS as VERIFICATION_BLOCKS
from selfimp_bench.protocols.verification.study import verification_blocks, verification_blocks_cells


@dataclass(frozen=True, kw_only=True)
class StudyPart:
    """What a protocol has to do with study files.

    blocks: the names of its own blocks. expand: an experiment's blocks, less claims and figures, out of the study.
    cells: what a run of such blocks (as plain data) measures; none where they are flawed.
    """

    blocks: tuple[str, ...]
    expand: Callable[[Entry], dict[str, Node | None]]
    cells: Callable[[dict[str, Json]], tuple[MeasuredCell, ...]]


@dataclass(frozen=True, kw_only=True)
class Expanded:
    """A resolved form as plain data, where in the study file each of its values comes from, and what did not fit."""

    data: Json
    origins: dict[JsonPath, JsonPath]
    faults: tuple[Fault, ...]


def _post_training_cells(data: dict[str, Json]) -> tuple[MeasuredCell, ...]:
    try:
        return cells_of(
            msgspec.convert(data.get("measure"), Measure),
            msgspec.convert(data.get("datasets"), Datasets),
            msgspec.convert(data.get("sampling"), Sampling),
            msgspec.convert(data.get("post_training"), PostTraining),
            msgspec.convert(data.get("grading"), Grading),
            msgspec.convert(data.get("ood_grading"), Grading | None),
        )
    except msgspec.ValidationError:
        return ()


STUDY_PARTS: Final = {
    "iterative-post-training": StudyPart(blocks=BLOCKS, expand=post_training_blocks, cells=_post_training_cells),
    "verification-gap": StudyPart(
        blocks=VERIFICATION_BLOCKS, expand=verification_blocks, cells=verification_blocks_cells
    ),
}


def expand_experiment(study: Node, name: str, tables: Tables) -> Expanded:
    """One experiment of a study. Raises Misfit where its blocks cannot be made at all."""
    part = _part(study)
    entry_ = entry(study, name)
    blocks = with_facts(part.expand(entry_))
    whole = mapping(blocks, entry_.node)
    data = plain(whole)
    scope = _scope(entry_, whole, part.cells(data if isinstance(data, dict) else {}))
    claims, claim_faults = claims_of(study, scope, tables)
    figures, figure_faults = figures_of(study, scope)
    resolved = mapping(blocks | {"claims": claims, "figures": figures}, entry_.node)
    return Expanded(data=plain(resolved), origins=origins(resolved), faults=(*claim_faults, *figure_faults))


def expand_suite(study: Node, tables: Tables) -> Expanded:
    """The suite that a study is. Raises Misfit where its experiments cannot be read."""
    suite, faults = suite_of(study, tables)
    return Expanded(data=plain(suite), origins=origins(suite), faults=faults)


def key_faults(study: Node) -> tuple[Fault, ...]:
    """Keys that the study cannot have. Raises Misfit for an unknown protocol."""
    return tuple(misfit.fault for misfit in check_keys(study, _part(study).blocks))


def tables_beside(path: Path) -> Tables:
    """The reference tables as a study at ``path`` finds them, each read once."""
    found: dict[str, ReferenceTable] = {}

    def read(node: Node, name: str) -> ReferenceTable:
        try:
            if name not in found:
                found[name] = read_table(find_table(name, path), name)
        except InputError as error:
            raise Misfit(node, str(error)) from None
        return found[name]

    return read


def planted_study(data: Json) -> Node:
    """A study file's data as the tree that is expanded."""
    return planted(data)


def _part(study: Node) -> StudyPart:
    protocol = study.need("protocol")
    if protocol.text not in STUDY_PARTS:
        raise Misfit(protocol, f"{shown(protocol.text)} is no protocol; {nearest(protocol.text, list(STUDY_PARTS))}")
    return STUDY_PARTS[protocol.text]


def _scope(entry_: Entry, blocks: Node, cells: tuple[MeasuredCell, ...]) -> Scope:
    datasets = blocks.need("datasets").entries
    ood = ood_task(entry_)
    ood_word = None if ood is None else task_word(*ood)
    splits = {node.need("id").text: Split(split) for split, node in datasets.items()}
    problems = {Split(split): node.get("rows") for split, node in datasets.items()}
    return Scope(
        name=entry_.name,
        task=entry_.task,
        method=entry_.method,
        method_word=entry_.method_word,
        dataset_word=task_word(entry_.task, entry_.task_node),
        ood_word=ood_word,
        splits=splits | ({} if ood_word is None else {ood_word: Split.OOD}),
        models=tuple(model.need("id").text for model in blocks.need("models").items),
        problems={split: int(rows.number) for split, rows in problems.items() if rows is not None},
        cells=cells,
        last=max((cell.iterations for cell in cells), default=0),
        folder=entry_.study.need("tables").text,
    )
