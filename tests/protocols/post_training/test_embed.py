"""Embedding a judged set: a diversity per problem and side, from one call of the embedder."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.engines.embed.encoder import FakeEmbedder
from selfimp_bench.protocols.post_training.embed import first_judged, outputs_by_side, sbert_values
from selfimp_bench.steps.rows import JudgedSample, Role, SampleRow
from selfimp_bench.tasks.grading.outcome import Outcome

RIGHT, WRONG = Outcome.CORRECT, Outcome.WRONG


def sample(problem_id: str, index: int, completion: str, outcome: Outcome) -> JudgedSample:
    row = SampleRow(
        problem_id=problem_id,
        sample_index=index,
        completion=completion,
        iteration=1,
        role=Role.SAMPLE,
        finish_reason=FinishReason.STOP,
        seed="0",
        prompt_sha256="",
        token_ids=(),
    )
    return JudgedSample(sample=row, outcome=outcome, other_outcome=None)


class CountingEmbedder(FakeEmbedder):
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked.append(list(texts))
        return super().embed(texts)


def test_each_side_of_each_problem_gets_its_own_diversity_from_one_call() -> None:
    samples = [
        sample("p", 0, "a b", RIGHT),
        sample("q", 0, "e", RIGHT),
        sample("p", 1, "c d", WRONG),
        sample("p", 2, "a b", RIGHT),
        sample("p", 3, "x y", Outcome.UNPARSED),
        sample("q", 1, "only one", Outcome.TRUNCATED),
        sample("q", 2, "e f", RIGHT),
    ]
    embedder = CountingEmbedder()
    values = sbert_values(samples, embedder)
    distance = {
        (a, b): pdist(FakeEmbedder().embed([a, b]).astype(np.float64), "cosine")[0]
        for a, b in (("c d", "x y"), ("e", "e f"))
    }
    assert values == {
        ("p", "correct"): pytest.approx(0.0, abs=1e-7),
        ("p", "incorrect"): pytest.approx(distance["c d", "x y"], abs=1e-6),
        ("q", "correct"): pytest.approx(distance["e", "e f"], abs=1e-6),
        ("q", "incorrect"): None,
    }
    assert embedder.asked == [["a b", "a b", "c d", "x y", "e", "e f"]]


def test_values_of_many_problems_agree_with_each_problem_embedded_alone() -> None:
    draw = random.Random(2)
    samples = [
        sample(f"p{draw.randrange(12)}", n, " ".join(draw.choices("abcdefg", k=4)), draw.choice(list(Outcome)))
        for n in range(300)
    ]
    values = sbert_values(samples, FakeEmbedder())
    assert len(values) == 24
    for side, texts in outputs_by_side(samples).items():
        if len(texts) < 2:
            assert values[side] is None
        else:
            expected = pdist(FakeEmbedder().embed(texts).astype(np.float64), "cosine").mean()
            assert values[side] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("unjudged", [Outcome.CRASHED])
def test_what_was_not_judged_is_on_neither_side(unjudged: Outcome) -> None:
    samples = [sample("p", 0, "a", unjudged), sample("p", 1, "b", unjudged)]
    assert outputs_by_side(samples) == {("p", "correct"): [], ("p", "incorrect"): []}


def test_where_no_side_has_two_outputs_the_embedder_stays_closed() -> None:
    embedder = CountingEmbedder()
    assert sbert_values([sample("p", 0, "a", RIGHT)], embedder) == {("p", "correct"): None, ("p", "incorrect"): None}
    assert sbert_values([], embedder) == {}
    assert embedder.asked == []


def test_of_every_problem_the_first_so_many_judged_outputs_are_looked_at() -> None:
    samples = [
        sample("p", 0, "a", RIGHT),
        sample("q", 0, "e", RIGHT),
        sample("p", 1, "b", Outcome.CRASHED),
        sample("p", 2, "c", WRONG),
        sample("p", 3, "d", RIGHT),
    ]
    assert outputs_by_side(first_judged(samples, 2)) == {
        ("p", "correct"): ["a"],
        ("p", "incorrect"): ["c"],
        ("q", "correct"): ["e"],
        ("q", "incorrect"): [],
    }
    assert first_judged(samples, None) == samples
