"""The order of rows on several devices is that of one, and what fills it up has no loss."""

import pytest
import torch
from accelerate.data_loader import SeedableRandomSampler
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.engines.trl.order import NO_LOSS, PADDING_LOGP, LengthGroups, PaddedOrder, dpo_dataset, sft_dataset
from selfimp_bench.engines.trl.training_set import TrainingRow

ROWS = [TrainingRow(prompt_ids=[1, 2], completions=([3, 4], [5])), TrainingRow(prompt_ids=[6], completions=([7], [8]))]


@pytest.mark.parametrize(("rows", "multiple", "padding"), [(11, 4, 1), (11, 8, 5), (12, 4, 0), (1, 6, 5)])
def test_every_row_comes_once_an_epoch_as_accelerate_draws_it_and_padding_follows(
    rows: int, multiple: int, padding: int
) -> None:
    order = PaddedOrder(rows=rows, seed=3, multiple=multiple)
    theirs = SeedableRandomSampler(range(rows), generator=torch.Generator(), data_seed=3)
    assert len(order) == rows + padding
    for epoch in (0, 1, 5):
        order.set_epoch(epoch)
        theirs.set_epoch(epoch)
        assert list(order) == [*theirs, *[rows] * padding]
        assert len(set(list(order)[:rows])) == rows


@given(lengths=st.lists(st.integers(2, 400), min_size=1, max_size=60), micro=st.sampled_from([1, 2, 4]))
def test_grouping_by_length_keeps_every_batch_and_never_pads_more(lengths: list[int], micro: int) -> None:
    groups = LengthGroups(lengths=lengths, batch=8)
    plain, grouped = (list(PaddedOrder(rows=len(lengths), seed=3, multiple=8, groups=each)) for each in (None, groups))

    def padded(order: list[int]) -> int:
        passes = [batch[at : at + micro] for batch in batches(order) for at in range(0, len(batch), micro)]
        return sum(len(rows) * max([*lengths, 1][row] for row in rows) for rows in passes)

    def batches(order: list[int]) -> list[list[int]]:
        return [order[start : start + 8] for start in range(0, len(order), 8)]

    assert [sorted(batch) for batch in batches(grouped)] == [sorted(batch) for batch in batches(plain)]
    assert padded(grouped) <= padded(plain)


def test_the_padding_of_sft_has_no_label() -> None:
    padded = sft_dataset(ROWS)
    assert padded.num_rows == 3
    assert padded[2] == {"input_ids": [1, 2], "labels": [NO_LOSS] * 2}
    assert padded[0]["labels"] == [NO_LOSS, NO_LOSS, 3, 4]


def test_the_padding_of_dpo_is_a_pair_that_is_settled() -> None:
    padded = dpo_dataset(ROWS, [-1.0, -2.0], [-3.0, -4.0])
    assert padded["ref_chosen_logps"][:] == [-1.0, -2.0, PADDING_LOGP]
    assert padded["ref_rejected_logps"][:] == [-3.0, -4.0, 0.0]
    assert padded[2]["prompt_ids"] == [1]
    assert (padded[2]["chosen_ids"], padded[2]["rejected_ids"]) == ([3], [5])
    margin = torch.tensor(0.1 * (0.0 - padded["ref_chosen_logps"][2]), requires_grad=True)
    loss = -torch.nn.functional.logsigmoid(margin)
    loss.backward()
    assert (loss.item(), margin.grad) == (0.0, 0.0)
