"""Rationales: why a problem's answer is right, as rows of a data set of their own (ECQA's for CommonsenseQA).

ECQA (Aggarwal et al., ACL 2021, https://github.com/dair-iitd/ECQA-Dataset) has the id of the question and a
free-flow explanation of its answer; the columns are ``id`` and ``explanation``, in its joined form ``q_no`` and
``taskB``.
"""

from typing import Final

from selfimp_bench.tasks.columns import Row, text
from selfimp_bench.tasks.problem import Problem

_ABOUT: Final = ("id", "q_no")
_TEXTS: Final = ("explanation", "taskB")


def problem_from_row(row: Row, problem_id: str) -> Problem:
    """A rationale in the form of a problem: the id of the problem that it is about, and the rationale as its answer.

    ``problem_id`` names the row in messages. The answer of a row whose text is null or blank is None.
    Raises InputError for a row without the id of its problem, or without a column for the text.
    """
    about = text(row, problem_id, *_ABOUT)
    given = next((row[name] for name in _TEXTS if name in row), False)
    blank = given is None or (isinstance(given, str) and not given.strip())
    answer = None if blank else text(row, problem_id, *_TEXTS).strip()
    return Problem(problem_id=about, question="", answer=answer)
