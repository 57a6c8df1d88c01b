"""Sentence-BERT diversity: hand-computed values, all pairs the slow way, and what has no direction."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.spatial.distance import pdist

from selfimp_bench.protocols.post_training.metrics.sbert_diversity import sbert_diversity

MATRICES = st.tuples(st.integers(2, 12), st.integers(1, 6)).flatmap(
    lambda shape: arrays.arrays(
        np.float64, shape, elements=st.floats(0.01, 10).flatmap(lambda x: st.just(x) | st.just(-x))
    )
)


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        ([[1, 0], [0, 1]], 1.0),
        ([[1, 0], [5, 0]], 0.0),  # length does not matter
        ([[1, 0], [-2, 0]], 2.0),
        ([[1, 0], [1, 1]], 1 - 2**-0.5),
        ([[1, 0], [1, 0], [0, 1]], 2 / 3),  # cosines 1, 0, 0
        ([[1, 0], [-1, 0], [0, 1], [0, -1]], 4 / 3),  # cosines -1, -1 and four 0; n / (n - 1)
    ],
)
def test_hand_computed_values(rows, value):
    assert sbert_diversity(np.array(rows, dtype=np.float32)) == pytest.approx(value, abs=1e-7)
    assert sbert_diversity(np.array(rows, dtype=np.float64)) == pytest.approx(value, abs=1e-15)


@given(MATRICES)
def test_it_is_one_minus_the_mean_over_pairs_taken_one_by_one(vectors):
    cosines = [a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in combinations(vectors, 2)]
    assert sbert_diversity(vectors) == pytest.approx(1 - np.mean(cosines), abs=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_it_agrees_with_scipys_pairwise_distances_on_many_outputs(dtype, spread):
    rng = np.random.default_rng(3)
    vectors = (rng.normal(size=384) + spread * rng.normal(size=(200, 384))).astype(dtype)
    assert sbert_diversity(vectors) == pytest.approx(pdist(vectors.astype(np.float64), "cosine").mean(), abs=1e-12)


def test_no_scale_of_the_vectors_overflows_or_vanishes():
    rows = np.array([[1.0, 0.0], [1.0, 1.0]])
    for scale in (1e-300, 1e300):
        assert sbert_diversity(rows * scale) == pytest.approx(1 - 2**-0.5, abs=1e-15)


def test_equal_outputs_have_no_diversity_and_never_a_negative_one():
    rng = np.random.default_rng(5)
    for n in (2, 3, 50):
        value = sbert_diversity(np.tile(rng.normal(size=384), (n, 1)))
        assert 0 <= value < 1e-12


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_outputs_have_no_pair(n):
    assert sbert_diversity(np.ones((n, 4))) is None


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.array([[1.0, 0.0], [0.0, 0.0]]), "output 1 is zero"),
        (np.zeros((1, 3)), "output 0 is zero"),
        (np.ones((2, 0)), "output 0 is zero"),
        (np.array([[1.0, np.nan], [1.0, 0.0]]), "output 0 is not finite"),
        (np.array([[1.0, 0.0], [-np.inf, 0.0]]), "output 1 is not finite"),
        (np.ones(3), r"shape \(3,\)"),
        (np.ones((2, 2, 2)), "expected \\(outputs, dimensions\\)"),
    ],
)
def test_what_has_no_direction_is_refused(vectors, message):
    with pytest.raises(ValueError, match=message):
        sbert_diversity(vectors)


@given(MATRICES, st.randoms())
def test_the_order_of_outputs_and_their_lengths_do_not_matter(vectors, random):
    order = list(range(len(vectors)))
    random.shuffle(order)
    scales = np.array([[random.uniform(0.1, 10)] for _ in order])
    assert sbert_diversity(vectors[order] * scales) == pytest.approx(sbert_diversity(vectors), abs=1e-12)
