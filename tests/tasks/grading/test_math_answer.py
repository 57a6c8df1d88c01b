"""Competition mathematics: the cases of math_cases.jsonl, and that no answer is judged silently."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.grading.math_answer import grade_math
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome
from selfimp_bench.tasks.problem import Problem

CASES = [json.loads(line) for line in Path(__file__).with_name("math_cases.jsonl").read_text("utf-8").splitlines()]
MATH_LIKE = st.lists(
    st.sampled_from(
        [*"0123456789xy{}$\\=.,()^/! \n", r"\frac", r"\boxed{", r"\text{", r"\sqrt", r"\infty", "answer is "]
    ),
    max_size=10,
).map("".join)


def problem(gold):
    return Problem(problem_id="math-1", question="?", answer=f"Thus it is $\\boxed{{{gold}}}$.")


@pytest.mark.parametrize("case", CASES, ids=[f"{case['completion'][:40]!r} for {case['gold']}" for case in CASES])
def test_each_case_is_judged_as_listed(case):
    both = grade_math(case["completion"], problem(case["gold"]), truncated=case["truncated"])
    assert (both.strict.outcome, both.flexible.outcome) == (case["strict"], case["flexible"]), case["why"]


def test_the_two_rules_stand_side_by_side():
    both = grade_math(r"$\boxed{0.5}$", problem(r"\frac{1}{2}"), truncated=False)
    assert (both.strict.outcome, both.strict.extracted) == (Outcome.WRONG, "0.5")
    assert (both.flexible.outcome, both.flexible.extracted) == (Outcome.CORRECT, "0.5")


@pytest.mark.slow
def test_an_answer_that_takes_for_ever_is_timed_out_and_stays_among_the_answers():
    both = grade_math(r"$\boxed{\sum_{k=1}^{10000000000} k^{k}}$", problem("5"), truncated=False)
    assert both.strict.outcome is Outcome.WRONG
    assert both.flexible.outcome is Outcome.TIMED_OUT
    assert both.flexible.outcome not in UNJUDGED
    assert both.flexible.detail == "the comparison needed more than 5 s of CPU time"


@pytest.mark.parametrize(
    "answer", ["10^{10^{10}}", "2^{2^{40}}", "(x+1)^{100000}", "9^{9^{9^9}}", "1000000!", "7^{8!}"]
)
def test_a_tower_of_powers_is_judged_at_once_and_stays_among_the_answers(answer):
    for gold in ("5", r"\sqrt{5}", "(x+2)^{100000}"):
        start = time.monotonic()
        flexible = grade_math(rf"$\boxed{{{answer}}}$", problem(gold), truncated=False).flexible
        assert time.monotonic() - start < 2
        assert flexible.outcome in (Outcome.WRONG, Outcome.TIMED_OUT)
    same = grade_math(rf"$\boxed{{{answer}}}$", problem(answer), truncated=False)
    assert same.strict.outcome is Outcome.CORRECT


def test_an_answer_that_the_library_cannot_read_says_so():
    unread = grade_math("The answer is ???.", problem("5"), truncated=False).flexible
    assert (unread.outcome, unread.detail) == (Outcome.WRONG, "compared as text: an answer that cannot be read")
    unread = grade_math(r"The answer is $}{\pi$.", problem(r"\pi"), truncated=False).flexible
    assert unread.detail == "the answer could not be read and was compared as text"


@pytest.mark.parametrize("solution", [None, "", "The answer is 5.", r"\boxed{", r"\boxed{}"])
def test_a_solution_without_a_gold_answer_is_an_input_error_that_names_the_problem(solution):
    with pytest.raises(InputError, match="problem math-1: its answer ends in"):
        grade_math("5", Problem(problem_id="math-1", question="?", answer=solution), truncated=False)


@settings(max_examples=40)
@given(MATH_LIKE, st.booleans())
def test_no_text_raises_and_flexible_has_every_correct_of_strict(text, truncated):
    both = grade_math(text, problem("5"), truncated=truncated)
    assert both.strict.outcome in (Outcome.CORRECT, Outcome.WRONG, Outcome.UNPARSED, Outcome.TRUNCATED)
    if both.strict.outcome in (Outcome.CORRECT, Outcome.TRUNCATED):
        assert both.flexible == both.strict
