"""At least k of m: which tails the parts' make, what a missing number leaves open, and how rarely it errs."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.verdict.findings import Verdict
from selfimp_bench.verdict.logic import Answer, AtLeast, Judged, Leaf, Node, Not, all_of, any_of, judge

MISSING = None
P = float | None


def leaf(p: P) -> Node[P]:
    return Leaf(name=f"p {p}", question=p)


def ask(p: P) -> Answer[str]:
    """A tail for the claim; against it the rest of the probability."""
    if p is MISSING:
        return Answer(p_for=1.0, p_against=1.0, best=0.0, absent=True, detail="missing")
    return Answer(p_for=p, p_against=1 - p, best=p, absent=False, detail="")


def verdict(node: Node[P]) -> Verdict:
    return judge(node, ask).verdict


def at_least(needed: int, parts: Sequence[P]) -> Judged[P, str]:
    return judge(AtLeast(name="", needed=needed, parts=tuple(map(leaf, parts))), ask)


def test_all_need_the_least_sure_one_and_pay_nothing_for_their_number() -> None:
    found = at_least(144, [0.001] * 143 + [0.009])
    assert found.p_for == 0.009
    assert found.verdict is Verdict.REPRODUCED


def test_all_are_contradicted_by_one_that_pays_for_their_number() -> None:
    assert at_least(10, [0.999] + [0.001] * 9).p_against == pytest.approx(0.01)
    assert at_least(10, [0.96] + [0.001] * 9).verdict is Verdict.INCONCLUSIVE


def test_one_of_several_pays_for_having_been_picked_and_is_contradicted_only_where_all_are() -> None:
    assert at_least(1, [0.004, 0.5, 0.5]).p_for == pytest.approx(0.012)
    assert at_least(1, [0.99, 0.99, 0.9]).p_against == pytest.approx(0.1)


def test_most_and_at_least_k_count_by_the_partial_conjunction() -> None:
    found = at_least(2, [0.001, 0.002, 0.9])
    assert (found.p_for, found.p_against) == (pytest.approx(0.004), 1.0)
    assert at_least(2, [0.999, 0.998, 0.001]).p_against == pytest.approx(0.004)


def test_what_does_not_hold_has_its_tails_the_other_way_round() -> None:
    found = judge(Not(name="not", part=leaf(0.001)), ask)
    assert (found.p_for, found.p_against) == (pytest.approx(0.999), 0.001)
    assert verdict(Not(name="not", part=leaf(0.999))) is Verdict.REPRODUCED
    assert verdict(Not(name="not", part=leaf(MISSING))) is Verdict.NOT_MEASURED


@pytest.mark.parametrize(
    ("parts", "together", "expected"),
    [
        ((0.001, 0.001), all_of, Verdict.REPRODUCED),
        ((0.001, MISSING), all_of, Verdict.NOT_MEASURED),
        ((0.5, MISSING), all_of, Verdict.INCONCLUSIVE),
        ((0.999, 0.5, MISSING), all_of, Verdict.NOT_REPRODUCED),
        ((0.001, MISSING), any_of, Verdict.REPRODUCED),
        ((0.999, MISSING), any_of, Verdict.NOT_MEASURED),
        ((MISSING, MISSING), any_of, Verdict.NOT_MEASURED),
        ((MISSING, MISSING), all_of, Verdict.NOT_MEASURED),
        ((0.999, 0.999), any_of, Verdict.NOT_REPRODUCED),
        ((0.5, 0.999), any_of, Verdict.INCONCLUSIVE),
    ],
)
def test_a_missing_number_leaves_open_only_what_it_alone_keeps_open(
    parts: Sequence[P], together: object, expected: Verdict
) -> None:
    made = all_of("", list(map(leaf, parts))) if together is all_of else any_of("", list(map(leaf, parts)))
    assert verdict(made) is expected


def test_one_part_is_itself_and_no_parts_assert_nothing() -> None:
    assert all_of("", [leaf(0.5)]) == any_of("", [leaf(0.5)]) == leaf(0.5)
    with pytest.raises(ValueError, match="at least 1 of 0 parts"):
        any_of("none", [])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.data())
def test_no_claim_is_reproduced_and_contradicted_and_needing_more_is_never_easier(
    parts: list[float], data: st.DataObject
) -> None:
    needed = data.draw(st.integers(1, len(parts)))
    found = at_least(needed, parts)
    assert 0 <= found.p_for <= 1 and 0 <= found.p_against <= 1
    assert not (found.p_for <= 0.01 and found.p_against <= 0.05)


def test_of_assertions_of_which_too_few_hold_few_runs_show_enough() -> None:
    """Three true and sure, seven exactly at their bound: "at least five of ten" must come out in at most 1 of 100."""
    random = np.random.Generator(np.random.PCG64(3))
    parts = np.concatenate([np.zeros((4000, 4)), random.random((4000, 6))], axis=1)
    found = [at_least(5, row.tolist()).p_for <= 0.01 for row in parts]
    assert np.mean(found) <= 0.013
