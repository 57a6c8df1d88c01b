"""The graders by task: plain functions with one signature, and the libraries whose versions are part of a grade."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, Protocol

from selfimp_bench.tasks import gsm8k
from selfimp_bench.tasks.grading.choice import grade_choice
from selfimp_bench.tasks.grading.code_run import grade_code, usable_tests
from selfimp_bench.tasks.grading.gsm8k import grade_gsm8k_both
from selfimp_bench.tasks.grading.gsm8k_cot import grade_gsm8k_cot
from selfimp_bench.tasks.grading.math_answer import grade_math
from selfimp_bench.tasks.grading.minerva_math import grade_minerva_math
from selfimp_bench.tasks.grading.nq_open import grade_nq_open
from selfimp_bench.tasks.grading.outcome import BothGrades
from selfimp_bench.tasks.grading.sudoku import grade_sudoku
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.sandbox.preload import PACKAGES


class Grader(Protocol):
    """Judges one completion of one problem by the two rules of its task.

    Raises InputError for a problem that cannot be graded (no gold answer, no tests); never for any completion.
    """

    def __call__(self, completion: str, problem: Problem, *, truncated: bool) -> BothGrades: ...


def _grade_gsm8k(completion: str, problem: Problem, *, truncated: bool) -> BothGrades:
    return grade_gsm8k_both(completion, gsm8k.gold_answer(problem), truncated=truncated)


def _grade_gsm8k_cot(completion: str, problem: Problem, *, truncated: bool) -> BothGrades:
    return grade_gsm8k_cot(completion, gsm8k.gold_answer(problem), truncated=truncated)


_MATH_LIBRARIES: Final = ("math-verify", "latex2sympy2_extended", "sympy", "antlr4-python3-runtime")

GRADERS: Final[Mapping[str, Grader]] = MappingProxyType(
    {
        "gsm8k": _grade_gsm8k,
        "commonsense_qa": grade_choice,
        "math": grade_math,
        "mbpp": grade_code,
        "gsm8k_cot": _grade_gsm8k_cot,
        "minerva_math": grade_minerva_math,
        "nq_open": grade_nq_open,
        "sudoku": grade_sudoku,
    }
)


def with_stops(stops: str) -> Mapping[str, Grader]:
    """The graders with one of ``STOPS`` for programs."""
    return {**GRADERS, "mbpp": partial(grade_code, stops=stops)}


CHECKS: Final[Mapping[str, Callable[[Problem], object]]] = MappingProxyType(
    {"gsm8k": gsm8k.gold_answer, "gsm8k_cot": gsm8k.gold_answer, "mbpp": usable_tests}
)
"""What raises the InputError of a problem that cannot be graded before any completion of any problem is."""

LIBRARIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"math": _MATH_LIBRARIES, "minerva_math": _MATH_LIBRARIES, "mbpp": PACKAGES}
)
"""Distributions that decide grades of a task: their versions belong to the version of the grading stage."""
