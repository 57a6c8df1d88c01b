"""How fast text is graded: GSM8K against one regular expression, MATH against math-verify called directly."""

import itertools
import os
import random
import re
import resource
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import msgspec
from math_verify import parse, verify  # type: ignore[import-untyped,unused-ignore]

from bench.row import Bar, Figure, Row, Setting
from bench.turns import figure, functions
from selfimp_bench.manifest.model import Grading
from selfimp_bench.measurement import Split
from selfimp_bench.runs.generations.own_rows import OwnSample
from selfimp_bench.steps.grade import grade
from selfimp_bench.tasks.grading.math_equivalence import compare
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.tiny_gsm import generate

NUMBER: Final = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
"""lm-evaluation-harness's flexible extraction of GSM8K."""

ENDINGS: Final = ("#### {}", r"The answer is $\boxed{{{}}}$.", "So it is {} in all.")
PIECE: Final = 10_000
SAMPLES_A_PROBLEM: Final = 50
ANSWERS: Final = (
    (r"\frac{%d}{7}", (r"%d/7", r"\dfrac{%d}{7}", r"\frac{-%d}{7}", r"%d")),
    (r"%d\sqrt{3}", (r"\sqrt{3}\cdot %d", r"%d\sqrt3", r"%d\sqrt{2}", r"%d")),
    (r"(%d,-2)", (r"\left(%d, -2\right)", r"(-2,%d)", r"(%d,2)", r"%d")),
    (r"%d", (r"%d.0", r"\text{%d}", r"-%d", r"%d0")),
    (r"x^2+%dx+1", (r"1+%dx+x^2", r"x^2+%dx-1", r"(x+1)^2+%dx-2x", r"x^2")),
    (r"[%d,\infty)", (r"[%d,+\infty)", r"(%d,\infty)", r"[%d, \infty)", r"%d")),
    (r"\frac{\pi}{%d}", (r"\pi/%d", r"\frac{180}{%d}", r"\frac{2\pi}{%d}", r"\pi")),
)
"""A gold answer and what models write for it: the same in other words, and near misses. Where the rules agree."""

Problems = dict[str, Problem]

FLEXIBLE: Final = {"extraction": "flexible", "source": "command line"}

STEPS: Final = (
    "Let $x = {0}$ and $y = {1}$. By the Pythagorean Theorem the hypotenuse is $\\sqrt{{{2}^2 + {3}^2}}$, and since "
    "both triangles are similar, we have \\[\\frac{{AB}}{{BC}} = \\frac{{{4}}}{{{5}}}.\\] Cross-multiplying gives "
    "${4} \\cdot BC = {5} \\cdot AB$, so $x + y = {6}$ and $xy = {7}$. Therefore, $x$ and $y$ are the roots of "
    "$t^2 - {6}t + {7} = 0$, which we solve by completing the square. Checking the case $n = {8}$ by itself, we see "
    "that nothing else is possible, and adding up both leaves a single value. The final answer is $\\boxed{{{9}}}$."
)
"""As long as MATH's worked solutions, about 500 characters."""


