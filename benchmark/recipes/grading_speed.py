"""Measures the graders of text: MATH against math-verify called directly, GSM8K against one regular expression.

    PYTHONPATH=benchmark python benchmark/recipes/grading_speed.py [--problems 40] [--gsm8k DATA/gsm8k/train.jsonl]

MATH: 50 samples a problem, as a model gives them: most repeat one of a few answers. math-verify is called as its own
documentation says (``parse`` of both, ``verify``), in as many processes as cores, each with a share of the samples.
GSM8K: a million completions, made of worked solutions one after the other, never in memory together; the expression is
the flexible one of lm-evaluation-harness. The two of each pair are measured one right after the other in one run.
"""

import argparse
import itertools
import json
import os
import random
import re
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
from math_verify import parse, verify  # type: ignore[import-untyped,unused-ignore]

from selfimp_bench.manifest.model import Grading
from selfimp_bench.runs.generations.own_rows import OwnSample
from selfimp_bench.steps.grade import grade
from selfimp_bench.tasks.grading.gsm8k import grade_gsm8k_both
from selfimp_bench.tasks.grading.math_equivalence import compare
from selfimp_bench.tasks.problem import Problem

NUMBER: Final = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
SAMPLES_A_PROBLEM: Final = 50
# A gold answer and what models write for it: the same in other words, and near misses.
ANSWERS: Final = (
    (r"\frac{%d}{7}", (r"%d/7", r"\dfrac{%d}{7}", r"\frac{-%d}{7}", r"%d")),
    (r"%d\sqrt{3}", (r"\sqrt{3}\cdot %d", r"%d\sqrt3", r"%d\sqrt{2}", r"%d")),
    (r"(%d,-2)", (r"\left(%d, -2\right)", r"(-2,%d)", r"(%d,2)", r"%d")),
    (r"%d", (r"%d.0", r"\text{%d}", r"-%d", r"%d0")),
    (r"x^2+%dx+1", (r"1+%dx+x^2", r"x^2+%dx-1", r"(x+1)^2+%dx-2x", r"x^2")),
    (r"[%d,\infty)", (r"x\ge %d", r"(%d,\infty)", r"[%d, \infty)", r"%d")),
    (r"\frac{\pi}{%d}", (r"\pi/%d", r"\frac{180}{%d}", r"\frac{2\pi}{%d}", r"\pi")),
)


def main() -> None:
    """Measure and print ratios."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--problems", type=int, default=40)
    arguments.add_argument("--gsm8k", type=Path, help="a file of GSM8K's rows")
    arguments.add_argument("--completions", type=int, default=1_000_000)
    given = arguments.parse_args()
    theirs, ours = math_seconds(given.problems)
    sys.stdout.write(
        f"MATH: {given.problems * SAMPLES_A_PROBLEM} samples; math-verify {theirs:.1f} s, here {ours:.1f} s on "
        f"{cores()} cores: {theirs / ours:.1f} times as fast\n"
    )
    if given.gsm8k is not None:
        once, graded, grown = gsm8k_seconds(given.gsm8k, given.completions)
        sys.stdout.write(
            f"GSM8K: {given.completions} completions; one expression {once:.1f} s, here {graded:.1f} s: "
            f"{graded / once:.2f} times that; memory grew by {grown:.0f} MiB\n"
        )


def math_seconds(problems: int) -> tuple[float, float]:
    """Wall seconds of math-verify and of the grader, on the same samples."""
    golds, samples = math_samples(problems)
    pairs = [(golds[sample.problem_id], sample.completion) for sample in samples]
    shares = [pairs[share :: cores()] for share in range(cores())]
    with ProcessPoolExecutor(cores()) as pool:
        list(pool.map(compare_all, [[("1", "$1$")]] * cores()))  # the library is imported
        began = time.perf_counter()
        list(pool.map(compare_all, shares))
        theirs = time.perf_counter() - began
    grading = msgspec.convert({"task": "math", "extraction": "flexible", "source": "command line"}, Grading)
    by_id = {name: Problem(problem_id=name, question="?", answer=rf"\boxed{{{gold}}}") for name, gold in golds.items()}
    with ThreadPoolExecutor(cores()) as threads:  # the workers are started
        list(threads.map(lambda number: compare(f"x^2+{number}", f"{number}+x^2"), range(8 * cores())))
    began = time.perf_counter()
    list(grade(grading, by_id, samples))
    return theirs, time.perf_counter() - began


def math_samples(problems: int) -> tuple[dict[str, str], list[OwnSample]]:
    """Gold answers by problem, and samples of which most repeat one another."""
    rng = random.Random(0)
    golds: dict[str, str] = {}
    samples = []
    for number in range(problems):
        gold, written = ANSWERS[number % len(ANSWERS)]
        golds[f"p{number}"] = gold.replace("%d", str(number + 3))
        for index in range(SAMPLES_A_PROBLEM):
            form = rng.choices((gold, *written), weights=(10, 4, 3, 2, 1))[0]
            answer = form.replace("%d", str(number + 3 + (rng.random() < 0.1)))
            text = f"We compute step by step, {rng.random()}, and so the answer is $\\boxed{{{answer}}}$."
            samples.append(OwnSample(problem_id=f"p{number}", sample_index=index, completion=text))
    return golds, samples


def compare_all(pairs: list[tuple[str, str]]) -> list[bool]:
    """math-verify as its documentation calls it."""
    return [verify(parse(f"${gold}$"), parse(completion)) for gold, completion in pairs]


def gsm8k_seconds(rows: Path, count: int) -> tuple[float, float, float]:
    """CPU seconds of one expression and of the grader over the same completions; and MiB that memory grew by."""
    solutions = [json.loads(line)["answer"] for line in rows.read_text("utf-8").splitlines()]
    golds = [solution.rpartition("#### ")[2] for solution in solutions]
    once = graded = 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for piece in pieces(solutions, golds, count):
        began = time.process_time()
        for completion, _ in piece:
            NUMBER.findall(completion)
        between = time.process_time()
        for completion, gold in piece:
            grade_gsm8k_both(completion, gold, truncated=False)
        once, graded = once + between - began, graded + time.process_time() - between
    return once, graded, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def pieces(solutions: list[str], golds: list[str], count: int) -> Iterator[list[tuple[str, str]]]:
    """Completions with ``####``, with a box, and with neither, in pieces of ten thousand."""
    endings = ("#### {}", r"The answer is $\boxed{{{}}}$.", "So it is {} in all.")
    stream = (
        (body.rpartition("#### ")[0] + endings[number % len(endings)].format(gold), gold)
        for number, (body, gold) in enumerate(itertools.cycle(zip(solutions, golds, strict=True)))
    )
    for _ in range(0, count, 10_000):
        yield list(itertools.islice(stream, min(10_000, count)))


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0))


if __name__ == "__main__":
    main()
