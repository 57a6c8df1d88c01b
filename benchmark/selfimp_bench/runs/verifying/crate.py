"""The RO-Crate of a bundle: ro-crate-metadata.json, by the profile Workflow Run Crate.

Source: https://w3id.org/ro/crate/1.1 and https://w3id.org/ro/wfrun/workflow/0.5. The workflow is the resolved manifest,
or a study's claims with the manifests as its parts; a run is an action that has problems, generations and training sets
as what it used, and measurements and findings as its result.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from selfimp_bench.canonical import pretty_json
from selfimp_bench.plural import plural
from selfimp_bench.runs.folders import FINDINGS, RECORD, is_of_several
from selfimp_bench.runs.record import RunRecord, read_record, read_study_record
from selfimp_bench.runs.verifying.parts import BUNDLE, CRATE, README, Part, run_folders
from selfimp_bench.steps.measured import MEASUREMENTS, PROBLEM_VALUES

Entity = dict[str, Any]

_HOME: Final = "https://pypi.org/project/selfimp-bench/"
_PROFILES: Final = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
_FORMATS: Final = {
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet",
    ".yaml": "application/yaml",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".log": "text/plain",
    ".md": "text/markdown",
}
_CONTEXT: Final = (
    "https://w3id.org/ro/crate/1.1/context",
    {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"},
)
_LANGUAGE: Final = f"{_HOME}#manifest"
_LICENCE: Final = "#licence"


def crate_json(folder: Path, run: str, files: Mapping[str, Part]) -> bytes:
    """The metadata of a run folder's bundle. run: the folder in the bundle; files: all others, by their paths there."""
    runs = [each for each in run_folders(folder) if not is_of_several(each)]
    places = {
        each: run if each == folder else f"{Path(run).parent.parent / each.parent.name / each.name}" for each in runs
    }
    records = {places[each]: read_record(each) for each in runs}
    main = _main(folder, run, records)
    workflows = {f"{place}/{record.manifest_file}": record.experiment for place, record in records.items()}
    graph = [
        *_head(run, main, records, files),
        *_around(next(iter(records.values())).code.version),
        *(_action(place, record, files) for place, record in records.items()),
        *(_file(name, part, main, workflows) for name, part in sorted(files.items())),
        {"@id": BUNDLE, "@type": "File", "name": "sha256 of every file", "encodingFormat": "application/json"},
    ]
    return pretty_json({"@context": list(_CONTEXT), "@graph": graph})


def _head(run: str, main: str, records: Mapping[str, RunRecord], files: Mapping[str, Part]) -> tuple[Entity, Entity]:
    """The metadata file itself, and the bundle as a whole."""
    specifications = ("https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0")
    itself = {
        "@id": CRATE,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": _refs(specifications),
    }
    whole = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Run {run} of selfimp-bench",
        "description": "The evidence of a run: manifest, generations, grades, measurements, findings and the hashes of "
        "checkpoints. `selfimp-bench verify` does everything again that follows from the generations.",
        "datePublished": min(record.started for record in records.values()),
        "license": {"@id": _LICENCE},
        "conformsTo": _refs(_PROFILES),
        "mainEntity": {"@id": main},
        "hasPart": _refs(sorted({*files, BUNDLE})),
        "mentions": _one_or_all(_refs(f"#{place}" for place in records)),
    }
    return itself, whole


def _around(version: str) -> list[Entity]:
    """What the files are spoken of with: profiles, licence, the language of manifests, inputs and outputs."""
    licence = {
        "@id": _LICENCE,
        "@type": "CreativeWork",
        "name": "Several licences",
        "description": "Manifests, tables and the program: Apache-2.0. Problems and what models wrote: the licences of "
        "the data and the models that the manifest names.",
    }
    language = {
        "@id": _LANGUAGE,
        "@type": "ComputerLanguage",
        "name": "selfimp-bench manifest",
        "alternateName": "resolved experiment (YAML)",
        "url": _HOME,
        "identifier": _HOME,
        "version": version,
    }
    profiles = [
        {"@id": place, "@type": "CreativeWork", "name": name, "version": place.rpartition("/")[2]}
        for place, name in _PROFILES.items()
    ]
    return [*profiles, licence, language, *_formal()]


def _main(folder: Path, run: str, records: Mapping[str, RunRecord]) -> str:
    if is_of_several(folder):
        return f"{run}/{read_study_record(folder).study_file}"
    return f"{run}/{records[run].manifest_file}"


def _refs(names: Iterable[str]) -> list[Entity]:
    return [{"@id": name} for name in names]


def _one_or_all(references: list[Entity]) -> Entity | list[Entity]:
    """A list of one is written as the one."""
    return references[0] if len(references) == 1 else references


def _formal() -> list[Entity]:
    """What a workflow takes and gives."""
    profile = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"
    words = {"problems": "the problems of a data set", "findings": "the verdicts on the claims"}
    return [
        {
            "@id": f"#{name}",
            "@type": "FormalParameter",
            "additionalType": "File",
            "name": name,
            "description": text,
            "conformsTo": {"@id": profile},
        }
        for name, text in words.items()
    ]


def _action(place: str, record: RunRecord, files: Mapping[str, Part]) -> Entity:
    """One experiment's run."""
    stores = {f"store/{step.fingerprint}/" for step in record.steps}
    used = [name for name in files if name.endswith((".parquet", ".csv")) and any(map(name.startswith, stores))]
    ended = datetime.fromisoformat(record.started) + timedelta(seconds=record.wall_seconds)
    results = (MEASUREMENTS, PROBLEM_VALUES, FINDINGS, RECORD)
    return {
        "@id": f"#{place}",
        "@type": "CreateAction",
        "name": f"Run of {record.experiment}, version {record.version}, seeds {', '.join(map(str, record.seeds))}",
        "description": f"{plural(len(record.steps), 'step')} on {record.environment.processor}",
        "startTime": record.started,
        "endTime": ended.isoformat(timespec="seconds"),
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "instrument": {"@id": f"{place}/{record.manifest_file}"},
        "object": _refs(sorted(used)),
        "result": _refs(f"{place}/{name}" for name in results if f"{place}/{name}" in files),
    }


def _file(name: str, part: Part, main: str, workflows: Mapping[str, str]) -> Entity:
    """A file of the bundle, or the workflow."""
    path = Path(name)
    entity: Entity = {
        "@id": name,
        "@type": "File",
        "name": path.name,
        "contentSize": str(part.bytes),
        "sha256": part.sha256,
        "encodingFormat": _FORMATS.get(path.suffix, "application/octet-stream"),
    }
    if name == main or name in workflows:
        entity |= {
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            "name": workflows.get(name, path.stem),
            "programmingLanguage": {"@id": _LANGUAGE},
            "license": {"@id": _LICENCE},
            "input": {"@id": "#problems"},
            "output": {"@id": "#findings"},
            "conformsTo": {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"},
            "version": path.stem.rpartition(".v")[2],
            "url": _HOME,
        }
        parts = sorted(other for other in workflows if name == main and other != main)
        entity |= {"hasPart": _one_or_all(_refs(parts))} if parts else {}
    if name == README:
        entity["about"] = {"@id": "./"}
    if path.name == "problems.parquet":
        entity["exampleOfWork"] = {"@id": "#problems"}
    if path.name == FINDINGS:
        entity["exampleOfWork"] = {"@id": "#findings"}
    return entity
