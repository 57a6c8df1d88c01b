"""How much work a run over a training set is."""

from collections.abc import Sequence

import pytest

from selfimp_bench.engines.training_set import TrainingRow, TrainingWork, training_work

from .conftest import optimisation

ROWS: Sequence[TrainingRow] = [TrainingRow(prompt_ids=[1, 2], completions=([3] * n,)) for n in range(1, 11)]
TOKENS = 2 * 10 + 55  # of one pass over the ten rows


@pytest.mark.parametrize(
    ("epochs", "steps", "expected"),
    [
        (2, None, TrainingWork(steps=6, rows=20, tokens=2 * TOKENS)),  # batches of 4, 4 and 2
        (None, 6, TrainingWork(steps=6, rows=20, tokens=2 * TOKENS)),
        (None, 4, TrainingWork(steps=4, rows=14, tokens=105)),  # a pass, and 4 rows in proportion: 1.4 * 75
        (None, 1, TrainingWork(steps=1, rows=4, tokens=30)),
    ],
)
def test_work_is_counted_by_batches_and_passes(epochs: int | None, steps: int | None, expected: TrainingWork) -> None:
    assert training_work(ROWS, optimisation(epochs=epochs, steps=steps, batch_size=4)) == expected
