"""The run record: everything that was done, in what environment, by which code."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from selfimp_bench.canonical import digest, pretty_json
from selfimp_bench.errors import InputError
from selfimp_bench.installed import Brought, requirements
from selfimp_bench.machine import Image, describe_image
from selfimp_bench.manifest.model import Variation
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.places import PACKAGE
from selfimp_bench.runs.folders import RECORD, STUDY_RECORD
from selfimp_bench.runs.own_files import own_methods
from selfimp_bench.runs.study import Experiment, Study
from selfimp_bench.seals import seal_of
from selfimp_bench.steps.grade import GradeBlock
from selfimp_bench.steps.probe import Probed
from selfimp_bench.steps.prompts import PromptLengths
from selfimp_bench.steps.runner import FinishedStep
from selfimp_bench.steps.store import Artifact, Count, Seconds, Sha256, StepRecord, artifacts_digest
from selfimp_bench.steps.versions import brought_code, source_digest
from selfimp_bench.tasks.grading.kinds import UNTRUSTED
from selfimp_bench.tasks.sandbox.cells import sandbox_status
from selfimp_bench.tasks.sandbox.selftest import SandboxStatus

SCHEMA: Final = 2
_TIME: Final = r"^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-6]\d\+00:00$"
_PACKAGES = (
    "accelerate",
    "datasets",
    "numpy",
    "pyarrow",
    "safetensors",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
    "trl",
)


@dataclass(frozen=True, kw_only=True)
class Code:
    """This package: its version, a digest of its source files, and in a checkout of it the commit.

    ``modified`` says whether the checkout differs from the commit; both are None for an installed wheel.
    """

    version: str
    source_digest: Sha256
    commit: Annotated[str, Meta(pattern="^([0-9a-f]{40}|[0-9a-f]{64})$")] | None
    modified: bool | None


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The machine. ``gpus`` and ``driver`` as nvidia-smi names them; empty and None without a GPU."""

    platform: str
    python: str
    processor: str
    cores: Count
    gpus: tuple[str, ...]
    driver: str | None
    packages: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class OwnMethod:
    """A function of another package that a part of the steps was done by.

    kind: what it does, and ``name`` its entry point. package, version: the distribution. code: sha256 over its code
    (``versions.brought_code``). requires: what the package requires, with the versions that were installed.
    """

    kind: str
    name: str
    package: str
    version: str
    code: Sha256
    requires: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RecordedStep:
    """A step as it was done. ``seconds`` is the wall time when it was done, also if this run reused it."""

    id: str
    stage: str
    fingerprint: str
    version: str
    inputs: Mapping[str, Sha256]
    artifacts: tuple[Artifact, ...]
    counts: Mapping[str, Count]
    seconds: Seconds
    reused: bool

    def content_digest(self) -> str:
        """One digest of everything the step wrote: what steps that use it name as their input."""
        return artifacts_digest(self.artifacts)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run, whole. ``wall_seconds`` is this invocation's; the steps hold their own times.

    ``image`` is the container image it was made in; None outside containers. ``files``: the sha256 of the files beside
    the record that a verdict or a page rests on, by their paths; ``seal``: that of all the rest (``seals.py``).
    """

    schema: Literal[2]
    experiment: str
    version: int
    manifest_file: str
    manifest_digest: Sha256
    profile: str
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    device: str
    threads: int
    code: Code
    environment: Environment
    steps: tuple[RecordedStep, ...]
    generated_tokens: Count
    trained_tokens: Count
    started: Annotated[str, Meta(pattern=_TIME)]
    wall_seconds: Seconds
    files: Mapping[str, Sha256]
    seal: str
    sandbox: SandboxStatus | None = None
    """The isolation of the programs that this run graded, and its self-test; None: it graded none."""
    image: Image | None = None
    probes: Mapping[str, Probed] = field(default_factory=dict)
    """What replaying found, by model (``engines.probe``); empty where the manifest asks for no probe."""
    prompts: Mapping[str, tuple[PromptLengths, ...]] = field(default_factory=dict)
    """The lengths of all prompts, by model, and those that did not fit; empty where a protocol does not count them."""
    methods: tuple[OwnMethod, ...] = ()
    """The functions of other packages that did a part of the steps; empty where none did."""
    variant: tuple[Variation, ...] = ()
    """What is varied; empty where it is the experiment itself."""

    def evidence_digest(self) -> str:
        """One digest of all that a verdict rests on; equal for equal runs, whenever and wherever they were made."""
        return digest([self.profile, self.models, self.seeds, self.probes, dict(self.files)])


@dataclass(frozen=True, kw_only=True)
class ExperimentRun:
    """One experiment's run in a study's: ``folder`` is relative to the folder that holds all runs.

    evidence: the ``evidence_digest`` of its record.
    """

    experiment: str
    version: int
    folder: str
    evidence: str


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """What ``study.json`` holds: the runs of the experiments, and the file whose claims are across them.

    files, seal: as of ``RunRecord``. What is varied, the experiments' records say.
    """

    schema: Literal[2]
    study: str
    version: int
    study_file: str
    study_digest: Sha256
    profile: str
    runs: tuple[ExperimentRun, ...]
    files: Mapping[str, Sha256]
    seal: str

    def evidence_digest(self) -> str:
        """One digest of all that a verdict across the experiments rests on."""
        return digest([self.profile, [run.evidence for run in self.runs], dict(self.files)])


def make_study_record(study: Study, across: Suite, home: Path, files: Mapping[str, str]) -> StudyRecord:
    """The record of several experiments' finished runs. ``files``: the sha256 of those beside it."""
    made = StudyRecord(
        schema=SCHEMA,
        study=across.name,
        version=across.version,
        study_file=study.file,
        study_digest=study.digest,
        profile=study.profile,
        runs=tuple(
            ExperimentRun(
                experiment=experiment.manifest.name,
                version=experiment.manifest.version,
                folder=str(experiment.run_folder(home).relative_to(home / "runs")),
                evidence=read_record(experiment.run_folder(home)).evidence_digest(),
            )
            for experiment in study.experiments
        ),
        files=files,
        seal="",
    )
    return replace(made, seal=seal_of(pretty_json(made)))


