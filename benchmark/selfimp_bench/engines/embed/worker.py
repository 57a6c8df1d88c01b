"""The child process of ``SentenceEmbedder``: reads requests on stdin, answers on what was its stdout.

Run as ``python -m selfimp_bench.engines.embed.worker``; it ends when its stdin does.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.engines.base import EmbedderSettings
from selfimp_bench.engines.embed.encoder import WEIGHTS, Embedded, Vectors, read_request
from selfimp_bench.engines.worker import wire
from selfimp_bench.engines.worker.serve import claim_stdout
from selfimp_bench.errors import InputError, StepFailed

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

MOST_AT_ONCE: Final = 32
"""Texts that a processor takes at a time: 128 of them take a quarter longer each, since less stays in its caches."""


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests, all for the same folder, until the client closes its end."""
    model: SentenceTransformer | None = None
    while (request := read_request(requests)) is not None:
        try:
            model = model or load(Path(request.folder), request.settings)
            for vectors in embed(model, request.texts, request.settings):
                wire.write_message(answers, Vectors(data=vectors.astype("<f4").tobytes()))
            wire.write_message(answers, Embedded(dimensions=int(model.get_embedding_dimension() or 0)))
        except InputError as error:
            wire.write_message(answers, wire.Failed(kind="input", message=str(error)))
        except StepFailed as error:
            wire.write_message(answers, wire.Failed(kind="step", message=str(error)))


def load(folder: Path, settings: EmbedderSettings) -> "SentenceTransformer":
    """The model of a local folder in float32, from safetensors only; InputError when it cannot be loaded."""
    import torch  # here, after stdout is claimed
    from sentence_transformers import SentenceTransformer
    from torch.utils import deterministic
    from transformers.utils import logging as transformers_logging

    if not (folder / "modules.json").is_file():  # the library would make up a pooling of its own
        raise InputError(f"{folder}: no modules.json here; an embedding model is a sentence-transformers folder")
    if not (folder / WEIGHTS).is_file() and not any(folder.glob(f"*/{WEIGHTS}")):
        raise InputError(f"{folder}: no {WEIGHTS} here; convert the weights to safetensors first")
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "the embedder's device is cuda, but torch finds no CUDA device here; run on a machine with one "
            "(nvidia-smi shows it) or set the device to cpu"
        )
    transformers_logging.disable_progress_bar()
    torch.set_num_threads(settings.threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.use_deterministic_algorithms(True, warn_only=settings.device == "cuda")
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a debugging aid that costs time
    try:
        return SentenceTransformer(
            str(folder),
            device=settings.device,
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True, "dtype": torch.float32, "attn_implementation": "sdpa"},
        )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # OSError, SafetensorError, ValueError, ImportError: all mean "these files"
        raise InputError(
            f"{folder}: the embedding model cannot be loaded ({type(error).__name__}: {error}); fetch it again"
        ) from error


def embed(
    model: "SentenceTransformer", texts: Sequence[str], settings: EmbedderSettings
) -> Iterator[NDArray[np.float32]]:
    """The vectors of the texts, batch by batch in their order."""
    import torch

    rows = min(settings.max_batch_rows, MOST_AT_ONCE) if settings.device == "cpu" else settings.max_batch_rows
    for start in range(0, len(texts), rows):
        batch = list(texts[start : start + rows])
        try:
            yield model.encode(batch, batch_size=len(batch), show_progress_bar=False, convert_to_numpy=True)
        except torch.OutOfMemoryError as error:
            raise StepFailed(
                f"the embedder ran out of GPU memory with {len(batch)} texts at a time; lower its max_batch_rows "
                f"(now {settings.max_batch_rows}). torch said: {error}"
            ) from error


if __name__ == "__main__":
    serve(sys.stdin.buffer, claim_stdout())
