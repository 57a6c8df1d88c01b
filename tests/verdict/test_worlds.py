"""Worlds: what becomes of the published numbers in each, by hand."""

import pytest

from selfimp_bench.manifest.catalog import find, find_table
from selfimp_bench.manifest.model import Cell
from selfimp_bench.manifest.reference_table import read_table
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.load import load_experiment
from selfimp_bench.verdict.check import tables_of
from selfimp_bench.verdict.evidence import Key
from selfimp_bench.verdict.worlds import Claimed, Publication, PublishedMean, World, publication, worlds


def key(metric: str, iteration: int, model: str = "a") -> Key:
    return "small", model, Cell(metric=metric, split=Split.TEST, iteration=iteration)


def world(name: str, numbers: dict[Key, float]) -> World:
    means = {each: PublishedMean(low=value, high=value, runs=1) for each, value in numbers.items()}
    found = worlds(Publication(numbers=means, assumed=frozenset(), missing=()))
    return next(each for each in found if each.name == name)


RISING = {key("pass@1", t): value for t, value in enumerate((0.4, 0.5, 0.6, 0.7, 0.95), start=1)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("published", [0.4, 0.5, 0.6, 0.7, 0.95]),
        ("frozen", [0.4] * 5),
        ("flat", [0.4] * 5),
        ("reversed", [0.95, 0.7, 0.6, 0.5, 0.4]),
        ("shuffled", [0.6, 0.95, 0.5, 0.7, 0.4]),
        ("zero", [0.0] * 5),
        ("one", [1.0] * 5),
        ("percent", [0.004, 0.005, 0.006, 0.007, 0.0095]),
        ("5 below", [0.35, 0.45, 0.55, 0.65, 0.9]),
        ("10 above", [0.5, 0.6, 0.7, 0.8, 0.85]),
    ],
)
def test_a_series_of_shares_in_every_world(name: str, expected: list[float]) -> None:
    found = world(name, RISING).means
    assert [found[each] for each in RISING] == pytest.approx(expected)


def test_a_bias_at_the_end_of_the_range_goes_to_the_other_side() -> None:
    assert world("10 above", RISING).means[key("pass@1", 5)] == pytest.approx(0.85)
    assert world("10 below", {key("gap.mc.q0.8", 0): 0.02}).means[key("gap.mc.q0.8", 0)] == pytest.approx(-0.08)


def test_without_iterations_the_models_change_places() -> None:
    numbers = {key("gap.mc.q0.8", 0, model): value for model, value in (("a", 0.1), ("b", 0.2), ("c", 0.6))}
    assert [*world("reversed", numbers).means.values()] == pytest.approx([0.6, 0.2, 0.1])
    assert [*world("another model", numbers).means.values()] == pytest.approx([0.2, 0.6, 0.1])
    assert [*world("flat", numbers).means.values()] == pytest.approx([0.3] * 3)


def test_a_verifier_that_knows_nothing_leaves_the_accuracy_as_it_is() -> None:
    numbers = {key("accuracy", 0): 0.4, key("filtered-accuracy.mc.q0.8", 0): 0.5, key("gap.mc.q0.8", 0): 0.1}
    assert [*world("no gap", numbers).means.values()] == pytest.approx([0.4, 0.4, 0.0])


def test_right_or_wrong_throughout_there_is_no_gap_and_no_disparity() -> None:
    numbers = {key("accuracy", 0): 0.4, key("gap.mc.q0.8", 0): 0.1, key("group-disparity", 0): 0.6}
    assert world("one", numbers).means == {key("accuracy", 0): 1.0, key("gap.mc.q0.8", 0): 0.0}


def test_more_samples_of_one_set_never_solve_less_in_any_world() -> None:
    numbers = {
        key(f"is-pass@{size}.first", t): value
        for t, values in ((4, (0.9, 0.95)), (5, (0.5, 0.97)))
        for size, value in zip((64, 8), reversed(values), strict=True)
    }
    found = worlds(
        Publication(
            numbers={each: PublishedMean(low=value, high=value, runs=1) for each, value in numbers.items()},
            assumed=frozenset(),
            missing=(),
        )
    )
    assert len(found) > 10
    for each in found:
        for t in (4, 5):
            assert each.means[key("is-pass@64.first", t)] >= each.means[key("is-pass@8.first", t)], each.name


def test_a_world_that_does_not_differ_from_the_published_one_is_left_out() -> None:
    names = {
        each.name
        for each in worlds(
            Publication(
                numbers={key("pass@1", 1): PublishedMean(low=0.4, high=0.4, runs=1)}, assumed=frozenset(), missing=()
            )
        )
    }
    assert {"published", "1 above", "zero"} <= names
    assert not names & {"frozen", "no gap", "another model", "reversed", "shuffled"}


def test_what_nothing_is_published_of_is_assumed_from_its_neighbours() -> None:
    place = find("gsm8k-iter-sft")
    manifest = load_experiment(place).manifest
    tables = tables_of(manifest.claims, lambda name: read_table(find_table(name, place.path), name))
    models = tuple(model.id for model in manifest.models)
    found = publication([Claimed(experiment=manifest.name, models=models, claims=manifest.claims)], None, tables)

    def number(metric: str, model: str, split: Split, iteration: int) -> float:
        each = ("gsm8k-iter-sft", model, Cell(metric=metric, split=split, iteration=iteration))
        assert (each in found.assumed) == (model != "mistral-7b-v0.1" or metric.startswith("is-pass@64"))
        return found.numbers[each].middle

    published = number("pass@1", "mistral-7b-v0.1", Split.OOD, 5)
    assert number("pass@1", "llama-2-7b", Split.OOD, 5) == published
    assert number("is-pass@64.first", "mistral-7b-v0.1", Split.TEST, 5) == pytest.approx(1 - (1 - 0.984) ** 2, abs=1e-4)
    assert found.missing == ()
