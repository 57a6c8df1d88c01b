r"""A seeded generator of small problems in the form of MATH: LaTeX, a subject, levels 1 to 5, a ``\boxed`` answer.

Train and test share three forms (sums of fractions, remainders, equations such as ``x + 3 = 7``) but never a question;
the ood split has a form of algebra that the other two never use: the value of an expression.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from selfimp_bench.measurement import Split
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.toy_problems import distinct_problems

MAX_LEVEL: Final = 5


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """What a form asks at a level.

    formula: what the question asks about, in LaTeX.
    working: the way to the answer, up to a last ``=`` that ``value`` completes.
    write: a value as the answer has it (a numerator as a fraction).
    """

    formula: str
    working: str
    value: int
    write: Callable[[int], str]


@dataclass(frozen=True, kw_only=True)
class Form:
    """One kind of problem. ``asks`` hold {formula}."""

    name: str
    subject: str
    held_out: bool
    asks: tuple[str, ...]
    draw: Callable[[int, Random], Exercise]


@dataclass(frozen=True, kw_only=True)
class Puzzle:
    """A problem before it is written down; ``ask`` is the index of its phrasing."""

    form: Form
    level: int
    ask: int
    exercise: Exercise


def _fractions(level: int, rng: Random) -> Exercise:
    # A prime denominator and a sum between 0 and 1 leave nothing to reduce.
    signs = ("+", "-", "++", "+-", "+++")[level - 1]
    while True:
        denominator = rng.choice((5, 7, 11, 13, 17))
        first, *rest = (rng.randint(1, 9) for _ in range(len(signs) + 1))
        value = first + sum(term if sign == "+" else -term for sign, term in zip(signs, rest, strict=True))
        if 0 < value < denominator > max(first, *rest):
            break
    terms = [(sign, term) for sign, term in zip(signs, rest, strict=True)]
    return Exercise(
        formula=" ".join([_fraction(first, denominator), *(f"{s} {_fraction(t, denominator)}" for s, t in terms)]),
        working=" ".join([str(first), *(f"{s} {t}" for s, t in terms), "="]),
        value=value,
        write=lambda numerator: _fraction(numerator, denominator),
    )


def _fraction(numerator: int, denominator: int) -> str:
    return rf"\frac{{{numerator}}}{{{denominator}}}"


def _remainder(level: int, rng: Random) -> Exercise:
    divisor = rng.randint(3, 9)
    number = divisor + rng.randint(10 * level - 9, 10 * level)
    return Exercise(
        formula=rf"{number} \div {divisor}",
        working=rf"{number} - {number // divisor} \cdot {divisor} =",
        value=number % divisor,
        write=str,
    )


def _equation(level: int, rng: Random) -> Exercise:
    """Levels: x + a, x - a, mx, mx + a, mx - a; the solution is a whole number above 0."""
    x, factor, added = _line(rng)
    product = f"{factor}x"
    formula, first, then = {
        1: (f"x + {added} = {x + added}", "", f"{x + added} - {added}"),
        2: (f"x - {added} = {x}", "", f"{x} + {added}"),
        3: (f"{product} = {factor * x}", "", f"{factor * x} / {factor}"),
        4: (
            f"{product} + {added} = {factor * x + added}",
            f"{factor * x + added} - {added} = {factor * x}, ",
            f"{factor * x} / {factor}",
        ),
        5: (
            f"{product} - {added} = {factor * x - added}",
            f"{factor * x - added} + {added} = {factor * x}, ",
            f"{factor * x} / {factor}",
        ),
    }[level]
    return Exercise(formula=formula, working=f"{first}{then} =", value=x + added if level == 2 else x, write=str)


def _line(rng: Random) -> tuple[int, int, int]:
    """x, factor and summand; factor * x is the greater, so that no value is below 1."""
    x, factor = rng.randint(2, 15), rng.randint(2, 6)
    return x, factor, rng.randint(2, min(20, factor * x - 1))


def _evaluation(level: int, rng: Random) -> Exercise:
    x, factor, added = _line(rng)
    product = factor * x
    formula, working, value = {
        1: (f"x + {added}", f"{x} + {added} =", x + added),
        2: (f"{added} - x" if added > x else f"x - {added}", f"{max(x, added)} - {min(x, added)} =", abs(x - added)),
        3: (f"{factor}x", rf"{factor} \cdot {x} =", product),
        4: (f"{factor}x + {added}", rf"{factor} \cdot {x} = {product}, {product} + {added} =", product + added),
        5: (f"{factor}x - {added}", rf"{factor} \cdot {x} = {product}, {product} - {added} =", product - added),
    }[level]
    return Exercise(formula=f"{formula}$ for $x = {x}", working=working, value=value, write=str)


FORMS: Final = (
    Form(
        name="fractions",
        subject="Prealgebra",
        held_out=False,
        asks=("Compute ${formula}$.", "What is ${formula}$?", "Add up ${formula}$."),
        draw=_fractions,
    ),
    Form(
        name="remainder",
        subject="Number Theory",
        held_out=False,
        asks=(
            "Find the remainder of ${formula}$.",
            "What remains of ${formula}$?",
            "What does ${formula}$ leave over?",
        ),
        draw=_remainder,
    ),
    Form(
        name="equation",
        subject="Algebra",
        held_out=False,
        asks=("Solve ${formula}$.", "If ${formula}$, what is $x$?", "Find $x$ when ${formula}$."),
        draw=_equation,
    ),
    Form(
        name="evaluation",
        subject="Algebra",
        held_out=True,
        asks=("Evaluate ${formula}$.", "Find the value of ${formula}$.", "Give ${formula}$."),
        draw=_evaluation,
    ),
)

_ENDINGS: Final = (", so the answer is", ". The answer is", ", which gives")


def generate(split: Split, *, count: int, seed: int) -> tuple[Problem, ...]:
    """The first ``count`` problems of a split, levels in turn (1 to 5, then 1 again).

    Raises InputError for more than there are.
    """
    forms = tuple(form for form in FORMS if form.held_out == (split is Split.OOD))

    def draw(index: int, rng: Random) -> Problem:
        puzzle = draw_puzzle(forms[index // MAX_LEVEL % len(forms)], index % MAX_LEVEL + 1, rng)
        return Problem(
            problem_id="",
            question=write_question(puzzle),
            answer=write_solution(puzzle, puzzle.exercise.value, rng),
            level=puzzle.level,
            subject=puzzle.form.subject,
        )

    return distinct_problems("toy-math", split, count=count, seed=seed, draw=draw)


def draw_puzzle(form: Form, level: int, rng: Random) -> Puzzle:
    """A problem of a form and level (1 to 5)."""
    return Puzzle(form=form, level=level, ask=rng.randrange(len(form.asks)), exercise=form.draw(level, rng))


def write_question(puzzle: Puzzle) -> str:
    """The question text."""
    return puzzle.form.asks[puzzle.ask].format(formula=puzzle.exercise.formula)


def write_solution(puzzle: Puzzle, value: int, rng: Random) -> str:
    r"""The solution that finds ``value`` (``exercise.value`` in a sound one), ended in a style drawn from rng."""
    answer = rf"$\boxed{{{puzzle.exercise.write(value)}}}$."
    return f"${puzzle.exercise.working} {value}${rng.choice(_ENDINGS)} {answer}"
