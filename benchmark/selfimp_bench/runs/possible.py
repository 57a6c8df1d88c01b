"""Whether a run folder can be what a run wrote; what cannot be is refused before anything is judged."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from selfimp_bench.manifest.variants import variant_of
from selfimp_bench.plain_json import shortened
from selfimp_bench.protocols.protocol import AnyManifest
from selfimp_bench.protocols.registry import protocol_of
from selfimp_bench.runs.evidence import named
from selfimp_bench.runs.folders import RECORD
from selfimp_bench.runs.record import RunRecord
from selfimp_bench.steps.measured import MEASUREMENTS, PROBLEM_VALUES
from selfimp_bench.verdict.evidence import Evidence
from selfimp_bench.verdict.impossible import copied_replicates, impossible_means, impossible_numbers


def impossible(folder: Path, record: RunRecord, manifest: AnyManifest, evidence: Evidence) -> tuple[str, ...]:
    """What no run can have written, in words that begin with the file it stands in.

    evidence: that of this run alone.
    """
    rows = {split: data.rows for split, data in manifest.datasets.by_split().items()}
    return (
        *named(folder / RECORD, _record_faults(record, manifest)),
        *named(folder / MEASUREMENTS, _measured_faults(record, evidence)),
        *named(folder / MEASUREMENTS, impossible_numbers(evidence, protocol_of(manifest).scale, rows)),
        *named(folder / PROBLEM_VALUES, impossible_means(evidence)),
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


def _measured_faults(record: RunRecord, evidence: Evidence) -> Iterator[str]:
    """Every model and seed of the record has measurements, and no other model or seed has any."""
    measured = {(each.model, each.replicate) for several in evidence.measurements.values() for each in several}
    recorded = {(model, replicate) for model in record.models for replicate in range(len(record.seeds))}
    for model, replicate in sorted(recorded - measured):
        yield f"no measurements of {model}, replicate {replicate}; expected those of every model and seed of {RECORD}"
    for model, replicate in sorted(measured - recorded):
        yield f"measurements of {model}, replicate {replicate}; expected only models and seeds of {RECORD}"
