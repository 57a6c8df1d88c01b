"""The improvement set: both readings by hand, what is undecided, and pass@N on it against simulation."""

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.protocols.post_training.metrics.improvement_set import (
    Estimator,
    ImprovementSet,
    Reading,
    improvement_set,
    pass_at_n,
    pass_at_n_values,
    sampled_pass_at_n,
)
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome

RIGHT, WRONG, UNPARSED, CRASHED = Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED, Outcome.CRASHED

# Problem: M_1, M_2, M_3.
HISTORY = {
    "always": (RIGHT, RIGHT, RIGHT),
    "never": (WRONG, UNPARSED, WRONG),
    "early": (WRONG, RIGHT, RIGHT),  # gained by M_2 and kept
    "late": (Outcome.TRUNCATED, WRONG, RIGHT),  # gained by M_3
    "back": (RIGHT, WRONG, RIGHT),  # lost, and gained again
    "lost": (WRONG, RIGHT, WRONG),
}
GREEDY = {t: {problem: outcomes[t - 1] for problem, outcomes in HISTORY.items()} for t in (1, 2, 3)}


def improved(*problem_ids: str, undecided: tuple[str, ...] = ()) -> ImprovementSet:
    return ImprovementSet(iteration=3, earlier=1, problem_ids=frozenset(problem_ids), undecided=frozenset(undecided))


@pytest.mark.parametrize(
    ("iteration", "reading", "earlier", "problem_ids"),
    [
        (2, Reading.FIRST, 1, {"early", "lost"}),
        (2, Reading.PREVIOUS, 1, {"early", "lost"}),
        (3, Reading.FIRST, 1, {"early", "late"}),
        (3, Reading.PREVIOUS, 2, {"late", "back"}),
    ],
)
def test_the_two_readings_differ_from_the_third_iteration_on(iteration, reading, earlier, problem_ids):
    found = improvement_set(GREEDY, iteration=iteration, reading=reading)
    assert found == ImprovementSet(
        iteration=iteration, earlier=earlier, problem_ids=frozenset(problem_ids), undecided=frozenset()
    )


@pytest.mark.parametrize(
    ("before", "after", "is_in", "is_undecided"),
    [
        (WRONG, RIGHT, True, False),
        (CRASHED, RIGHT, False, True),
        (WRONG, CRASHED, False, True),
        (CRASHED, CRASHED, False, True),
        (RIGHT, CRASHED, False, False),  # M_1 was right: whatever the other is, this is no improvement
        (CRASHED, WRONG, False, False),
    ],
)
def test_a_completion_nobody_judged_decides_nothing(before, after, is_in, is_undecided):
    found = improvement_set({1: {"p": before}, 2: {"p": after}}, iteration=2, reading=Reading.FIRST)
    assert ("p" in found.problem_ids, "p" in found.undecided) == (is_in, is_undecided)


@pytest.mark.parametrize(
    ("greedy", "iteration", "message"),
    [
        (GREEDY, 1, "at least 2"),
        (GREEDY, 4, r"no greedy outcomes of iteration 4; found iterations \[1, 2, 3\]"),
        ({1: {"a": RIGHT}, 2: {"a": RIGHT, "b": RIGHT}}, 2, "differ in 1 problems, such as 'b'"),
    ],
)
def test_what_cannot_be_compared_is_refused(greedy, iteration, message):
    with pytest.raises(ValueError, match=message):
        improvement_set(greedy, iteration=iteration, reading=Reading.FIRST)


SAMPLES = [WRONG, WRONG, RIGHT, UNPARSED]


@pytest.mark.parametrize(
    ("n", "plain", "unbiased"),
    [(1, 0.0, 1 / 4), (2, 0.0, 1 / 2), (3, 1.0, 3 / 4), (4, 1.0, 1.0), (5, None, None)],
)
def test_plain_looks_at_the_first_n_samples_and_unbiased_at_all(n, plain, unbiased):
    assert sampled_pass_at_n(SAMPLES, n=n, estimator=Estimator.PLAIN) == plain
    assert sampled_pass_at_n(SAMPLES, n=n, estimator=Estimator.UNBIASED) == unbiased


@pytest.mark.parametrize("estimator", Estimator)
@pytest.mark.parametrize("unjudged", sorted(UNJUDGED))
def test_a_sample_nobody_judged_is_as_if_never_drawn(estimator, unjudged):
    assert sampled_pass_at_n([unjudged, RIGHT], n=1, estimator=estimator) == 1.0
    assert sampled_pass_at_n([unjudged, RIGHT], n=2, estimator=estimator) is None
    assert sampled_pass_at_n([unjudged], n=1, estimator=estimator) is None


@pytest.mark.parametrize("estimator", Estimator)
def test_n_below_one_is_refused(estimator):
    with pytest.raises(ValueError, match="expected at least 1"):
        sampled_pass_at_n(SAMPLES, n=0, estimator=estimator)


@given(st.lists(st.sampled_from([RIGHT, WRONG]), min_size=1, max_size=8), st.integers(1, 8))
def test_unbiased_is_the_mean_of_plain_over_every_choice_of_n_samples(outcomes, n):
    chosen = [sampled_pass_at_n(subset, n=n, estimator=Estimator.PLAIN) for subset in combinations(outcomes, n)]
    expected = sum(chosen) / len(chosen) if chosen else None
    assert sampled_pass_at_n(outcomes, n=n, estimator=Estimator.UNBIASED) == (
        expected if expected is None else pytest.approx(expected, abs=1e-12)
    )


def test_both_estimators_agree_in_the_mean_with_the_probability_drawn_from():
    draw = random.Random(7)
    runs = [[RIGHT if draw.random() < 0.2 else WRONG for _ in range(12)] for _ in range(4000)]
    for estimator in Estimator:
        mean = sum(sampled_pass_at_n(run, n=4, estimator=estimator) for run in runs) / len(runs)
        assert mean == pytest.approx(1 - 0.8**4, abs=0.025)


def test_values_are_those_of_the_set_only_and_a_problem_without_samples_is_undefined():
    samples = {"b": [RIGHT, WRONG], "a": [WRONG, WRONG], "other": [RIGHT, RIGHT]}
    values = pass_at_n_values(improved("b", "a", "c"), samples, n=2, estimator=Estimator.PLAIN)
    assert list(values.items()) == [("a", 0.0), ("b", 1.0), ("c", None)]
    estimate = pass_at_n(improved("b", "a", "c"), samples, n=2, estimator=Estimator.PLAIN)
    assert (estimate.value, estimate.n, estimate.undefined) == (0.5, 2, 1)
    assert estimate.standard_error == pytest.approx(0.5)


@pytest.mark.parametrize(("undecided", "end"), [((), ""), (("x", "y"), ", as far as judged (2 undecided)")])
def test_on_an_empty_set_it_is_undefined_with_the_reason(undecided, end):
    estimate = pass_at_n(improved(undecided=undecided), {"a": [RIGHT]}, n=1, estimator=Estimator.UNBIASED)
    assert (estimate.value, estimate.n, estimate.undefined, estimate.standard_error) == (None, 0, 0, None)
    assert estimate.reason == f"IS(3) is empty: M_3 solves no problem that M_1 fails{end}"


def test_with_too_few_samples_everywhere_it_is_undefined_with_the_reason():
    estimate = pass_at_n(improved("a", "b"), {"a": [RIGHT]}, n=2, estimator=Estimator.UNBIASED)
    assert (estimate.value, estimate.undefined, estimate.reason) == (None, 2, "undefined on all 2 problems")
