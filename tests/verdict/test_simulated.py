"""Simulated runs: they have the world's means, the prior's spread, and the correlations of real runs."""

from itertools import pairwise

import numpy as np
import pytest

from selfimp_bench.manifest.model import Cell
from selfimp_bench.measurement import Split
from selfimp_bench.verdict.evidence import Evidence, Key
from selfimp_bench.verdict.ranking import Problems
from selfimp_bench.verdict.simulated import Design, Spread, first_replicates, simulate, simulated_run
from selfimp_bench.verdict.worlds import Publication, PublishedMean, World


def key(metric: str, iteration: int, model: str = "a") -> Key:
    return "small", model, Cell(metric=metric, split=Split.TEST, iteration=iteration)


METRICS = ("pass@1", "coverage", "distinct-n.correct", "is-pass@8.first", "group-disparity", "gap.mc.q0.8")
MEANS = {key(metric, t): value for metric in METRICS for t, value in enumerate((0.40, 0.44, 0.50, 0.52, 0.55), start=1)}


def design(sd: float = 0.01, replicates: int = 3, published: Publication | None = None, known: bool = True) -> Design:
    return Design(
        problems={("small", Split.TEST): Problems(digest="d" * 64, name="small test", count=1319)},
        spread=lambda _experiment, _cell: Spread(sd=sd, df=5),
        replicates=replicates,
        published=published,
        sd_known=known,
    )


def means(found: Evidence, each: Key) -> np.ndarray:
    return np.nanmean(found.values[each].values, axis=1)


def test_without_seed_noise_a_run_has_the_means_of_the_world_to_a_problem() -> None:
    found = simulate(World(name="published", means=MEANS), design(sd=0.0), 1)
    for each, mean in MEANS.items():
        assert means(found, each) == pytest.approx(np.full(3, mean), abs=0.01)


def test_replicates_spread_as_the_prior_says() -> None:
    world = World(name="published", means={each: mean for each, mean in MEANS.items() if each[2].metric == "coverage"})
    spreads = []
    for seed in range(60):
        found = simulate(world, design(replicates=5), seed)
        spreads += [np.var(means(found, key("coverage", t)), ddof=1) for t in (1, 5)]
    assert np.sqrt(np.mean(spreads)) == pytest.approx(0.01, rel=0.15)


def test_an_honest_run_is_off_by_the_papers_own_draw_too() -> None:
    means_of = {key("coverage", 3): 0.50}
    numbers = {each: PublishedMean(low=value, high=value, runs=1) for each, value in means_of.items()}
    published = Publication(numbers=numbers, assumed=frozenset(), missing=())
    world = World(name="published", means=means_of, of={each: each for each in means_of})
    off = [
        means(simulate(world, design(replicates=1, published=published), seed), key("coverage", 3))[0] - 0.50
        for seed in range(150)
    ]
    assert np.std(off) == pytest.approx(0.01 * np.sqrt(2), rel=0.2)


def test_a_frozen_run_is_off_by_the_papers_draw_of_its_first_iteration_alone() -> None:
    frozen = dict.fromkeys(MEANS, 0.4)
    first = {each: key(each[2].metric, 1) for each in MEANS}
    numbers = {each: PublishedMean(low=value, high=value, runs=1) for each, value in frozen.items()}
    published = Publication(numbers=numbers, assumed=frozenset(), missing=())
    world = World(name="frozen", means=frozen, of=first)
    runs = [simulate(world, design(replicates=1, published=published), seed) for seed in range(150)]
    truth = simulated_run(world, design(replicates=1, published=published), 1).truth
    assert truth[key("coverage", 1)] == truth[key("coverage", 5)] != 0.4
    last, one = (np.array([means(run, key("coverage", t))[0] for run in runs]) for t in (5, 1))
    assert np.std(last - 0.4) == pytest.approx(0.01 * np.sqrt(2), rel=0.2)
    assert np.std(last - one) == pytest.approx(0.01 * np.sqrt(2 * (1 - 0.2)), rel=0.2)


