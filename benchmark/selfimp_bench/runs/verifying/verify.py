"""Verifying a run or a study: everything that follows from the raw generations computed again, and compared."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from selfimp_bench.canonical import digest, file_sha256, pretty_json
from selfimp_bench.errors import InputError, SelfimpError
from selfimp_bench.manifest.catalog import Place, find
from selfimp_bench.manifest.model import Profile, Variation
from selfimp_bench.manifest.variants import variant_of
from selfimp_bench.places import REFERENCES
from selfimp_bench.plain_json import shortened
from selfimp_bench.plural import plural
from selfimp_bench.protocols.load import load_across, load_experiment, load_manifest, vary_experiment
from selfimp_bench.protocols.protocol import AnyManifest
from selfimp_bench.protocols.registry import protocol_of, resolve_profile
from selfimp_bench.runs.case_studies import FILE as CASE_STUDY
from selfimp_bench.runs.case_studies import case_studies
from selfimp_bench.runs.evidence import files_of, run_faults, study_faults
from selfimp_bench.runs.execute import by_model, gather
from selfimp_bench.runs.findings_file import FindingsFile, read_findings
from selfimp_bench.runs.folders import A_FILE, FINDINGS, RECORD, STUDY_RECORD, TABLES, is_inside, is_of_several
from selfimp_bench.runs.judge import judge_study
from selfimp_bench.runs.possible import by_manifest
from selfimp_bench.runs.record import (
    GENERATING,
    TRAINING,
    RunRecord,
    StudyRecord,
    describe_code,
    read_record,
    read_study_record,
    tokens_of,
)
from selfimp_bench.runs.study import text_digest
from selfimp_bench.runs.verifying.compare import compare_json, compare_tables
from selfimp_bench.runs.verifying.found import MOST, Found, Verification
from selfimp_bench.runs.verifying.parts import refuse_unfetched
from selfimp_bench.runs.verifying.steps import DoneAgain, Kept, check_replicates, do_again, done_words, step_records
from selfimp_bench.seals import seal_of
from selfimp_bench.steps.measured import MEASUREMENTS, PROBLEM_VALUES
from selfimp_bench.steps.plan import Plan
from selfimp_bench.steps.probe import PROBE, Probed
from selfimp_bench.steps.prompts import PROMPTS, PromptLengths
from selfimp_bench.verdict.findings import Findings, to_json

_TABLES: Final = ((MEASUREMENTS, "measurement", MOST), (PROBLEM_VALUES, "problem value", 3))
"""The tables of a run folder, what a row is called, and how many differing ones are shown."""


def verify_run(
    folder: Path, kept: Kept, *, found: Found | None = None, signed: str | None = None, subject: str | None = None
) -> Verification:
    """Verify a run folder, or a study's with those of its experiments.

    found: what was found before, of the bundle that it lies in. signed, subject: as the result has them.
    Raises InputError where there is no record to verify by. What is damaged is a mismatch.
    """
    began = time.monotonic()
    found = Found() if found is None else found
    with tempfile.TemporaryDirectory(prefix="selfimp-bench-verify-") as scratch:
        _verify_all(found, folder, kept, Path(scratch))
    return Verification(
        subject=subject or str(folder),
        mismatches=tuple(found.mismatches[:MOST]),
        more=max(0, len(found.mismatches) - MOST),
        recomputed=tuple(dict.fromkeys(found.recomputed)),
        taken=tuple(dict.fromkeys(found.taken)),
        signed=signed,
        seconds=round(time.monotonic() - began, 1),
        exit_code=1 if found.mismatches else 0,
    )


def _verify_all(found: Found, folder: Path, kept: Kept, scratch: Path) -> None:
    if not is_of_several(folder):
        made = scratch / "runs" / folder.parent.name / folder.name
        if _verify_one(found, folder, kept, scratch / "0", made):
            _judge_again(found, made, [(folder, made)])
        return
    record = read_study_record(folder)
    made = scratch / "runs" / folder.parent.name / folder.name
    pairs = [(folder, made)]
    for number, run in enumerate(record.runs):
        own, again = kept.runs / run.folder, scratch / "runs" / run.folder
        _refuse_outside(kept.runs, run.folder)
        if again.exists():
            found.differs("study", f"{STUDY_RECORD}: runs", "every experiment once", f"{run.folder} twice")
            return
        if not _verify_one(found, own, kept, scratch / str(number), again):
            return
        pairs.append((own, again))
    for fault in study_faults(folder, record):
        found.differs("record", STUDY_RECORD, "as its run left it", fault)
    if not is_inside(record.study_file):
        raise InputError(f"{folder / STUDY_RECORD}: $.study_file: {shortened(record.study_file)}: expected {A_FILE}")
    path = folder / record.study_file
    found.compare("digest", str(path.name), record.study_digest, _sha256(path))
    _compare_several(found, path.name, f"{record.study}@{record.version}", record.study_digest)
    ids = [Path(run.folder).name for run in record.runs]
    found.compare("study", "its folder", folder.name, digest([record.study_digest, *ids])[:12])
    _copy_files(folder, made)
    _check_tables(found, folder)
    now = [
        replace(run, evidence=read_record(again).evidence_digest())
        for run, (_, again) in zip(record.runs, pairs[1:], strict=True)
    ]
    _write_sealed(made / STUDY_RECORD, replace(record, runs=tuple(now), files=_files(made, record.files)))
    _judge_again(found, made, pairs)


def _refuse_outside(runs: Path, name: str) -> None:
    if not is_inside(name) or not (runs / name).resolve().is_relative_to(runs.resolve()):
        raise InputError(f"{STUDY_RECORD} names the folder {shortened(name)}, outside of {runs}; fetch the run anew")


def _verify_one(found: Found, folder: Path, kept: Kept, scratch: Path, made: Path) -> bool:
    """Verify one experiment's run, less its verdicts. ``made``: where its folder is made again; whether it is."""
    record = read_record(folder)
    for fault in run_faults(folder, record):
        found.differs("record", f"{folder.parent.name}/{RECORD}", "as its run left it", fault)
    manifest = _manifest(found, folder, record)
    if manifest is None:
        return False
    record = replace(record, **by_manifest(record, manifest))  # what it says otherwise has been said
    plan = _plan(found, folder, record, manifest)
    records = None if plan is None else step_records(found, plan, record.steps, kept)
    if plan is None or records is None:
        return False
    refuse_unfetched(plan, kept.store, {name: each.fingerprint for name, each in records.items()}, kept.hub)
    check_replicates(found, plan, records, kept.store)
    again = do_again(found, plan, records, kept, scratch)
    found.recomputed.append(f"{record.experiment}: {', '.join(done_words(plan))}")
    _taken(found, plan)
    _copy_files(folder, made)
    _check_tables(found, folder)
    with readable(found, "run", folder.parent.name):
        _compare_folder(found, folder, made, record, again)
    return True


