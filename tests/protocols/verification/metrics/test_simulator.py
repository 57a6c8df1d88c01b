"""Every estimator agrees, within its own standard error, with the truth of a simulated population."""

from functools import cache
from math import ceil, fsum, sqrt
from statistics import fmean, stdev

import numpy as np
import pytest
from protocols.verification.metrics.closed_form import (
    Rates,
    both_keep,
    first_preferred,
    over,
    pass_at,
    quantile_gap,
    quantile_relative_gap,
    reweight_gap,
    score_correlation,
    threshold_gap,
    threshold_rates,
    threshold_relative_gap,
    tied_quantile_gap,
    tournament_accuracies,
)
from protocols.verification.metrics.simulator import (
    JudgeLaw,
    Level,
    LinearLaw,
    ScoreLaw,
    accuracies_of,
    simulate,
    simulate_tournaments,
)

from selfimp_bench.measurement import mean_over_problems, pass_at_k
from selfimp_bench.protocols.verification.metrics.correlation import correlation_values
from selfimp_bench.protocols.verification.metrics.gap import (
    EmptyFilter,
    Verified,
    aggregate_relative_gap_of,
    gap,
    gap_of,
    relative_gap,
    reweigh_all,
    reweigh_ensemble,
)
from selfimp_bench.protocols.verification.metrics.position import preference
from selfimp_bench.protocols.verification.metrics.selection import Quantile, Reweight, Threshold
from selfimp_bench.protocols.verification.metrics.tournament import after_round
from selfimp_bench.protocols.verification.metrics.variance import verdict_variance

DRAWS, PROBLEMS, SAMPLES = 60, 120, 10
POPULATION = (Level(share=0.4, p=0.2), Level(share=0.35, p=0.5), Level(share=0.25, p=0.8))
SCORE = ScoreLaw(scores=(10.0, 8.0, 3.0, None), given_correct=(0.4, 0.25, 0.25, 0.1), given_wrong=(0.1, 0.1, 0.6, 0.2))
BINARY = ScoreLaw(scores=(1.0, 0.0), given_correct=(0.8, 0.2), given_wrong=(0.3, 0.7))
WORSE = ScoreLaw(scores=(1.0, 0.0), given_correct=(0.3, 0.7), given_wrong=(0.5, 0.5))
STRICT = ScoreLaw(scores=(1.0, 0.0), given_correct=(0.12, 0.88), given_wrong=(0.04, 0.96))  # keeps nothing often
JUDGE = JudgeLaw(right_first=0.85, right_second=0.65, first_of_equals=0.6, unparsed=0.1)


@cache
def draws(*laws, samples=SAMPLES, problems=PROBLEMS):
    """The simulated tables of all seeds; several tests look at those of the same laws."""
    return tuple(
        simulate(POPULATION, [law.draw for law in laws], problems=problems, samples=samples, seed=seed)
        for seed in range(DRAWS)
    )


def assert_agree(estimates, truth):
    """The mean of many draws is the truth within 4 standard errors, and the estimates' own errors say how far."""
    values = [each.value for each in estimates]
    assert abs(fmean(values) - truth) < 4 * stdev(values) / sqrt(len(values))
    # the root mean square of N z-scores has a relative error of 1 / sqrt(2 N), 9 % here
    z = [(each.value - truth) / each.standard_error for each in estimates]
    assert 0.64 < sqrt(fmean(each**2 for each in z)) < 1.36
    # sharp enough to tell truths apart (relative gaps are the widest: they reach down to 1 - samples)
    assert stdev(values) / sqrt(len(values)) < 0.02


@pytest.mark.parametrize("empty", EmptyFilter)
@pytest.mark.parametrize(("law", "tau"), [(SCORE, 10), (SCORE, 8), (BINARY, 1), (WORSE, 1), (STRICT, 1)], ids=str)
def test_gaps_of_threshold_filters(law, tau, empty):
    rates, selection = threshold_rates(law, tau), Threshold(tau=tau)
    for estimator, truth in ((gap, threshold_gap), (relative_gap, threshold_relative_gap)):
        found = [estimator(problems, selection) for (problems,) in draws(law)]
        expected = over(POPULATION, lambda p, t=truth: t(p, rates, SAMPLES).under(empty))
        estimates = [each.mean(empty) for each in found]
        assert_agree(estimates, expected.value)
        share = fmean(each.n for each in estimates) / PROBLEMS
        assert share == pytest.approx(expected.defined, abs=4 * sqrt(0.25 / (DRAWS * PROBLEMS)))


