"""GSM8K as a task: where the gold number stands in a problem."""

from selfimp_bench.errors import InputError
from selfimp_bench.plain_json import shortened
from selfimp_bench.tasks.columns import Row, text
from selfimp_bench.tasks.grading.gsm8k import MARKER
from selfimp_bench.tasks.grading.numbers import parse_number
from selfimp_bench.tasks.problem import Problem


def problem_from_row(row: Row, problem_id: str) -> Problem:
    """A problem from a row of the hub's data set (``question``, ``answer``), which has no ids of its own.

    Raises InputError by row and column.
    """
    return Problem(
        problem_id=problem_id, question=text(row, problem_id, "question"), answer=text(row, problem_id, "answer")
    )


def gold_answer(problem: Problem) -> str:
    """The number after the last ``####`` of the reference solution, as printed (``1,080``).

    Raises InputError, naming the problem, where there is none.
    """
    solution = problem.answer or ""
    _, marker, gold = solution.rpartition(MARKER)
    if not marker or parse_number(gold) is None:
        raise InputError(
            f"problem {shortened(problem.problem_id)}: its answer ends in {solution[-40:]!r}; "
            f"expected a last line '{MARKER} 18': mend the problems file"
        )
    return gold.strip()
