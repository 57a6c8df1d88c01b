"""What the manifests of both protocols have in common."""

from selfimp_bench.manifest.measured import MeasuredCell, post_training_cells
from selfimp_bench.manifest.model import DatasetRef, Manifest, ModelRef
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.verification.cells import verification_cells
from selfimp_bench.protocols.verification.manifest import VerificationManifest

AnyManifest = Manifest | VerificationManifest


def datasets_by_split(manifest: AnyManifest) -> dict[Split, DatasetRef]:
    """The manifest's data sets by the part they play; the parts that it does not have are left out."""
    ood = manifest.datasets.ood if isinstance(manifest, Manifest) else None
    parts = {Split.TRAIN: manifest.datasets.train, Split.TEST: manifest.datasets.test, Split.OOD: ood}
    return {split: dataset for split, dataset in parts.items() if dataset is not None}


def models_of(manifest: AnyManifest) -> tuple[ModelRef, ...]:
    """Every model: those that generate, and those that only verify."""
    only_verify = () if isinstance(manifest, Manifest) else manifest.verifier_models or ()
    return (*manifest.models, *only_verify)


def measured_cells(manifest: AnyManifest) -> tuple[MeasuredCell, ...]:
    """Every (measurement, split) that a run of this manifest yields, and in which iterations."""
    return post_training_cells(manifest) if isinstance(manifest, Manifest) else verification_cells(manifest)