def test_kept_shares_and_unscored_responses():
    rates = threshold_rates(SCORE, 8)
    found = [gap(problems, Threshold(tau=8)) for (problems,) in draws(SCORE)]
    kept = fsum(level.share * rates.kept(level.p) for level in POPULATION)
    assert fmean(each.kept_share for each in found) == pytest.approx(kept, abs=0.01)
    unparsed = fsum(level.share * (0.1 * level.p + 0.2 * (1 - level.p)) for level in POPULATION)
    assert fmean(each.unscored for each in found) / PROBLEMS / SAMPLES == pytest.approx(unparsed, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("slope", [0.18, 0.05, -0.18])
@pytest.mark.parametrize("q", [0.5, 0.8, 0.9])
def test_gaps_of_quantile_filters(slope, q):
    law, kept = LinearLaw(slope=slope), SAMPLES - ceil(round(q * 10) * (SAMPLES - 1) / 10)
    found = [(gap(each, Quantile(q=q)), relative_gap(each, Quantile(q=q))) for (each,) in draws(law)]
    assert_agree([one.mean(EmptyFilter.ZERO) for one, _ in found], quantile_gap(slope, SAMPLES, kept).value)
    relative = over(POPULATION, lambda p: quantile_relative_gap(p, slope, SAMPLES, kept))
    assert_agree([two.mean(EmptyFilter.ZERO) for _, two in found], relative.value)
    assert all(one.kept_share == pytest.approx(kept / SAMPLES) for one, _ in found)


@pytest.mark.parametrize("q", [0.3, 0.5, 0.9])
def test_gaps_of_quantile_filters_whose_cut_is_a_tie(q):
    least = SAMPLES - ceil(round(q * 10) * (SAMPLES - 1) / 10)
    expected = over(POPULATION, lambda p: tied_quantile_gap(p, threshold_rates(BINARY, 1), SAMPLES, least))
    found = [gap(problems, Quantile(q=q)) for (problems,) in draws(BINARY)]
    assert_agree([each.mean(EmptyFilter.ZERO) for each in found], expected.value)
    assert all(each.kept_share > least / SAMPLES for each in found)


@pytest.mark.parametrize("beta", [0.3, 2.0])
def test_the_gap_under_exponential_weights(beta):
    expected = over(POPULATION, lambda p: reweight_gap(p, threshold_rates(BINARY, 1), SAMPLES, beta))
    found = [gap(problems, Reweight(beta=beta)).mean(EmptyFilter.ZERO) for (problems,) in draws(BINARY)]
    assert_agree(found, expected.value)


def test_the_aggregate_relative_gap():
    """A ratio of means is off by O(1 / problems), far below the error of the mean over draws."""
    rates = threshold_rates(BINARY, 1)
    mean_gap = over(POPULATION, lambda p: threshold_gap(p, rates, SAMPLES).zero).value
    truth = mean_gap / (1 - fsum(level.share * level.p for level in POPULATION))
    found = [reweigh_all(problems, Threshold(tau=1)) for (problems,) in draws(BINARY)]
    assert_agree([aggregate_relative_gap_of(each, EmptyFilter.ZERO) for each in found], truth)


@pytest.mark.slow
@pytest.mark.parametrize(("one", "two"), [(BINARY, SCORE), (BINARY, WORSE)], ids=str)
def test_gaps_of_ensembles(one, two):
    tau = 8 if two is SCORE else 1
    rates = both_keep(threshold_rates(one, 1), threshold_rates(two, tau))
    found = [
        gap_of(
            reweigh_ensemble(
                [Verified(problems=a, filter=Threshold(tau=1)), Verified(problems=b, filter=Threshold(tau=tau))]
            )
        )
        for a, b in draws(one, two)
    ]
    for empty in EmptyFilter:
        expected = over(POPULATION, lambda p, e=empty: threshold_gap(p, rates, SAMPLES).under(e))
        assert_agree([each.mean(empty) for each in found], expected.value)


def test_accuracies_and_gaps_of_tournament_rounds_and_the_preference_for_a_position():
    truth = tournament_accuracies(POPULATION, JUDGE, 3)
    by_round, preferred, coins, matches = [], [], 0, 0
    for seed in range(DRAWS):
        played = simulate_tournaments(POPULATION, JUDGE, problems=PROBLEMS, samples=16, batch=8, seed=seed)
        by_round.append([accuracies_of(each.correct, each.rounds) for each in played])
        first = [match.judgement for each in played for match in each.rounds[0].matches]
        preferred.append(preference(first).first_share)
        coins, matches = coins + sum(each.rounds[0].coins for each in played), matches + len(first)
    for after in range(4):
        assert_agree([mean_over_problems([each[after] for each in draw]) for draw in by_round], truth[after])
    for after, since in ((3, 0), (2, 1), (3, 2)):
        gaps = [
            gap_of({str(i): after_round(each, entrants=16, after=after, since=since) for i, each in enumerate(draw)})
            for draw in by_round
        ]
        assert_agree([each.mean(EmptyFilter.ZERO) for each in gaps], truth[after] - truth[since])
    expected = first_preferred(POPULATION, JUDGE)
    assert abs(fmean(preferred) - expected) < 4 * stdev(preferred) / sqrt(DRAWS)
    assert coins / matches == pytest.approx(0.1, abs=4 * sqrt(0.09 / matches))


def pass_mean(problems, k):
    return mean_over_problems([pass_at_k(n=len(own), c=int(own.correct.sum()), k=k) for own in problems.values()])


@pytest.mark.parametrize("k", [1, 4, SAMPLES])
def test_pass_at_k(k):
    assert_agree([pass_mean(problems, k) for (problems,) in draws(BINARY)], pass_at(POPULATION, k))


def test_a_verifier_that_fails_on_hard_problems_raises_pass_at_1_and_lowers_pass_at_32():
    """Perfect distillation, p -> precision: what 2412.02674, Section 5, sees and D.3 does not with gold labels."""
    easy, hard = Rates(true_positive=0.9, false_positive=0.3), Rates(true_positive=0.2, false_positive=0.6)
    gold = Rates(true_positive=1.0, false_positive=0.0)
    populations = [(Level(share=0.7, p=0.5), Level(share=0.3, p=0.1))]
    for _ in range(3):
        one, two = populations[-1]
        populations.append((Level(share=0.7, p=easy.precision(one.p)), Level(share=0.3, p=hard.precision(two.p))))
    points = {}
    for iteration, levels in enumerate(populations):
        (problems,) = simulate(levels, [BINARY.draw], problems=800, samples=32, seed=iteration)
        points |= {(iteration, k): pass_mean(problems, k) for k in (1, 32)}
    for (iteration, k), estimate in points.items():
        assert abs(estimate.value - pass_at(populations[iteration], k)) < 4 * estimate.standard_error
    assert points[3, 1].value > points[0, 1].value + 0.1
    assert points[3, 32].value < points[0, 32].value - 0.1
    assert all(gold.precision(level.p) == 1 for level in populations[0])


def test_the_pooled_correlation_of_two_verifiers():
    found = [
        mean_over_problems(list(correlation_values(scores(one), scores(two)).values()))
        for one, two in draws(BINARY, WORSE)
    ]
    truth = score_correlation(POPULATION, threshold_rates(BINARY, 1), threshold_rates(WORSE, 1))
    assert truth < 0
    assert_agree(found, truth)


def scores(problems):
    return {name: responses.scores for name, responses in problems.items()}


@pytest.mark.parametrize("p", [0.02, 0.5, 0.9])
def test_the_variance_of_verdicts(p):
    """E[p_hat (1 - p_hat)] = (n - 1) / n p (1 - p)."""
    random = np.random.Generator(np.random.PCG64(1))
    drawn = [verdict_variance([bool(each) for each in random.random(8) < p]) for _ in range(20_000)]
    for values, truth in (
        ([each.variance for each in drawn], 7 / 8 * p * (1 - p)),
        ([each.unbiased for each in drawn], p * (1 - p)),
    ):
        assert abs(fmean(values) - truth) < 4 * stdev(values) / sqrt(len(values))


@pytest.mark.slow
def test_a_linear_law_has_uniform_scores_and_the_stated_posterior():
    """40 000 responses, p = 0.4, slope 0.3: those in each tenth of the score are correct with p + slope (2 s - 1)."""
    (problems,) = simulate((Level(share=1, p=0.4),), [LinearLaw(slope=0.3).draw], problems=40, samples=1000, seed=3)
    correct = np.concatenate([each.correct for each in problems.values()])
    drawn = np.concatenate([each.scores for each in problems.values()])
    for tenth in range(10):
        inside = correct[(tenth / 10 <= drawn) & (drawn < (tenth + 1) / 10)].tolist()
        assert len(inside) == pytest.approx(4000, abs=4 * sqrt(4000 * 0.9))
        expected = 0.4 + 0.3 * (2 * (tenth + 0.5) / 10 - 1)
        assert fmean(inside) == pytest.approx(expected, abs=4 * sqrt(0.25 / len(inside)))


def test_the_same_seed_draws_the_same_and_another_does_not():
    drawn = (simulate(POPULATION, [SCORE.draw], problems=5, samples=8, seed=seed)[0] for seed in (1, 1, 2))
    one, same, other = (str([(each.correct.tolist(), each.scores.tolist()) for each in own.values()]) for own in drawn)
    assert one == same != other


def test_laws_that_are_none_are_refused():
    for row in ((0.5, 0.4), (1.2, -0.2), (1.0,)):
        with pytest.raises(ValueError, match="not a distribution"):
            ScoreLaw(scores=(1.0, 0.0), given_correct=row, given_wrong=(0.5, 0.5))
    with pytest.raises(ValueError, match="leaves 0 to 1"):
        simulate(POPULATION, [LinearLaw(slope=0.21).draw], problems=20, samples=1, seed=0)
    with pytest.raises(ValueError, match="sum to"):
        simulate((Level(share=0.5, p=0.5),), [SCORE.draw], problems=1, samples=1, seed=0)
