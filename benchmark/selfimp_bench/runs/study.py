"""What was asked for on the command line: one experiment, or several and the claims across them; planned once.

A study is found by name, resolved for a profile, and handed down whole: to plans, runs, judgements and reports.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from selfimp_bench.canonical import digest
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import find, find_member
from selfimp_bench.manifest.kinds import Scalar
from selfimp_bench.manifest.model import ModelRef, Profile, Variation
from selfimp_bench.manifest.suite_model import Member, Suite
from selfimp_bench.manifest.variants import (
    Change,
    by_whole_field,
    named,
    read_changes,
    refused,
    sensitivity_of,
    together,
    variant_name,
    variant_of,
)
from selfimp_bench.plain_json import shortened
from selfimp_bench.protocols.load import LoadedExperiment, load_across, load_experiment, vary_experiment
from selfimp_bench.protocols.protocol import AnyManifest
from selfimp_bench.protocols.registry import protocol_of, resolve_profile
from selfimp_bench.steps.plan import Plan, Stage, Step, plan_keys

MOST_REPLICATES: Final = 500
"""The standard error of a standard deviation of so many is 3 percent of it."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A manifest resolved for one profile, and the part of it that is asked for.

    path: the file it comes from, beside which its prompts and tables lie. text: it as resolved, before ``profile``;
    manifest_digest: the sha256 of that. files: those that it names, in its profiles too.
    models: those selected by ``--only model=M``, else all. replicates: runs with seeds ``seed`` .. ``seed + n - 1``.
    """

    path: Path
    text: str
    manifest_digest: str
    files: Mapping[str, Path]
    manifest: AnyManifest
    profile: Profile
    models: tuple[ModelRef, ...]
    replicates: int

    @property
    def manifest_file(self) -> str:
        """What its run folder calls the file that holds ``text``."""
        return f"{self.manifest.name}.v{self.manifest.version}.yaml"

    @property
    def variant(self) -> tuple[Variation, ...]:
        """What is varied; nothing where it is the experiment itself."""
        return variant_of(self.manifest)

    @property
    def run_id(self) -> str:
        """Equal for equal requests, so that the same command resumes its own run."""
        asked = [self.manifest_digest, self.profile, [model.id for model in self.models], self.replicates]
        return digest(asked)[:12]

    def run_folder(self, home: Path) -> Path:
        """Where the run's record, findings and report lie."""
        return home / "runs" / variant_name(self.manifest.name, self.variant) / self.run_id

    def plan(self) -> Plan:
        """The steps of this experiment; made when first asked for, and the same from then on."""
        return self._plan

    @cached_property
    def _plan(self) -> Plan:
        protocol = protocol_of(self.manifest)
        return protocol.plan(self.manifest, self.models, self.replicates, self.path.parent)


@dataclass(frozen=True, kw_only=True)
class ExperimentPlan:
    """An experiment's part of a study's plan: ``shared`` of its steps are those of an experiment before it."""

    experiment: str
    steps: int
    shared: int


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """Every piece of work of a study, and what each experiment adds.

    plan: of one experiment, its own; of several, every piece of work once, the steps named by their keys. names: those
    ids in words, ``EXPERIMENT: ID`` of several, by the first that has the work. ids: in ``plan``, of the steps of the
    experiments' own plans, by identity.
    """

    experiments: tuple[ExperimentPlan, ...]
    plan: Plan
    names: Mapping[str, str]
    ids: Mapping[int, str]


@dataclass(frozen=True, kw_only=True)
class Study:
    """Experiments, all for one profile, number of replicates and selection of models.

    path: the file they come from. across: the claims across the experiments, with what they compare; None for one
    experiment by itself, whose run is then all of the study's. text: the claims as resolved; digest: its sha256.
    """

    path: Path
    text: str
    digest: str
    profile: Profile
    experiments: tuple[Experiment, ...]
    across: Suite | None

    @property
    def variant(self) -> tuple[Variation, ...]:
        """What is varied, of every experiment the same fields; nothing where they are the experiments themselves."""
        return together(experiment.variant for experiment in self.experiments)

    @property
    def name(self) -> str:
        """What it is asked for by."""
        return self.experiments[0].manifest.name if self.across is None else self.across.name

    @property
    def file(self) -> str:
        """What the run folder of several experiments calls the file that holds ``text``."""
        return f"{self.name}.suite.v{1 if self.across is None else self.across.version}.yaml"

    def run_folder(self, home: Path) -> Path:
        """Where the study's record and findings lie; equal for equal requests."""
        if self.across is None:
            return self.experiments[0].run_folder(home)
        asked = [self.digest, *(experiment.run_id for experiment in self.experiments)]
        return home / "runs" / variant_name(self.name, self.variant) / digest(asked)[:12]

    def plan(self) -> StudyPlan:
        """The experiments' plans as one; made when first asked for, and the same from then on."""
        return self._plan

    @cached_property
    def _plan(self) -> StudyPlan:
        return _joint_plan(self.experiments) if self.across is not None else _single_plan(self.experiments[0])


