"""The plan of a run, made anew from its folder."""

from pathlib import Path

from selfimp_bench.manifest.model import Profile
from selfimp_bench.protocols.load import load_manifest
from selfimp_bench.protocols.registry import protocol_of, resolve_profile
from selfimp_bench.runs.record import read_record
from selfimp_bench.steps.plan import Plan


def plan_of(folder: Path) -> Plan:
    """The plan of a run folder's manifest, for the models and seeds of its record. Raises InputError."""
    record = read_record(folder)
    manifest = resolve_profile(load_manifest(folder / record.manifest_file), Profile(record.profile))
    models = tuple(model for model in manifest.models if model.id in record.models)
    return protocol_of(manifest).plan(manifest, models, len(record.seeds), folder)