def test_a_spread_that_is_not_known_is_drawn_from_the_prior() -> None:
    world = World(name="published", means={key("coverage", 1): 0.5})
    drawn = [
        means(simulate(world, design(replicates=1, known=False), seed), key("coverage", 1))[0] for seed in range(400)
    ]
    off = (np.array(drawn) - 0.5) / 0.01
    assert np.mean(np.abs(off) > 2.571) == pytest.approx(0.05, abs=0.03)  # Student's t with 5 degrees of freedom


def test_values_go_together_as_those_of_real_runs_do() -> None:
    found = simulate(World(name="published", means=MEANS), design(), 1)

    def correlation(one: Key, other: Key, replicates: tuple[int, int] = (0, 0)) -> float:
        first, second = (found.values[each].values[row] for each, row in zip((one, other), replicates, strict=True))
        both = ~(np.isnan(first) | np.isnan(second))
        return float(np.corrcoef(first[both], second[both])[0, 1])

    neighbours = [correlation(key("pass@1", s), key("pass@1", t)) for s, t in pairwise(range(1, 6))]
    assert 0.5 < np.mean(neighbours) < 0.8
    assert 0.3 < correlation(key("pass@1", 1), key("pass@1", 5)) < 0.55
    assert 0.6 < correlation(key("pass@1", 3), key("pass@1", 3), (0, 1)) < 0.85
    assert 0.55 < correlation(key("pass@1", 3), key("coverage", 3)) < 0.9
    diverse = [
        correlation(key("distinct-n.correct", s), key("distinct-n.correct", t)) for s, t in pairwise(range(1, 6))
    ]
    assert 0.35 < np.mean(diverse) < 0.65


def test_other_problems_at_every_iteration_differ_by_what_a_choice_of_problems_is_worth() -> None:
    flat = {key("pass@1", t): 0.5 for t in range(1, 6)}
    world = World(name="flat", means=flat, other_problems=True)
    differences = []
    for seed in range(120):
        found = simulate(world, design(sd=0.0, replicates=1), seed)
        differences.append(means(found, key("pass@1", 5))[0] - means(found, key("pass@1", 1))[0])
    one = found.values[key("pass@1", 5)].values[0] - found.values[key("pass@1", 1)].values[0]
    assert np.std(differences) == pytest.approx(np.std(one) / np.sqrt(1319), rel=0.25)


def test_all_wrong_is_all_wrong_whatever_the_seed() -> None:
    found = simulate(World(name="zero", means={key("pass@1", 1): 0.0, key("coverage", 1): 0.0}), design(sd=0.1), 1)
    assert all((each.values == 0).all() for each in found.values.values())


def test_measurements_are_the_means_of_their_values() -> None:
    found = simulate(World(name="published", means=MEANS), design(), 1)
    for each, measured in found.measurements.items():
        assert [one.value for one in measured] == pytest.approx(means(found, each))
        assert [one.n + one.undefined for one in measured] == [found.values[each].values.shape[1]] * 3
    assert found.measurements[key("distinct-n.correct", 1)][0].undefined > 0
    assert found.measurements[key("is-pass@8.first", 1)][0].n < 1319 / 5


def test_equal_seeds_give_equal_runs_and_fewer_replicates_are_the_first_of_them() -> None:
    world = World(name="published", means=MEANS)
    one, other = simulate(world, design(), 7), simulate(world, design(), 7)
    for each in MEANS:
        assert np.array_equal(one.values[each].values, other.values[each].values, equal_nan=True)
    first = first_replicates(one, 1)
    assert first.measurements[key("pass@1", 1)] == one.measurements[key("pass@1", 1)][:1]
    assert np.array_equal(first.values[key("pass@1", 1)].values, one.values[key("pass@1", 1)].values[:1])
