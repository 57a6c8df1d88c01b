"""Whether a run folder is as its run left it: digests from the record to every file that a verdict rests on.

    record.json    `files`: the sha256 of the manifest, its prompts and tables, and of what was measured
                   `steps`: what every step wrote, and read of the steps before it, as digests
                   `seal`:  the sha256 of all the rest of the record
    study.json     the same, and the ``evidence_digest`` of every experiment's record
    findings.json  that digest of the record that was judged, and a seal

Whoever edits one file is found out. Whoever edits all of them, seals too, is not: no digest in a folder proves the
folder. Against that help a seal that was published elsewhere, and grading the generations anew.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from selfimp_bench.canonical import file_sha256, pretty_json
from selfimp_bench.plain_json import shortened
from selfimp_bench.plural import plural
from selfimp_bench.runs.case_studies import FILE as CASE_STUDY
from selfimp_bench.runs.folders import A_FILE, RECORD, STUDY_RECORD, is_inside
from selfimp_bench.runs.record import (
    GENERATING,
    TRAINING,
    RunRecord,
    StudyRecord,
    is_fingerprint,
    read_record,
    tokens_of,
)
from selfimp_bench.seals import seal_faults
from selfimp_bench.steps.measured import MEASUREMENTS, PROBLEM_VALUES
from selfimp_bench.steps.probe import PROBE
from selfimp_bench.steps.prompts import PROMPTS

NOT_A_RUN: Final = "this is not what a run wrote: fetch the run anew, or run it again"
_SHOWN: Final = 5
"""Faults named of each file."""


def files_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The sha256 of files by their paths in a folder."""
    return {name: file_sha256(folder / name) for name in sorted(set(names))}


def named(file: Path, faults: Iterator[str]) -> Iterator[str]:
    """Faults with the file that has them: the first few, and how many more there are."""
    for fault in islice(faults, _SHOWN):
        yield f"{file}: {fault}"
    if more := sum(1 for _ in faults):
        yield f"{file}: and {more} more like these"


def run_faults(folder: Path, record: RunRecord) -> tuple[str, ...]:
    """Where a run folder is not what its record says, and where the record contradicts itself: files and words.

    Every file that the record names is hashed. Nothing is said of what the numbers are (``possible.py``).
    """
    path = folder / RECORD
    needed = (record.manifest_file, MEASUREMENTS, PROBLEM_VALUES, CASE_STUDY)
    return (
        *named(path, seal_faults(path.read_bytes(), record.seal, pretty_json(record))),
        *named(path, _step_faults(record)),
        *named(path, _told_faults(record)),
        *_file_faults(folder, record.files, needed, path),
        *named(path, _row_faults(folder, record)),
    )


def study_faults(folder: Path, record: StudyRecord) -> tuple[str, ...]:
    """The same of several experiments' run folder, and of which runs its record speaks."""
    path = folder / STUDY_RECORD
    return (
        *named(path, seal_faults(path.read_bytes(), record.seal, pretty_json(record))),
        *_file_faults(folder, record.files, (record.study_file,), path),
        *named(path, _member_faults(folder, record)),
        *(fault for own in _members(folder, record) for fault in run_faults(own, read_record(own))),
    )


def _members(folder: Path, record: StudyRecord) -> Iterator[Path]:
    """The run folders of the experiments that are inside the folder of all runs."""
    return (folder.parent.parent / run.folder for run in record.runs if is_inside(run.folder))


def _file_faults(folder: Path, files: Mapping[str, str], needed: Iterable[str], record: Path) -> Iterator[str]:
    for name in sorted(set(needed) - set(files)):
        yield f"{record}: 'files' lacks {shortened(name)}; expected the digest of every file that a verdict rests on"
    for name, sha256 in sorted(files.items()):
        path = folder / name
        if not is_inside(name):
            yield f"{record}: 'files' names {shortened(name)}; expected {A_FILE}"
        elif not path.is_file():
            yield f"{path}: not found; the run is incomplete, run it again"
        elif (found := file_sha256(path)) != sha256:
            what = "was emptied" if path.stat().st_size == 0 else "was changed"
            yield f"{path}: {what}: it has the sha256 {found}; {record.name} names {sha256}"


