"""Judging a run folder: the files that the pure check needs, and what becomes of its findings."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Cell, Profile, Variation
from selfimp_bench.manifest.priors import FILE as PRIORS
from selfimp_bench.manifest.priors import Priors, priors_of
from selfimp_bench.manifest.reference_table import ReferenceTable
from selfimp_bench.manifest.reference_table import read_table as read_reference_table
from selfimp_bench.manifest.suite_model import Suite
from selfimp_bench.manifest.variants import together, variant_of
from selfimp_bench.measurement import Measurement, ProblemValue, Split
from selfimp_bench.places import REFERENCES
from selfimp_bench.plain_json import shortened
from selfimp_bench.protocols.load import load_manifest
from selfimp_bench.protocols.load_suite import load_suite
from selfimp_bench.protocols.protocol import AnyManifest
from selfimp_bench.protocols.registry import protocol_of, resolve_profile
from selfimp_bench.runs.as_one import as_one
from selfimp_bench.runs.evidence import NOT_A_RUN, run_faults, study_faults
from selfimp_bench.runs.findings_file import keep_findings, refuse_edited_findings
from selfimp_bench.runs.folders import A_FILE, RECORD, STUDY_RECORD, TABLES, is_inside, is_of_several
from selfimp_bench.runs.possible import impossible
from selfimp_bench.runs.record import RunRecord, StudyRecord, read_record, read_study_record
from selfimp_bench.steps.columns import floats, integers, labels
from selfimp_bench.steps.measured import MEASUREMENTS, PROBLEM_VALUES
from selfimp_bench.steps.probe import Probed, Stamp
from selfimp_bench.steps.prompts import PromptLengths
from selfimp_bench.steps.store import arrow_table, read_table
from selfimp_bench.verdict.check import check, tables_of
from selfimp_bench.verdict.evidence import Columns, Evidence, Labels, RunEvidence, evidence, values_of
from selfimp_bench.verdict.findings import Findings, exit_code
from selfimp_bench.verdict.groups import judge_suite
from selfimp_bench.verdict.paper_check import suite_tables
from selfimp_bench.verdict.together import Together
from selfimp_bench.verdict.value import Divergence


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A measured mean beside the published number, as printed, of row ``reference_id``; both in ``unit``."""

    claim: str
    model: str
    cell: Cell
    measured: Decimal | None
    reference: str
    reference_id: str
    unit: str


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A run's findings; none where ``judged`` is False: a smoke run judges no claim, and a variant is not judged.

    claimed: whether the experiment has any claim. variant: what is varied. beside: of a variant, what was measured
    beside what is published of the experiment.

    unwritten: why findings.json could not be written, where it could not. probes, prompts: by model, as in the record.
    """

    experiment: str
    run: str
    judged: bool
    findings: Findings
    exit_code: int
    claimed: bool
    unwritten: tuple[str, ...]
    probes: Mapping[str, Probed]
    prompts: Mapping[str, tuple[PromptLengths, ...]]
    variant: tuple[Variation, ...] = ()
    beside: tuple[Beside, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StudyJudgement:
    """A study judged.

    findings: what ``findings.json`` in ``run`` holds: those across the experiments where there are claims ``across``
    them, else those of the one experiment. exit_code: over all findings, those of ``experiments`` too. together: those
    judged as one; None of one experiment by itself, and where nothing is judged.
    """

    study: str
    run: str
    judged: bool
    across: bool
    findings: Findings
    experiments: tuple[Judgement, ...]
    exit_code: int
    unwritten: tuple[str, ...]
    together: Together | None
    variant: tuple[Variation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """A study's run folder: the experiments' own, and the record and the claims across them where there are such."""

    folder: Path
    experiments: tuple[Path, ...]
    record: StudyRecord | None
    across: Suite | None


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """A run folder, read: record, resolved manifest, what was measured."""

    folder: Path
    record: RunRecord
    manifest: AnyManifest
    measurements: tuple[Measurement, ...]
    columns: Columns

    @cached_property
    def problem_values(self) -> tuple[ProblemValue, ...]:
        """The values per problem one by one, for who draws them."""
        return tuple(values_of(self.columns))

    @cached_property
    def evidence(self) -> Evidence:
        """What was measured, as the judge needs it. Raises InputError for two values of one thing."""
        try:
            return evidence([run_evidence(self)])
        except ValueError as error:
            raise InputError(f"{self.folder}: {error}; {NOT_A_RUN}") from None


def read_run(folder: Path) -> RunFiles:
    """Read a run folder. Raises InputError, with the files and what is wrong in them, for one that was changed since
    its run."""
    record = read_record(folder)
    faults = run_faults(folder, record)
    try:
        run = _read_run(folder, record)
        faults += _impossible(run) if faults else ()
    except InputError as error:
        raise InputError("\n".join(dict.fromkeys([*faults, str(error)]))) from None
    _refuse(faults)
    return run


def _impossible(run: RunFiles) -> tuple[str, ...]:
    return impossible(run.folder, run.record, run.manifest, run.evidence)


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        raise InputError("\n".join([*faults, NOT_A_RUN]))


def _read_run(folder: Path, record: RunRecord) -> RunFiles:
    path, name = folder / record.manifest_file, record.manifest_file
    if not is_inside(name):
        raise InputError(f"{folder / RECORD}: $.manifest_file: expected {A_FILE}, found '{shortened(name)}'")
    found = _file_digest(path)
    if found != record.manifest_digest:
        raise InputError(f"{path}: digest {found}; {folder / RECORD} names {record.manifest_digest}; run again")
    if record.profile not in set(Profile):
        known = ", ".join(Profile)
        raise InputError(
            f"{folder / RECORD}: $.profile: must be one of {known}, found '{record.profile}'; run it again"
        )
    manifest = resolve_profile(load_manifest(path), Profile(record.profile))
    return RunFiles(
        folder=folder,
        record=record,
        manifest=manifest,
        measurements=_measured(folder / MEASUREMENTS, _measurements),
        columns=_measured(folder / PROBLEM_VALUES, _columns),
    )


def read_study_run(folder: Path) -> StudyRun:
    """A study's run folder. Raises InputError, with the files and what is wrong, for one that was changed since, and
    where an experiment's run is not the one that was run for it."""
    if not is_of_several(folder):
        return StudyRun(folder=folder, experiments=(folder,), record=None, across=None)
    record = read_study_record(folder)
    path = folder / record.study_file
    faults = list(study_faults(folder, record))
    if is_inside(record.study_file) and _file_digest(path) != record.study_digest:
        faults.append(f"{path}: not the file that {folder / STUDY_RECORD} names; run again")
    _refuse(faults)
    across = load_suite(path)
    if (record.study, record.version) != (across.name, across.version):
        words = f"{shortened(record.study)}, version {record.version}; expected {across.name}, version {across.version}"
        _refuse([f"{folder / STUDY_RECORD}: 'study' is {words}"])
    return StudyRun(
        folder=folder,
        experiments=tuple(folder.parent.parent / run.folder for run in record.runs),
        record=record,
        across=across,
    )


