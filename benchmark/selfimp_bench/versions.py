"""What does each stage, as a version string: a part of every fingerprint.

Cheap stages (loading, grading, selecting, measuring) carry a digest of their own source, so that a corrected grader
can never meet a stale result; their contents are compared again downstream, so nothing dear runs twice for it.
Sampling, training, embedding and verifying carry the engine's revision and the versions of its libraries; verifying
also the revision of its own prompts and seeds, and a tournament that of the reading of its judgements.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

from selfimp_bench.engines.open import engine_version
from selfimp_bench.grading.graders import LIBRARIES
from selfimp_bench.plan import Stage
from selfimp_bench.stages.verify import REVISION as VERIFY_REVISION

_PACKAGE = Path(__file__).parent
_SOURCES: Mapping[Stage, tuple[str, ...]] = {
    Stage.PROBLEMS: ("problems.py", "tasks"),
    Stage.MODEL: ("stages/model.py",),
    Stage.PROBE: ("stages/probe.py",),
    Stage.GRADE: ("stages/grade.py", "grading", "tasks"),
    Stage.SELECT: (
        *("stages/select.py", "stages/keep.py", "stages/training_rows.py", "stages/filters.py"),
        "metrics/verification/selection.py",
    ),
    Stage.SCORE: ("stages/score.py", "grading/judgement.py"),
    Stage.MEASURE: (
        *("stages/measure.py", "stages/measure_verification.py", "stages/score.py", "stages/filters.py"),
        *("stages/tournament.py", "manifest/verification_measured.py", "metrics"),
    ),
    Stage.TOURNAMENT: ("grading/judgement.py",),
    Stage.EMBED: ("stages/embed.py", "metrics/sbert_diversity.py"),
}


@cache
def grade_version(task: str) -> str:
    """The version of grading a task: our sources, and the libraries that decide grades of it."""
    libraries = (f"{name} {version(name)}" for name in LIBRARIES.get(task, ()))
    return ", ".join([stage_version(Stage.GRADE), *libraries])


@cache
def stage_version(stage: Stage, engine: str | None = None) -> str:
    """The version of a stage; those that use an engine need its name."""
    parts = [] if engine is None else [engine_version(engine)]
    if stage in (Stage.VERIFY, Stage.TOURNAMENT):
        parts.append(f"verify revision {VERIFY_REVISION}")
    if stage in _SOURCES:
        parts.append(f"source {source_digest(*_SOURCES[stage])[:16]}")
    return ", ".join(parts)


@cache
def source_digest(*parts: str) -> str:
    """sha256 over these source files and folders of the package, names and bytes."""
    total = hashlib.sha256()
    for part in parts:
        path = _PACKAGE / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            total.update(f"{file.relative_to(_PACKAGE)}\0".encode())
            total.update(file.read_bytes())
    return total.hexdigest()
