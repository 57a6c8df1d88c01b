"""What a tracker is told of a run: a run of its own for each model and seed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from selfimp_bench.canonical import digest
from selfimp_bench.engines.trl.trainer import TRACKERS
from selfimp_bench.errors import InputError
from selfimp_bench.runs.folders import FINDINGS, RECORD
from selfimp_bench.runs.judge import Judgement, RunFiles
from selfimp_bench.steps.measured import MEASUREMENTS
from selfimp_bench.verdict.findings import Finding

PROJECT: Final = "selfimp-bench"
REPORT: Final = "report.html"
_INSTALLED_BY: Final = {**TRACKERS, "mlflow": "mlflow"}
_NO_SETTINGS: Final = frozenset(
    {"claims", "datasets", "figures", "models", "paper", "profiles", "prompt", "summary", "title", "verifier_models"}
)
"""Blocks of a manifest that are no settings of a procedure, or are told by themselves."""


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """A model and seed of an experiment. id: equal for equal evidence, 16 hexadecimal digits.

    params: settings, flat, by dotted names. points: of every iteration, the measurements by ``SPLIT/METRIC``; those
    that are undefined are left out. findings: those about the model. files: to be kept beside.
    """

    id: str
    experiment: str
    model: str
    seed: int
    params: Mapping[str, str]
    points: tuple[tuple[int, Mapping[str, float]], ...]
    findings: tuple[Finding, ...]
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """What it is called in a list of runs."""
        return f"{self.model}-seed{self.seed}"


def refuse_missing(tracker: str, option: str) -> None:
    """Raises InputError, with what to install, where a tracker's package is not here."""
    if find_spec(tracker) is None:
        raise InputError(f"{option} {tracker}: it is not installed; pip install '{_INSTALLED_BY[tracker]}'")


def tracked(run: RunFiles, judgement: Judgement | None) -> Iterator[Tracked]:
    """Every model and seed of a run, in order."""
    record, findings = run.record, () if judgement is None else judgement.findings.findings
    files = (RECORD, record.manifest_file, MEASUREMENTS, FINDINGS, REPORT)
    for model in record.models:
        for replicate, seed in enumerate(record.seeds):
            yield Tracked(
                id=digest([record.evidence_digest(), model, seed])[:16],
                experiment=run.manifest.name,
                model=model,
                seed=seed,
                params=_params(run, model, seed),
                points=_points(run, model, replicate),
                findings=tuple(each for each in findings if each.model == model),
                files=tuple(run.folder / name for name in files if (run.folder / name).is_file()),
            )


def _params(run: RunFiles, model: str, seed: int) -> dict[str, str]:
    record, manifest = run.record, run.manifest
    (known,) = (each for each in manifest.models if each.id == model)
    found = {
        "experiment": f"{manifest.name} v{manifest.version}",
        "paper": manifest.paper.title,
        "model": model,
        "model.source": str(known.repo or known.asset or known.path),
        "seed": str(seed),
        "profile": record.profile,
        "manifest_sha256": record.manifest_digest,
    }
    found |= {f"data.{split}": data.id for split, data in manifest.datasets.by_split().items()}
    settings = {name: value for name, value in msgspec.to_builtins(manifest).items() if name not in _NO_SETTINGS}
    return dict(_flat(settings, "")) | found


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Words and numbers by dotted names; what says where a value comes from is left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("source", "assumed", "conflicts"):
                yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and all(not isinstance(each, dict | list) for each in value):
        yield name, ", ".join(map(str, value))
    elif value is not None and not isinstance(value, list):
        yield name, str(value)


def _points(run: RunFiles, model: str, replicate: int) -> tuple[tuple[int, Mapping[str, float]], ...]:
    points: dict[int, dict[str, float]] = {}
    for each in run.measurements:
        if (each.model, each.replicate) == (model, replicate) and each.value is not None:
            points.setdefault(each.iteration, {})[f"{each.split}/{each.metric}"] = each.value
    return tuple(sorted(points.items()))