def _manifest(found: Found, folder: Path, record: RunRecord) -> AnyManifest | None:
    path = folder / record.manifest_file
    name = record.manifest_file
    if not is_inside(name) or Path(name).name != name or not path.is_file():
        found.differs("manifest", f"{folder.name}/{RECORD}", record.manifest_file, "no such file in the run folder")
        return None
    found.compare("digest", path.name, record.manifest_digest, _sha256(path))
    try:
        manifest = resolve_profile(load_manifest(path), Profile(record.profile))
    except (InputError, ValueError) as error:
        found.differs("manifest", path.name, "a manifest", error)
        return None
    shipped = f"{manifest.name}@{manifest.version}"
    _compare_one(found, path.name, shipped, record.manifest_digest, variant_of(manifest))
    for said, expected in by_manifest(record, manifest).items():
        found.compare("seeds" if said == "seeds" else "record", said, getattr(record, said), expected)
    return manifest


def _compare_several(found: Found, where: str, name: str, recorded: str) -> None:
    """What has the name and the version of a shipped study is that: a released study does not change."""
    place = _shipped(name)
    several = None if place is None else load_across(place)
    if several is not None:
        found.compare("shipped", where, recorded, text_digest(several.text))


def _compare_one(found: Found, where: str, name: str, recorded: str, variant: tuple[Variation, ...]) -> None:
    """The same of an experiment, with what is varied; one of the user's own may be called as a study is."""
    place = _shipped(name)
    if place is None or load_across(place) is not None:
        return
    one = load_experiment(place)
    if one.manifest.name != name.partition("@")[0]:
        return  # a study of one experiment
    try:
        one = vary_experiment(one, {each.field: each.value for each in variant}) if variant else one
    except InputError as error:
        found.differs("shipped", where, "a variant of it", error)
    else:
        found.compare("shipped", where, recorded, text_digest(one.text))


