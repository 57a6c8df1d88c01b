"""What is pinned differently by two manifests and told differently by two records, in their own words."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from selfimp_bench.canonical import NOT_IDENTITY
from selfimp_bench.runs.diff.sides import Side
from selfimp_bench.runs.record import RunRecord

_NOT_COMPARED: Final = frozenset({*NOT_IDENTITY, "profiles"})
"""What is no part of a fingerprint, and what other profiles would have replaced."""

_COMPONENTS: Final[Mapping[str, str]] = {
    "models": "models",
    "verifier_models": "models",
    "datasets": "data",
    "rationales": "data",
    "prompt": "prompt",
    "grading": "grader",
    "ood_grading": "grader",
    "measure": "metrics",
    "claims": "claims",
    "figures": "claims",
    "priors": "claims",
    "seed": "seeds",
    "sft": "training",
    "dpo": "training",
    "lora": "training",
    "post_training": "training",
    "self_improvement": "training",
    "sampling": "sampling",
    "evaluation": "sampling",
    "generation": "sampling",
    "temperatures": "sampling",
    "verification": "sampling",
    "verifiers": "sampling",
    "engines": "engines",
}
_OTHER: Final = "description"


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A field with other values: its place in the manifest (or the record), and both values; None: it is not there."""

    component: str
    field: str
    a: str | None
    b: str | None


def differing_pins(a: Side, b: Side) -> tuple[Pin, ...]:
    """Every field of the resolved manifests that differs, but for what changes no result."""
    ours, theirs = (_fields(msgspec.to_builtins(side.run.manifest, str_keys=True)) for side in (a, b))
    return tuple(
        Pin(component=component_of(name), field=name, a=ours.get(name), b=theirs.get(name))
        for name in dict.fromkeys((*ours, *theirs))
        if ours.get(name) != theirs.get(name)
    )


def differing_records(a: RunRecord, b: RunRecord) -> tuple[Pin, ...]:
    """What two records tell differently of code, machine and what was asked for."""
    ours, theirs = (_fields(_told(record)) for record in (a, b))
    return tuple(
        Pin(component="record", field=name, a=ours.get(name), b=theirs.get(name))
        for name in dict.fromkeys((*ours, *theirs))
        if ours.get(name) != theirs.get(name)
    )


def component_of(field: str) -> str:
    """The component that a field of a manifest belongs to, by its first part."""
    return _COMPONENTS.get(field.partition(".")[0].partition("[")[0], _OTHER)


def differing_fields(a: object, b: object) -> tuple[str, ...]:
    """The places at which two blocks of a plan differ."""
    ours, theirs = (_fields(msgspec.to_builtins(each, str_keys=True)) for each in (a, b))
    return tuple(name for name in dict.fromkeys((*ours, *theirs)) if ours.get(name) != theirs.get(name))


def _told(record: RunRecord) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(record, str_keys=True)
    names = ("profile", "models", "seeds", "device", "threads", "code", "environment", "image", "variant")
    versions: dict[str, set[str]] = {}
    for step in record.steps:
        versions.setdefault(step.stage, set()).add(step.version)
    done_by = {stage: {"version": "; ".join(sorted(each))} for stage, each in versions.items()}
    return {name: plain[name] for name in names} | {"steps": done_by}


def _fields(value: Any) -> dict[str, str]:
    return dict(_flat(value, ""))


def _flat(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every value that is no object, by its place. Objects of a list are named by their id, where they have one."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in _NOT_COMPARED:
                yield from _flat(each, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        for number, each in enumerate(value):
            yield from _flat(each, f"{place}[{each.get('id', number)}]")
    elif value is not None:
        yield place, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
