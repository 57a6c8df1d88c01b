"""A suite as asked for on the command line: its experiments planned together, run one by one, judged as a whole.

The experiments' runs stay what they are by themselves; equal steps are done once, because the store is shared.
"""

import hashlib
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from selfimp_bench.canonical import digest
from selfimp_bench.engines.base import PLAIN_TRAINING, TrainOptions
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import find_member, find_table
from selfimp_bench.manifest.model import Profile
from selfimp_bench.manifest.reference_table import ReferenceTable, read_table
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.places import REFERENCES
from selfimp_bench.protocols.any_manifest import datasets_by_split
from selfimp_bench.protocols.load_suite import load_suite
from selfimp_bench.runs.execute import execute
from selfimp_bench.runs.judge import FINDINGS, Judgement, judge_run, read_run
from selfimp_bench.runs.study import Experiment, open_experiment
from selfimp_bench.steps.plan import Plan, Step, plan_keys
from selfimp_bench.steps.progress import Progress
from selfimp_bench.steps.store import pretty_json, write_atomically
from selfimp_bench.verdict.findings import Findings, exit_code, to_json
from selfimp_bench.verdict.groups import MemberRun, judge_suite
from selfimp_bench.verdict.paper_check import suite_tables

FILE = "suite.json"


@dataclass(frozen=True, kw_only=True)
class OpenSuite:
    """A suite and its experiments, all for one profile, number of replicates and selection of models."""

    path: Path
    suite_digest: str
    suite: Suite
    profile: Profile
    experiments: tuple[Experiment, ...]

    def run_folder(self, home: Path) -> Path:
        """Where the suite's record and findings lie; equal for equal requests."""
        asked = [self.suite_digest, *(experiment.run_id for experiment in self.experiments)]
        return home / "runs" / self.suite.name / digest(asked)[:12]


@dataclass(frozen=True, kw_only=True)
class MemberPlan:
    """An experiment's part of a suite's plan: ``shared`` of its steps are those of an experiment before it."""

    experiment: str
    steps: int
    shared: int


@dataclass(frozen=True, kw_only=True)
class SuitePlan:
    """Every piece of work of a suite once, its steps named by their keys, and what each experiment adds."""

    members: tuple[MemberPlan, ...]
    plan: Plan


@dataclass(frozen=True, kw_only=True)
class MemberRecord:
    """One experiment's run in a suite's run: ``folder`` is relative to the folder that holds all runs."""

    experiment: str
    version: int
    folder: str


@dataclass(frozen=True, kw_only=True)
class SuiteRecord:
    """What ``suite.json`` holds."""

    schema: int
    suite: str
    version: int
    suite_file: str
    suite_digest: str
    profile: str
    runs: tuple[MemberRecord, ...]


@dataclass(frozen=True, kw_only=True)
class SuiteJudgement:
    """A suite's own findings, those of its experiments' runs, and the exit code over all."""

    suite: str
    run: str
    judged: bool
    findings: Findings
    experiments: tuple[Judgement, ...]
    exit_code: int


def open_suite(path: Path, *, profile: Profile, only: str | None, replicates: int) -> OpenSuite:
    """Load a suite and its experiments. With ``only`` (``model=ID``) those that have the model.

    Raises InputError for what does not exist.
    """
    suite = load_suite(path)
    wanted = None if only is None else only.partition("=")[2]
    ready = [member for member in suite.experiments if member.pending is None]
    members = [member for member in ready if wanted is None or wanted in member.models]
    if not ready:
        raise InputError(f"{path}: none of its experiments has a manifest yet; there is nothing to plan or to run")
    if not members:
        known = ", ".join(sorted({model for member in ready for model in member.models}))
        raise InputError(f"--only {only}: expected model=ID with one of {known}")
    experiments = []
    for member in members:
        manifest = str(find_member(member.name, member.version, path))
        experiment = open_experiment(manifest, profile=profile, only=only, replicates=replicates)
        if profile is Profile.PAPER:
            _check_models(path, member.models, experiment)
        experiments.append(experiment)
    return OpenSuite(
        path=path,
        suite_digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        suite=suite,
        profile=profile,
        experiments=tuple(experiments),
    )


