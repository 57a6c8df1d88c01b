"""Claims taken apart: three-valued logic by table, groups, and what each form compares."""

from dataclasses import fields, replace
from typing import Any

import pytest

from selfimp_bench.manifest.model import Cell, Paper
from selfimp_bench.manifest.suite_model import (
    FORMS,
    Above,
    Axis,
    Best,
    Compute,
    Equals,
    Family,
    Fit,
    Member,
    Monotone,
    Over,
    Peak,
    Published,
    Quantity,
    Reading,
    Rule,
    Suite,
    SuiteClaim,
    Within,
    readings,
)
from selfimp_bench.measurement import Split
from selfimp_bench.verdict.comparisons import (
    Amount,
    Clause,
    Comparison,
    Group,
    NoMember,
    Place,
    Truth,
    expand,
    hold,
    needed,
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
    priors="test",
    claims=(),
)
Q = Quantity(metric="pass@1", split=Split.TEST, iterations=(1, 2, 3), model="m")


def make(over: Over | None = None, **form: Any) -> SuiteClaim:
    return SuiteClaim(id="c", statement="s", source="t", over=over, holds="all", **form)


def parts(claim: SuiteClaim) -> tuple[Group, ...]:
    (reading,) = readings(claim)
    return expand(SUITE, claim, reading)


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
    form = Above(greater=Q, bound=0.5)
    holds = [("all", 12), ("most", 12), ("most", 3), ("most", 1), ("any", 12), ("at-least", 12)]
    claims = [replace(make(above=form), holds=words, at_least=5) for words, _ in holds]  # type: ignore[arg-type]
    assert [needed(claim, count) for claim, (_, count) in zip(claims, holds, strict=True)] == [12, 7, 2, 1, 1, 5]


def names(group: Group) -> list[tuple[list[str], list[str], float]]:
    return [
        ([each.name for each in found.greater], [each.name for each in found.lesser], found.bound)
        for found in group.comparisons
    ]


def test_a_group_is_made_for_every_combination_and_gives_its_labels_to_the_quantities() -> None:
    quantity = Quantity(split=Split.TEST)
    over = Over(dataset=("a", "b"), method=("dpo",), model=("m", "n"), metric=("pass@1",), iteration=(4,))
    groups = parts(make(over, above=Above(greater=quantity, bound=0.5)))
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
    (group,) = parts(make(Over(dataset=("a",)), best=best))
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
    (group,) = parts(make(Over(dataset=("a",)), rule=rule))
    best = "best pass@1 t=1..3"
    assert names(group) == [
        (["a sft m coverage t=1"], [], 0.5),
        ([f"a dpo m {best}"], [f"a sft m {best}"], 0.0),
        ([f"a sft m {best}"], [f"a dpo m {best}"], 0.0),
    ]


def test_a_peak_compares_its_iterations_with_the_others_and_monotone_every_step() -> None:
    over = Over(dataset=("a",), method=("sft",))
    (peak,) = parts(make(over, peak=Peak(quantity=Q, at=(3,))))
    assert names(peak) == [(["a sft m pass@1 t=3"], ["a sft m pass@1 t=1", "a sft m pass@1 t=2"], 0.0)]
    (falls,) = parts(make(over, monotone=Monotone(quantity=Q, direction="down")))
    assert [found[:2] for found in names(falls)] == [
        (["a sft m pass@1 t=1"], ["a sft m pass@1 t=2"]),
        (["a sft m pass@1 t=2"], ["a sft m pass@1 t=3"]),
    ]


FAMILY = replace(
    SUITE,
    families=(Family(name="both", models=("n", "m")),),
    compute=(Compute(model="m", flops=1e21), Compute(model="n", flops=1e20)),
)
AT = Quantity(metric="pass@1", split=Split.TEST, iterations=(0,), dataset="a", method="sft")


def of_family(claim: SuiteClaim) -> tuple[Group, ...]:
    (reading,) = readings(claim)
    return expand(FAMILY, claim, reading)


def test_a_series_of_a_family_goes_from_model_to_model() -> None:
    form = Monotone(quantity=AT, direction="up", axis=Axis.MODEL)
    (group,) = of_family(make(Over(family=("both",)), monotone=form))
    assert names(group) == [(["a sft m pass@1 t=0"], ["a sft n pass@1 t=0"], 0.0)]
    assert group.name == "both"


def test_a_series_on_another_axis_names_its_terms() -> None:
    quantity = replace(AT, metric=None, model="m")
    form = Monotone(quantity=quantity, direction="down", axis=Axis.METRIC, among=("x", "y", "z"))
    (group,) = parts(make(monotone=form))
    assert [found[:2] for found in names(group)] == [
        (["a sft m x t=0"], ["a sft m y t=0"]),
        (["a sft m y t=0"], ["a sft m z t=0"]),
    ]


def test_within_has_a_comparison_for_each_bound() -> None:
    quantity = replace(AT, model="m")
    (both,) = parts(make(within=Within(quantity=quantity, low=-0.1, high=0.1)))
    assert names(both) == [(["a sft m pass@1 t=0"], [], -0.1), ([], ["a sft m pass@1 t=0"], 0.1)]
    (high,) = parts(make(within=Within(quantity=quantity, high=0.1)))
    assert names(high) == [([], ["a sft m pass@1 t=0"], 0.1)]


def test_a_line_goes_through_the_models_of_the_family_by_their_decades() -> None:
    form = Above(greater=replace(AT, fit=Fit.SLOPE), bound=0.0)
    (group,) = of_family(make(Over(family=("both",)), above=form))
    (amount,) = group.comparisons[0].greater
    assert amount.name == "slope of a sft both pass@1 t=0"
    assert amount.line is not None and amount.line.decades == pytest.approx((20.0, 21.0))
    assert [each.model for each in amount.series] == ["n", "m"]


def test_readings_are_expanded_one_by_one() -> None:
    one = Reading(name="one", above=Above(greater=replace(AT, model="m"), bound=0.5))
    two = Reading(name="two", within=Within(quantity=replace(AT, model="n"), low=0.0))
    claim = make(any_of=(one, two))
    assert readings(claim) == (one, two)
    assert [names(group) for each in readings(claim) for group in expand(SUITE, claim, each)] == [
        [(["a sft m pass@1 t=0"], [], 0.5)],
        [(["a sft n pass@1 t=0"], [], 0.0)],
    ]


def test_a_claim_has_the_forms_of_a_reading() -> None:
    forms = {field.name for field in fields(Reading)} - {"name"}
    assert forms == set(FORMS) < {field.name for field in fields(SuiteClaim)}


def test_equals_has_an_amount_and_ood_is_another_data_set() -> None:
    quantity = Quantity(metric="pass@1", split=Split.OOD, iterations=(1,), dataset="a", method="sft", model="m")
    (group,) = parts(make(equals=Equals(quantity=quantity, table="t", reference="r", against="none")))
    assert group.amount is not None
    assert (group.amount.name, group.clauses, group.name) == ("a-ood sft m pass@1 t=1", (), "the claim")


def test_a_combination_that_no_experiment_has_is_refused() -> None:
    quantity = Quantity(metric="pass@1", split=Split.TEST, iterations=(1,), dataset="a", method="sft", model="other")
    with pytest.raises(NoMember, match="no experiment of the suite has a, sft, other, test"):
        parts(make(above=Above(greater=quantity, bound=0.0)))
