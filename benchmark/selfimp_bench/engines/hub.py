"""The Hugging Face hub: models and data sets at a pinned revision. Safetensors only, and no remote code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import DatasetRef, Encoder, ModelRef

_MODEL_FILES = ("*.json", "*.safetensors", "*.jinja")


def fetch_model(model: ModelRef) -> Path:
    """The snapshot folder of a hub model, downloaded where the cache lacks it.

    Raises InputError when it cannot be had: no network, wrong revision, gated without a token.
    """
    return _snapshot("model", model, _MODEL_FILES)


def fetch_encoder(encoder: Encoder) -> Path:
    """The snapshot folder of a sentence encoder; like ``fetch_model``."""
    return _snapshot("encoder", encoder, (*_MODEL_FILES, "*.txt"))


def _snapshot(kind: str, pinned: ModelRef | Encoder, files: tuple[str, ...]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(pinned.repo), revision=pinned.revision, allow_patterns=list(files)))
    except Exception as error:  # the library's own errors have no common base, and any of them is the user's to mend
        raise InputError(
            f"{kind} {pinned.id}: {pinned.repo} at revision {pinned.revision} could not be fetched "
            f"({_first_line(error)}); check the network, the revision, and for a gated model the licence on its page "
            "and the HF_TOKEN variable"
        ) from None


def fetch_rows(dataset: DatasetRef) -> list[Mapping[str, Any]]:
    """The rows of a hub data set's split, in its order, configuration after configuration.

    Raises InputError when they cannot be had.
    """
    import datasets

    rows: list[Mapping[str, Any]] = []
    try:
        for config in dataset.configs or (None,):
            rows.extend(datasets.load_dataset(dataset.repo, config, revision=dataset.revision, split=dataset.split))
    except Exception as error:  # as above
        raise InputError(
            f"data set {dataset.id}: {dataset.repo} at revision {dataset.revision} could not be loaded "
            f"({_first_line(error)}); check the network and the revision, or give a local copy with `path`"
        ) from None
    return rows


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
