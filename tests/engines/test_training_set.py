"""How much work a run over a training set is, and how devices share a batch."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.engines.trl.training_set import (
    BatchShare,
    TrainingRow,
    TrainingWork,
    share_batch,
    training_work,
)
from selfimp_bench.errors import InputError

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


@pytest.mark.parametrize(
    ("batch", "most", "devices", "rows", "passes"),
    [
        (128, 4, 1, 4, 32),
        (128, 4, 8, 4, 4),
        (32, 4, 8, 4, 1),
        (32, 4, 16, 2, 1),  # fewer rows than a device may take: the batch is what counts
        (12, 4, 2, 3, 2),  # 6 rows of its own, in passes of 3
        (7, 4, 1, 1, 7),
    ],
)
def test_a_batch_is_shared_in_as_few_passes_as_possible(
    batch: int, most: int, devices: int, rows: int, passes: int
) -> None:
    share = share_batch(batch, rows_per_pass_at_most=most, devices=devices)
    assert share == BatchShare(rows_per_pass=rows, passes=passes)


@given(st.integers(1, 512), st.integers(1, 64), st.integers(1, 64))
def test_shares_make_exactly_the_batch_or_are_refused(batch: int, most: int, devices: int) -> None:
    if batch % devices:
        with pytest.raises(InputError, match=f"a batch of {batch} rows cannot be shared equally by {devices} devices"):
            share_batch(batch, rows_per_pass_at_most=most, devices=devices)
        return
    share = share_batch(batch, rows_per_pass_at_most=most, devices=devices)
    assert share.rows_per_pass * share.passes * devices == batch
    assert share.rows_per_pass <= most