def judge_study(folder: Path) -> StudyJudgement:
    """Judge a finished study: every experiment's run, and the claims across them, which go to its findings.json.

    Raises InputError, with the files and what is wrong, for what no run and no check can have written.
    """
    run = read_study_run(folder)
    for each in {folder, *run.experiments}:
        refuse_edited_findings(each)
    runs = [read_run(each) for each in run.experiments]
    experiments = tuple(_judge(each) for each in runs)
    if run.across is None or run.record is None:
        (own,) = experiments
        return StudyJudgement(
            study=own.experiment,
            run=own.run,
            judged=own.judged,
            across=False,
            findings=own.findings,
            experiments=experiments,
            exit_code=own.exit_code,
            unwritten=own.unwritten,
            together=None,
            variant=own.variant,
        )
    judged = all(each.judged for each in experiments)
    findings = _judge_across(run.folder, run.across, runs) if judged else Findings(schema=2, findings=())
    variant = together(each.variant for each in experiments)
    unwritten = keep_findings(folder, findings, run.record.evidence_digest(), variant)
    everything = (*findings.findings, *(finding for each in experiments for finding in each.findings.findings))
    return StudyJudgement(
        study=run.across.name,
        run=str(folder),
        judged=judged,
        across=True,
        findings=findings,
        experiments=experiments,
        exit_code=exit_code(Findings(schema=2, findings=everything)) if judged or variant else 0,
        unwritten=(
            *(() if unwritten is None else (unwritten,)),
            *(each for own in experiments for each in own.unwritten),
        ),
        together=_as_one(run.folder, run.across, findings, runs, experiments) if judged else None,
        variant=variant,
    )


def _as_one(
    folder: Path, across: Suite, findings: Findings, runs: Sequence[RunFiles], judged: Sequence[Judgement]
) -> Together:
    own = [
        (run.manifest.claims, run.record.models, each.findings.findings) for run, each in zip(runs, judged, strict=True)
    ]
    return as_one(across, findings.findings, own, lambda name: run_table(_holder(name, folder, runs), name))


def _holder(name: str, folder: Path, runs: Sequence[RunFiles]) -> Path:
    """The run folder that has a table of its own by this name; the study's where none has."""
    return next((each.folder for each in runs if (each.folder / TABLES / name).is_file()), folder)


def _judge_across(folder: Path, across: Suite, runs: Iterable[RunFiles]) -> Findings:
    if not across.claims:
        return Findings(schema=2, findings=())
    tables = [run_table(folder, name) for name in suite_tables(across)]
    return judge_suite(across, evidence(run_evidence(each) for each in runs), tables, run_priors(folder, across.priors))


def run_evidence(run: RunFiles) -> RunEvidence:
    """What a run measured, as the judge needs it."""
    data = run.manifest.datasets.by_split()
    return RunEvidence(
        experiment=run.manifest.name,
        digests={split: one.digest for split, one in data.items() if one.digest is not None},
        measurements=run.measurements,
        columns=run.columns,
    )


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"


def judge_run(folder: Path) -> Judgement:
    """Judge the claims of a finished run, and write findings.json where that can be. Equal runs give equal bytes."""
    refuse_edited_findings(folder)
    return _judge(read_run(folder))


