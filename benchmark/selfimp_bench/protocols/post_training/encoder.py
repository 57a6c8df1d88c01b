"""The sentence encoder of a manifest: finding it, and proving its weights."""

from pathlib import Path

from selfimp_bench.canonical import file_sha256
from selfimp_bench.engines.embed.encoder import packaged_minilm
from selfimp_bench.engines.hub.fetched import pinned_encoder, prove_fetched, snapshot_folder
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Encoder

WEIGHTS = "model.safetensors"


def locate_encoder(encoder: Encoder, hub: Path) -> Path:
    """The folder of an encoder: what its Python package carries, or what `fetch` brought under ``hub``.

    Raises InputError when it is not there or its weights are not the pinned ones.
    """
    pinned = pinned_encoder(encoder)
    if pinned is None:
        folder = packaged_minilm()
    else:
        prove_fetched(pinned, hub)
        folder = snapshot_folder(pinned, hub)
    if encoder.weights_sha256 is not None and file_sha256(folder / WEIGHTS) != encoder.weights_sha256:
        raise InputError(
            f"encoder {encoder.id}: {folder / WEIGHTS} has another sha256 than the manifest pins "
            f"({encoder.weights_sha256}); install the pinned version, or write a manifest for this one"
        )
    return folder