def _step_faults(record: RunRecord) -> Iterator[str]:
    seen: set[str] = set()
    made = {step.content_digest() for step in record.steps}
    for step in record.steps:
        if step.id in seen:
            yield f"'steps' has {step.id} twice; expected every step once"
        seen.add(step.id)
        if not is_fingerprint(step.fingerprint):
            yield f"step {step.id} has the fingerprint {shortened(step.fingerprint)}; expected 64 hex digits"
        for name, sha256 in step.inputs.items():
            if sha256 not in made:
                yield (
                    f"step {step.id} read {sha256} as its {name}, which no step of the record wrote; a step, or the "
                    "hash of an artifact, was changed"
                )
        for artifact in step.artifacts:
            if not is_inside(artifact.path):
                yield f"step {step.id} names the artifact {shortened(artifact.path)}; expected {A_FILE}"


def _told_faults(record: RunRecord) -> Iterator[str]:
    """What a record tells of its steps is what these counted, and wrote."""
    for name, found, stages in (
        ("generated_tokens", record.generated_tokens, GENERATING),
        ("trained_tokens", record.trained_tokens, TRAINING),
    ):
        if found != (expected := tokens_of(record.steps, *stages)):
            yield f"'{name}' is {found}; expected {expected}, which its steps counted"
    for name, told, file in (("probes", record.probes, PROBE), ("prompts", record.prompts, PROMPTS)):
        wrote = {
            step.id.partition("/")[0]: artifact.sha256
            for step in record.steps
            for artifact in step.artifacts
            if artifact.path == file
        }
        digests = {model: hashlib.sha256(pretty_json(each)).hexdigest() for model, each in told.items()}
        for model in sorted(wrote.keys() | digests.keys()):
            if digests.get(model) != wrote.get(model):
                yield f"'{name}' of {shortened(model)} is not what its step wrote to {file}"


def _row_faults(folder: Path, record: RunRecord) -> Iterator[str]:
    """The tables of a run have the rows of its steps' tables together."""
    for name in (MEASUREMENTS, PROBLEM_VALUES):
        wrote = [artifact.rows for step in record.steps for artifact in step.artifacts if artifact.path == name]
        if not (folder / name).is_file():
            continue  # said of the file itself; a pipe would be waited for
        try:
            found = pq.read_metadata(folder / name).num_rows
        except (OSError, ValueError, pa.ArrowException):
            continue  # said of the file itself
        if record.steps and (rows := sum(each or 0 for each in wrote)) != found:
            yield f"its steps wrote {plural(rows, 'row')} of {name}; found {found} there"


def _member_faults(folder: Path, record: StudyRecord) -> Iterator[str]:
    if not record.runs:
        yield "'runs' is empty; expected those of the study's experiments"
    folders = [Path(run.folder) for run in record.runs]
    for twice in sorted({each for each in folders if folders.count(each) > 1}):
        yield f"'runs' has {shortened(str(twice))} twice; expected every experiment once"
    for run in record.runs:
        if not is_inside(run.folder):
            yield f"'runs' names the folder {shortened(run.folder)}; expected {A_FILE}, from the folder of all runs"
            continue
        found = read_record(folder.parent.parent / run.folder)
        if (found.experiment, found.version, found.profile) != (run.experiment, run.version, record.profile):
            yield (
                f"the run {run.folder} is that of {found.experiment}, version {found.version}, profile "
                f"{found.profile}; expected {run.experiment}, version {run.version}, profile {record.profile}"
            )
        elif (evidence := found.evidence_digest()) != run.evidence:
            yield (
                f"the run {run.folder} is not the one of this study (its evidence has the digest {evidence}, expected "
                f"{run.evidence}); if it was run again since, run the study again"
            )
