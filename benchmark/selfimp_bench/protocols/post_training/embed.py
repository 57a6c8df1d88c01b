"""Embedding: the judged samples of one M_t become a Sentence-BERT diversity per problem and side.

The vectors are kept, so that the diversity can be computed again without an encoder.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from selfimp_bench.engines.base import Embedder, EmbedderSettings
from selfimp_bench.errors import StepFailed
from selfimp_bench.manifest.model import Encoder
from selfimp_bench.protocols.post_training.encoder import locate_encoder
from selfimp_bench.protocols.post_training.metrics.sbert_diversity import sbert_diversity
from selfimp_bench.steps.plan import Counts, Stage, Step
from selfimp_bench.steps.rows import JudgedAnswer
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.grading.outcome import UNJUDGED, UNWRITTEN, Outcome

EMBEDDINGS: Final = "embeddings.parquet"

VECTORS: Final = "vectors.parquet"
"""A row for every text that was embedded: the sha256 of its UTF-8, and its vector (float32)."""

_PACKAGED_DIMENSIONS: Final = 384
"""Of MiniLM, the one encoder that a package carries."""
_MOST_DIMENSIONS: Final = 1024
"""Of BERT-large, the largest that Sentence-BERT was published with (1908.10084)."""

Side = Literal["correct", "incorrect"]
ProblemSide = tuple[str, Side]


@dataclass(frozen=True, kw_only=True)
class EmbedBlock:
    """Embed outputs, and from them their Sentence-BERT diversity by problem. Inputs: samples, grades.

    ``diversity_samples``: of every problem the first so many outputs, or all.
    """

    engine: str
    encoder: Encoder
    device: Literal["cpu", "cuda"]
    threads: int
    diversity_samples: int | None


@dataclass(frozen=True, kw_only=True)
class SideValue:
    """The Sentence-BERT diversity of one problem's correct or incorrect outputs; None where it is undefined."""

    problem_id: str
    side: Literal["correct", "incorrect"]
    value: float | None


SIDE_VALUE_SCHEMA = pa.schema([("problem_id", pa.string()), ("side", pa.string()), ("value", pa.float64())])


def vector_bytes(steps: Iterable[Step]) -> int:
    """Bytes on disk, at most, of the vectors that these steps keep; equal texts share one."""
    bound = 0
    for step in steps:
        if isinstance(step.block, EmbedBlock):
            dimensions = _MOST_DIMENSIONS if step.block.encoder.package is None else _PACKAGED_DIMENSIONS
            bound += step.rows_at_most * dimensions * np.dtype(np.float32).itemsize
    return bound


def first_judged(samples: Iterable[JudgedAnswer], most: int | None) -> list[JudgedAnswer]:
    """Of every problem the first ``most`` judged samples, in order (None: all); those not judged are not counted."""
    counted: Counter[str] = Counter()
    found = []
    for judged in samples:
        counted[judged.sample.problem_id] += judged.outcome not in UNJUDGED
        if most is None or counted[judged.sample.problem_id] <= most:
            found.append(judged)
    return found


def outputs_by_side(samples: Iterable[JudgedAnswer]) -> dict[ProblemSide, list[str]]:
    """The outputs of every problem, correct and incorrect ones apart (2407.05013, Section 5.2), in order.

    Everything judged and not correct is incorrect; what was not judged, or no model wrote, is on neither side. Both
    sides of every problem are there, if need be empty.
    """
    outputs: dict[ProblemSide, list[str]] = defaultdict(list)
    for judged in samples:
        problem_id, text = judged.sample.problem_id, judged.sample.completion
        correct, incorrect = outputs[problem_id, "correct"], outputs[problem_id, "incorrect"]
        if judged.outcome is Outcome.CORRECT:
            correct.append(text)
        elif judged.outcome not in {*UNJUDGED, *UNWRITTEN}:
            incorrect.append(text)
    return dict(outputs)


def sbert_values(samples: Iterable[JudgedAnswer], embedder: Embedder) -> Mapping[ProblemSide, float | None]:
    """``sbert_diversity`` of each side of each problem in the samples of one M_t; None for fewer than two outputs.

    Only texts of sides with two or more outputs are embedded, all in one call; their vectors are held at once
    (4 x dimensions bytes a text).
    """
    outputs = outputs_by_side(samples)
    paired = [side for side, texts in outputs.items() if len(texts) > 1]
    values: dict[ProblemSide, float | None] = dict.fromkeys(outputs)
    if not paired:
        return values
    vectors = embedder.embed([text for side in paired for text in outputs[side]])
    start = 0
    for side in paired:
        end = start + len(outputs[side])
        values[side] = sbert_diversity(vectors[start:end])
        start = end
    return values


class _Keeping:
    """An embedder that remembers the vector of every text."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.vectors: dict[str, NDArray[np.float32]] = {}

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed``."""
        vectors = self._embedder.embed(texts)
        self.vectors |= zip(map(_sha256, texts), vectors, strict=True)
        return vectors

    def close(self) -> None:
        """The embedder stays open for the next step."""

    def table(self) -> pa.Table:
        """The vectors by the texts' digests, in the order of these."""
        names = sorted(self.vectors)
        rows = np.stack([self.vectors[name] for name in names]) if names else np.zeros((0, 1), np.float32)
        column = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel(), pa.float32()), rows.shape[1])
        return pa.table({"text_sha256": pa.array(names, pa.string()), "vector": column})


class _Kept:
    """An embedder that has the vector of every text already."""

    def __init__(self, table: pa.Table) -> None:
        column = table["vector"].combine_chunks()
        self._rows = np.asarray(column.flatten(), dtype=np.float32).reshape(len(column), -1)
        self._places = {name: row for row, name in enumerate(table["text_sha256"].to_pylist())}

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder.embed``. Raises StepFailed for a text without a vector."""
        places = [self._places.get(_sha256(text)) for text in texts]
        if None in places:
            raise StepFailed(f"{VECTORS} has no vector of {places.count(None)} of {len(places)} texts")
        found: NDArray[np.float32] = self._rows[np.array(places, dtype=np.intp)]
        return found

    def close(self) -> None:
        """Nothing is open."""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _do(block: EmbedBlock, work: Work) -> Counts:
    settings = EmbedderSettings(device=block.device, max_batch_rows=block.encoder.max_batch_rows, threads=block.threads)
    folder = Path() if block.engine == "fake" else locate_encoder(block.encoder, work.inputs.places.hub)
    return _embed(block, work, work.engines.embedder(block.engine, folder, settings))


def _again(block: EmbedBlock, work: Work, own: Path) -> Counts:
    """The diversity of the vectors that were kept."""
    return _embed(block, work, _Kept(pq.read_table(own / VECTORS)))


def _embed(block: EmbedBlock, work: Work, embedder: Embedder) -> Counts:
    keeping = _Keeping(embedder)
    judged = first_judged(work.inputs.judged_answers("samples", "grades"), block.diversity_samples)
    values = sbert_values(judged, keeping)
    rows = [SideValue(problem_id=key[0], side=key[1], value=value) for key, value in values.items()]
    work.folder.write_table(EMBEDDINGS, rows, SIDE_VALUE_SCHEMA)
    work.folder.write_columns(VECTORS, keeping.table())
    return {"values": len(rows), "undefined": sum(row.value is None for row in rows)}


def _engine(block: EmbedBlock) -> str:
    return block.engine


STAGE: Final = Stage(name="embed", block=EmbedBlock, do=_do, engine=_engine, on_device=True, again=_again)
