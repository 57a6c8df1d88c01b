"""What the toy generators share: rows that depend on (split, seed, rows before) only, and splits that never meet."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final

from selfimp_bench.errors import InputError
from selfimp_bench.measurement import Split
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.tiny_gsm import Pool, pool_of, seeded_random

_DRAWS_BEFORE_GIVING_UP: Final = 5000


def distinct_problems(
    task: str, split: Split, *, count: int, seed: int, draw: Callable[[int, Random], Problem]
) -> tuple[Problem, ...]:
    """The first ``count`` problems of a split; ``draw`` makes row i from i and a random stream, ids are given here.

    A question occurs once, and in one of train, evaluation and pre-training only (``pool_of`` its text), whatever the
    seeds. Raises InputError when the task has too few questions for ``count``.
    """
    pool = Pool.TRAIN if split is Split.TRAIN else Pool.EVALUATION
    seen: set[str] = set()
    problems = []
    for index in range(count):
        rng = seeded_random(task, split, str(seed), str(index))
        for _ in range(_DRAWS_BEFORE_GIVING_UP):
            problem = draw(index, rng)
            if pool_of(problem.question) is pool and problem.question not in seen:
                break
        else:
            raise InputError(
                f"{task} has no more than {index} problems of split {split}, found count {count}; lower it"
            )
        seen.add(problem.question)
        problems.append(replace(problem, problem_id=f"{task}-{split}-{seed}-{index:05d}"))
    return tuple(problems)
