"""From a study file to its resolved experiments and to the suite that it is, with every flaw at its line.

A protocol plugs in by its ``StudyForm``: its blocks, its expansion, and what it measures.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Final

import msgspec

from selfimp_bench.errors import Flaw, InputError
from selfimp_bench.manifest.catalog import find_table
from selfimp_bench.manifest.claims_across import suite_of
from selfimp_bench.manifest.claims_rows import Scope, Tables
from selfimp_bench.manifest.claims_within import claims_of
from selfimp_bench.manifest.fault import Fault, JsonPath, nearest, shown
from selfimp_bench.manifest.measured import MeasuredCell
from selfimp_bench.manifest.reference_table import ReferenceTable, read_table
from selfimp_bench.manifest.study import Entry, check_keys, entry, experiment_names, ood_task, sensitivity_of, task_word
from selfimp_bench.manifest.study_catalogue import with_facts
from selfimp_bench.manifest.study_figures import figures_of
from selfimp_bench.manifest.study_silent import silent_faults
from selfimp_bench.manifest.study_tree import Misfit, Node, made, mapping, origins, plain
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.manifest.yaml_source import Position, Source
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.load_resolved import InvalidManifest, flaw_at, is_under, position_of, resolved_faults
from selfimp_bench.protocols.load_suite import suite_data_faults
from selfimp_bench.protocols.protocol import AnyManifest, StudyForm
from selfimp_bench.protocols.registry import find_protocol, protocol_in, protocol_names

SCHEMA: Final = 2
"""The version of the study file's form."""

_LISTED: Final = ("claims", "figures")


@dataclass(frozen=True, kw_only=True)
class Expanded:
    """A resolved form, whose nodes know where in the study file they come from, and what did not fit.

    scope: what claims know of one experiment; None for several.
    """

    resolved: Node
    faults: tuple[Fault, ...]
    scope: Scope | None = None

    @cached_property
    def data(self) -> Json:
        """The resolved form as plain data."""
        return plain(self.resolved)


def load_one(path: Path, source: Source, name: str) -> tuple[AnyManifest, Json]:
    """One experiment of a study file, and its resolved data. Raises InvalidManifest with every flaw of it."""
    names = experiment_names(source.data)
    if name not in names:
        raise InputError(f"{path}: {shown(name)} is none of its experiments; {nearest(name, list(names))}")
    tree = source.tree
    flaws, expanded = _examined(path, source, tree, lambda: expand_experiment(tree, name, tables_beside(path)), _one)
    protocol = None if expanded is None else protocol_in(expanded.data)
    if flaws or expanded is None or protocol is None:
        raise InvalidManifest(_sorted(flaws))
    manifest: AnyManifest = msgspec.convert(expanded.data, protocol.manifest)
    return manifest, expanded.data


def load_several(path: Path, source: Source) -> tuple[Suite, Json]:
    """The claims across a study's experiments, and their resolved data. Raises InvalidManifest with every flaw."""
    tree = source.tree
    flaws, expanded = _examined(path, source, tree, lambda: expand_suite(tree, tables_beside(path)), _across)
    if flaws or expanded is None:
        raise InvalidManifest(_sorted(flaws))
    return msgspec.convert(expanded.data, Suite), expanded.data


def read_one(path: Path, source: Source, name: str) -> AnyManifest | None:
    """One experiment of a study file as it reads, not examined; None where ``load_one`` has to say what is wrong."""
    data = _data_of(source, partial(expand_experiment, source.tree, name, tables_beside(path)))
    protocol = protocol_in(data)
    if protocol is not None:
        with suppress(msgspec.ValidationError):
            manifest: AnyManifest = msgspec.convert(data, protocol.manifest)
            return manifest
    return None


def read_several(path: Path, source: Source) -> Suite | None:
    """The claims across a study's experiments as they read; None where ``load_several`` has to say what is wrong."""
    with suppress(msgspec.ValidationError):
        return msgspec.convert(_data_of(source, partial(expand_suite, source.tree, tables_beside(path))), Suite)
    return None


def _data_of(source: Source, expand: Callable[[], Expanded]) -> Json:
    """What is expanded, where nothing stands in its way; else None."""
    with suppress(Misfit):
        expanded = expand()
        return None if source.refusals or expanded.faults else expanded.data
    return None


def find_study_flaws(path: Path, source: Source) -> tuple[Flaw, ...]:
    """Everything wrong with a study file: with each of its experiments, and with the claims across them."""
    tree, tables = source.tree, tables_beside(path)
    flaws, found = [], []
    for name in experiment_names(source.data):
        own, expanded = _examined(path, source, tree, partial(expand_experiment, tree, name, tables), _one)
        flaws += own
        found += [] if expanded is None else [expanded]
    if not flaws:
        flaws += [
            flaw_at(path, _position(source, each), each.path, each.message) for each in _silent(tree, found, tables)
        ]
    if len(experiment_names(source.data)) != 1:
        flaws += _examined(path, source, tree, lambda: expand_suite(tree, tables), _across)[0]
    return _sorted(flaws)


def _silent(tree: Node, experiments: list[Expanded], tables: Tables) -> Iterator[Fault]:
    """What the study claims of none of its experiments; asked only where nothing else is wrong with these."""
    scopes = [each.scope for each in experiments if each.scope is not None]
    listed = [each.data.get(block) or [] for each in experiments if isinstance(each.data, dict) for block in _LISTED]
    made_ = {str(one["id"]) for each in listed if isinstance(each, list) for one in each if isinstance(one, dict)}
    return silent_faults(tree, scopes, frozenset(made_), tables)


