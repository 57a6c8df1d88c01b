"""MBPP as a task: a function to write from one sentence, and the asserts it must pass.

Task ids are fixed: 11-510 are the test split, 601-974 the train split, 1-10 the few-shot examples.
"""

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.columns import Row, identity, text, texts
from selfimp_bench.tasks.problem import Problem


def problem_from_row(row: Row, problem_id: str) -> Problem:
    """A problem from a row of the full data set, or of the sanitized one (``prompt``, ``test_imports``).

    Texts stay as they are, CR LF line ends too. ``challenge_test_list`` is no part of the usual protocol and left out.
    Raises InputError by row and column.
    """
    return Problem(
        problem_id=identity(row, problem_id, "task_id"),
        question=text(row, problem_id, "text", "prompt"),
        answer=text(row, problem_id, "code"),
        tests=texts(row, problem_id, "test_list"),
        setup=_setup(row, problem_id),
    )


def asserts_of(problem: Problem) -> tuple[str, ...]:
    """The asserts of a problem. Raises InputError, naming the problem, where there are none."""
    if not problem.tests:
        raise InputError(
            f"problem {problem.problem_id}: it has no tests; expected a list of assert statements: "
            "mend the problems file"
        )
    return problem.tests


def _setup(row: Row, row_name: str) -> str | None:
    if row.get("test_imports") is not None:
        return "\n".join(texts(row, row_name, "test_imports")) or None
    return text(row, row_name, "test_setup_code") if row.get("test_setup_code") else None