def _judge(run: RunFiles) -> Judgement:
    _refuse(_impossible(run))
    findings = Findings(schema=2, findings=())
    variant = variant_of(run.manifest)
    judged = run.record.profile != Profile.SMOKE and not variant
    if judged:
        findings = _selected(run, _check(run))
    unwritten = keep_findings(run.folder, findings, run.record.evidence_digest(), variant)
    return Judgement(
        experiment=run.manifest.name,
        run=str(run.folder),
        judged=judged,
        findings=findings,
        exit_code=exit_code(findings) if (judged and run.manifest.claims) or variant else 0,
        claimed=bool(run.manifest.claims),
        unwritten=() if unwritten is None else (unwritten,),
        probes=run.record.probes,
        prompts=run.record.prompts,
        variant=variant,
        beside=beside_of(run),
    )


def beside_of(run: RunFiles) -> tuple[Beside, ...]:
    """Of a variant at full size, what was measured beside what is published; nothing of any other run."""
    if not variant_of(run.manifest) or run.record.profile == Profile.SMOKE:
        return ()
    return tuple(
        Beside(
            claim=finding.claim,
            model=finding.model,
            cell=point.cell,
            measured=point.measured,
            reference=point.reference,
            reference_id=point.reference_id,
            unit=point.unit,
        )
        for finding in _selected(run, _check(run)).findings
        for point in finding.points
    )


def _check(run: RunFiles) -> Findings:
    if not run.manifest.claims:
        return Findings(schema=2, findings=())
    return check(
        experiment=run.manifest.name,
        claims=run.manifest.claims,
        models=run.record.models,
        evidence=run.evidence,
        priors=run_priors(run.folder, run.manifest.priors),
        tables=tables_of(run.manifest.claims, lambda name: run_table(run.folder, name)),
        divergences=lambda model, cell: _divergence(run, model, cell),
    )


def _divergence(run: RunFiles, model: str, cell: Cell) -> Divergence | None:
    """What the model's probe says of reruns; only a ``distributional`` one says that anything may change."""
    probed, manifest = run.record.probes.get(model), run.manifest
    behind = protocol_of(manifest).completions_behind
    if probed is None or probed.stamp is not Stamp.DISTRIBUTIONAL or behind is None:
        return None
    return Divergence(rate=probed.divergence_rate, completions=behind(manifest, cell))


def _selected(run: RunFiles, findings: Findings) -> Findings:
    """Without the findings about models of the manifest that this run was not asked for; no others are left out."""
    not_asked = {model.id for model in run.manifest.models} - set(run.record.models)
    kept = tuple(finding for finding in findings.findings if finding.model not in not_asked)
    return Findings(schema=findings.schema, findings=kept)


def run_table(folder: Path, name: str) -> ReferenceTable:
    """A reference table of a run: the shipped one of this name, so that no run folder brings its own; else the copy."""
    shipped = REFERENCES / name
    return read_reference_table(shipped if shipped.is_file() else folder / TABLES / name, name)


def run_priors(folder: Path, setting: str) -> Priors:
    """The setting that a run's manifest names: the shipped one, so that no run folder brings its own; else the copy's.

    Raises InputError for one that is in neither.
    """
    return priors_of(setting, (REFERENCES / PRIORS, folder / TABLES / PRIORS))


Values = TypeVar("Values")


def _measured(path: Path, read: Callable[[Path], Values]) -> Values:
    if not path.is_file():
        raise InputError(f"{path}: not found; the run is incomplete, run it again")
    try:
        return read(path)
    except (ValueError, KeyError, OSError, pa.ArrowException) as error:  # msgspec's own is a ValueError
        raise InputError(
            f"{path}: this is not what a run wrote ({error}); fetch the run anew, or run it again"
        ) from None


def _measurements(path: Path) -> tuple[Measurement, ...]:
    return msgspec.convert(read_table(path), tuple[Measurement, ...])


def _columns(path: Path) -> Columns:
    """By columns: a run at full size has ten million rows. Raises ValueError for a value that is not a number."""
    table = arrow_table(path, [*_WORDS, *_NUMBERS, "value"])
    for name in (*_WORDS, *_NUMBERS):
        if table[name].null_count:
            raise ValueError(f"{table[name].null_count} rows without {name}")
    if pc.sum(pc.invert(pc.is_finite(table["value"]))).as_py():
        raise ValueError("a value is not a finite number")
    encoded = {name: labels(table[name].cast(pa.string())) for name in _WORDS}
    words = {name: Labels(words=found, codes=codes) for name, (found, codes) in encoded.items()}
    unknown = sorted(set(words["split"].words) - set(Split))
    if unknown:
        raise ValueError(f"unknown split {unknown[0]!r}")
    iteration, replicate = (integers(table[name]) for name in _NUMBERS)
    return Columns(
        model=words["model"],
        metric=words["metric"],
        split=words["split"],
        problem=words["problem_id"],
        iteration=iteration,
        replicate=replicate,
        value=floats(table["value"]),
    )


_WORDS = ("model", "metric", "split", "problem_id")
_NUMBERS = ("iteration", "replicate")
