"""Synthetic generations: worked solutions as models write them, and the tables that steps make of them.

Samples of one problem say the same in other words and with other mistakes, so that some of their lines repeat.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from selfimp_bench.steps.rows import GRADE_SCHEMA, GRADES, SAMPLE_SCHEMA, SAMPLES, Role

NAMES = ("Ada", "Ben", "Chidi", "Dora", "Emil", "Fay", "Goro", "Hana")
THINGS = ("apples", "pages", "miles", "coins", "tickets", "cups", "stamps", "hours")
PHRASES = (
    "{name} has {a} {sign} {b} = {c} {thing} after this step.",
    "So the number of {thing} is now {a}{sign}{b}=<<{a}{sign}{b}={c}>>{c}.",
    "Then {name} counts {a} {sign} {b} = {c} {thing} in all, which we need below.",
    "First we find how many {thing} there are: {a} {sign} {b} = {c}.",
    "We know that {name} started with {a} {thing}, and {b} of them come or go, so {a} {sign} {b} = {c}.",
    "This leaves {c} {thing} for {name}, because of the {b} that the question tells of.",
    "\\[ {a} {sign} {b} = {c} \\]",
    "That is {c} {thing}. Next comes what {name} does with them.",
)
"""Ways to say one step; two of them have no equation."""
RIGHT = 0.6
"""The share of samples without a mistake."""


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A completion, the answer that it ends with, and whether that is the gold one."""

    text: str
    answer: str
    correct: bool


def solutions(problem: int, count: int, seed: int) -> Iterator[Solution]:
    """``count`` solutions of one problem of 4 to 8 steps; those of another ``seed`` are other draws of the same."""
    facts = random.Random(problem)
    name, thing, start = facts.choice(NAMES), facts.choice(THINGS), facts.randint(10, 400)
    steps = [(facts.choice("+-*"), facts.randint(2, 30)) for _ in range(facts.randint(4, 8))]
    gold = _last(start, steps)
    draw = random.Random(f"{problem} {seed}")
    for _ in range(count):
        taken, value, lines = _slipped(draw, steps), start, []
        for sign, operand in taken:
            value, before = _applied(value, sign, operand), value
            words = {"name": name, "thing": thing, "a": before, "b": operand, "c": value, "sign": sign}
            lines.append(draw.choice(PHRASES).format(**words))
        answer = str(value)
        yield Solution(text="\n".join((*lines, f"#### {answer}")), answer=answer, correct=answer == str(gold))


def _slipped(draw: random.Random, steps: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """The steps, one of them with another number in some draws."""
    taken = list(steps)
    if draw.random() > RIGHT:
        place = draw.randrange(len(taken))
        taken[place] = (taken[place][0], taken[place][1] + draw.randint(1, 9))
    return taken


def _last(value: int, steps: Sequence[tuple[str, int]]) -> int:
    for sign, operand in steps:
        value = _applied(value, sign, operand)
    return value


def _applied(value: int, sign: str, operand: int) -> int:
    return {"+": value + operand, "-": value - operand, "*": value * operand % 1000}[sign]


def write_generated(
    folder: Path, *, role: Role, iteration: int, problems: int, samples: int, told: int = 500, tokens: int = 200
) -> None:
    """Write ``samples.parquet`` and ``grades.parquet`` of what one M_t generated, ``told`` problems at a time.

    Only ``told`` problems are made up; the next ones have other names and the same texts. ``tokens``: the ids of each.
    """
    made = [
        list(solutions(problem, samples, seed=10 * iteration + len(role))) for problem in range(min(told, problems))
    ]
    with (
        pq.ParquetWriter(folder / SAMPLES, SAMPLE_SCHEMA, compression="zstd") as sampled,
        pq.ParquetWriter(folder / GRADES, GRADE_SCHEMA, compression="zstd") as graded,
    ):
        for first in range(0, problems, told):
            some = made[: problems - first]
            ids = [f"p{problem:05}" for problem in range(first, first + len(some)) for _ in range(samples)]
            rows = [each for own in some for each in own]
            shared = {
                "problem_id": pa.array(ids),
                "sample_index": pa.array(np.tile(np.arange(samples, dtype=np.int32), len(some))),
                "iteration": pa.array(np.full(len(rows), iteration, np.int32)),
                "role": _same(role.value, len(rows)),
            }
            sampled.write_table(pa.table(shared | _sampled(rows, tokens)).select(SAMPLE_SCHEMA.names))
            graded.write_table(pa.table(shared | _graded(rows)).select(GRADE_SCHEMA.names).cast(GRADE_SCHEMA))


def _sampled(rows: Sequence[Solution], tokens: int) -> dict[str, pa.Array]:
    draw = np.random.default_rng(len(rows))
    ids = draw.integers(0, 32_000, size=len(rows) * tokens, dtype=np.int32)
    return {
        "completion": pa.array([each.text for each in rows]),
        "finish_reason": _same("stop", len(rows)),
        "seed": pa.array([str(each) for each in draw.integers(0, 2**62, size=len(rows)).tolist()]),
        "prompt_sha256": _same("0" * 64, len(rows)),
        "token_ids": pa.ListArray.from_arrays(np.arange(len(rows) + 1, dtype=np.int32) * tokens, ids),
    }


def _graded(rows: Sequence[Solution]) -> dict[str, pa.Array]:
    outcomes = pa.array(["correct" if each.correct else "wrong" for each in rows])
    answers = pa.array([each.answer for each in rows])
    return {
        "outcome": outcomes,
        "extracted": answers,
        "detail": _same(None, len(rows)),
        "other_outcome": outcomes,
        "other_extracted": answers,
    }


def _same(value: str | None, count: int) -> pa.Array:
    return pa.array([value] * count, pa.string())