def open_study(name: str, *, profile: Profile, only: str | None, replicates: int, vary: Sequence[str] = ()) -> Study:
    """Load and resolve what is called ``name``. With ``only`` (``model=ID``) the experiments that have the model; with
    ``vary`` (``FIELD=VALUE``) variants of those that list every field under ``sensitivity``.

    Raises InputError for what does not exist, and for more replicates than ``MOST_REPLICATES``.
    """
    if replicates > MOST_REPLICATES:
        raise InputError(
            f"--seeds {shortened(str(replicates))}: expected at most {MOST_REPLICATES}: every replicate is a whole run "
            "of its own, and so many already tell the spread over seeds to 3 percent"
        )
    source = _read(name, only)
    if vary:
        source = replace(source, experiments=_variants(name, source.experiments, read_changes(vary), profile))
    experiments = []
    for each in source.experiments:
        experiment = _resolve(each, profile=profile, only=only, replicates=replicates)
        if profile is Profile.PAPER:
            _check_models(source.path, each.models, experiment)
        experiments.append(experiment)
    return Study(
        path=source.path,
        text=source.text,
        digest=text_digest(source.text),
        profile=profile,
        experiments=tuple(experiments),
        across=source.across,
    )


def open_experiment(name: str, *, profile: Profile, only: str | None, replicates: int) -> Experiment:
    """Load and resolve one experiment. Raises InputError for what does not exist or is several."""
    source = _read(name, only)
    if source.across is not None:
        raise InputError(f"{name}: expected one experiment, found {len(source.experiments)}")
    return _resolve(source.experiments[0], profile=profile, only=only, replicates=replicates)


# ---- variants ----


def _variants(
    name: str, sources: Sequence["_ExperimentSource"], changes: Sequence[Change], profile: Profile
) -> tuple["_ExperimentSource", ...]:
    """Variants of the experiments that list every field and have another value; of the others nothing would vary."""
    listed = [sensitivity_of(source.loaded.manifest) for source in sources]
    everything = [each for one in listed for each in one]
    for change in changes:
        if not any(named(change.field, one) for one in listed):
            raise refused(change, everything, name)
    found, own = [], {change.field for change in changes}
    able = [(source, one) for source, one in zip(sources, listed, strict=True) if all(named(f, one) for f in own)]
    if not able:
        fields = " and ".join(change.field for change in changes)
        raise InputError(f"--vary: no experiment of {name} lists {fields} together; vary one of them")
    for source, one in able:
        asked = by_whole_field(changes, one)
        values = {field: change.value for field, change in asked.items()}
        _refuse_replaced(source.loaded, values, profile)
        loaded = vary_experiment(source.loaded, values)
        others = [each.field for each in variant_of(loaded.manifest) if each.value != each.instead_of]
        own -= {asked[field].field for field in others}
        found += [replace(source, loaded=loaded)] if others else []
    if own:
        fields = " and ".join(sorted(own))
        raise InputError(f"--vary {fields}: nothing would vary, for that is the experiment's own value; leave it out")
    return tuple(found)


def _refuse_replaced(loaded: LoadedExperiment, values: Mapping[str, Scalar], profile: Profile) -> None:
    """Raises InputError for a field of a block that the profile has one of its own for: nothing would vary."""
    blocks = {Profile(name): each for name, each in (loaded.manifest.profiles or {}).items()}.get(profile)
    for field in values:
        block = field.partition(".")[0]
        if getattr(blocks, block, None) is not None:
            raise InputError(
                f"--vary {field}: profile {profile} of {loaded.manifest.name} has a block {block} of its own, so "
                "nothing would vary; leave out one of the two"
            )


# ---- where what a name stands for is read ----