def _shipped(name: str) -> Place | None:
    """Where something of this name and version is shipped; None for what is the user's own."""
    try:
        return find(name)
    except InputError:
        return None


def _plan(found: Found, folder: Path, record: RunRecord, manifest: AnyManifest) -> Plan | None:
    """The plan that the record's models and seeds ask for."""
    models = tuple(model for model in manifest.models if model.id in record.models)
    count = len(record.seeds)
    asked = [record.manifest_digest, record.profile, [model.id for model in models], count]
    found.compare("record", "the run's folder", folder.name, digest(asked)[:12])
    if not models or not count:
        found.differs("record", "models and seeds", f"{len(models)} and {count}", "at least one of each")
        return None
    try:
        return protocol_of(manifest).plan(manifest, models, count, folder)
    except (InputError, ValueError) as error:
        found.differs("manifest", record.manifest_file, "a plan", error)
        return None


def _taken(found: Found, plan: Plan) -> None:
    """What no verification without engines can do again."""
    stages = {plan.stage(step).name for step in plan.steps if plan.stage(step).again is not None}
    left = [step for step in plan.steps if plan.stage(step).again is None and plan.stage(step).engine(step.block)]
    for name in sorted({plan.stage(step).name for step in left}):
        count = sum(plan.stage(step).name == name for step in left)
        found.taken.append(f"{name}: {plural(count, 'step')} not done again; their files by their hashes alone")
    if stages & {"sample", "verify", "tournament"}:
        found.taken.append("that the checkpoints wrote these token ids: no model was asked again")
    if "embed" in stages:
        found.taken.append("that the encoder gave these vectors: sbert-diversity is computed again from those kept")
    found.taken.append("times, machine and versions of libraries, which record.json tells")


def _copy_files(folder: Path, made: Path) -> None:
    """What is no result: the manifest, its prompts, the tables."""
    made.mkdir(parents=True)
    results = {MEASUREMENTS, PROBLEM_VALUES, CASE_STUDY, RECORD, STUDY_RECORD, FINDINGS}
    for path in sorted(folder.rglob("*")):
        target = made / path.relative_to(folder)
        if path.is_file() and path.name not in results and path.suffix in {".yaml", ".csv", ".txt", ".md", ".json"}:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _check_tables(found: Found, folder: Path) -> None:
    """A reference table that is shipped is the shipped one: a verdict is never by another."""
    for path in sorted((folder / TABLES).rglob("*.csv")):
        name = path.relative_to(folder / TABLES)
        if (REFERENCES / name).is_file():
            found.compare("table", f"{TABLES}/{name}", _sha256(path), _sha256(REFERENCES / name))


