"""The statistics behind a verdict: moderated spreads, exact tails, and that no tail is smaller than it says."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from selfimp_bench.verdict.inference import (
    Variance,
    added,
    holm,
    moderated,
    share_tail,
    sign_tail,
    student_quantile,
    student_tail,
    tail,
    unseen_tail,
)


@pytest.mark.parametrize(("degrees", "t"), [(1.0, 2.0), (7.5, -1.0), (math.inf, 1.6448536)])
def test_tails_and_quantiles_are_students(degrees: float, t: float) -> None:
    expected = stats.norm.sf(t) if degrees == math.inf else stats.t.sf(t, degrees)
    assert student_tail(t, degrees) == pytest.approx(float(expected), abs=1e-8)
    assert student_quantile(1 - float(expected), degrees) == pytest.approx(t, abs=1e-6)


def test_a_quantile_without_meaning_is_refused() -> None:
    for level, degrees in ((0.0, 3.0), (1.0, 3.0), (0.5, 0.0)):
        with pytest.raises(ValueError, match="a quantile needs"):
            student_quantile(level, degrees)


def test_a_prior_and_what_was_seen_weigh_as_their_degrees() -> None:
    found = moderated(Variance(value=1.0, degrees=8), Variance(value=4.0, degrees=2), Variance(value=99.0, degrees=0))
    assert found == Variance(value=1.6, degrees=10)


def test_one_run_has_the_prior_and_many_runs_have_their_own_spread() -> None:
    expected = Variance(value=1.0, degrees=8)
    assert moderated(expected) == expected
    assert moderated(expected, Variance(value=9.0, degrees=8000)).value == pytest.approx(9.0, rel=0.01)


def test_variances_of_independent_terms_add_up_with_welchs_degrees() -> None:
    found = added([Variance(value=1.0, degrees=4), Variance(value=1.0, degrees=4), Variance(value=0.0, degrees=1)])
    assert found == Variance(value=2.0, degrees=8)
    assert added([Variance(value=2.0, degrees=math.inf)]).degrees == math.inf
    assert added([]).value == 0


def test_a_share_against_a_bound_has_clopper_and_pearsons_tail() -> None:
    assert share_tail(198, 200, 0.95) == pytest.approx(stats.binom.sf(197, 200, 0.95))
    assert share_tail(0, 200, 0.5) == 1
    assert share_tail(200, 200, 0.95) == pytest.approx(0.95**200)


def test_a_sum_of_graded_values_lies_between_its_neighbours() -> None:
    assert share_tail(191, 200, 0.9) < share_tail(190.5, 200, 0.9) < share_tail(190, 200, 0.9)


def test_signs_have_the_binomial_tail() -> None:
    assert sign_tail(9, 1) == pytest.approx(11 / 1024)
    assert sign_tail(0, 5) == 1
    assert sign_tail(5, 0) == 1 / 32


def test_what_no_problem_showed_may_still_be_there() -> None:
    assert unseen_tail(0.05, 1.0, 60) == pytest.approx(0.95**60)
    assert unseen_tail(1.0, 1.0, 20) == 0


def test_the_errors_of_problems_and_seeds_add_up() -> None:
    problems, seeds = Variance(value=0.0003, degrees=math.inf), Variance(value=0.0001, degrees=math.inf)
    assert tail(0.04, None, problems, seeds) == pytest.approx(float(stats.norm.sf(2)))
    assert tail(-0.04, None, problems, seeds) == pytest.approx(float(stats.norm.cdf(2)))


def test_an_exact_tail_over_problems_stands_for_the_error_that_would_give_it() -> None:
    nothing = Variance(value=0.0, degrees=math.inf)
    assert tail(0.04, 0.001, nothing, nothing) == pytest.approx(0.001)
    with_seeds = tail(0.04, 0.001, nothing, Variance(value=0.0004, degrees=8))
    assert 0.001 < with_seeds < 0.1
    assert tail(0.001, 0.6, nothing, nothing) == 0.6, "above the bound, but by no more than chance gives"


@given(
    distance=st.floats(-1, 1),
    exact=st.none() | st.floats(1e-12, 1),
    problems=st.floats(0, 0.1),
    seeds=st.floats(1e-8, 0.1),
    degrees=st.floats(1, 100),
)
def test_a_tail_is_a_probability_and_more_seed_spread_never_makes_a_far_one_smaller(
    distance: float, exact: float | None, problems: float, seeds: float, degrees: float
) -> None:
    of_problems = Variance(value=problems, degrees=50)
    one = tail(distance, exact, of_problems, Variance(value=seeds, degrees=degrees))
    assert 0 <= one <= 1
    if distance > 0:
        assert tail(distance, exact, of_problems, Variance(value=4 * seeds, degrees=degrees)) >= one - 0.02


def test_holm_rejects_from_the_smallest_on_and_stops_at_the_first_that_is_too_large() -> None:
    assert holm([0.04, 0.001, 0.02], 0.05) == (True, True, True)
    assert holm([0.04, 0.001, 0.03], 0.05) == (False, True, False)
    assert holm([], 0.05) == ()


def test_holm_rarely_rejects_any_true_hypothesis() -> None:
    random = np.random.Generator(np.random.PCG64(1))
    any_rejected = [any(holm(random.random(10), 0.05)) for _ in range(2000)]
    assert np.mean(any_rejected) < 0.065


def test_importing_the_verdict_does_not_import_scipy() -> None:
    code = "import sys; import selfimp_bench.verdict.check; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