def _sorted(flaws: Iterable[Flaw]) -> tuple[Flaw, ...]:
    return tuple(sorted(set(flaws)))


def _examined(
    path: Path,
    source: Source,
    tree: Node,
    expand: Callable[[], Expanded],
    faults_of: Callable[[Json, Path], list[Fault]],
) -> tuple[list[Flaw], Expanded | None]:
    """What is wrong with the file, with what is expanded from it, and that; all at its place in the file."""
    flaws = [flaw_at(path, item.position, item.path, item.message) for item in source.refusals]
    faults: list[Fault] = []
    expanded = None
    try:
        faults += _study_faults(path, tree)
        expanded = expand()
    except Misfit as misfit:
        faults.append(misfit.fault)
    if expanded is not None and not flaws:
        faults += expanded.faults
        found = faults_of(expanded.data, path.parent)
        places = origins(expanded.resolved) if found else {}
        faults += [_at_origin(fault, places) for fault in found]
    trusted = [fault for fault in faults if not is_under(fault.path, source.untrusted)]
    return [*flaws, *(flaw_at(path, _position(source, each), each.path, each.message) for each in trusted)], expanded


def _one(data: Json, folder: Path) -> list[Fault]:
    faults = resolved_faults(data, frozenset(), folder)
    is_without_claims = isinstance(data, dict) and data.get("claims") == []  # the expansion says which and why
    return [each for each in faults if not (is_without_claims and each.path == ("claims",))]


def _across(data: Json, _folder: Path) -> list[Fault]:
    return suite_data_faults(data)


def _study_faults(path: Path, study: Node) -> Iterator[Fault]:
    """Keys that the study cannot have, and a file of another name. Raises Misfit for an unknown protocol."""
    yield from (misfit.fault for misfit in check_keys(study, _form(study).blocks))
    schema = study.need("schema")
    if schema.value != SCHEMA:
        yield Fault(path=schema.place, message=f"expected {SCHEMA}; this version of selfimp-bench reads no other")
    expected = f"{study.need('name').text}.v{plain(study.need('version'))}.yaml"
    if path.name != expected:
        words = f"name and version call this file {shown(expected)}, found {shown(path.name)}; rename one of the two"
        yield Fault(path=("name",), message=words)


def _at_origin(fault: Fault, origins_: Mapping[JsonPath, JsonPath]) -> Fault:
    """A fault of what was expanded, at the place in the study that it comes from."""
    lengths = range(len(fault.path), -1, -1)
    length = next(length for length in lengths if fault.path[:length] in origins_)
    whole = length == len(fault.path)
    return replace(fault, path=origins_[fault.path[:length]], on_key=fault.on_key and whole)


def _position(source: Source, fault: Fault) -> Position:
    return position_of(source, replace(fault, on_key=fault.on_key and fault.path in source.keys))


def expand_experiment(study: Node, name: str, tables: Tables) -> Expanded:
    """One experiment of a study. Raises Misfit where its blocks cannot be made at all."""
    form = _form(study)
    entry_ = entry(study, name)
    blocks = with_facts(form.expand(entry_))
    whole = mapping(blocks, entry_.node)
    data = {key: plain(node) for key, node in whole.entries.items()}
    scope = _scope(entry_, whole, form.cells(data))
    claims, claim_faults = claims_of(study, scope, tables)
    figures, figure_faults = figures_of(study, scope)
    smoke = form.smoke(data)
    profiles = None if smoke is None else made({"smoke": smoke}, entry_.node)
    listed = {"claims": claims, "figures": figures, "sensitivity": sensitivity_of(entry_, blocks), "profiles": profiles}
    resolved = mapping(blocks | listed, entry_.node)
    none_made = () if claims.items or claim_faults or not scope.cells else _without_claims(study, scope, tables)
    return Expanded(resolved=resolved, faults=(*claim_faults, *none_made, *figure_faults), scope=scope)


def _without_claims(study: Node, scope: Scope, tables: Tables) -> tuple[Fault, ...]:
    """What is wrong where no claim is made of an experiment: its only one's claims, else the experiment."""
    each = tuple(silent_faults(study, [scope], frozenset(), tables))
    if each and len(study.need("experiments").entries) == 1:
        return each
    words = "no claim of this study is made of the experiment; write one under claims, or correct their only and except"
    return (Fault(path=("experiments", scope.name), message=words, on_key=True),)


def expand_suite(study: Node, tables: Tables) -> Expanded:
    """The suite that a study is. Raises Misfit where its experiments cannot be read."""
    suite, faults = suite_of(study, tables)
    return Expanded(resolved=suite, faults=faults)


def tables_beside(path: Path) -> Tables:
    """The reference tables as a study at ``path`` finds them."""

    def read(node: Node, name: str) -> ReferenceTable:
        try:
            table = find_table(name, path)
            state = table.stat()
            return _table(table, name, state.st_mtime_ns, state.st_size)
        except (InputError, OSError) as error:
            raise Misfit(node, str(error)) from None

    return read


@cache
def _table(path: Path, name: str, _changed: int, _size: int) -> ReferenceTable:
    return read_table(path, name)


def _form(study: Node) -> StudyForm:
    named = study.need("protocol")
    protocol = find_protocol(named.text)
    if protocol is None:
        raise Misfit(named, f"{shown(named.text)} is no protocol; {nearest(named.text, list(protocol_names()))}")
    return protocol.study


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
