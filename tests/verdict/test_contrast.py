"""Weighted sums of cells: pairing by problem, seeds, exact tails, what decides nothing, and rates by simulation."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from verdict_support import Values, cell, evidence_of, priors, share

from selfimp_bench.manifest.priors import Priors
from selfimp_bench.verdict.contrast import MINIMUM_DIFFERENT, Contrast, Contrasts, Tails, contrast
from selfimp_bench.verdict.evidence import Key
from selfimp_bench.verdict.findings import AGAINST_LEVEL, FOR_LEVEL, MINIMUM_PROBLEMS

ONE: Key = ("e", "m", cell(iteration=1))
TWO: Key = ("e", "m", cell(iteration=2))
OTHER: Key = ("f", "m", cell(iteration=2))
SURE = priors(sd=1e-6, df=1e6)
"""Hardly any spread over seeds: what is left is the error of problems."""


def difference(bound: float = 0.0, other: Key = TWO) -> Contrast:
    return contrast("later less earlier", [(other, 1.0), (ONE, -1.0)], bound)


def share_above(bound: float) -> Contrast:
    return contrast("the share", [(ONE, 1.0)], bound)


def tails_of(asked: Contrast, spread: Priors = SURE, **cells: Sequence[Values]) -> Tails:
    keys = {"one": ONE, "two": TWO, "other": OTHER}
    return Contrasts(evidence_of({keys[name]: rows for name, rows in cells.items()}), spread).test(asked)


def pairs(more: int, less: int, same: int) -> dict[str, Sequence[Values]]:
    """Two cells of 0s and 1s: so many problems better in the second, so many worse, so many alike."""
    return {"one": [[0.0] * more + [1.0] * less + [1.0] * same], "two": [[1.0] * more + [0.0] * less + [1.0] * same]}


def test_a_difference_of_0s_and_1s_has_the_exact_sign_test() -> None:
    found = tails_of(difference(), **pairs(12, 2, 100))
    assert found.above == pytest.approx(float(stats.binom.sf(11, 14, 0.5)), rel=1e-3)
    assert found.below > 0.99
    assert found.summary is not None and found.summary.estimate == pytest.approx(10 / 114)


def test_one_share_against_a_bound_is_clopper_and_pearsons() -> None:
    found = tails_of(share_above(0.95), one=[[1.0] * 199 + [0.0]])
    assert found.above == pytest.approx(float(stats.binom.sf(198, 200, 0.95)), rel=1e-3)


def test_a_share_taken_from_a_bound_is_tested_as_exactly() -> None:
    below = tails_of(contrast("bound less share", [(ONE, -1.0)], -0.05), one=[[0.0] * 199 + [1.0]])
    above = tails_of(share_above(0.95), one=[[1.0] * 199 + [0.0]])
    assert below.above == pytest.approx(above.above)


def test_values_that_are_all_equal_have_no_zero_width_but_what_may_be_unseen() -> None:
    for count in (20, 59, 200):
        found = tails_of(share_above(0.95), one=[[1.0] * count])
        assert found.above == pytest.approx(0.95**count, rel=1e-3)
    assert (
        tails_of(share_above(0.95), one=[[1.0] * 59]).above < 0.05 < tails_of(share_above(0.95), one=[[1.0] * 58]).above
    )
    graded = tails_of(share_above(0.3), one=[[0.5] * 60])
    assert 0 < graded.above < 1e-4


def test_cells_without_any_difference_tell_nothing_of_0() -> None:
    found = tails_of(difference(), one=[share(2)], two=[share(2)])
    assert (found.above, found.below) == (0.5, 0.5)
    unseen = tails_of(difference(bound=-0.05), one=[share(2)], two=[share(2)])
    assert unseen.above == pytest.approx(0.95**80, rel=1e-2)


def test_what_cancels_has_no_number_and_decides_only_a_bound_beside_it() -> None:
    nothing = contrast("a cell less itself", [(ONE, 1.0), (ONE, -1.0)])
    assert nothing.weights == ()
    assert tails_of(nothing, one=[share(1)]).above == 1.0
    assert tails_of(contrast("", [], -0.1), one=[share(1)]).above == 0.0


def test_every_problem_is_compared_with_itself_and_of_two_data_sets_the_errors_add_up() -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    first = rng.random(300)
    second = first + 0.05 + 0.01 * rng.standard_normal(300)
    cells = {ONE: [first.tolist()], OTHER: [second.tolist()]}
    paired = Contrasts(evidence_of(cells), SURE).test(difference(other=OTHER))
    apart = Contrasts(evidence_of(cells, {"e": "a", "f": "b"}), SURE).test(difference(other=OTHER))
    assert paired.above < 1e-10 < 0.005 < apart.above
    assert apart.summary is not None
    of_both = first.var(ddof=1) / 300 + second.var(ddof=1) / 300
    assert apart.summary.problem.value == pytest.approx(of_both)


def test_equal_values_of_two_data_sets_tell_as_little_however_their_mean_is_rounded() -> None:
    """Of 0.1, 120 times, the mean is rounded, and the variance not 0; of 0.5 it is."""
    found = []
    for low, high in ((0.1, 0.11), (0.5, 0.51)):
        cells: dict[Key, Sequence[Values]] = {ONE: [[low] * 120], OTHER: [[high] * 120]}
        found.append(Contrasts(evidence_of(cells, {"e": "a", "f": "b"}), SURE).test(difference(other=OTHER)).above)
    assert found[0] == pytest.approx(found[1])
    assert found[0] > 0.1


def test_the_spread_over_seeds_is_the_priors_and_counts_beside_the_problems() -> None:
    cells = pairs(14, 2, 200)
    found = tails_of(difference(), priors(sd=0.03, df=8), **cells)
    assert found.summary is not None
    assert found.summary.seed.value == pytest.approx(2 * 0.03**2)
    assert tails_of(difference(), **cells).above < 0.01 < found.above


def test_replicates_of_its_own_update_the_prior_and_narrow_it() -> None:
    calm = {"one": [share(1, 400)] * 4, "two": [share(2, 400)] * 4}
    found = tails_of(difference(), priors(sd=0.05, df=4), **calm)
    assert found.summary is not None
    assert found.summary.seed.value == pytest.approx((4 * 2 * 0.05**2 + 3 * 0) / 7 / 4)
    assert found.summary.seed.degrees == 7


def test_experiments_have_seeds_of_their_own_and_one_experiment_shares_them_over_its_cells() -> None:
    moves = [share(1, 400), share(2, 400), share(3, 400)]
    together = tails_of(difference(), priors(sd=0.001, df=1), one=moves, two=moves)
    apart = tails_of(difference(other=OTHER), priors(sd=0.001, df=1), one=moves, other=moves)
    assert together.summary is not None and apart.summary is not None
    assert together.summary.seed.value < 1e-5 < apart.summary.seed.value


@pytest.mark.parametrize("problems", [1, 8, MINIMUM_PROBLEMS - 1])
def test_few_problems_decide_nothing_however_clear(problems: int) -> None:
    found = tails_of(difference(), one=[[0.0] * problems], two=[[1.0] * problems])
    assert (found.above, found.below) == (1.0, 1.0)
    assert (
        found.few == f"of {problems} problem{'s' if problems > 1 else ''}; fewer than {MINIMUM_PROBLEMS} decide nothing"
    )
    assert tails_of(difference(), one=[[0.0] * 20], two=[[1.0] * 20]).above < 1e-5


def test_graded_values_of_which_few_differ_decide_nothing() -> None:
    few = [[0.5] * 300 + [0.9] * (MINIMUM_DIFFERENT - 1)]
    enough = [[0.5] * 300 + [0.9] * 30]
    found = tails_of(difference(bound=-0.001), one=[[0.5] * 309], two=few)
    assert found.few is not None and "9 problems differ from the rest" in found.few
    assert tails_of(difference(), one=[[0.5] * 330], two=enough).above < 0.01


def test_problems_undefined_in_a_cell_are_dropped_and_counted() -> None:
    gaps: list[float | None] = [None, *share(4)[1:]]
    found = tails_of(difference(), one=[share(0)], two=[gaps])
    assert found.summary is not None
    assert (found.summary.problems, found.summary.dropped, found.summary.estimate) == (79, 1, 1.0)


def test_a_replicate_without_any_number_leaves_a_sum_unmeasured() -> None:
    low, high, nothing = share(1, 200), share(2, 200), [None] * 200
    missing = Contrasts(evidence_of({ONE: [low, low, nothing], TWO: [high] * 3}), SURE).test(difference())
    assert (missing.above, missing.below) == (1.0, 1.0)
    assert missing.missing is not None and "in some replicate" in missing.missing
    partly = evidence_of({ONE: [low, low, [None, *low[1:]]], TWO: [high] * 3})
    assert Contrasts(partly, SURE).test(difference()).above < 0.01  # one problem alone is left out


def test_a_problem_undefined_in_one_replicate_counts_in_the_others() -> None:
    gaps: list[float | None] = [None] * 10 + [0.5] * 30 + [0.6] * 40
    whole: list[float | None] = [0.5] * 40 + [0.6] * 40
    found = tails_of(share_above(0.5), one=[gaps, whole])
    assert found.summary is not None
    assert (found.summary.problems, found.summary.replicates) == (80, 2)
    assert found.summary.estimate == pytest.approx((np.mean([0.5] * 30 + [0.6] * 40) + 0.55) / 2)


def test_only_replicates_that_have_every_cell_count() -> None:
    found = tails_of(difference(), one=[share(1), share(0)], two=[share(2)])
    assert found.summary is not None
    assert (found.summary.estimate, found.summary.replicates) == (0.25, 1)


def test_what_was_not_measured_or_nowhere_defined_is_missing() -> None:
    assert tails_of(difference(), one=[share(1)]).missing == (
        "m: pass@1 on test at iteration 2 was not measured: no values per problem"
    )
    nothing = tails_of(difference(), one=[share(1)], two=[[None] * 80])
    assert nothing.missing is not None and nothing.missing.startswith("none of the problems has a value in all of")


@settings(max_examples=50)
@given(
    values=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=20, max_size=40),
    others=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=40, max_size=40),
)
def test_a_claim_and_its_opposite_are_never_both_shown(values: list[float], others: list[float]) -> None:
    there = tails_of(difference(), one=[values], two=[others[: len(values)]])
    back = tails_of(difference(), one=[others[: len(values)]], two=[values])
    assert there.above == pytest.approx(back.below)
    assert not (there.above <= FOR_LEVEL and there.below <= AGAINST_LEVEL)


# ---- rates: at the bound a claim is REPRODUCED in at most 1 of 100 runs and contradicted in at most 5 ----

Draw = Callable[[np.random.Generator, int, float], NDArray[np.float64]]


def _shares(rng: np.random.Generator, count: int, p: float) -> NDArray[np.float64]:
    return (rng.random(count) < p).astype(float)


def _graded(rng: np.random.Generator, count: int, p: float) -> NDArray[np.float64]:
    """c of 8 samples of problems that differ in how hard they are."""
    return rng.binomial(8, rng.beta(2 * p, 2 * (1 - p), count)) / 8


def rates(draw: Draw, count: int, p: float, draws: int = 800) -> tuple[float, float]:
    """How often a share exactly at its bound is shown above it, and below it."""
    rng = np.random.Generator(np.random.PCG64(count + int(1000 * p)))
    found = [tails_of(share_above(p), one=[draw(rng, count, p).tolist()]) for _ in range(draws)]
    above, below = (
        np.mean([each.above <= FOR_LEVEL for each in found]),
        [each.below <= AGAINST_LEVEL for each in found],
    )
    return float(above), float(np.mean(below))


@pytest.mark.parametrize("p", [0.03, 0.5, 0.97])
@pytest.mark.parametrize("draw", [_shares, _graded])
def test_at_the_bound_shares_and_graded_values_are_decided_as_rarely_as_the_levels_say(draw: Draw, p: float) -> None:
    above, below = rates(draw, 50, p)
    assert above <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / 800)
    assert below <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 800)


@pytest.mark.parametrize("p", [0.03, 0.5])
def test_at_no_difference_pairs_are_decided_as_rarely_as_the_levels_say(p: float) -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    found = [
        tails_of(difference(), one=[_shares(rng, 200, p).tolist()], two=[_shares(rng, 200, p).tolist()])
        for _ in range(800)
    ]
    assert np.mean([each.above <= FOR_LEVEL for each in found]) <= 0.02
    assert np.mean([each.below <= AGAINST_LEVEL for each in found]) <= 0.073


def test_seeds_that_move_a_run_do_not_make_it_a_finding() -> None:
    """Two checkpoints of the same expected accuracy, each moved by its seed as its prior says."""
    rng = np.random.Generator(np.random.PCG64(6))
    spread = priors(sd=0.03, df=8)
    found = []
    for _ in range(600):
        moved = 0.5 + 0.03 * rng.standard_normal(2)
        cells = [_shares(rng, 1319, float(p)).tolist() for p in moved]
        found.append(tails_of(difference(), spread, one=[cells[0]], two=[cells[1]]))
    assert np.mean([each.above <= FOR_LEVEL for each in found]) <= 0.02
    assert np.mean([each.below <= AGAINST_LEVEL for each in found]) <= 0.075


RESAMPLES = 10_000


def _bootstrapped(values: NDArray[np.float64]) -> float:
    """The standard error of a mean over problems by scipy's bootstrap, of samples as large as they would be drawn."""
    found = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=1_000,
        method="basic",
        rng=np.random.Generator(np.random.PCG64(3)),
    )
    return float(found.standard_error) * (len(values) / (len(values) - 1)) ** 0.5


@pytest.mark.parametrize("case", ["a share", "a graded value", "a paired difference", "a paired graded difference"])
def test_the_error_over_problems_is_that_of_a_bootstrap_within_its_own_error(case: str) -> None:
    """A bootstrap's standard error is off by a share of 1 / sqrt(2 x resamples) itself; four of these are allowed."""
    rng = np.random.Generator(np.random.PCG64(11))
    hard = rng.random(400)
    levels = 16 if "graded" in case else 1
    first, second = (rng.binomial(levels, hard**power) / levels for power in (1.2, 0.8))
    if "difference" in case:
        found, values = tails_of(difference(), one=[first.tolist()], two=[second.tolist()]), second - first
    else:
        found, values = tails_of(share_above(0.4), one=[first.tolist()]), first
    assert found.summary is not None
    assert found.summary.estimate == pytest.approx(float(values.mean()), abs=1e-12)
    assert found.summary.problem.value**0.5 == pytest.approx(_bootstrapped(values), rel=4 / (2 * RESAMPLES) ** 0.5)
