"""The tasks by name: how each reads a row of its data set, and the generators of problems."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from selfimp_bench.measurement import Split
from selfimp_bench.tasks import (
    commonsense_qa,
    competition_math,
    gsm8k,
    mbpp,
    nq_open,
    rationales,
    sudoku,
    tiny_gsm,
    toy_csqa,
    toy_math,
    toy_mbpp,
    toy_nq,
)
from selfimp_bench.tasks.problem import Problem


class Generate(Protocol):
    """Makes the first ``count`` problems of a split; a larger count extends the list."""

    def __call__(self, split: Split, *, count: int, seed: int) -> tuple[Problem, ...]: ...


RATIONALES: Final = "rationales"
"""In place of a task: how rows of rationales are laid out."""
PROBLEM_READERS: Final[Mapping[str, Callable[[Mapping[str, Any], str], Problem]]] = MappingProxyType(
    {
        "gsm8k": gsm8k.problem_from_row,
        "commonsense_qa": commonsense_qa.problem_from_row,
        "math": competition_math.problem_from_row,
        "mbpp": mbpp.problem_from_row,
        "gsm8k_cot": gsm8k.problem_from_row,
        "minerva_math": competition_math.problem_from_row,
        "nq_open": nq_open.problem_from_row,
        "sudoku": sudoku.problem_from_row,
        RATIONALES: rationales.problem_from_row,
    }
)
ANSWERS_ARE_LABELS: Final = frozenset({"commonsense_qa"})
"""Tasks whose data sets answer with a label alone."""
GENERATORS: Final[Mapping[str, Generate]] = MappingProxyType(
    {
        "tiny_gsm": tiny_gsm.generate,
        "toy_csqa": toy_csqa.generate,
        "toy_csqa_rationales": toy_csqa.generate_rationales,
        "toy_math": toy_math.generate,
        "toy_mbpp": toy_mbpp.generate,
        "toy_nq": toy_nq.generate,
        "sudoku": sudoku.generate,
    }
)
