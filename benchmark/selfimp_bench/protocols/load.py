"""From a name's place, a study file or a resolved one, to experiments and the claims across them.

What is loaded comes with its resolved text, which is what a run folder keeps and is judged by.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from selfimp_bench.errors import Flaw, InputError
from selfimp_bench.manifest.catalog import Place
from selfimp_bench.manifest.fault import Fault, path_text
from selfimp_bench.manifest.kinds import Scalar
from selfimp_bench.manifest.study import experiment_names, is_study
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.manifest.variants import varied
from selfimp_bench.manifest.yaml_scalar import Json
from selfimp_bench.manifest.yaml_source import Source, UnreadableYaml, read_yaml
from selfimp_bench.manifest.yaml_text import yaml_text
from selfimp_bench.protocols import load_resolved, load_study, load_suite
from selfimp_bench.protocols.load_resolved import InvalidManifest, flaw_at, position_of
from selfimp_bench.protocols.protocol import AnyManifest
from selfimp_bench.protocols.registry import protocol_in

__all__ = [
    "InvalidManifest",
    "LoadedAcross",
    "LoadedExperiment",
    "LoadedFile",
    "find_flaws",
    "load_across",
    "load_experiment",
    "load_file",
    "read_across",
    "read_experiment",
    "vary_experiment",
]


@dataclass(frozen=True, kw_only=True)
class LoadedExperiment:
    """A resolved experiment, its plain data, and the file it comes from, beside which its prompts and tables lie."""

    manifest: AnyManifest
    data: Json
    path: Path

    @cached_property
    def text(self) -> str:
        """The resolved text."""
        return yaml_text(self.data)


@dataclass(frozen=True, kw_only=True)
class LoadedAcross:
    """Several experiments and the claims across them, resolved; their data and the file that they come from."""

    across: Suite
    data: Json
    path: Path

    @cached_property
    def text(self) -> str:
        """The resolved text."""
        return yaml_text(self.data)


@dataclass(frozen=True, kw_only=True)
class LoadedFile:
    """All that a file holds; is_study: whether it is a study, and not one resolved experiment or suite."""

    path: Path
    is_study: bool
    experiments: tuple[LoadedExperiment, ...]
    across: LoadedAcross | None


def load_file(path: Path) -> LoadedFile:
    """Every experiment of a file, and the claims across them. Raises InvalidManifest with the first one's flaws."""
    source = _study_source(Place(path=path))
    if source is not None:
        places = [Place(path=path, experiment=name) for name in experiment_names(source.data)]
    else:
        places = [] if load_suite.is_resolved_suite(path) else [Place(path=path)]
    return LoadedFile(
        path=path,
        is_study=source is not None,
        experiments=tuple(load_experiment(place) for place in places),
        across=load_across(Place(path=path)),
    )


def load_experiment(place: Place) -> LoadedExperiment:
    """The one experiment that is written there. Raises InvalidManifest with every flaw, or what there is to choose."""
    source = _study_source(place)
    if source is None:
        manifest, data = load_resolved.load_resolved(place.path)
        return LoadedExperiment(manifest=manifest, data=data, path=place.path)
    name = place.experiment or _only_one(place, source)
    manifest, data = load_study.load_one(place.path, source, name)
    return LoadedExperiment(manifest=manifest, data=data, path=place.path)


def vary_experiment(loaded: LoadedExperiment, changes: Mapping[str, Scalar]) -> LoadedExperiment:
    """A variant of an experiment: these fields, by their whole names, with these values.

    It is held against all that an experiment is. Raises InputError with what is wrong with it.
    """
    data = varied(loaded.data, changes)
    faults = load_resolved.resolved_faults(data, frozenset(), loaded.path.parent)
    protocol = protocol_in(data)
    if faults or protocol is None:
        asked = ", ".join(f"{field}={value}" for field, value in changes.items())
        words = dict.fromkeys(f"{path_text(fault.path)}: {fault.message}" for fault in faults)
        raise InputError("\n".join([f"--vary {asked}: the experiment cannot be so:", *(f"  {each}" for each in words)]))
    manifest: AnyManifest = msgspec.convert(data, protocol.manifest)
    return LoadedExperiment(manifest=manifest, data=data, path=loaded.path)


def read_experiment(place: Place) -> AnyManifest:
    """The experiment there for a look at what it is; examined only where it cannot be read at all.

    Raises InvalidManifest with every flaw of one that cannot be read.
    """
    source = _study_source(place)
    read = None
    if source is not None and place.experiment is not None:
        read = load_study.read_one(place.path, source, place.experiment)
    return load_experiment(place).manifest if read is None else read


def read_across(place: Place) -> Suite | None:
    """As ``load_across``, for a look at what it is; examined only where it cannot be read at all."""
    source = _study_source(place)
    read = None
    if source is not None and place.experiment is None and len(experiment_names(source.data)) > 1:
        read = load_study.read_several(place.path, source)
    if read is not None:
        return read
    loaded = load_across(place)
    return None if loaded is None else loaded.across


def load_manifest(path: Path) -> AnyManifest:
    """The manifest of a file with one experiment. Raises InvalidManifest with every flaw."""
    return load_experiment(Place(path=path)).manifest


def load_across(place: Place) -> LoadedAcross | None:
    """Several experiments written there, and the claims across them; None where the place is one experiment.

    Raises InvalidManifest with every flaw.
    """
    source = _study_source(place)
    if source is None:
        if not load_suite.is_resolved_suite(place.path):
            return None
        suite, data = load_suite.load_suite_data(place.path)
    elif place.experiment is not None or len(experiment_names(source.data)) == 1:
        return None
    else:
        suite, data = load_study.load_several(place.path, source)
    return LoadedAcross(across=suite, data=data, path=place.path)


def find_flaws(path: Path) -> tuple[Flaw, ...]:
    """Everything that a file would be refused for, in its order; of a study in all of its experiments and claims."""
    try:
        source = read_yaml(path)
    except UnreadableYaml as unreadable:
        return (flaw_at(path, unreadable.position, (), unreadable.message),)
    if is_study(source.data):
        return load_study.find_study_flaws(path, source)
    if load_suite.is_resolved_suite(path):
        return load_suite.find_suite_flaws(path)
    return load_resolved.find_resolved_flaws(path)


def _study_source(place: Place) -> Source | None:
    """The file as read, where it is a study; None where it is a resolved one. Raises InvalidManifest."""
    try:
        source = read_yaml(place.path)
    except UnreadableYaml as unreadable:
        raise InvalidManifest((flaw_at(place.path, unreadable.position, (), unreadable.message),)) from None
    return source if is_study(source.data) else None


def _only_one(place: Place, source: Source) -> str:
    names = experiment_names(source.data)
    if len(names) == 1:
        return names[0]
    message = f"expected one experiment, found {len(names)}; name one of them: {place.path}#{names[0] if names else ''}"
    fault = Fault(path=("experiments",), message=message)
    raise InvalidManifest((flaw_at(place.path, position_of(source, fault), fault.path, message),))
