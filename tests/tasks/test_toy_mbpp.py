"""The toy generator in the form of MBPP."""

import random

import pytest

from selfimp_bench.measurement import Split
from selfimp_bench.tasks.toy_mbpp import (
    ASSERTS,
    SKILLS,
    Skill,
    draw_order,
    draw_tests,
    generate,
    write_code,
    write_question,
)

every_skill = pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)


def passes(code: str, tests: tuple[str, ...]) -> bool:
    """Runs code of our own generator, here and now."""
    try:
        exec("\n".join([code, *tests]), {})
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("split", list(Split))
def test_each_problem_has_three_different_asserts_that_its_code_passes(split: Split) -> None:
    for problem in generate(split, count=75, seed=7):
        assert problem.tests is not None and problem.answer is not None
        assert len(set(problem.tests)) == ASSERTS
        assert passes(problem.answer, problem.tests), problem


@every_skill
def test_a_sound_function_passes_and_a_flawed_one_fails(skill: Skill) -> None:
    rng = random.Random(1)
    for _ in range(200):
        order = draw_order(skill, rng)
        tests = draw_tests(order, rng)
        assert passes(write_code(order, skill.expression, rng), tests)
        assert not passes(write_code(order, skill.flawed, rng), tests)


@every_skill
def test_a_number_of_the_code_stands_in_the_question(skill: Skill) -> None:
    assert all(("{k}" in ask) == ("{k}" in skill.expression) for ask in skill.asks)


def test_the_question_and_the_code_name_the_same_function() -> None:
    rng = random.Random(2)
    order = draw_order(SKILLS[0], rng)
    assert f" {order.function} " in write_question(order)
    assert write_code(order, "n", rng).startswith(f"def {order.function}(n):\n    ")
