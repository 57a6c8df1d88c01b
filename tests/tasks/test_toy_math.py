"""The toy generator in the form of MATH."""

import re
from collections import Counter
from fractions import Fraction

import pytest

from selfimp_bench.measurement import Split
from selfimp_bench.tasks.competition_math import gold_answer
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.toy_math import MAX_LEVEL, generate

FRACTION = re.compile(r"([+-]? ?)\\frac\{(\d+)\}\{(\d+)\}")
PLACES = r"(?:(?P<factor>\d*)x)(?: (?P<sign>[+-]) (?P<added>\d+))?"


def rows(split: Split, subject: str) -> list[Problem]:
    return [p for p in generate(split, count=150, seed=7) if p.subject == subject]


def line_at(x: int, match: re.Match[str]) -> int:
    added = int(match["added"] or 0)
    return int(match["factor"] or 1) * x + (-added if match["sign"] == "-" else added)


@pytest.mark.parametrize("split", list(Split))
def test_the_five_levels_are_balanced(split: Split) -> None:
    counted = Counter(p.level for p in generate(split, count=75, seed=7))
    assert counted == dict.fromkeys(range(1, MAX_LEVEL + 1), 15)


def test_each_subject_of_train_has_each_level_and_ood_is_algebra() -> None:
    cells = {(p.subject, p.level) for p in generate(Split.TRAIN, count=75, seed=7)}
    assert len(cells) == 3 * MAX_LEVEL
    assert {p.subject for p in generate(Split.OOD, count=75, seed=7)} == {"Algebra"}


def test_sums_of_fractions_are_right_and_reduced() -> None:
    for problem in rows(Split.TRAIN, "Prealgebra"):
        terms = [
            Fraction(int(f"{sign.strip()}{up}"), int(down)) for sign, up, down in FRACTION.findall(problem.question)
        ]
        (gold,) = FRACTION.findall(gold_answer(problem))
        value = sum(terms)
        assert (value.numerator, value.denominator) == (int(gold[1]), int(gold[2]))


def test_remainders_are_right() -> None:
    for problem in rows(Split.TRAIN, "Number Theory"):
        number, divisor = map(int, re.findall(r"\d+", problem.question))
        assert int(gold_answer(problem)) == number % divisor


def test_solutions_solve_their_equations() -> None:
    for problem in rows(Split.TRAIN, "Algebra"):
        match = re.search(PLACES + r" = (?P<right>\d+)", problem.question)
        assert match
        assert line_at(int(gold_answer(problem)), match) == int(match["right"])


def test_expressions_have_their_value() -> None:
    for problem in rows(Split.OOD, "Algebra"):
        x = re.search(r"x = (\d+)", problem.question)
        assert x
        reversed_difference = re.search(r"(\d+) - x", problem.question)
        if reversed_difference:
            value = int(reversed_difference[1]) - int(x[1])
        else:
            match = re.search(r"\$" + PLACES, problem.question)
            assert match
            value = line_at(int(x[1]), match)
        assert int(gold_answer(problem)) == value >= 0


@pytest.mark.parametrize("split", list(Split))
def test_every_equation_of_a_solution_is_right(split: Split) -> None:
    for problem in generate(split, count=75, seed=7):
        assert problem.answer
        equations = re.findall(r"((?:\d+|[-+*/ ])+) = (\d+)", problem.answer.replace(r"\cdot", "*"))
        assert equations
        for left, right in equations:
            assert value_of(left) == int(right), problem.answer


def value_of(expression: str) -> Fraction:
    """Products and quotients first, then left to right."""
    total, sign = Fraction(0), 1
    for part in re.split(r" ([+-]) ", expression.strip()):
        if part in "+-":
            sign = 1 if part == "+" else -1
            continue
        first, *rest = re.split(r" ([*/]) ", part)
        value = Fraction(first)
        for operator, operand in zip(rest[::2], rest[1::2], strict=True):
            value = value * int(operand) if operator == "*" else value / int(operand)
        total += sign * value
    return total
