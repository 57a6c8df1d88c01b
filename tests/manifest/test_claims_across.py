"""Claims across experiments: what a study's words become in the suite that is judged, and what is refused."""

from typing import Any

import msgspec
import pytest

from selfimp_bench.manifest.claims_across import suite_of
from selfimp_bench.manifest.reference_table import ReferenceTable
from selfimp_bench.manifest.study_tree import Node, origins, planted
from selfimp_bench.manifest.suite_model import Axis, Reading, Suite, SuiteClaim, readings


def no_rows(_: Node, name: str) -> ReferenceTable:
    """Every table there is, without a row."""
    return ReferenceTable(name=name, rows=())


def study(**claims: dict[str, Any]) -> Node:
    """A study of two tasks and two methods, with these claims."""
    said = {"says": "As said.", "source": "Section 1", "holds": "all"}
    data = {
        "name": "study",
        "version": 1,
        "title": "A study",
        "summary": "Of two tasks.",
        "paper": {"id": "0000.00000", "title": "A paper", "section": "Section 1"},
        "tables": "study",
        "priors": "fine-tuned-7b",
        "models": {"small": {"asset": "small"}, "large": {"asset": "large"}, "source": "Section 1"},
        "families": {"sizes": ["small", "large"]},
        "compute": {"small": 1e20, "large": 1e22},
        "published": {"tables": ["text"], "best": {"pass@1": {"t": "1..2", "as": "best-pass@1"}}},
        "tasks": {"sums": {"ood": "long-sums", "published_as": "sums-test"}, "long-sums": {}, "quiz": {}},
        "methods": {"sft": {}, "dpo": {}},
        "experiments": {
            "sums-sft": {"task": "sums", "method": "sft"},
            "quiz-dpo": {"task": "quiz", "method": "dpo", "models": "sizes"},
            "sums-fast": {"task": "sums", "method": "sft", "apart": "it needs another machine"},
        },
        "claims": {id_: said | claim for id_, claim in claims.items()},
    }
    return planted(data)


def expanded(**claims: dict[str, Any]) -> Suite:
    suite, faults = suite_of(study(**claims), no_rows)
    assert faults == ()
    return msgspec.convert(_data(suite), Suite)


def _data(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _data(item) for key, item in node.value.items()}
    return [_data(item) for item in node.value] if isinstance(node.value, list) else node.value


def only(**claim: Any) -> SuiteClaim:
    (found,) = expanded(claim=claim).claims
    return found


def reading(**claim: Any) -> Reading:
    (found,) = readings(only(**claim))
    return found


def test_an_experiment_is_a_member_with_the_words_of_the_tables() -> None:
    first, second = expanded().experiments
    assert (first.name, first.dataset, first.ood, first.method) == ("sums-sft", "sums-test", "long-sums", "sft")
    assert first.models == second.models == ("small", "large")
    assert second.ood is None


def test_an_experiment_that_stands_apart_is_no_member() -> None:
    assert "sums-fast" not in {member.name for member in expanded().experiments}


def test_families_compute_and_best_are_listed() -> None:
    suite = expanded()
    assert suite.families is not None and suite.compute is not None
    assert [(family.name, family.models) for family in suite.families] == [("sizes", ("small", "large"))]
    assert [(each.model, each.flops) for each in suite.compute] == [("small", 1e20), ("large", 1e22)]
    (best,) = suite.published.best
    assert (best.measured, best.iterations, best.published) == ("pass@1", (1, 2), "best-pass@1")


def test_a_claim_about_one_experiment_is_not_across() -> None:
    node = study(alone={"above": ["pass@1 t=2", "pass@1 t=1"]})
    del node.need("claims").need("alone").entries["holds"]
    suite, faults = suite_of(node, no_rows)
    assert (_data(suite)["claims"], faults) == ([], ())


