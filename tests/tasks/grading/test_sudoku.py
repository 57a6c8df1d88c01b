"""Sudoku answers: the cases of sudoku_cases.jsonl, and every solution of every puzzle."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Split
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.grading.sudoku import grade_sudoku, proposed_grid
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.sudoku import generate

CASES = [json.loads(line) for line in Path(__file__).with_name("sudoku_cases.jsonl").read_text("utf-8").splitlines()]
PUZZLE = Problem(problem_id="p", question="03 21\n00 30\n04 00\n21 00", puzzle="0321003004002100")


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_each_case_is_judged_as_listed(case):
    both = grade_sudoku(case["completion"], PUZZLE, truncated=case["truncated"])
    assert (both.strict.outcome, both.flexible.outcome) == (case["strict"], case["flexible"]), case["why"]
    assert case["remark"] is None or both.strict.detail == case["remark"]


def test_the_grid_that_the_papers_verification_example_prints_is_wrong():
    puzzle = Problem(problem_id="p", question="?", puzzle="0300210000011043")
    both = grade_sudoku("Solution:\n34 12\n21 31\n34 21\n12 44", puzzle, truncated=False)
    assert (both.strict.outcome, both.strict.detail) == (Outcome.WRONG, "a digit stands twice in column 1")
    right = grade_sudoku("Solution:\n43 12\n21 34\n34 21\n12 43", puzzle, truncated=False)
    assert right.strict.outcome is Outcome.CORRECT


def test_the_grid_is_shown_in_the_prompts_format():
    assert proposed_grid("Solution: 4321123434122143") == "43 21\n12 34\n34 12\n21 43"
    assert proposed_grid("I do not know.") is None


@pytest.mark.parametrize("puzzle", [None, "", "0321", "032100300400210x", "0321003004002105"])
def test_a_problem_without_a_puzzle_is_an_input_error_that_names_it(puzzle):
    with pytest.raises(InputError, match="problem p: its `puzzle` is"):
        grade_sudoku("x", Problem(problem_id="p", question="?", puzzle=puzzle), truncated=False)


def test_a_puzzles_own_solution_is_correct_and_every_other_puzzles_is_wrong():
    problems = generate(Split.TEST, count=288, seed=1)
    for problem, other in zip(problems, problems[1:] + problems[:1], strict=True):
        assert grade_sudoku(f"Solution:\n{problem.answer}", problem, truncated=False).strict.outcome is Outcome.CORRECT
        assert grade_sudoku(f"Solution:\n{other.answer}", problem, truncated=False).strict.outcome is Outcome.WRONG


@given(st.text(alphabet="0123459 |,:\nSolutin"), st.booleans())
def test_no_text_raises_and_flexible_reads_every_grid_that_strict_reads(text, truncated):
    both = grade_sudoku(f"Solution:{text}", PUZZLE, truncated=truncated)
    assert both.flexible == both.strict or both.strict.outcome is Outcome.UNPARSED
