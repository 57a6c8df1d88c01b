"""MATH answers in Minerva's format: the cases of minerva_math_cases.jsonl."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.grading.minerva_math import PHRASE, grade_minerva_math
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.problem import Problem

CASES = [
    json.loads(line) for line in Path(__file__).with_name("minerva_math_cases.jsonl").read_text("utf-8").splitlines()
]


def problem(gold: str) -> Problem:
    return Problem(problem_id="p", question="?", answer=rf"So $\boxed{{{gold}}}$.")


@pytest.mark.parametrize("case", CASES, ids=[f"{case['completion'][-40:]!r} for {case['gold']}" for case in CASES])
def test_each_case_is_judged_as_listed(case):
    both = grade_minerva_math(case["completion"], problem(case["gold"]), truncated=case["truncated"])
    assert (both.strict.outcome, both.flexible.outcome) == (case["strict"], case["flexible"]), case["why"]


def test_a_grade_shows_the_answer_or_says_why_there_is_none():
    right = grade_minerva_math(f"{PHRASE} $24$. I hope it is correct.", problem("24"), truncated=False).strict
    assert right.extracted == "24"
    assert grade_minerva_math("24", problem("24"), truncated=False).strict.detail == f"no answer after '{PHRASE}'"


def test_a_problem_without_a_box_is_an_input_error_that_names_it():
    with pytest.raises(InputError, match="problem p: its answer ends in"):
        grade_minerva_math("24", Problem(problem_id="p", question="?", answer="24"), truncated=False)


@settings(max_examples=30)
@given(st.text(alphabet="0123456789$\\{}. \nxIPr="), st.booleans())
def test_no_text_raises_and_flexible_never_knows_less_than_strict(text, truncated):
    both = grade_minerva_math(f"{PHRASE} {text}", problem("24"), truncated=truncated)
    assert both.strict.outcome is not Outcome.CORRECT or both.flexible.outcome is Outcome.CORRECT
