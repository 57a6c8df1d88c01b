"""Claims taken apart: three-valued logic by table, groups, and what each form compares."""

from typing import Any

import pytest

from selfimp_bench.assertion import Amount, Clause, Comparison, Group, NoMember, Place, Truth, expand, hold, needed
from selfimp_bench.manifest.model import Bootstrap, Cell, Paper, Split
from selfimp_bench.manifest.suite_model import (
    Above,
    Axis,
    Best,
    Equals,
    Member,
    Monotone,
    Over,
    Peak,
    Published,
    Quantity,
    Rule,
    Suite,
    SuiteClaim,
)

METHODS = ("sft", "dpo")
SUITE = Suite(
    schema=1,
    kind="suite",
    name="s",
    version=1,
    title="t",
    summary="s",
    paper=Paper(id="p", title="t", section="s"),
    experiments=tuple(
        Member(name=f"{data}-{method}", version=1, dataset=data, ood=f"{data}-ood", method=method, models=("m", "n"))
        for data in ("a", "b")
        for method in METHODS
    ),
    published=Published(tables=("t.csv",), renamed=(), best=()),
    bootstrap=Bootstrap(confidence=0.95, resamples=200, seed=1),
    claims=(),
)
Q = Quantity(metric="pass@1", split=Split.TEST, iterations=(1, 2, 3), model="m")


def make(over: Over | None = None, **form: Any) -> SuiteClaim:
    return SuiteClaim(id="c", statement="s", source="t", over=over, holds="all", **form)


def place(iteration: int) -> Place:
    cell = Cell(metric="pass@1", split=Split.TEST, iteration=iteration)
    return Place(experiment="e", dataset="a", method="sft", model="m", cell=cell)


def comparison(iteration: int) -> Comparison:
    return Comparison(greater=(Amount(name=str(iteration), series=(place(iteration),), minus=None),), lesser=())


Y, N, H, U = Truth.YES, Truth.NO, Truth.OPEN, Truth.UNKNOWN


@pytest.mark.parametrize(
    ("parts", "whole"),
    [((Y, Y), Y), ((Y, N), N), ((H, N), N), ((U, N), N), ((Y, H), H), ((U, H), U), ((Y, U), U), ((), Y)],
)
def test_all_clauses_hold_or_one_does_not(parts: tuple[Truth, ...], whole: Truth) -> None:
    found = {comparison(number): truth for number, truth in enumerate(parts, start=1)}
    assert hold([Clause(then=each) for each in found], found.__getitem__) is whole


@pytest.mark.parametrize(
    ("condition", "above", "below", "whole"),
    [
        (Y, Y, N, Y),
        (Y, N, Y, N),
        (N, N, Y, Y),
        (N, Y, N, N),
        (H, Y, N, H),
        (H, Y, Y, Y),
        (Y, H, N, H),
        (Y, U, N, U),
        (U, Y, N, U),
        (H, U, Y, U),
    ],
)
def test_a_rule_holds_in_the_branch_that_its_condition_chooses(
    condition: Truth, above: Truth, below: Truth, whole: Truth
) -> None:
    decides, one, other = comparison(1), comparison(2), comparison(3)
    found = {decides: condition, one: above, other: below}
    clauses = [Clause(then=one, condition=decides), Clause(then=other, condition=decides, wanted=False)]
    assert hold(clauses, found.__getitem__) is whole


def test_all_is_every_group_and_most_is_more_than_half() -> None:
    assert [needed("all", 12), needed("most", 12), needed("most", 3), needed("most", 1)] == [12, 7, 2, 1]


def names(group: Group) -> list[tuple[list[str], list[str], float]]:
    return [
        ([each.name for each in found.greater], [each.name for each in found.lesser], found.bound)
        for found in group.comparisons
    ]


def test_a_group_is_made_for_every_combination_and_gives_its_labels_to_the_quantities() -> None:
    quantity = Quantity(split=Split.TEST)
    over = Over(dataset=("a", "b"), method=("dpo",), model=("m", "n"), metric=("pass@1",), iteration=(4,))
    groups = expand(SUITE, make(over, above=Above(greater=quantity, bound=0.5)))
    assert [group.name for group in groups] == [
        "a, dpo, m, pass@1, 4",
        "a, dpo, n, pass@1, 4",
        "b, dpo, m, pass@1, 4",
        "b, dpo, n, pass@1, 4",
    ]
    assert names(groups[3]) == [(["b dpo n pass@1 t=4"], [], 0.5)]


def test_best_compares_the_winners_with_the_rest() -> None:
    best = Best(
        quantity=Quantity(metric="pass@1", split=Split.TEST, iterations=(1, 2), model="m", minus_iteration=1),
        axis=Axis.METHOD,
        among=METHODS,
        winners=("dpo",),
    )
    (group,) = expand(SUITE, make(Over(dataset=("a",)), best=best))
    gain = "best pass@1 t=1..2 less t=1"
    assert names(group) == [([f"a dpo m {gain}"], [f"a sft m {gain}"], 0.0)]


def test_a_rule_has_a_condition_and_two_branches() -> None:
    condition = Quantity(metric="coverage", split=Split.TRAIN, iterations=(1,), method="sft", model="m")
    rule = Rule(
        condition=condition,
        threshold=0.5,
        quantity=Q,
        axis=Axis.METHOD,
        among=METHODS,
        above=("dpo",),
        below=("sft",),
    )
    (group,) = expand(SUITE, make(Over(dataset=("a",)), rule=rule))
    best = "best pass@1 t=1..3"
    assert names(group) == [
        (["a sft m coverage t=1"], [], 0.5),
        ([f"a dpo m {best}"], [f"a sft m {best}"], 0.0),
        ([f"a sft m {best}"], [f"a dpo m {best}"], 0.0),
    ]


def test_a_peak_compares_its_iterations_with_the_others_and_monotone_every_step() -> None:
    over = Over(dataset=("a",), method=("sft",))
    (peak,) = expand(SUITE, make(over, peak=Peak(quantity=Q, at=(3,))))
    assert names(peak) == [(["a sft m pass@1 t=3"], ["a sft m pass@1 t=1", "a sft m pass@1 t=2"], 0.0)]
    (falls,) = expand(SUITE, make(over, monotone=Monotone(quantity=Q, direction="down")))
    assert [found[:2] for found in names(falls)] == [
        (["a sft m pass@1 t=1"], ["a sft m pass@1 t=2"]),
        (["a sft m pass@1 t=2"], ["a sft m pass@1 t=3"]),
    ]


def test_equals_has_an_amount_and_ood_is_another_data_set() -> None:
    quantity = Quantity(metric="pass@1", split=Split.OOD, iterations=(1,), dataset="a", method="sft", model="m")
    (group,) = expand(SUITE, make(equals=Equals(quantity=quantity, table="t", reference="r", seed_sd=1.0)))
    assert group.amount is not None
    assert (group.amount.name, group.clauses, group.name) == ("a-ood sft m pass@1 t=1", (), "the claim")


def test_a_combination_that_no_experiment_has_is_refused() -> None:
    quantity = Quantity(metric="pass@1", split=Split.TEST, iterations=(1,), dataset="a", method="sft", model="other")
    with pytest.raises(NoMember, match="no experiment of the suite has a, sft, other, test"):
        expand(SUITE, make(above=Above(greater=quantity, bound=0.0)))
