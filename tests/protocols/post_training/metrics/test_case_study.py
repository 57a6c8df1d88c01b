"""The case study: the record of one iteration, and which problem is chosen."""

import pytest

from selfimp_bench.protocols.post_training.metrics.case_study import CaseStep, GradedText, case_step, choose_case
from selfimp_bench.tasks.grading.outcome import Outcome

RIGHT, WRONG = Outcome.CORRECT, Outcome.WRONG


def text(completion: str, outcome: Outcome) -> GradedText:
    return GradedText(completion=completion, outcome=outcome)


def steps(*pairs: tuple[Outcome, int]) -> list[CaseStep]:
    """The steps with these greedy outcomes and numbers of distinct equations."""
    return [
        CaseStep(iteration=t, greedy=text("", outcome), share_correct=None, distinct_equations=count)
        for t, (outcome, count) in enumerate(pairs, start=1)
    ]


def test_a_step_counts_the_different_equations_of_all_samples_and_the_share_of_the_judged_that_is_correct():
    greedy = text("2+2=4\n#### 4", RIGHT)
    samples = [
        text("2+2=4", RIGHT),
        text("2 + 2 = 4\n1+3=4", RIGHT),
        text("2+3=5", WRONG),
        text("", Outcome.UNPARSED),
        text("9-5=4", Outcome.CRASHED),
    ]
    step = case_step(iteration=2, greedy=greedy, samples=samples)
    assert step == CaseStep(iteration=2, greedy=greedy, share_correct=0.5, distinct_equations=4)


@pytest.mark.parametrize("samples", [[], [text("no equation", Outcome.CRASHED)]])
def test_without_a_judged_sample_the_share_is_undefined(samples):
    step = case_step(iteration=1, greedy=text("", WRONG), samples=samples)
    assert (step.share_correct, step.distinct_equations) == (None, 0)


def test_the_largest_fall_from_first_to_last_wins_and_of_equals_the_first_id():
    candidates = {
        "small": steps((WRONG, 9), (RIGHT, 8)),
        "z": steps((WRONG, 12), (WRONG, 30), (RIGHT, 2)),
        "b": steps((WRONG, 10), (RIGHT, 0)),
        "never right": steps((WRONG, 99), (WRONG, 0)),
        "always right": steps((RIGHT, 99), (RIGHT, 0)),
        "lost": steps((RIGHT, 99), (WRONG, 0)),
        "not judged": steps((Outcome.CRASHED, 99), (RIGHT, 0)),
        "one step": steps((RIGHT, 99)),
    }
    assert choose_case(candidates) == "b"
    assert choose_case(dict(reversed(candidates.items()))) == "b"


def test_an_unparsed_completion_is_a_wrong_one():
    assert choose_case({"p": steps((Outcome.UNPARSED, 3), (RIGHT, 1))}) == "p"


def test_where_all_rise_the_least_rise_is_shown_rather_than_nothing():
    assert choose_case({"a": steps((WRONG, 1), (RIGHT, 9)), "b": steps((WRONG, 1), (RIGHT, 2))}) == "b"


@pytest.mark.parametrize("candidates", [{}, {"p": []}, {"p": steps((WRONG, 3))}, {"p": steps((RIGHT, 3), (RIGHT, 1))}])
def test_without_a_problem_that_went_from_wrong_to_right_there_is_no_case(candidates):
    assert choose_case(candidates) is None
