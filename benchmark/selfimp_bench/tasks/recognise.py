"""Which task a name, a row of a data set or a problem belongs to: what is known of it by looking."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from selfimp_bench.errors import InputError
from selfimp_bench.plain_json import shortened
from selfimp_bench.tasks import commonsense_qa, competition_math, gsm8k, mbpp, nq_open, sudoku
from selfimp_bench.tasks.fields import LAYOUTS, TASK_FIELDS
from selfimp_bench.tasks.grading.gsm8k import MARKER
from selfimp_bench.tasks.problem import Problem

_OTHER_NAMES: Final = {
    "hendrycks_math": "math",
    "math500": "math",
    "math_500": "math",
    "commonsenseqa": "commonsense_qa",
}


def task_of_name(name: str) -> str | None:
    """The task of an evaluation called so: ``gsm8k_cot_llama`` is one of gsm8k_cot. None where none is known.

    The longest known name that the name is, or begins with before an underscore or a dash, after the last slash.
    """
    bare = name.rpartition("/")[2].lower().replace("-", "_")
    known = {**dict.fromkeys(TASK_FIELDS), **_OTHER_NAMES}
    fitting = [each for each in known if bare == each or bare.startswith(f"{each}_")]
    found = max(fitting, key=len, default=None)
    return found and (_OTHER_NAMES.get(found) or found)


def task_of_problem(problem: Problem) -> str | None:
    """The task whose answer a problem has; None where it is not told by its fields."""
    if problem.tests:
        return "mbpp"
    if problem.puzzle:
        return "sudoku"
    if problem.answers:
        return "nq_open"
    if problem.choices:
        return "commonsense_qa"
    answer = problem.answer or ""
    if MARKER in answer:
        return "gsm8k"
    return "math" if competition_math.last_box(answer) else None


def problem_of_row(row: Mapping[str, Any], row_id: str) -> Problem:
    """The problem that a row is, in any of ``LAYOUTS`` (or CommonsenseQA's, NQ's, Sudoku's).

    ``row_id`` is the id of a row that has none. Raises InputError, in words, for a row that is none.
    """
    if "problem_id" in row and "question" in row:
        try:
            return msgspec.convert(row, Problem)
        except msgspec.ValidationError as error:
            raise InputError(f"{error}; a problem needs problem_id and question (strings)") from None
    if "test_list" in row:
        return mbpp.problem_from_row(row, row_id)
    if "problem" in row and "solution" in row:
        return competition_math.problem_from_row(row, row_id)
    if "question" in row and ("answerKey" in row or "choices" in row):
        return commonsense_qa.problem_from_row(row, row_id)
    if "puzzle" in row:
        return sudoku.problem_from_row(row, row_id)
    if "question" in row and isinstance(row.get("answer"), str):
        return gsm8k.problem_from_row(row, row_id)
    if "question" in row and isinstance(row.get("answer"), list):
        return nq_open.problem_from_row(row, row_id)
    there = ", ".join(list(map(str, row))[:20]) or "nothing"
    raise InputError(f"no problem: it has {shortened(there, 400)}; expected {LAYOUTS}")


def problem_of_target(task: str, problem_id: str, question: str, target: str, level: object) -> Problem | None:
    """A problem from a question and the bare answer to it; None for a task whose answers are no such text."""
    if task in ("gsm8k", "gsm8k_cot"):
        answer = target if MARKER in target else f"{MARKER} {target.strip()}"
    elif task in ("math", "minerva_math"):
        answer = target if competition_math.last_box(target) else f"\\boxed{{{target.strip()}}}"
    elif task == "nq_open":
        return Problem(problem_id=problem_id, question=question, answers=(target,))
    else:
        return None
    whole = level if isinstance(level, int) and not isinstance(level, bool) and 0 < level < 2**31 else None
    return Problem(problem_id=problem_id, question=question, answer=answer, level=whole)


CALCULATED: Final = frozenset({"gsm8k", "gsm8k_cot", "math", "minerva_math"})
"""Tasks whose solutions are calculations, so that equations can be counted in them."""

ANSWERED: Final = frozenset(TASK_FIELDS) - {"mbpp"}
"""Tasks whose completions give an answer, so that samples can agree; programs are never the same by chance."""