def make_record(
    experiment: Experiment,
    finished: Sequence[FinishedStep],
    *,
    started: str,
    wall_seconds: float,
    image_digest: str | None,
    probes: Mapping[str, Probed],
    prompts: Mapping[str, tuple[PromptLengths, ...]],
    files: Mapping[str, str],
) -> RunRecord:
    """The record of a finished run. ``started`` is ISO 8601, UTC; ``image_digest`` as the user passed it; ``probes``
    and ``prompts`` are by model; ``files``: the sha256 of those beside the record."""
    manifest = experiment.manifest
    steps = tuple(_recorded(done) for done in finished)
    made = RunRecord(
        schema=SCHEMA,
        experiment=manifest.name,
        version=manifest.version,
        manifest_file=experiment.manifest_file,
        manifest_digest=experiment.manifest_digest,
        profile=experiment.profile,
        models=tuple(model.id for model in experiment.models),
        seeds=tuple(manifest.seed + replicate for replicate in range(experiment.replicates)),
        device=manifest.engines.device,
        threads=manifest.engines.threads,
        code=describe_code(),
        environment=describe_environment(),
        steps=steps,
        generated_tokens=tokens_of(steps, *GENERATING),
        trained_tokens=tokens_of(steps, *TRAINING),
        started=started,
        wall_seconds=round(wall_seconds, 3),
        sandbox=sandbox_status() if _graded_programs(finished) else None,
        image=describe_image(image_digest),
        probes=probes,
        prompts=prompts,
        files=files,
        seal="",
        methods=tuple(dict.fromkeys(_own_method(each) for each in own_methods(experiment.plan()))),
        variant=experiment.variant,
    )
    return replace(made, seal=seal_of(pretty_json(made)))


