"""A seeded generator of small questions in the form of Natural Questions, on the facts of ``toy_csqa``.

A question is in small letters without a question mark; the answers that count are the fact alone and in a sentence
(``it is red``).
"""

from random import Random

from selfimp_bench.measurement import Split
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.toy_csqa import RELATIONS, draw_quiz, right_answer, write_question
from selfimp_bench.tasks.toy_problems import distinct_problems


def generate(split: Split, *, count: int, seed: int) -> tuple[Problem, ...]:
    """The first ``count`` problems of a split, relations in turn. Raises InputError for more than there are."""
    relations = tuple(relation for relation in RELATIONS if relation.held_out == (split is Split.OOD))

    def draw(index: int, rng: Random) -> Problem:
        quiz = draw_quiz(relations[index % len(relations)], rng)
        fact = right_answer(quiz)
        return Problem(
            problem_id="",
            question=write_question(quiz).lower().removesuffix("?"),
            answers=(fact, f"it is {fact}"),
        )

    return distinct_problems("toy-nq", split, count=count, seed=seed, draw=draw)
