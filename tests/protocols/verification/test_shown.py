"""What a verifier is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.protocols.verification.shown import clean_response
from selfimp_bench.tasks.grading.graders import GRADERS
from selfimp_bench.tasks.response import UNTIL

GRID = "43 21\n12 34\n34 12\n21 43"


@pytest.mark.parametrize(
    ("task", "completion", "shown"),
    [
        ("gsm8k_cot", " So 5. The answer is 5.\n\nQ: There are 9.\nA: The answer is 9.", "So 5. The answer is 5."),
        ("minerva_math", "\nSo $5$.\n\nProblem:\nFind $x$.", "So $5$."),
        ("nq_open", " Tom Brady\nQ: who sang?\nA: Cher", "Tom Brady"),
        ("nq_open", "\nTom Brady", ""),
        ("sudoku", f" I filled A1.\nSolution:\n{GRID}\n\nPuzzle:\n03 21", GRID),
        ("sudoku", " I do not know.\n\nPuzzle:\n03 21", "I do not know."),
        ("gsm8k", " 4 + 5 = 9\n#### 9 Q: Problem: Puzzle:\n", "4 + 5 = 9\n#### 9 Q: Problem: Puzzle:"),
    ],
)
def test_a_response_is_cut_at_the_next_example_and_stripped(task, completion, shown):
    assert clean_response(task, completion) == shown


def test_stop_strings_are_stated_for_tasks_that_there_are():
    assert set(UNTIL) <= set(GRADERS)
    assert all(stop for stops in UNTIL.values() for stop in stops)


@given(st.sampled_from(sorted(GRADERS)), st.text(alphabet="QProblemuz:ASti 0123\n"))
def test_cleaning_twice_changes_nothing(task, text):
    assert clean_response(task, clean_response(task, text)) == clean_response(task, text)