def test_a_quantity_has_what_it_says_and_else_what_the_claim_says() -> None:
    where = {"dataset": "sums-test", "model": "small"}
    above = reading(where=where, above=["pass@1 ood t=1..3 less t=1", "t=2 model=large"]).above
    assert above is not None and above.lesser is not None
    greater, lesser = above.greater, above.lesser
    assert (greater.metric, greater.split, greater.iterations, greater.minus_iteration) == (
        "pass@1",
        "ood",
        (1, 2, 3),
        1,
    )
    assert (lesser.metric, lesser.split, lesser.iterations, lesser.model) == (None, "test", (2,), "large")
    assert (greater.model, greater.dataset, lesser.dataset) == ("small", "sums-test", "sums-test")


def test_above_may_be_a_bound_or_a_part_of_another() -> None:
    bound = reading(above=["pass@1 t=1", 0.5]).above
    part = reading(above=["pass@1 t=2", "pass@1 t=1", 0.98]).above
    assert bound is not None and (bound.bound, bound.lesser, bound.times) == (0.5, None, None)
    assert part is not None and (part.bound, part.times) == (None, 0.98)
    by = reading(above=["pass@1 t=2", "pass@1 t=1", "by 0.2"]).above
    both = reading(above=["pass@1 t=2", "pass@1 t=1", 0.5, "by 0.5"]).above
    assert by is not None and (by.bound, by.times) == (0.2, None) and by.lesser is not None
    assert both is not None and (both.bound, both.times) == (0.5, 0.5) and both.lesser is not None


@pytest.mark.parametrize(
    "above",
    [
        ["pass@1 t=1"],
        ["pass@1 t=1", 0.5, 0.5],
        ["pass@1 t=2", "pass@1 t=1", "0.5"],
        ["pass@1 t=2", "pass@1 t=1", "by nan"],
        ["pass@1 t=2", "pass@1 t=1", "by 0.5", 0.5],
        ["pass@1 t=2", "pass@1 t=1", 0.5, "by 0.5", "by 0.5"],
    ],
)
def test_what_is_no_comparison_is_said_so(above: list[Any]) -> None:
    _, (fault, *_) = suite_of(study(only={"above": above, "source": "s"}), no_rows)
    assert "expected" in fault.message


def test_over_takes_lists_families_and_all() -> None:
    over = {"dataset": "all", "method": ["sft"], "model": "sizes", "iteration": [1]}
    found = only(over=over, holds="at-least", at_least=2, peak={"of": "pass@1", "at": [1]})
    assert found.over is not None
    assert (found.over.dataset, found.over.method) == (("sums-test", "quiz"), ("sft",))
    assert found.over.model == ("small", "large")
    assert (found.holds, found.at_least) == ("at-least", 2)


def test_one_entry_may_stand_for_several_claims_of_what_they_have_in_common() -> None:
    each = {"sums": {"where": {"dataset": "sums-test"}}, "quiz": {"where": {"dataset": "quiz"}, "says": "Otherwise."}}
    first, second = expanded(best={"where": {"method": "sft"}, "above": ["pass@1 t=1", 0.5], "each": each}).claims
    assert (first.id, second.id) == ("best.sums", "best.quiz")
    assert (first.statement, second.statement) == ("As said.", "Otherwise.")
    assert first.above is not None and second.above is not None
    assert (first.above.greater.dataset, first.above.greater.method) == ("sums-test", "sft")
    assert (second.above.greater.dataset, second.above.bound) == ("quiz", 0.5)


def test_rows_across_experiments_are_one_row_of_a_table() -> None:
    rows = {"of": "pass@1 t=5 dataset=quiz method=dpo", "table": "text", "row": "text.best", "against": "none"}
    equals = reading(rows=rows).equals
    assert equals is not None
    assert (equals.table, equals.reference, equals.against) == ("study/text.csv", "text.best", "none")


