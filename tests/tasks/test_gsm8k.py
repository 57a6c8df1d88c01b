"""GSM8K as a task: the gold number of a problem."""

import pytest

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.gsm8k import gold_answer
from selfimp_bench.tasks.problem import Problem


def test_the_gold_answer_is_the_number_after_the_last_marker_as_printed():
    problem = Problem(problem_id="p", question="?", answer="#### 3 is a step\n2*540=1080\n#### 1,080\n")
    assert gold_answer(problem) == "1,080"


@pytest.mark.parametrize("answer", [None, "", "18", "####", "#### eighteen", "#### 18 apples"])
def test_an_answer_without_a_gold_number_is_an_input_error_that_names_the_problem(answer):
    with pytest.raises(InputError, match="problem gsm8k-7: its answer ends in"):
        gold_answer(Problem(problem_id="gsm8k-7", question="?", answer=answer))
