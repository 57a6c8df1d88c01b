"""Many samples of a problem: compared once a pair, in any order, by any number of threads."""

import random
import re
import time
from concurrent.futures import ThreadPoolExecutor

from selfimp_bench.tasks.grading import math_value
from selfimp_bench.tasks.grading.gsm8k import grade_gsm8k_both
from selfimp_bench.tasks.grading.math_answer import grade_math
from selfimp_bench.tasks.problem import Problem

ANSWERS = {
    r"2\sqrt{3}": (r"\sqrt{12}", r"3\sqrt2", r"2\sqrt3", "3.46"),
    r"x^2+2x+1": (r"(x+1)^2", r"(x-1)^2", r"1+2x+x^2", "x^2"),
    r"[3,\infty)": (r"x\ge 3", r"(3,\infty)", r"[3, \infty)", "3"),
    r"\frac{3}{7}": (r"3/7", r"\dfrac37", r"\frac{-3}{7}", "0.43"),
}


def samples(a_problem):
    """(gold, completion) pairs; most repeat one another."""
    rng = random.Random(0)
    return [
        (gold, f"Step {rng.random()}. So it is $\\boxed{{{rng.choice((gold, *written))}}}$.")
        for gold, written in ANSWERS.items()
        for _ in range(a_problem)
    ]


def outcome(pair):
    gold, completion = pair
    problem = Problem(problem_id="p", question="?", answer=rf"\boxed{{{gold}}}")
    both = grade_math(completion, problem, truncated=False)
    return both.strict, both.flexible


def test_outcomes_are_the_same_in_any_order_and_with_any_number_of_threads():
    pairs = samples(8)
    math_value._remembered.cache_clear()
    in_order = {pair: outcome(pair) for pair in pairs}
    for seed, workers in ((1, 1), (2, 2), (3, 3)):
        math_value._remembered.cache_clear()
        shuffled = random.Random(seed).sample(pairs, len(pairs))
        with ThreadPoolExecutor(workers) as threads:
            assert dict(zip(shuffled, threads.map(outcome, shuffled), strict=True)) == in_order


def test_a_pair_is_compared_once():
    math_value._remembered.cache_clear()
    for pair in samples(50):
        outcome(pair)
    assert math_value._remembered.cache_info().misses <= sum(len(written) for written in ANSWERS.values())


def test_gsm8k_takes_less_than_four_times_what_one_search_of_the_text_takes():
    rng = random.Random(0)
    steps = "She bakes 12 muffins a day and eats 3 of them for breakfast, so 12 - 3 = <<12-3=9>>9 are left. "
    endings = ("#### {}", r"The answer is $\boxed{{{}}}$.", "So it is {} dollars.")
    texts = [
        (steps * 4 + rng.choice(endings).format(value), str(value))
        for value in (rng.randint(1, 999) for _ in range(2000))
    ]
    assert min(_gsm8k_ratio(texts) for _ in range(5)) < 4


def _gsm8k_ratio(texts):
    search = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
    began = time.process_time()
    for text, _ in texts:
        search.findall(text)
    between = time.process_time()
    for text, gold in texts:
        grade_gsm8k_both(text, gold, truncated=False)
    return (time.process_time() - between) / (between - began)
