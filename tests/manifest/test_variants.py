"""Reading what is to be varied, finding it in a manifest's list, and the resolved form of a variant."""

from typing import Any

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import entries
from selfimp_bench.manifest.kinds import Scalar
from selfimp_bench.manifest.model import Sensitivity, Variation
from selfimp_bench.manifest.variants import (
    Change,
    named,
    read_changes,
    refused,
    sensitivity_of,
    variant_name,
    variant_of,
    variant_words,
    varied,
    vary_options,
)
from selfimp_bench.protocols.load import load_experiment, vary_experiment

LISTED = tuple(
    Sensitivity(field=field, values=(1,), reason="open")
    for field in ("sft.learning_rate", "dpo.optimisation.learning_rate", "post_training.pairs_per_problem")
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=5e-7", 5e-7),
        ("a=null", None),
        ("a=true", True),
        ("a=exact", "exact"),
        ("a='1'", "1"),
        ("a=x=y", "x=y"),
    ],
)
def test_a_value_is_read_as_in_a_manifest(text: str, value: Scalar) -> None:
    (change,) = read_changes([text])
    assert (change.field, change.value, type(change.value)) == ("a", value, type(value))


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["a"], "expected FIELD=VALUE"),
        (["=1"], "expected FIELD=VALUE"),
        (["a="], "no value"),
        (["a=010"], "leading zero"),
        (["a=1", "a=2"], "a is varied twice"),
    ],
)
def test_what_cannot_be_read_is_refused(texts: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_changes(texts)


def test_a_field_is_named_whole_or_by_its_last_keys_and_never_by_several() -> None:
    assert named("post_training.pairs_per_problem", LISTED) == LISTED[2]
    assert named("pairs_per_problem", LISTED) == LISTED[2]
    assert named("optimisation.learning_rate", LISTED) == LISTED[1]
    assert named("problem", LISTED) is None
    with pytest.raises(InputError, match=r"sft\.learning_rate or dpo\.optimisation\.learning_rate; name it whole"):
        named("learning_rate", LISTED)


def test_a_refusal_has_the_list_and_the_nearest() -> None:
    words = str(refused(Change(field="pairs_per_problm", value=1), LISTED, "e"))
    assert "did you mean pairs_per_problem?" in words
    assert all(each.field in words for each in LISTED)
    assert "lists nothing under `sensitivity`" in str(refused(Change(field="a", value=1), (), "e"))


def test_a_variant_says_what_is_varied_and_why_it_has_its_value() -> None:
    data: Any = {
        "a": {"b": {"c": 4, "d": 1, "assumed": {"c": "for speed", "d": "so"}}, "e": 2, "source": "Table 1"},
        "f": {"g": 1, "assumed": "all of it"},
    }
    found: Any = varied(data, {"a.e": 3, "a.b.c": 1, "f.g": None})
    assert found["variant"] == [
        {"field": "a.b.c", "value": 1, "instead_of": 4},
        {"field": "a.e", "value": 3, "instead_of": 2},
        {"field": "f.g", "value": None, "instead_of": 1},
    ]
    assert found["a"]["b"] == {
        "c": 1, "d": 1, "assumed": {"c": "varied, as asked for; the experiment has 4", "d": "so"}
    }  # fmt: skip
    assert found["a"]["assumed"] == {"e": "varied, as asked for; the experiment has 2"}
    assert found["f"] == {"g": None, "assumed": "all of it"}
    assert data["a"]["b"]["c"] == 4, "the experiment stays as it was"


@pytest.mark.parametrize("field", ["a", "b.c", "b", "a.x"])
def test_a_field_that_is_no_single_value_is_refused(field: str) -> None:
    with pytest.raises(InputError, match="no single value"):
        varied({"a": {"c": 1}, "b": {"c": {"d": 1}}}, {field: 1})


def test_words_names_and_options() -> None:
    variant = (
        Variation(field="a.b", value=5e-7, instead_of=None),
        Variation(field="c.d", value="1", instead_of="x y"),
    )
    assert variant_words(variant) == "a.b is 5e-07 (the experiment: null), c.d is 1 (the experiment: x y)"
    assert variant_name("e", variant) == "e+a.b=5e-07+c.d=1"
    assert variant_name("e", ()) == "e"
    assert "/" not in variant_name("e", [Variation(field="a.b", value="../x", instead_of=1)])
    options = vary_options(variant)
    assert options == ["--vary", "a.b=5e-07", "--vary", 'c.d="1"']
    assert [each.value for each in read_changes(options[1::2])] == [5e-7, "1"]


@pytest.mark.slow
def test_every_value_that_a_shipped_experiment_lists_makes_an_experiment() -> None:
    listing = set()
    for entry in entries():
        loaded = load_experiment(entry.place)
        for each in sensitivity_of(loaded.manifest):
            listing.add(entry.name)
            for value in each.values:
                made = vary_experiment(loaded, {each.field: value})
                assert [(one.field, one.value) for one in variant_of(made.manifest)] == [(each.field, value)]
                assert made.text != loaded.text
    assert {entry.name for entry in entries() if entry.path.parent.name == "progress-or-regress"} <= listing
