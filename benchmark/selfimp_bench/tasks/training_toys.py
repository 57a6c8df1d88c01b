"""The toy problems that stand in for a task's in a smoke run: as few as take every stage, each with a question."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class ToyRationales:
    """Rationales of a toy's training problems: their generator, how many rows, seed, digest, and the gold solution."""

    task: str
    name: str
    rows: int
    seed: int
    digest: str
    template: str


@dataclass(frozen=True, kw_only=True)
class Toy:
    """Toy problems of a task's form: rows and digests by split, tokens of an answer, n of distinct-n, one question.

    ``token_ids`` are those of the question's prompt with the tiny model, with blanks between them.
    """

    task: str
    name: str
    rows: Mapping[str, int]
    seeds: Mapping[str, int]
    digests: Mapping[str, str]
    max_tokens: int
    ngram_max: int = 5
    template: str = "Question: {question}\nAnswer:"
    completion_prefix: str = " "
    question: Mapping[str, str | list[str]]
    token_ids: str
    rationales: ToyRationales | None = None


_GSM8K: Final = Toy(
    task="tiny_gsm",
    name="tiny-gsm",
    rows={"train": 40, "test": 30},
    seeds={"train": 20, "test": 20},
    digests={
        "train": "67495a300e5899ca028c0a213751d3d097a7e221aa1fff4838040d7e8f341f6b",
        "test": "aafa002ca99794435b3d51a4c652fa9ec3031959f26f4c1fa8d38c485587f892",
    },
    max_tokens=64,
    question={"question": "Sam has 18 hats. The pile grows 4 times. How many does Sam have?"},
    token_ids="274 28 395 322 223 19 26 650 16 343 776 675 223 22 366 16 309 302 350 395 402 33 201 271 28",
)
_MATH: Final = Toy(
    task="toy_math",
    name="toy-math",
    rows={"train": 40, "test": 30, "ood": 30},
    seeds={"train": 20, "test": 20, "ood": 22},
    digests={
        "train": "642c2742e090259679aa6210bbe1e9991bdae6e6a5948746e1946e2effc2492f",
        "test": "2ac8608c90e7ecebad0ca0253adcd14af4f294495db918c09e3675b5570727ac",
        "ood": "5f95a58ab9957fe3a2923f7f5a5f8170a65c93cc9f5f4747877bab7587057c9f",
    },
    max_tokens=40,
    question={"question": "Compute $\\frac{1}{11} + \\frac{4}{11}$."},
    token_ids="274 28 696 470 19 328 19 19 95 279 384 22 328 19 19 325 201 271 28",
)
_CSQA: Final = Toy(
    task="toy_csqa",
    name="toy-csqa",
    rows={"train": 40, "test": 60},
    seeds={"train": 20, "test": 20},
    digests={
        "train": "548fc1619e836c21432adb10cd267d2605ba9bfaa0bf4d5946edc00cb8c57245",
        "test": "669032bc45af11222ab25734996e9fa708a21b5092e48a71afe7c95bdb56d46a",
    },
    max_tokens=32,
    template="Question: {question}\n{choices}\nAnswer:",
    question={
        "question": "What colour is the plum of Sam?",
        "choices": ["green", "orange", "purple", "red", "white"],
    },
    token_ids="274 28 367 582 324 299 1011 336 395 33 201 35 16 732 201 36 16 702 201 37 16 729 201 38 16 718 201 39 "
    "16 728 201 271 28",
    rationales=ToyRationales(
        task="toy_csqa_rationales",
        name="toy-csqa-rationales",
        rows=120,
        seed=20,
        digest="88e396b6787e572f8858a70046f42b235c26c6132d80cd7a4d044a6fcc1ea523",
        template="{rationale} The answer is {answer}.",
    ),
)
_MBPP: Final = Toy(
    task="toy_mbpp",
    name="toy-mbpp",
    rows={"train": 24, "test": 24},
    seeds={"train": 20, "test": 20},
    digests={
        "train": "1b3f61ace57ec7362de92257b167c35d5bb21cf86f7582cf0e4c105d4d53c9c0",
        "test": "f239e04d98086c5f6c001ee6334961a553c2e2ead87a434504776f958d713d3a",
    },
    max_tokens=32,
    template="Question: {question}\n{tests}\nAnswer:",
    completion_prefix="\n",
    question={
        "question": "Write a function build to raise a number by 5.",
        "tests": ["assert build(17) == 22", "assert build(20) == 25", "assert build(16) == 21"],
    },
    token_ids="274 28 418 276 419 597 353 1015 276 593 772 223 23 16 201 321 597 10 19 25 11 320 223 20 20 201 321 597 "
    "10 20 18 11 320 223 20 23 201 321 597 10 19 24 11 320 223 20 19 201 271 28",
)
TOYS: Final = {"gsm8k": _GSM8K, "math": _MATH, "commonsense_qa": _CSQA, "mbpp": _MBPP}
"""By the task whose grader judges the problems."""
