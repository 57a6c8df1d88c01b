"""Natural Questions as a task: the layout of its rows, and the real rows' digest."""

import pytest
from real_rows import real_rows

from selfimp_bench.errors import InputError
from selfimp_bench.steps.dataset import problems_digest
from selfimp_bench.tasks.nq_open import gold_answers, problem_from_row
from selfimp_bench.tasks.problem import Problem

ROW = {"question": "who won", "answer": ["Tom Brady", "Brady"]}
EXPECTED = Problem(problem_id="validation-0", question="who won", answers=("Tom Brady", "Brady"))


@pytest.mark.parametrize("row", [ROW, {"question": "who won", "answers": ["Tom Brady", "Brady"]}])
def test_a_row_becomes_a_problem(row):
    assert problem_from_row(row, "validation-0") == EXPECTED
    assert gold_answers(EXPECTED) == ("Tom Brady", "Brady")


@pytest.mark.parametrize(("change", "column"), [({"question": ""}, "question"), ({"answer": "Tom Brady"}, "answer")])
def test_what_cannot_be_read_is_told_by_row_and_column(change, column):
    with pytest.raises(InputError, match=f"row validation-3, column '{column}'"):
        problem_from_row(ROW | change, "validation-3")


def test_the_real_validation_rows_have_the_pinned_digest():
    rows = real_rows("nq_open/validation.jsonl")
    problems = [problem_from_row(row, f"validation-{index}") for index, row in enumerate(rows)]
    assert len(problems) == 3610
    assert problems_digest(problems) == "d141f2c1ad56e636d123dac372f36218784726826bc4fed937d38fdd2832935c"