def test_terms_are_on_an_axis_or_the_models_of_the_family() -> None:
    best = reading(best={"of": "pass@1 t=5", "axis": "dataset", "among": "all", "winners": ["quiz"]}).best
    order = reading(over={"family": ["sizes"]}, monotone={"of": "gap t=0 fit=slope", "goes": "up", "axis": "model"})
    assert best is not None and best.among == ("sums-test", "quiz")
    assert order.monotone is not None and (order.monotone.axis, order.monotone.among) == (Axis.MODEL, None)


def test_a_rule_says_who_is_best_on_either_side_of_a_threshold() -> None:
    words = {"when": "coverage t=1 method=sft", "above": 0.5, "of": "pass@1 t=1..5", "axis": "method", "among": "all"}
    rule = reading(rule=words | {"then": ["dpo"], "else": ["sft"]}).rule
    assert rule is not None
    assert (rule.condition.metric, rule.threshold, rule.quantity.iterations) == ("coverage", 0.5, (1, 2, 3, 4, 5))
    assert (rule.among, rule.above, rule.below) == (("sft", "dpo"), ("dpo",), ("sft",))


def test_readings_keep_their_names() -> None:
    ways = {
        "two rounds": {"within": {"of": "gap t=2", "high": 0.1}},
        "three": {"within": {"of": "gap t=3", "low": 0.0}},
    }
    assert [way.name for way in readings(only(any_of=ways))] == ["two rounds", "three"]


def test_parts_that_must_all_hold_keep_their_names() -> None:
    parts = {"rises": {"above": ["pass@1 t=2", "pass@1 t=1"]}, "peaks": {"peak": {"of": "pass@1 t=1..3", "at": [2]}}}
    found = only(all_of=parts)
    assert found.several == "all_of"
    assert [part.name for part in readings(found)] == ["rises", "peaks"]


def test_every_part_of_the_suite_knows_its_place_in_the_file() -> None:
    suite, _ = suite_of(study(first={"above": ["pass@1 t=1", 0.5]}), no_rows)
    found = origins(suite)
    assert found[("claims", 0)] == ("claims", "first")
    assert found[("claims", 0, "above", "bound")] == ("claims", "first", "above", 1)
    assert found[("experiments", 1)] == ("experiments", "quiz-dpo")


@pytest.mark.parametrize(
    ("claim", "path", "message"),
    [
        ({"above": ["pass@1 t=one", 0.5]}, ("above", 0), "expected iterations like t=5"),
        ({"above": ["pass@1 tt=1", 0.5]}, ("above", 0), "did you mean t?"),
        ({"above": ["pass@1 accuracy", 0.5]}, ("above", 0), "one word too many"),
        ({"above": ["pass@1 test ood", 0.5]}, ("above", 0), "one word too many"),
        ({"above": ["pass@1"]}, ("above",), "expected a cell and another, or a bound"),
        ({"over": {"model": "size"}, "above": ["pass@1", 0.5]}, ("over", "model"), "did you mean sizes?"),
        ({"over": {"metric": "all"}, "above": ["t=1", 0.5]}, ("over", "metric"), "expected a list"),
        ({"over": {"metrics": []}, "above": ["t=1", 0.5]}, ("over", "metrics"), "did you mean metric?"),
        ({"peak": {"of": 5, "at": [1]}}, ("peak", "of"), "expected text, found 5"),
        ({"abov": []}, ("abov",), "did you mean above?"),
        ({}, (), "expected exactly one of above"),
        ({"above": ["pass@1", 0.5], "peak": {"of": "pass@1", "at": [1]}}, (), "expected exactly one of above"),
        ({"any_of": {"one": {"within": {"of": "pass@1 t=last"}}}}, ("any_of", "one", "within", "of"), "across"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_place(
    claim: dict[str, Any], path: tuple[str | int, ...], message: str
) -> None:
    suite, faults = suite_of(study(wrong=claim, right={"above": ["pass@1 t=1", 0.5]}), no_rows)
    (fault,) = faults
    assert fault.path == ("claims", "wrong", *path)
    assert message in fault.message
    assert [each["id"] for each in _data(suite)["claims"]] == ["right"]
