"""A seeded generator of small programming problems in the form of MBPP: a sentence, three asserts, a short function.

Train and test share skills but never a question; the ood split asks for skills that the other two never do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from selfimp_bench.measurement import Split
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.toy_problems import distinct_problems

Value = int | str | list[int]

ASSERTS: Final = 3


@dataclass(frozen=True, kw_only=True)
class Skill:
    """What a function can be asked to do. ``asks`` and the two expressions may hold {k}, a number of the question.

    parameters: ``n``, ``a, b`` (numbers), ``s`` (a word) or ``xs`` (a list of numbers).
    expression, flawed: what the function returns, and what a careless writer's function returns.
    solve: the right result of the arguments and, last, k.
    """

    name: str
    held_out: bool
    asks: tuple[str, ...]
    parameters: str
    expression: str
    flawed: str
    solve: Callable[..., Value]


@dataclass(frozen=True, kw_only=True)
class Order:
    """A problem before it is written down; ``ask`` is the index of its phrasing."""

    skill: Skill
    ask: int
    function: str
    k: int


def _skill(
    parameters: str, expression: str, flawed: str, solve: Callable[..., Any], *asks: str, held_out: bool = False
) -> Skill:
    return Skill(
        name=expression,
        held_out=held_out,
        asks=asks,
        parameters=parameters,
        expression=expression,
        flawed=flawed,
        solve=solve,
    )


SKILLS: Final = (
    _skill("n", "n + {k}", "n - {k}", lambda n, k: n + k, "add {k} to a number", "raise a number by {k}"),
    _skill("n", "n - {k}", "n + {k}", lambda n, k: n - k, "take {k} from a number", "lower a number by {k}"),
    _skill("n", "n * {k}", "n + {k}", lambda n, k: n * k, "multiply a number by {k}", "get {k} times a number"),
    _skill("a, b", "a + b", "a - b", lambda a, b, _: a + b, "add two numbers", "find the sum of two numbers"),
    _skill("a, b", "a * b", "a + b", lambda a, b, _: a * b, "multiply two numbers", "find the product of two numbers"),
    _skill("a, b", "max(a, b)", "min(a, b)", lambda a, b, _: max(a, b), "find the larger number", "pick the maximum"),
    _skill("a, b", "min(a, b)", "max(a, b)", lambda a, b, _: min(a, b), "find the smaller number", "pick the minimum"),
    _skill("s", "len(s)", "len(s) + 1", lambda s, _: len(s), "count the letters of a word", "get the length of a word"),
    _skill("s", "s[::-1]", "s", lambda s, _: s[::-1], "reverse a word", "turn a word around"),
    _skill("s", "s.upper()", "s.lower()", lambda s, _: s.upper(), "put a word in capitals", "make a word upper case"),
    _skill("xs", "sum(xs)", "max(xs)", lambda xs, _: sum(xs), "add up a list", "find the sum of a list"),
    _skill("xs", "xs[0]", "xs[1]", lambda xs, _: xs[0], "get the first item of a list", "find where a list begins"),
    _skill("n", "n % {k}", "n / {k}", lambda n, k: n % k, "get a number modulo {k}", "divide by {k} and keep the rest",
           held_out=True),
    _skill("s", "s * {k}", "s", lambda s, k: s * k, "repeat a word {k} times", "write a word {k} times", held_out=True),
    _skill("xs", "xs + [{k}]", "xs", lambda xs, k: [*xs, k], "put {k} after a list", "append {k} to a list",
           held_out=True),
)  # fmt: skip

FUNCTIONS: Final = (
    "apply",
    "build",
    "calc",
    "check",
    "do",
    "find",
    "func",
    "get",
    "helper",
    "job",
    "make",
    "part",
    "prog",
    "run",
    "solve",
    "step",
    "task",
    "tool",
    "use",
    "work",
)

_WORDS: Final = ("cat", "dog", "sun", "bus", "pen", "map", "box", "hat")
_BODIES: Final = ("return {expression}", "result = {expression}\n    return result", "return ({expression})")


def generate(split: Split, *, count: int, seed: int) -> tuple[Problem, ...]:
    """The first ``count`` problems of a split, skills in turn. Raises InputError for more than there are."""
    skills = tuple(skill for skill in SKILLS if skill.held_out == (split is Split.OOD))

    def draw(index: int, rng: Random) -> Problem:
        order = draw_order(skills[index % len(skills)], rng)
        return Problem(
            problem_id="",
            question=write_question(order),
            tests=draw_tests(order, rng),
            answer=write_code(order, order.skill.expression, rng),
        )

    return distinct_problems("toy-mbpp", split, count=count, seed=seed, draw=draw)


def draw_order(skill: Skill, rng: Random) -> Order:
    """A problem of a skill."""
    return Order(skill=skill, ask=rng.randrange(len(skill.asks)), function=rng.choice(FUNCTIONS), k=rng.randint(2, 9))


def write_question(order: Order) -> str:
    """The question text."""
    return f"Write a function {order.function} to {order.skill.asks[order.ask].format(k=order.k)}."


def draw_tests(order: Order, rng: Random) -> tuple[str, ...]:
    """Three asserts with other arguments each; a function that returns ``flawed`` fails at least one."""
    tests: list[str] = []
    while len(tests) < ASSERTS:
        arguments = _arguments(order.skill.parameters, rng)
        result = order.skill.solve(*arguments, order.k)
        test = f"assert {order.function}({', '.join(map(_literal, arguments))}) == {_literal(result)}"
        if test not in tests:
            tests.append(test)
    return tuple(tests)


def write_code(order: Order, expression: str, rng: Random) -> str:
    """A function that returns ``expression`` (``skill.expression`` in a sound one), in a style drawn from rng."""
    body = rng.choice(_BODIES).format(expression=expression.format(k=order.k))
    return f"def {order.function}({order.skill.parameters}):\n    {body}"


def _arguments(parameters: str, rng: Random) -> tuple[Value, ...]:
    match parameters:
        case "n":
            return (rng.randint(10, 30),)
        case "a, b":  # two different numbers from 3: sum, product, smaller and larger are all different
            return tuple(rng.sample(range(3, 13), 2))
        case "s":
            return (rng.choice(_WORDS),)
        case _:
            return (rng.sample(range(1, 10), 2),)


def _literal(value: Value) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
