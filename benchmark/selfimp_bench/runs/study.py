"""An experiment as asked for on the command line: manifest, profile, models, seeds; its plan and its run folder."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from selfimp_bench.canonical import digest
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import find_manifest
from selfimp_bench.manifest.model import Manifest, ModelRef, Profile
from selfimp_bench.manifest.prompt_files import read_prompts
from selfimp_bench.protocols.any_manifest import AnyManifest
from selfimp_bench.protocols.load import load_manifest
from selfimp_bench.protocols.post_training.plan import post_training_plan
from selfimp_bench.protocols.profile import resolve_profile
from selfimp_bench.protocols.verification.plan import verification_plan
from selfimp_bench.steps.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A manifest resolved for one profile, and the part of it that is asked for.

    path: the manifest's file; manifest_digest: sha256 of its bytes.
    models: those selected by ``--only model=M``, else all. replicates: runs with seeds ``seed`` .. ``seed + n - 1``.
    """

    path: Path
    manifest_digest: str
    manifest: AnyManifest
    profile: Profile
    models: tuple[ModelRef, ...]
    replicates: int

    @property
    def run_id(self) -> str:
        """Equal for equal requests, so that the same command resumes its own run."""
        asked = [self.manifest_digest, self.profile, [model.id for model in self.models], self.replicates]
        return digest(asked)[:12]

    def run_folder(self, home: Path) -> Path:
        """Where the run's record, findings and report lie."""
        return home / "runs" / self.manifest.name / self.run_id

    def plan(self) -> Plan:
        """The steps of this experiment."""
        if isinstance(self.manifest, Manifest):
            return post_training_plan(self.manifest, self.models, self.replicates)
        texts = read_prompts(self.manifest, self.path.parent)
        return verification_plan(self.manifest, self.models, self.replicates, texts)


def open_experiment(name: str, *, profile: Profile, only: str | None, replicates: int) -> Experiment:
    """Load and resolve. ``only`` is ``model=ID``. Raises InputError for what does not exist."""
    path = find_manifest(name)
    manifest = resolve_profile(load_manifest(path), profile)
    return Experiment(
        path=path,
        manifest_digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        manifest=manifest,
        profile=profile,
        models=_selected(manifest, only),
        replicates=replicates,
    )


def _selected(manifest: AnyManifest, only: str | None) -> tuple[ModelRef, ...]:
    if only is None:
        return manifest.models
    axis, _, wanted = only.partition("=")
    known = ", ".join(model.id for model in manifest.models)
    chosen = tuple(model for model in manifest.models if model.id == wanted)
    if axis != "model" or not chosen:
        raise InputError(f"--only {only}: expected model=ID with one of {known}")
    return chosen
