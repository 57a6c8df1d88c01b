"""The Hugging Face hub: models and data sets at a pinned revision. Safetensors only, and no remote code."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import DatasetRef, ModelRef

_MODEL_FILES = ("*.json", "*.safetensors", "*.jinja")


def fetch_model(model: ModelRef) -> Path:
    """The snapshot folder of a hub model, downloaded where the cache lacks it.

    Raises InputError when it cannot be had: no network, wrong revision, gated without a token.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(str(model.repo), revision=model.revision, allow_patterns=list(_MODEL_FILES)))
    except Exception as error:  # the library's own errors have no common base, and any of them is the user's to mend
        raise InputError(
            f"model {model.id}: {model.repo} at revision {model.revision} could not be fetched "
            f"({_first_line(error)}); check the network, the revision, and for a gated model the licence on its page "
            "and the HF_TOKEN variable"
        ) from None


def fetch_rows(dataset: DatasetRef) -> Iterable[Mapping[str, str]]:
    """The rows of a hub data set's split, in its order. Raises InputError when they cannot be had."""
    import datasets

    try:
        rows: Iterable[Mapping[str, str]] = datasets.load_dataset(
            dataset.repo, dataset.config, revision=dataset.revision, split=dataset.split
        )
    except Exception as error:  # as above
        raise InputError(
            f"data set {dataset.id}: {dataset.repo} at revision {dataset.revision} could not be loaded "
            f"({_first_line(error)}); check the network and the revision, or give a local copy with `path`"
        ) from None
    return rows


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