def plan_suite(opened: OpenSuite) -> SuitePlan:
    """The experiments' plans as one, every piece of work in it once."""
    steps: dict[str, Step] = {}
    members = []
    for experiment in opened.experiments:
        plan = experiment.plan()
        keys = plan_keys(plan)
        own = dict.fromkeys(keys.values())
        shared = sum(key in steps for key in own)
        for step in plan.steps:
            inputs = {name: keys[source] for name, source in step.inputs.items()}
            steps.setdefault(keys[step.id], replace(step, id=keys[step.id], inputs=inputs))
        members.append(MemberPlan(experiment=experiment.manifest.name, steps=len(plan.steps), shared=shared))
    return SuitePlan(members=tuple(members), plan=Plan(steps=tuple(steps.values())))


def run_suite(
    opened: OpenSuite,
    home: Path,
    progress: Progress,
    training: TrainOptions = PLAIN_TRAINING,
    *,
    image_digest: str | None = None,
) -> Path:
    """Run or resume every experiment and return the suite's run folder; ``check_suite`` then judges.

    The suite's folder holds its record, itself and the tables that its claims need.
    """
    folders = [
        execute(experiment, home, progress, training, image_digest=image_digest) for experiment in opened.experiments
    ]
    folder = opened.run_folder(home)
    _copy(opened.path, folder / opened.path.name)
    for name in suite_tables(opened.suite):
        _copy(find_table(name, opened.path), folder / name)
    record = SuiteRecord(
        schema=1,
        suite=opened.suite.name,
        version=opened.suite.version,
        suite_file=opened.path.name,
        suite_digest=opened.suite_digest,
        profile=opened.profile,
        runs=tuple(
            MemberRecord(
                experiment=experiment.manifest.name,
                version=experiment.manifest.version,
                folder=str(place.relative_to(home / "runs")),
            )
            for experiment, place in zip(opened.experiments, folders, strict=True)
        ),
    )
    write_atomically(folder / FILE, pretty_json(record))
    return folder


def check_suite(folder: Path) -> SuiteJudgement:
    """Judge a suite's finished run: every experiment's, and the suite's own claims, which go to findings.json.

    Raises InputError when the suite is not the one that its record names.
    """
    record = read_suite_record(folder)
    path = folder / record.suite_file
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != record.suite_digest:
        raise InputError(f"{path}: not the suite that {folder / FILE} names; run again")
    members = [folder.parent.parent / run.folder for run in record.runs]
    judgements = tuple(judge_run(member) for member in members)
    judged = record.profile != Profile.SMOKE
    findings = Findings(schema=1, findings=())
    if judged:
        suite = load_suite(path)
        tables = [suite_table(folder, name) for name in suite_tables(suite)]
        findings = judge_suite(suite, [_member_run(member) for member in members], tables)
    write_atomically(folder / FINDINGS, to_json(findings))
    everything = (*findings.findings, *(finding for each in judgements for finding in each.findings.findings))
    return SuiteJudgement(
        suite=record.suite,
        run=str(folder),
        judged=judged,
        findings=findings,
        experiments=judgements,
        exit_code=exit_code(Findings(schema=1, findings=everything)),
    )


def find_suite_run(run: str, home: Path) -> Path | None:
    """A suite's run folder from its path, or from NAME or NAME/ID under ``home``; None when there is no one such."""
    for folder in (Path(run), home / "runs" / run):
        if (folder / FILE).is_file():
            return folder
    found = sorted(path.parent for path in (home / "runs" / run).glob(f"*/{FILE}"))
    return found[0] if len(found) == 1 else None


def read_suite_record(folder: Path) -> SuiteRecord:
    """The record of a suite's run folder. Raises InputError when there is none or it cannot be read."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=SuiteRecord)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; expected the folder of a suite's run") from None
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: not a suite's record of this version ({error})") from None


def suite_table(folder: Path, name: str) -> ReferenceTable:
    """A reference table of a suite's run: the shipped one of this name, so that no folder brings its own; else its."""
    shipped = REFERENCES / name
    return read_table(shipped if shipped.is_file() else folder / name, name)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.resolve() != target.resolve():
        shutil.copyfile(source, target)


def _member_run(folder: Path) -> MemberRun:
    run = read_run(folder)
    data = datasets_by_split(run.manifest)
    digests = {split: one.digest for split, one in data.items() if one.digest is not None}
    return MemberRun(experiment=run.manifest.name, digests=digests, values=run.problem_values)


def _check_models(path: Path, named: tuple[str, ...], experiment: Experiment) -> None:
    known = [model.id for model in experiment.manifest.models]
    unknown = [model for model in named if model not in known]
    if unknown:
        raise InputError(
            f"{path}: {experiment.manifest.name} has no model {', '.join(unknown)}; it has {', '.join(known)}"
        )
