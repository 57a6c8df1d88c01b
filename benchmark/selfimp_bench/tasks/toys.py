"""Toy problems that stand in for a task's in a smoke run, pinned, and what the smoke bases make of a question."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SMOKE_BASE: Final = "tiny-smoke-base"
GSM_BASE: Final = "tiny-gsm-base"


@dataclass(frozen=True, kw_only=True)
class Toy:
    """Toy problems of a task's form, for smoke runs.

    task: their generator; rows: of the test split; test, train: digests. grading: by which task and extraction the
        smoke base's answers are graded, where not as the task's. max_tokens: of an answer. question: one of them.
    token_ids: of the question's prompt, for each model, with blanks between them.
    """

    task: str
    name: str
    rows: int
    test: str
    train: str | None = None
    grading: tuple[str, str] | None = None
    max_tokens: int
    question: str
    token_ids: Mapping[str, str]


_TINY_GSM: Final = Toy(
    task="tiny_gsm",
    name="tiny-gsm",
    rows=8,
    test="f1cb919972c96155721689b8676f580afeed6f1b305ddebaae6a4fa9098839b5",
    train="4ba9962d685ab6df289c74ec6ee1374b1e984f5f4182643eeefde3ac57a24920",
    grading=("gsm8k", "strict"),
    max_tokens=48,
    question="Zoe has 31 apples. Zoe drops 4. How many apples are left?",
    token_ids={
        SMOKE_BASE: "274 28 413 322 223 21 19 648 16 413 659 223 22 16 309 302 648 346 501 33 201 271 28",
        GSM_BASE: "288 28 352 295 223 21 19 503 16 352 475 223 22 16 283 278 503 302 383 33 201 286 28",
    },
)
_TOY_MATH: Final = Toy(
    task="toy_math",
    name="toy-math",
    rows=8,
    test="acaa9321b3aefd9792af611e132b78f4a6965480211b8a11c2cf8f866ddcbba9",
    train="201411ca785262d6b13174f361c127ae171a5d4490acfb82bf93861828770623",
    grading=("math", "flexible"),
    max_tokens=40,
    question="Add up $\\frac{1}{5} + \\frac{2}{5}$.",
    token_ids={SMOKE_BASE: "274 28 708 487 470 19 328 23 95 279 384 20 328 23 325 201 271 28"},
)
_TOY_NQ: Final = Toy(
    task="toy_nq",
    name="toy-nq",
    rows=8,
    test="23832b96a62878bf6626d0ebf47f0ea00554ec9fbc5976331e1f7e4981a0779e",
    max_tokens=12,
    question="what colour is the banana of sam",
    token_ids={SMOKE_BASE: "274 28 506 582 324 299 974 336 282 391 201 271 28"},
)
_SUDOKU: Final = Toy(
    task="sudoku",
    name="sudoku",
    rows=6,
    test="4888a03d5ad8d9e9f049ab452403b20890759137c9a88db0e780f2c79de03bd2",
    max_tokens=40,
    question="00 00\n00 21\n30 10\n10 34",
    token_ids={
        SMOKE_BASE: "274 28 223 18 18 223 18 18 201 18 18 223 20 19 201 21 18 223 19 18 201 19 18 223 21 22 201 271 28"
    },
)
TOYS: Final = {
    "gsm8k": _TINY_GSM,
    "gsm8k_cot": _TINY_GSM,
    "math": _TOY_MATH,
    "minerva_math": _TOY_MATH,
    "nq_open": _TOY_NQ,
    "sudoku": _SUDOKU,
}
"""The toy problems that stand in for those of a grading task."""
