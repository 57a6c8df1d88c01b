"""The table of graders."""

import pytest

from selfimp_bench.tasks.grading.graders import GRADERS, LIBRARIES
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.problem import Problem

RIGHT = {
    "gsm8k": ("#### 18", Problem(problem_id="p", question="?", answer="so\n#### 18")),
    "commonsense_qa": ("B", Problem(problem_id="p", question="?", answer="B", choices=("a", "b"))),
    "math": (r"\boxed{\frac12}", Problem(problem_id="p", question="?", answer=r"$\boxed{\frac{1}{2}}$")),
    "gsm8k_cot": ("The answer is 18.", Problem(problem_id="p", question="?", answer="so\n#### 18")),
    "minerva_math": (
        "Final Answer: The final answer is $1/2$. I hope it is correct.",
        Problem(problem_id="p", question="?", answer=r"$\boxed{\frac{1}{2}}$"),
    ),
    "nq_open": ("Tom Brady", Problem(problem_id="p", question="?", answers=("Tom Brady",))),
    "sudoku": (
        "Solution:\n43 21\n12 34\n34 12\n21 43",
        Problem(problem_id="p", question="?", puzzle="0321003004002100"),
    ),
    "mbpp": ("def f(): return 1", Problem(problem_id="p", question="?", tests=("assert f() == 1",))),
}


def test_every_grader_has_a_case_here():
    assert set(RIGHT) == set(GRADERS)
    assert set(LIBRARIES) <= set(GRADERS)


@pytest.mark.parametrize("task", GRADERS)
def test_every_grader_judges_by_two_rules_and_knows_a_cut(task):
    completion, problem = RIGHT[task]
    both = GRADERS[task](completion, problem, truncated=False)
    assert (both.strict.outcome, both.flexible.outcome) == (Outcome.CORRECT, Outcome.CORRECT)
    cut = GRADERS[task]("so", problem, truncated=True)
    assert (cut.strict.outcome, cut.flexible.outcome) == (Outcome.TRUNCATED, Outcome.TRUNCATED)