def gsm8k(setting: Setting) -> dict[str, Figure]:
    """How many times the expression's seconds grading takes, and the memory of all; pieces are never in it together."""
    grading = msgspec.convert({"task": "gsm8k", **FLEXIBLE}, Grading)
    solutions = worked_solutions()
    ratios = []
    for turn in range(3 if setting.quick else 10):
        spent: Counter[str] = Counter()
        for problems, samples in pieces(solutions, 20_000 if setting.quick else 100_000, turn):
            asked = {"once": partial(find_all, samples), "graded": partial(all_right, grading, problems, samples)}
            spent += Counter({name: seconds[0] for name, seconds in functions(asked, turns=1).items()})
        ratios.append(spent["graded"] / spent["once"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"seconds": figure(ratios), "memory": figure([peak])}


def worked_solutions() -> list[tuple[str, str]]:
    """Worked solutions with their answers; six generated problems to one, to be as long as GSM8K's (250 characters)."""
    made = [(problem.answer or "").rpartition("#### ") for problem in generate(Split.TEST, count=6000, seed=5)]
    return [("".join(body for body, _, _ in made[at : at + 6]), made[at + 5][2]) for at in range(0, len(made), 6)]


def pieces(solutions: Sequence[tuple[str, str]], count: int, turn: int) -> Iterator[tuple[Problems, list[OwnSample]]]:
    """``count`` right completions with ``####``, a box or neither, no text twice, with their problems."""
    stream = enumerate(itertools.islice(itertools.cycle(solutions), count))
    while piece := list(itertools.islice(stream, PIECE)):
        texts = (f"Try {turn}.{at}: {body}{ENDINGS[at % len(ENDINGS)].format(gold)}" for at, (body, gold) in piece)
        yield (
            {str(at): Problem(problem_id=str(at), question="?", answer=f"#### {gold}") for at, (_, gold) in piece},
            [
                OwnSample(problem_id=str(at), sample_index=0, completion=text)
                for (at, _), text in zip(piece, texts, strict=True)
            ],
        )


def find_all(samples: Sequence[OwnSample]) -> None:
    """One pass of the expression over each text."""
    for sample in samples:
        NUMBER.findall(sample.completion)


def all_right(grading: Grading, problems: Problems, samples: Sequence[OwnSample]) -> None:
    """Grade, as the step does."""
    assert all(row.outcome == Outcome.CORRECT for row in grade(grading, problems, samples))


def mathematics(setting: Setting) -> dict[str, Figure]:
    """By the clock on the wall, since both of our cores count and the grader's children go on from turn to turn."""
    grading = msgspec.convert({"task": "math", **FLEXIBLE}, Grading)
    cores = len(os.sched_getaffinity(0))
    judge("1", "$1$")  # the library is imported
    with ThreadPoolExecutor(cores) as threads:  # and by our workers
        list(threads.map(lambda number: compare(f"y^2+{number}", f"{number}+y^2"), range(8 * cores)))
    ratios = []
    for turn in range(4):
        golds, samples = math_samples(14 if setting.quick else 100, turn)
        problems = {
            name: Problem(problem_id=name, question="?", answer=rf"\boxed{{{gold}}}") for name, gold in golds.items()
        }
        began = time.perf_counter()
        theirs = [judge(golds[sample.problem_id], sample.completion) for sample in samples]
        between = time.perf_counter()
        ours = [row.outcome == Outcome.CORRECT for row in grade(grading, problems, samples)]
        if turn:  # in the first one parsers learn the forms
            ratios.append((between - began) / (time.perf_counter() - between))
        assert ours == theirs, "outcomes differ from math-verify's"
    return {"speed": figure(ratios)}


def math_samples(problems: int, turn: int) -> tuple[dict[str, str], list[OwnSample]]:
    """Gold answers by problem, and samples of which most repeat one another; no turn has an answer of another's."""
    rng = random.Random(turn)
    golds: dict[str, str] = {}
    samples = []
    for problem in range(problems):
        number = 3 + turn * problems + problem
        gold, written = ANSWERS[problem % len(ANSWERS)]
        golds[f"p{problem}"] = gold.replace("%d", str(number))
        for index in range(SAMPLES_A_PROBLEM):
            form = rng.choices((gold, *written), weights=(10, 4, 3, 2, 1))[0]
            answer = form.replace("%d", str(number + (rng.random() < 0.1)))
            text = STEPS.format(*(rng.randrange(2, 1000) for _ in range(9)), answer)
            samples.append(OwnSample(problem_id=f"p{problem}", sample_index=index, completion=text))
    return golds, samples


def judge(gold: str, completion: str) -> bool:
    """math-verify as its documentation calls it."""
    return bool(verify(parse(f"${gold}$"), parse(completion)))


ROWS = (
    Row(
        name="gsm8k",
        what="grading GSM8K, 1,000,000 completions",
        against="one pass of a regular expression",
        bars={"seconds": Bar(unit="x", at_most=6), "memory": Bar(unit="MB", at_most=300)},
        measure=gsm8k,
    ),
    Row(
        name="math",
        what="grading MATH, 50 samples a problem, the same outcomes",
        against="math-verify called directly",
        bars={"speed": Bar(unit="x", at_least=3)},
        measure=mathematics,
    ),
)
