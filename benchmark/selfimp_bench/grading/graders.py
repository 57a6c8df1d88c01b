"""The graders by task: plain functions with one signature, and the libraries whose versions are part of a grade."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

from selfimp_bench.grading.choice import grade_choice
from selfimp_bench.grading.code_run import grade_code
from selfimp_bench.grading.gsm8k import grade_gsm8k_both
from selfimp_bench.grading.math_answer import grade_math
from selfimp_bench.grading.outcome import BothGrades
from selfimp_bench.tasks import gsm8k
from selfimp_bench.tasks.problem import Problem


class Grader(Protocol):
    """Judges one completion of one problem by the two rules of its task.

    Raises InputError for a problem that cannot be graded (no gold answer, no tests); never for any completion.
    """

    def __call__(self, completion: str, problem: Problem, *, truncated: bool) -> BothGrades: ...


def _grade_gsm8k(completion: str, problem: Problem, *, truncated: bool) -> BothGrades:
    return grade_gsm8k_both(completion, gsm8k.gold_answer(problem), truncated=truncated)


GRADERS: Final[Mapping[str, Grader]] = MappingProxyType(
    {
        "gsm8k": _grade_gsm8k,
        "commonsense_qa": grade_choice,
        "math": grade_math,
        "mbpp": grade_code,
    }
)

LIBRARIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"math": ("math-verify", "latex2sympy2_extended", "sympy", "antlr4-python3-runtime")}
)
"""Distributions that decide grades of a task: their versions belong to the version of the grading stage."""
