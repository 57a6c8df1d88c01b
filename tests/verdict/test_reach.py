"""What holds by the definition of its metrics, what no number reaches, and what can be either."""

import pytest

from selfimp_bench.manifest.model import Cell
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.post_training.cells import scale_of
from selfimp_bench.protocols.verification.cells import scale_of as scale_of_verification
from selfimp_bench.verdict.bench import Question
from selfimp_bench.verdict.contrast import contrast
from selfimp_bench.verdict.evidence import Key
from selfimp_bench.verdict.logic import AtLeast, Leaf, Node, Not, all_of, any_of
from selfimp_bench.verdict.reach import can_fail, can_hold, greatest, least


def cell(metric: str, iteration: int = 5, model: str = "m") -> Key:
    return "e", model, Cell(metric=metric, split=Split.TEST, iteration=iteration)


def above(greater: Key, lesser: Key | None = None, *, times: float = 1.0, bound: float = 0.0) -> Node[Question]:
    terms = [(greater, 1.0)] + ([] if lesser is None else [(lesser, -times)])
    return Leaf(name="", question=contrast("", terms, bound))


def fate(node: Node[Question], *, verification: bool = False) -> tuple[bool, bool]:
    """Whether it can fail, and whether it can hold."""
    scales = scale_of_verification if verification else scale_of
    return can_fail(node, scales), can_hold(node, scales)


IS_64, IS_2 = cell("is-pass@64.first"), cell("is-pass@2.first")
RISES = above(IS_64, IS_2)
BETTER = above(cell("pass@1"), cell("pass@1", 1))


def test_pass_at_64_above_pass_at_2_of_one_sample_set_cannot_fail() -> None:
    assert fate(RISES) == (False, True)
    assert fate(above(cell("pass@8"), cell("coverage"))) == (False, True)
    assert fate(above(cell("pass@128", 0), cell("accuracy", 0)), verification=True) == (False, True)


def test_by_how_much_it_rises_can_fail() -> None:
    assert fate(above(IS_64, IS_2, times=0.5, bound=0.5)) == (True, True)
    assert fate(above(IS_64, bound=0.95)) == (True, True)
    assert fate(above(IS_64, IS_2, bound=0.2)) == (True, True)


@pytest.mark.parametrize(
    ("greater", "lesser"),
    [
        (cell("is-pass@64.first", 5), cell("is-pass@2.first", 4)),
        (cell("is-pass@64.first"), cell("is-pass@2.previous")),
        (cell("pass@64"), cell("pass@2", model="other")),
        (cell("pass@8"), cell("pass@1")),
        (cell("is-pass@2.first"), cell("is-pass@64.first")),
    ],
    ids=["another iteration", "another set", "another model", "greedy pass@1", "the other way round"],
)
def test_of_different_sets_and_of_greedy_answers_nothing_follows(greater: Key, lesser: Key) -> None:
    assert can_fail(above(greater, lesser), scale_of)


def test_no_share_is_above_one_or_below_zero_and_no_gap_above_one() -> None:
    assert fate(above(cell("pass@1"), bound=1.0)) == (True, False)
    assert fate(above(cell("pass@1"), bound=-0.01)) == (False, True)
    assert fate(above(cell("gap.mc.q0.8"), bound=-0.01), verification=True) == (True, True)
    assert fate(above(cell("relative-gap.mc.q0.8"), bound=-9.0), verification=True) == (True, True)


def test_any_of_readings_cannot_fail_where_one_cannot_and_all_of_parts_where_none_can() -> None:
    assert fate(any_of("", [RISES, BETTER]))[0] is False
    assert fate(all_of("", [RISES, BETTER]))[0] is True
    assert fate(all_of("", [RISES, RISES]))[0] is False
    never = above(cell("pass@1"), bound=1.0)
    assert fate(any_of("", [never, BETTER]))[1] is True
    assert fate(all_of("", [never, BETTER]))[1] is False


def test_most_can_fail_only_where_so_many_can() -> None:
    assert fate(AtLeast(name="", needed=2, parts=(RISES, RISES, BETTER)))[0] is False
    assert fate(AtLeast(name="", needed=2, parts=(RISES, BETTER, BETTER)))[0] is True


def test_what_cannot_fail_can_never_be_denied() -> None:
    assert fate(Not(name="", part=RISES)) == (True, False)


def test_the_ends_of_a_sum_are_those_of_its_cells_and_of_sets_in_order() -> None:
    sums = [(IS_64, 1.0), (IS_2, -0.5), (cell("pass@1"), 2.0)]
    assert (greatest(sums, scale_of), least(sums, scale_of)) == (3.0, 0.0)