def _own_method(wanted: Brought) -> OwnMethod:
    return OwnMethod(
        kind=wanted.kind.words,
        name=wanted.name,
        package=wanted.package,
        version=wanted.version,
        code=brought_code(wanted),
        requires=requirements(wanted),
    )


def read_record(run_folder: Path) -> RunRecord:
    """The record of a run folder. Raises InputError when there is none or it cannot be read."""
    path = run_folder / RECORD
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunRecord)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; expected the folder of a finished run") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a run record of this version ({error})") from None


def read_study_record(folder: Path) -> StudyRecord:
    """The record of several experiments' runs. Raises InputError when there is none or it cannot be read."""
    path = folder / STUDY_RECORD
    try:
        return msgspec.json.decode(path.read_bytes(), type=StudyRecord)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; expected the folder of several experiments' runs") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a study's record of this version ({error})") from None


def is_fingerprint(text: str) -> bool:
    """Whether a step's fingerprint is one, so that the folder by this name lies in the store."""
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def describe_code() -> Code:
    """This package's version, source digest and, in a checkout of it, commit (never that of the caller's folder)."""
    package = PACKAGE
    commit = _git(package, "rev-parse", "HEAD") if (package.parent.parent / ".git").exists() else None
    status = _git(package, "status", "--porcelain", "--", str(package)) if commit else None
    return Code(
        version=package_version(),
        source_digest=source_digest("."),
        commit=commit,
        modified=None if status is None else bool(status),
    )


def package_version() -> str:
    """The installed version of this package."""
    try:
        return version("selfimp-bench")
    except PackageNotFoundError:
        return "0+uninstalled"


def describe_environment() -> Environment:
    """The machine this runs on; GPUs by nvidia-smi, so that no heavy library is imported."""
    gpus = _nvidia_smi("name,memory.total")
    return Environment(
        platform=platform.platform(),
        python=platform.python_version(),
        processor=_processor(),
        cores=os.cpu_count() or 0,
        gpus=gpus,
        driver=driver(),
        packages={name: _installed(name) for name in _PACKAGES},
    )


def _graded_programs(finished: Sequence[FinishedStep]) -> bool:
    blocks = [done.step.block for done in finished if not done.reused]
    return any(isinstance(block, GradeBlock) and block.grading.task in UNTRUSTED for block in blocks)


def driver() -> str | None:
    """The version of NVIDIA's driver, as nvidia-smi says; None where there is none."""
    found = _nvidia_smi("driver_version")
    return found[0] if found else None


def _recorded(done: FinishedStep) -> RecordedStep:
    record = done.record
    return RecordedStep(
        id=done.step.id,
        stage=record.stage,
        fingerprint=record.fingerprint,
        version=record.version,
        inputs=record.inputs,
        artifacts=record.artifacts,
        counts=record.counts,
        seconds=record.seconds,
        reused=done.reused,
    )


GENERATING: Final = ("sample", "choose")
"""Stages whose tokens are a record's ``generated_tokens``."""
TRAINING: Final = ("train",)
"""Stages whose tokens are a record's ``trained_tokens``."""


def tokens_of(steps: Iterable[RecordedStep | StepRecord], *stages: str) -> int:
    """How many tokens steps of these stages counted."""
    return sum(step.counts.get("tokens", 0) for step in steps if step.stage in stages)


@cache
def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git(folder: Path, *arguments: str) -> str | None:
    return _output(["git", "-C", str(folder), *arguments])


def _nvidia_smi(fields: str) -> tuple[str, ...]:
    output = _output(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"])
    return tuple(output.splitlines()) if output else ()


def _output(command: Sequence[str]) -> str | None:
    """What a command prints, or None when it is not there or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
