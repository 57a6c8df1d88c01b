"""Whether a claim is true in a world, by hand."""

from decimal import Decimal
from typing import Literal

import pytest

from selfimp_bench.manifest.model import Against, Apart, Cell
from selfimp_bench.manifest.reference_table import Reference
from selfimp_bench.measurement import Split
from selfimp_bench.verdict.bench import Question, Values
from selfimp_bench.verdict.contrast import contrast
from selfimp_bench.verdict.evidence import Key
from selfimp_bench.verdict.logic import AtLeast, Leaf, Node, Not
from selfimp_bench.verdict.truths import is_published, is_true, keys_of
from selfimp_bench.verdict.value import Published


def cell(iteration: int) -> Cell:
    return Cell(metric="pass@1", split=Split.TEST, iteration=iteration)


def key(iteration: int) -> Key:
    return "small", "a", cell(iteration)


def above(greater: int, lesser: int) -> Node[Question]:
    terms = [(key(greater), 1.0), (key(lesser), -1.0)]
    return Leaf(name="", question=contrast(f"{greater} less {lesser}", terms))


def row(iteration: int, printed: str) -> Reference:
    return Reference(
        id=f"t{iteration}",
        model="a",
        dataset="small",
        method="",
        metric="pass@1",
        x=Decimal(iteration),
        printed=printed,
        unit="percent",
        read_error=None,
        source="Table 1",
        conflicts_with=(),
    )


def values(against: Against, *printed: str) -> Node[Question]:
    rows = [row(t, text) for t, text in enumerate(printed, start=1)]
    numbers = tuple(
        Published(table="table1", row=each, earlier=None if index == 0 else rows[0]) for index, each in enumerate(rows)
    )
    cells = tuple(cell(t) for t in range(1, len(rows) + 1))
    asked = Values(experiment="small", model="a", cells=cells, numbers=numbers, against=against, points=len(rows))
    return Leaf(name="", question=asked)


@pytest.mark.parametrize(("second", "expected"), [(0.5, True), (0.4, False), (0.3, False)])
def test_equal_is_not_above(second: float, expected: bool) -> None:
    assert is_true(above(2, 1), {key(1): 0.4, key(2): second}) is expected


def test_at_least_so_many_of_several_hold_and_a_missing_number_counts_for_neither() -> None:
    means = {key(1): 0.4, key(2): 0.5, key(3): 0.3}
    parts = (above(2, 1), above(3, 1), above(4, 1))
    assert [is_true(AtLeast(name="", needed=needed, parts=parts), means) for needed in (1, 2, 3)] == [True, None, False]
    assert is_true(Not(name="", part=above(2, 1)), means) is False
    assert is_true(Not(name="", part=above(4, 1)), means) is None


@pytest.mark.parametrize(
    ("against", "second", "expected"),
    [
        ("frozen", 0.55, True),
        ("frozen", 0.41, True),  # what is still in between is not what would refute it
        ("frozen", 0.40, False),
        ("frozen", 0.35, False),
        ("none", 0.01, True),
        ("none", 0.0, False),
    ],
)
def test_a_published_value_is_refuted_at_what_the_claim_names(
    against: Literal["frozen", "none"], second: float, expected: bool
) -> None:
    assert is_true(values(against, "40.0", "55.0"), {key(1): 0.4, key(2): second}) is expected


@pytest.mark.parametrize(("second", "expected"), [(0.551, True), (0.595, True), (0.60, False), (0.50, False)])
def test_a_value_is_refuted_so_far_apart_at_any_point(second: float, expected: bool) -> None:
    assert is_true(values(Apart(apart=5.0), "40.0", "55.0"), {key(1): 0.4, key(2): second}) is expected


def test_only_the_point_furthest_from_what_would_refute_it_decides() -> None:
    assert is_true(values("frozen", "40.0", "41.0", "55.0"), {key(1): 0.4, key(2): 0.39, key(3): 0.5}) is True


def test_the_cells_of_a_claim_are_those_of_all_its_parts() -> None:
    parts = (above(2, 1), Not(name="", part=values("none", "40.0")))
    assert keys_of(AtLeast(name="", needed=1, parts=parts)) == {key(1), key(2)}


def test_what_is_claimed_of_the_run_itself_is_held_against_its_own_truth() -> None:
    means, drawn = {key(1): 0.4, key(2): 0.55}, {key(1): 0.42, key(2): 0.41}
    assert is_true(above(2, 1), means, drawn) is False
    assert is_true(values("frozen", "40.0", "55.0"), means, drawn) is True
    assert is_published(AtLeast(name="", needed=2, parts=(above(2, 1), values("none", "40.0"))))
    assert not is_published(above(2, 1))
