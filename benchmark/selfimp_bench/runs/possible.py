"""Whether a run folder can be what a run wrote; what cannot be is refused before anything is judged."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from selfimp_bench.durable import is_half_written
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Cell
from selfimp_bench.manifest.variants import variant_of
from selfimp_bench.plain_json import shortened
from selfimp_bench.protocols.protocol import AnyManifest
from selfimp_bench.protocols.registry import PROTOCOLS, measured_cells, protocol_of
from selfimp_bench.runs.evidence import named
from selfimp_bench.runs.folders import RECORD, TABLES
from selfimp_bench.runs.own_files import own_methods
from selfimp_bench.runs.record import RunRecord
from selfimp_bench.steps.grade import GradeBlock
from selfimp_bench.steps.measured import MEASUREMENTS, PROBLEM_VALUES
from selfimp_bench.steps.plan import Plan, fingerprint
from selfimp_bench.steps.versions import source_digest
from selfimp_bench.tasks.grading.kinds import UNTRUSTED
from selfimp_bench.verdict.evidence import Evidence
from selfimp_bench.verdict.findings import describe
from selfimp_bench.verdict.impossible import copied_replicates, impossible_means, impossible_numbers, other_problems


def impossible(folder: Path, record: RunRecord, manifest: AnyManifest, evidence: Evidence) -> tuple[str, ...]:
    """What no run can have written, in words that begin with the file it stands in.

    evidence: that of this run alone.
    """
    rows = {split: data.rows for split, data in manifest.datasets.by_split().items()}
    return (
        *named(folder / RECORD, _record_faults(record, manifest)),
        *named(folder / RECORD, _unnamed_files(folder, record, manifest)),
        *named(folder / RECORD, _plan_faults(folder, record, manifest)),
        *named(folder / MEASUREMENTS, _measured_faults(record, evidence)),
        *named(folder / MEASUREMENTS, _cell_faults(record, manifest, evidence)),
        *named(folder / MEASUREMENTS, impossible_numbers(evidence, protocol_of(manifest).scale, rows)),
        *named(folder / PROBLEM_VALUES, impossible_means(evidence)),
        *named(folder / PROBLEM_VALUES, other_problems(evidence, protocol_of(manifest).scale)),
        *named(folder / PROBLEM_VALUES, copied_replicates(evidence)),
    )


def _record_faults(record: RunRecord, manifest: AnyManifest) -> Iterator[str]:
    for name, values in (("models", record.models), ("seeds", record.seeds), ("steps", record.steps)):
        if not values:
            yield f"'{name}' is empty; expected those of the run"
    for name, expected in by_manifest(record, manifest).items():
        if (recorded := getattr(record, name)) != expected:
            found, wanted = _words(recorded), _words(expected)
            yield f"'{name}' is {found}; expected {wanted}, by {shortened(record.manifest_file)}"


def _words(value: object) -> str:
    plain = msgspec.to_builtins(value)
    return shortened(str(list(plain) if isinstance(plain, tuple) else plain), 200)


def by_manifest(record: RunRecord, manifest: AnyManifest) -> dict[str, Any]:
    """What of a record its manifest decides, and how: of models, those that were asked for in the manifest's order; of
    seeds, so many from the manifest's on.
    """
    return {
        "experiment": manifest.name,
        "version": manifest.version,
        "manifest_file": f"{manifest.name}.v{manifest.version}.yaml",
        "models": tuple(model.id for model in manifest.models if model.id in record.models),
        "seeds": tuple(manifest.seed + replicate for replicate in range(len(record.seeds))),
        "device": manifest.engines.device,
        "threads": manifest.engines.threads,
        "variant": variant_of(manifest),
    }


def _method_faults(record: RunRecord, plan: Plan) -> Iterator[str]:
    """The functions of other packages are those that the manifest names, of the code that its steps were done by."""
    named = {str(each) for each in own_methods(plan)}
    told = {f"{each.kind} {each.name} of {each.package} {each.version}": each.code for each in record.methods}
    if named != told.keys():
        by = shortened(record.manifest_file)
        yield f"'methods' is {_words(sorted(told))}; expected {_words(sorted(named))}, by {by}"
    for step, row in zip(plan.steps, record.steps, strict=True):
        for each in plan.stage(step).brings(step.block):
            said = told.get(str(each))
            if said is not None and f"{each.package} {each.version} code {said[:16]}" not in row.version:
                yield f"step {step.id} was done by {shortened(row.version)}; 'methods' has {each} with the code {said}"


def _measured_faults(record: RunRecord, evidence: Evidence) -> Iterator[str]:
    """Every model and seed of the record has measurements, and no other model or seed has any."""
    measured = {(each.model, each.replicate) for several in evidence.measurements.values() for each in several}
    recorded = {(model, replicate) for model in record.models for replicate in range(len(record.seeds))}
    for model, replicate in sorted(recorded - measured):
        yield f"no measurements of {model}, replicate {replicate}; expected those of every model and seed of {RECORD}"
    for model, replicate in sorted(measured - recorded):
        yield f"measurements of {model}, replicate {replicate}; expected only models and seeds of {RECORD}"


def _cell_faults(record: RunRecord, manifest: AnyManifest, evidence: Evidence) -> Iterator[str]:
    """Every model and seed has a measurement, or why there is none, of whatever the manifest has measured."""
    asked = {
        Cell(metric=each.metric, split=each.split, iteration=iteration)
        for each in measured_cells(manifest)
        for iteration in range(each.first, each.iterations + 1)
    }
    everywhere = set(range(len(record.seeds)))
    measured = {key: {each.replicate for each in several} for key, several in evidence.measurements.items()}
    for model in record.models:
        for cell in sorted(asked, key=describe):
            for replicate in sorted(everywhere - measured.get((manifest.name, model, cell), set())):
                yield f"no measurement of {model}, {describe(cell)}, replicate {replicate}; expected one"


def _unnamed_files(folder: Path, record: RunRecord, manifest: AnyManifest) -> Iterator[str]:
    """Files that are read, and of which the record has no digest."""
    there = (path for path in sorted((folder / TABLES).rglob("*")) if path.is_file() and not is_half_written(path))
    tables = [path.relative_to(folder).as_posix() for path in there]
    for name in (*tables, *protocol_of(manifest).files(manifest, folder)):
        if name not in record.files:
            yield f"'files' lacks {shortened(name)}; expected the digest of every file that a verdict rests on"


def _plan_faults(folder: Path, record: RunRecord, manifest: AnyManifest) -> Iterator[str]:
    """The steps are those that the manifest plans, and the sandbox is told of where programs were graded.

    Said of runs of the code that is installed here alone: another version may plan otherwise.
    """
    if manifest.protocol not in PROTOCOLS or record.code.source_digest != source_digest("."):
        return
    models = tuple(model for model in manifest.models if model.id in record.models)
    if not models or not record.seeds:
        return  # said already
    try:
        plan = protocol_of(manifest).plan(manifest, models, len(record.seeds), folder)
    except (InputError, ValueError) as error:
        yield f"{shortened(record.manifest_file)} cannot be planned: {error}"
        return
    planned, recorded = ([f"{step.id} ({step.stage})" for step in steps] for steps in (plan.steps, record.steps))
    if planned != recorded:
        others = sorted({*planned} ^ {*recorded}) or ["another order"]
        yield f"'steps' are not those that {shortened(record.manifest_file)} plans: {shortened(', '.join(others), 200)}"
        return
    yield from _method_faults(record, plan)
    made = {step.id: step.content_digest() for step in record.steps}
    for step, row in zip(plan.steps, record.steps, strict=True):
        inputs = {name: made[source] for name, source in step.inputs.items()}
        expected = fingerprint(replace(step, version=row.version), inputs)
        if dict(row.inputs) != inputs or row.fingerprint != expected:
            yield (
                f"step {step.id} has the fingerprint {row.fingerprint}; expected {expected}, that of what "
                f"{shortened(record.manifest_file)} plans, of its version and of what the steps before it wrote"
            )
    graded = any(
        isinstance(step.block, GradeBlock) and step.block.grading.task in UNTRUSTED and not row.reused
        for step, row in zip(plan.steps, record.steps, strict=True)
    )
    if graded != (record.sandbox is not None):
        found, expected = ("is there", "none") if record.sandbox else ("is not there", "that which graded programs")
        yield f"'sandbox' {found}; expected {expected}, by its steps"
