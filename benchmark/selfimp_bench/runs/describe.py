"""What there is to say of a manifest before it runs: assumptions, size, and which claims its size can decide."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from selfimp_bench.manifest.claim_readings import readings
from selfimp_bench.manifest.model import Claim, SingleRun, ValueClaim
from selfimp_bench.manifest.reference_table import Reference
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.protocol import AnyManifest
from selfimp_bench.protocols.registry import protocol_of
from selfimp_bench.verdict.findings import named_part


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """A value the source does not give: its JSON path in the manifest, the value, and the reason for it."""

    path: str
    value: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Decidability:
    """Whether a claim can come out decided in a run of this manifest, and why."""

    claim: str
    decidable: bool
    reason: str


def size_words(manifest: AnyManifest) -> str:
    """How large an experiment is, in a few words."""
    return protocol_of(manifest).size_words(manifest)


def assumptions(manifest: AnyManifest) -> tuple[Assumption, ...]:
    """Every assumed value, in the order of the manifest."""
    return tuple(_assumptions(msgspec.to_builtins(manifest, str_keys=True), "$"))


def _assumptions(value: Any, path: str) -> Iterator[Assumption]:
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _assumptions(inner, f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    assumed = value.get("assumed")
    if isinstance(assumed, str):
        yield Assumption(path=path, value=_brief(value), reason=assumed)
    for field, reason in assumed.items() if isinstance(assumed, dict) else ():
        yield Assumption(path=f"{path}.{field}", value=_brief(value[field]), reason=reason)
    for key, inner in value.items():
        if key != "assumed":
            yield from _assumptions(inner, f"{path}.{key}")


def _brief(value: Any) -> str:
    if isinstance(value, dict):
        inner = {key: item for key, item in value.items() if key not in ("source", "assumed") and item is not None}
        return f"{', '.join(inner)}"
    plain = isinstance(value, str) and value == value.strip() != "" and "\n" not in value
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def decidabilities(
    manifest: AnyManifest, references: Mapping[str, Mapping[str, Reference]], minimum_problems: int
) -> tuple[Decidability, ...]:
    """For every claim whether this manifest's data can decide it.

    references: table name to row id to row. minimum_problems: what a bootstrap over problems needs.
    """
    return tuple(
        _several(claim, [_decidability(read.claim, manifest, references, minimum_problems) for read in readings(claim)])
        for claim in manifest.claims
    )


def _several(claim: Claim, found: Sequence[Decidability]) -> Decidability:
    """Of several readings one is enough; of several parts all count."""
    if claim.several is None:
        return found[0]
    named = zip(readings(claim), found, strict=True)
    reasons = [f"{named_part(claim.several, read.name)}: {each.reason}" for read, each in named]
    enough = any if claim.several == "any_of" else all
    return Decidability(claim=claim.id, decidable=enough(each.decidable for each in found), reason="; ".join(reasons))


def _of_single_run(name: str, value: ValueClaim, single: SingleRun, manifest: AnyManifest) -> Decidability:
    """Decided unless this size has fewer problems than the published numbers are over."""
    splits = {point.split for point in value.points}
    rows = {part: data.rows for part, data in manifest.datasets.by_split().items() if part in splits}
    fewer = [f"{count} of {part}" for part, count in rows.items() if count < (single.problems or 0)]
    if fewer:
        reason = f"published on {single.problems} problems, this size has {', '.join(fewer)}: only if far inside or out"
        return Decidability(claim=name, decidable=False, reason=reason)
    return Decidability(
        claim=name, decidable=True, reason=f"within what one published run allows (sd {single.seed_sd})"
    )


def _decidability(
    claim: Claim, manifest: AnyManifest, references: Mapping[str, Mapping[str, Reference]], minimum: int
) -> Decidability:
    if claim.value is not None and claim.value.single_run is not None:
        return _of_single_run(claim.id, claim.value, claim.value.single_run, manifest)
    if claim.value is not None:
        rows = [references[claim.value.table][point.reference] for point in claim.value.points]
        pinned = {data.digest for data in manifest.datasets.by_split().values()}
        others = [row.id for row in rows if row.digest is None or row.digest not in pinned]
        if others:
            reason = f"other problems than those of {', '.join(others)}: the sampling error of this run counts too"
            return Decidability(claim=claim.id, decidable=False, reason=reason)
        return Decidability(claim=claim.id, decidable=True, reason="the same problems as the reference")
    problems = min(data.rows for part, data in manifest.datasets.by_split().items() if part is not Split.TRAIN)
    if problems < minimum:
        reason = f"{problems} problems; a bootstrap over problems needs {minimum}"
        return Decidability(claim=claim.id, decidable=False, reason=reason)
    return Decidability(claim=claim.id, decidable=True, reason=f"{problems} problems, if the effect is large enough")
