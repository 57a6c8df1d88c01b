"""Natural Questions, open domain: a question in lower case without a question mark, and the answers that count."""

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.columns import Row, text, texts
from selfimp_bench.tasks.problem import Problem


def problem_from_row(row: Row, problem_id: str) -> Problem:
    """A problem from a row of the data set (``question``, ``answer``: a list), which has no ids of its own.

    Raises InputError by row and column.
    """
    return Problem(
        problem_id=problem_id,
        question=text(row, problem_id, "question"),
        answers=texts(row, problem_id, "answer", "answers"),
    )


def gold_answers(problem: Problem) -> tuple[str, ...]:
    """The candidate answers, at least one. Raises InputError, naming the problem, where there are none."""
    answers = tuple(answer for answer in problem.answers or () if answer.strip())
    if not answers:
        raise InputError(
            f"problem {problem.problem_id}: its `answers` are {problem.answers!r}; expected a list with at least one "
            "text that is not blank: mend the problems file"
        )
    return answers
