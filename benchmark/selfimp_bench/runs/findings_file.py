"""findings.json of a run folder: what was found, of which evidence, and a seal. Judging needs none of it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from selfimp_bench.durable import write_atomically
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Variation
from selfimp_bench.runs.folders import FINDINGS
from selfimp_bench.seals import seal_faults, seal_of
from selfimp_bench.verdict.findings import Finding, Findings, to_json


@dataclass(frozen=True, kw_only=True)
class FindingsFile:
    """The file. ``evidence``: the ``evidence_digest`` of the record that was judged; ``seal``: of all the rest.

    variant: what is varied, of which nothing is judged; empty where it is the experiment itself.
    """

    schema: Literal[2]
    evidence: str
    seal: str
    findings: tuple[Finding, ...]
    variant: tuple[Variation, ...] = ()


def findings_json(findings: Findings, evidence: str, variant: tuple[Variation, ...] = ()) -> bytes:
    """The file's content; equal findings of equal evidence give equal bytes."""
    made = FindingsFile(schema=findings.schema, evidence=evidence, seal="", findings=findings.findings, variant=variant)
    return to_json(replace(made, seal=seal_of(to_json(made))))


def keep_findings(folder: Path, findings: Findings, evidence: str, variant: tuple[Variation, ...] = ()) -> str | None:
    """Write the file where that is possible; else say why it was not, for the findings stand without it."""
    try:
        write_atomically(folder / FINDINGS, findings_json(findings, evidence, variant))
    except OSError as error:
        return f"{folder / FINDINGS}: not written ({error.strerror}); what is said here is all the same"
    return None


def read_findings(folder: Path) -> FindingsFile:
    """The file. Raises InputError when it is not there, cannot be read, or was edited."""
    path = folder / FINDINGS
    anew = f"delete it, and `selfimp-bench check {folder}` writes it anew"
    try:
        raw = path.read_bytes()
        found = msgspec.json.decode(raw, type=FindingsFile)
    except FileNotFoundError:
        raise InputError(f"{path}: not found; `selfimp-bench check {folder}` writes it") from None
    except (ValueError, RecursionError, OSError) as error:
        raise InputError(f"{path}: not findings of this version ({error}); {anew}") from None
    for fault in seal_faults(raw, found.seal, to_json(found)):
        raise InputError(f"{path}: {fault}; {anew}")
    return found


def refuse_edited_findings(folder: Path) -> None:
    """Raises InputError where there are findings that no check wrote."""
    if (folder / FINDINGS).exists():
        read_findings(folder)
