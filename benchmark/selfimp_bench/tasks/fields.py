"""What files of problems and of generations may hold, in words. It imports nothing: help names them."""

from collections.abc import Mapping
from typing import Final

TASK_FIELDS: Final[Mapping[str, str]] = {
    "gsm8k": "answer: a solution that ends in '#### 18'",
    "gsm8k_cot": "the same; completions end in 'The answer is 18.'",
    "math": r"answer: a solution with \boxed{...}",
    "minerva_math": r"the same; completions end in 'Final Answer: ...'",
    "mbpp": "tests: a list of asserts (programs run in the sandbox); setup, entry_point",
    "commonsense_qa": "choices: a list of texts; answer: a letter",
    "nq_open": "answers: a list of texts",
    "sudoku": "puzzle: sixteen digits",
}
"""The graders' tasks, and the fields that each reads of a problem beside ``problem_id`` and ``question``."""

LAYOUTS: Final = (
    "problem_id and question (the kit's own), question and answer (GSM8K), text, code and test_list (MBPP), "
    "problem and solution (MATH)"
)
"""Rows that are problems, in words."""

LM_EVAL: Final = "lm-evaluation-harness samples (--log_samples)"
BATCH: Final = "batch outputs (OpenAI's form, as of vLLM's run-batch)"
INSPECT: Final = "inspect_ai log"
OWN_JSONL: Final = "samples, JSONL"
OWN_PARQUET: Final = "samples, Parquet"

FORMATS: Final = (LM_EVAL, BATCH, f"{INSPECT} (.eval, .json)", OWN_JSONL, OWN_PARQUET)
"""Every format, in words."""
