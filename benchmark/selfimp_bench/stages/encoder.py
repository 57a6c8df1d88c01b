"""The sentence encoder of a manifest: finding it, and proving its weights."""

from pathlib import Path

from selfimp_bench.canonical import file_sha256
from selfimp_bench.engines.embedder import packaged_minilm
from selfimp_bench.engines.hub import fetch_encoder
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Encoder

WEIGHTS = "model.safetensors"


def locate_encoder(encoder: Encoder) -> Path:
    """The folder of an encoder: what its Python package carries, or a hub snapshot (fetched if absent).

    Raises InputError when it is not there or its weights are not the pinned ones.
    """
    folder = packaged_minilm() if encoder.package is not None else fetch_encoder(encoder)
    if encoder.weights_sha256 is not None and file_sha256(folder / WEIGHTS) != encoder.weights_sha256:
        raise InputError(
            f"encoder {encoder.id}: {folder / WEIGHTS} has another sha256 than the manifest pins "
            f"({encoder.weights_sha256}); install the pinned version, or write a manifest for this one"
        )
    return folder