@dataclass(frozen=True, kw_only=True)
class _ExperimentSource:
    """An experiment as its file has it. ``models``: those that claims across experiments speak of."""

    loaded: LoadedExperiment
    models: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _StudySource:
    path: Path
    text: str
    experiments: tuple[_ExperimentSource, ...]
    across: Suite | None


def _read(name: str, only: str | None) -> _StudySource:
    """The one place where what a name stands for is read from files. ``only`` leaves out what lacks the model."""
    place = find(name)
    several = load_across(place)
    if several is None:
        one = load_experiment(place)
        source = _ExperimentSource(loaded=one, models=())
        return _StudySource(path=one.path, text=one.text, experiments=(source,), across=None)
    experiments = []
    for member in _wanted(several.path, several.across, only):
        loaded = load_experiment(find_member(member.name, member.version, several.path))
        experiments.append(_ExperimentSource(loaded=loaded, models=member.models))
    return _StudySource(path=several.path, text=several.text, experiments=tuple(experiments), across=several.across)


def _wanted(path: Path, across: Suite, only: str | None) -> list[Member]:
    wanted = None if only is None else only.partition("=")[2]
    ready = [member for member in across.experiments if member.pending is None]
    if not ready:
        raise InputError(f"{path}: none of its experiments has a manifest yet; there is nothing to plan or to run")
    found = [member for member in ready if wanted is None or wanted in member.models]
    if not found:
        known = ", ".join(sorted({model for member in ready for model in member.models}))
        raise InputError(f"--only {only}: expected model=ID with one of {known}")
    return found


def _resolve(source: _ExperimentSource, *, profile: Profile, only: str | None, replicates: int) -> Experiment:
    loaded = source.loaded
    manifest = resolve_profile(loaded.manifest, profile)
    return Experiment(
        path=loaded.path,
        text=loaded.text,
        manifest_digest=text_digest(loaded.text),
        files=protocol_of(loaded.manifest).files(loaded.manifest, loaded.path.parent),
        manifest=manifest,
        profile=profile,
        models=_selected(manifest, only),
        replicates=replicates,
    )


def text_digest(text: str) -> str:
    """The sha256 of a resolved text, which is that of the file that holds it."""
    return hashlib.sha256(text.encode()).hexdigest()


def _selected(manifest: AnyManifest, only: str | None) -> tuple[ModelRef, ...]:
    if only is None:
        return manifest.models
    axis, _, wanted = only.partition("=")
    known = ", ".join(model.id for model in manifest.models)
    chosen = tuple(model for model in manifest.models if model.id == wanted)
    if axis != "model" or not chosen:
        raise InputError(f"--only {only}: expected model=ID with one of {known}")
    return chosen


def _check_models(path: Path, named: Sequence[str], experiment: Experiment) -> None:
    known = [model.id for model in experiment.manifest.models]
    unknown = [model for model in named if model not in known]
    if unknown:
        raise InputError(
            f"{path}: {experiment.manifest.name} has no model {', '.join(unknown)}; it has {', '.join(known)}"
        )


# ---- plans ----


def _single_plan(experiment: Experiment) -> StudyPlan:
    plan = experiment.plan()
    own = ExperimentPlan(experiment=experiment.manifest.name, steps=len(plan.steps), shared=0)
    names, ids = {step.id: step.id for step in plan.steps}, {id(step): step.id for step in plan.steps}
    return StudyPlan(experiments=(own,), plan=plan, names=names, ids=ids)


def _joint_plan(experiments: Sequence[Experiment]) -> StudyPlan:
    """Every piece of work once."""
    steps: dict[str, Step] = {}
    stages: dict[type, Stage[object]] = {}
    names: dict[str, str] = {}
    ids: dict[int, str] = {}
    found = []
    for experiment in experiments:
        plan = experiment.plan()
        stages |= plan.stages
        keys = plan_keys(plan)
        own = dict.fromkeys(keys.values())
        shared = sum(key in steps for key in own)
        for step in plan.steps:
            inputs = {name: keys[source] for name, source in step.inputs.items()}
            steps.setdefault(keys[step.id], replace(step, id=keys[step.id], inputs=inputs))
            names.setdefault(keys[step.id], f"{experiment.manifest.name}: {step.id}")
            ids[id(step)] = keys[step.id]
        found.append(ExperimentPlan(experiment=experiment.manifest.name, steps=len(plan.steps), shared=shared))
    plan = Plan(steps=tuple(steps.values()), stages=stages)
    return StudyPlan(experiments=tuple(found), plan=plan, names=names, ids=ids)
