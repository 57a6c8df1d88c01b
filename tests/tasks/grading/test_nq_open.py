"""Natural Questions answers: the cases of nq_open_cases.jsonl, and every real candidate answer."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from real_rows import real_rows

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.grading.nq_open import grade_nq_open, normalised
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.nq_open import problem_from_row
from selfimp_bench.tasks.problem import Problem

CASES = [json.loads(line) for line in Path(__file__).with_name("nq_open_cases.jsonl").read_text("utf-8").splitlines()]


def problem(*answers: str) -> Problem:
    return Problem(problem_id="p", question="?", answers=answers)


@pytest.mark.parametrize("case", CASES, ids=[repr(case["completion"]) for case in CASES])
def test_each_case_is_judged_as_listed(case):
    both = grade_nq_open(case["completion"], problem(*case["answers"]), truncated=case["truncated"])
    assert (both.strict.outcome, both.flexible.outcome) == (case["strict"], case["flexible"]), case["why"]


def test_a_grade_shows_the_line_and_the_part_of_it_that_matched():
    both = grade_nq_open(" Tom Brady, of the Patriots\n", problem("Tom Brady"), truncated=False)
    assert (both.strict.extracted, both.flexible.extracted) == ("Tom Brady, of the Patriots", "Tom Brady")


@pytest.mark.parametrize("answers", [None, (), (" ",)])
def test_a_problem_without_answers_is_an_input_error_that_names_it(answers):
    with pytest.raises(InputError, match="problem p: its `answers` are"):
        grade_nq_open("x", Problem(problem_id="p", question="?", answers=answers), truncated=False)


@given(st.text())
@example("C:\u0327")
@example("a:\u0300 b")
def test_normalising_twice_changes_nothing_and_flexible_never_knows_less_than_strict(text):
    assert normalised(normalised(text)) == normalised(text)
    both = grade_nq_open(text, problem("Tom Brady", "x"), truncated=False)
    assert both.strict.outcome is not Outcome.CORRECT or both.flexible.outcome is Outcome.CORRECT


def test_every_real_candidate_answer_is_correct_and_the_next_questions_answers_are_wrong_but_by_chance():
    problems = [problem_from_row(row, str(n)) for n, row in enumerate(real_rows("nq_open/validation.jsonl"))]
    for row in problems:
        for answer in row.answers or ():
            both = grade_nq_open(f" {answer}\nQ: ", row, truncated=True)
            assert (both.strict.outcome, both.flexible.outcome) == (Outcome.CORRECT, Outcome.CORRECT), answer
    wrong = [
        grade_nq_open((after.answers or ("",))[0], row, truncated=False).strict for row, after in pairwise(problems)
    ]
    assert sum(grade.outcome is Outcome.CORRECT for grade in wrong) < 36


def test_the_real_answers_that_a_cut_at_stops_and_commas_loses_are_counted_in_the_docstring():
    answers = [row["answer"] for row in real_rows("nq_open/validation.jsonl")]
    assert sum(all("." in answer or "," in answer for answer in each) for each in answers) == 316
    assert sum(not normalised(answer) for each in answers for answer in each) == 4