def _compare_folder(found: Found, folder: Path, made: Path, record: RunRecord, again: DoneAgain) -> None:
    """The files of a run folder that its steps decide, made again from these."""
    store, finished = again.store, again.finished
    records = [each.record for each in finished]
    now = replace(
        record,
        probes=by_model(store, finished, PROBE, Probed),
        prompts=by_model(store, finished, PROMPTS, tuple[PromptLengths, ...]),
        generated_tokens=tokens_of(records, *GENERATING),
        trained_tokens=tokens_of(records, *TRAINING),
    )
    compare_json(found, "record", RECORD, pretty_json(record), pretty_json(now))
    for name, kind, shown in _TABLES:
        gather(store, finished, name, made / name)
        before = len(found.mismatches)
        with readable(found, kind, name):
            _refuse_strange(folder / name)
            compare_tables(found, kind, name, folder / name, made / name, shown=shown)
        _keep_equal(found, before, folder / name, made / name)
    (made / CASE_STUDY).write_bytes(pretty_json(case_studies(finished, store)))
    before = len(found.mismatches)
    with readable(found, "case study", CASE_STUDY):
        _refuse_strange(folder / CASE_STUDY)
        recorded = (folder / CASE_STUDY).read_bytes()
        compare_json(found, "case study", CASE_STUDY, recorded, (made / CASE_STUDY).read_bytes())
    _keep_equal(found, before, folder / CASE_STUDY, made / CASE_STUDY)
    _write_sealed(made / RECORD, replace(now, files=_files(made, record.files)))
    code = describe_code()
    if record.code.source_digest != code.source_digest:
        found.taken.append(
            f"made by selfimp-bench {record.code.version} ({record.code.source_digest[:12]}), verified by "
            f"{code.version} ({code.source_digest[:12]}): a difference may be of the code"
        )


def _refuse_strange(path: Path) -> None:
    if not path.is_file():  # a pipe would be waited for
        raise InputError("not there, or no file")


def _keep_equal(found: Found, before: int, recorded: Path, made: Path) -> None:
    """What is equal is judged as it was recorded: other versions of a library write equal rows in other bytes."""
    if len(found.mismatches) == before:
        shutil.copyfile(recorded, made)


def _files(made: Path, names: Iterable[str]) -> dict[str, str]:
    return files_of(made, [name for name in names if is_inside(name) and (made / name).is_file()])


def _write_sealed(path: Path, record: RunRecord | StudyRecord) -> None:
    path.write_bytes(pretty_json(replace(record, seal=seal_of(pretty_json(record)))))


def _judge_again(found: Found, made: Path, pairs: Sequence[tuple[Path, Path]]) -> None:
    """The verdicts of what was measured again, against those that were recorded."""
    with readable(found, "verdict", FINDINGS):
        judge_study(made)
    for folder, again in pairs:
        if not (folder / FINDINGS).is_file():
            found.taken.append(f"{folder.parent.name}: no verdicts were recorded; `selfimp-bench check` gives them")
        elif (again / FINDINGS).is_file():
            with readable(found, "verdict", f"{folder.parent.name}/{FINDINGS}"):
                _compare_findings(found, folder, again)


def _evidence_digest(folder: Path) -> str:
    return (read_study_record(folder) if is_of_several(folder) else read_record(folder)).evidence_digest()


def _compare_findings(found: Found, folder: Path, again: Path) -> None:
    before, after = (read_findings(each) for each in (folder, again))
    where = f"{folder.parent.name}/{FINDINGS}"
    found.compare("findings", f"{where}: evidence", before.evidence, _evidence_digest(folder))
    found.compare("findings", f"{where}: variant", before.variant, after.variant)
    verdicts = [{(each.claim, each.model): each.verdict for each in file.findings} for file in (before, after)]
    found.recomputed.append(f"{folder.parent.name}: {len(verdicts[1])} verdicts")
    for claim, model in dict.fromkeys((*verdicts[0], *verdicts[1])):
        one, other = (each.get((claim, model)) for each in verdicts)
        found.compare("verdict", f"{claim}, {model}", one, other)
    compare_json(found, "finding", where, _plain(before), _plain(after))


def _plain(file: FindingsFile) -> bytes:
    return to_json(Findings(schema=file.schema, findings=file.findings))


@contextlib.contextmanager
def readable(found: Found, what: str, where: str) -> Iterator[None]:
    """Whatever is damaged is a mismatch, and the rest is looked at all the same."""
    try:
        yield
    except Exception as error:  # of a stranger's data nothing is known
        words = str(error) if isinstance(error, SelfimpError) else f"{type(error).__name__}: {error}"
        found.differs(what, where, "a file of a run", f"cannot be used: {words}")


def _sha256(path: Path) -> str:
    return file_sha256(path) if path.is_file() else "no file"
