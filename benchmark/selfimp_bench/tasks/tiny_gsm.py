"""A seeded generator of small word problems in the form of GSM8K.

A problem is a story of one to five arithmetic steps (its level) told in the
words of one family.  Train and test share families but never a question; the
ood split uses families that the other two never use.

Row i of a split depends on (split, seed, rows before i) only, so asking for a
larger count extends the list and changes none of it.
"""

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from selfimp_bench.measurement import Split
from selfimp_bench.tasks.problem import Problem

MAX_LEVEL: Final = 5
LARGEST_VALUE: Final = 99


class Pool(StrEnum):
    """Where a question belongs, decided by its own text.

    A rule on the text keeps train, test and pre-training apart for every
    seed and count, with no list of used questions to carry around.
    """

    TRAIN = "train"
    EVALUATION = "evaluation"
    PRETRAINING = "pretraining"


class Operation(StrEnum):
    """What one step of a story does to the running value; the value is its sign."""

    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"


@dataclass(frozen=True, kw_only=True)
class Family:
    """The wording of one kind of story.

    Templates hold {name}, {item} and {n}; cues has two or more phrasings for
    each operation.
    """

    name: str
    held_out: bool
    items: tuple[str, ...]
    opener: str
    cues: Mapping[Operation, tuple[str, ...]]
    asks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a story; cue is the index of its phrasing in the family."""

    operation: Operation
    operand: int
    cue: int


@dataclass(frozen=True, kw_only=True)
class Story:
    """A problem before it is written down."""

    family: Family
    person: str
    item: str
    ask: str
    start: int
    steps: tuple[Step, ...]


def _family(
    *,
    name: str,
    opener: str,
    items: str,
    add: tuple[str, ...],
    subtract: tuple[str, ...],
    multiply: tuple[str, ...],
    divide: tuple[str, ...],
    asks: tuple[str, ...],
    held_out: bool = False,
) -> Family:
    cues = {
        Operation.ADD: add,
        Operation.SUBTRACT: subtract,
        Operation.MULTIPLY: multiply,
        Operation.DIVIDE: divide,
    }
    return Family(
        name=name,
        held_out=held_out,
        items=tuple(items.split()),
        opener=opener,
        cues=MappingProxyType(cues),
        asks=asks,
    )


FAMILIES: Final = (
    _family(
        name="market",
        opener="{name} has {n} {item}.",
        items="apples pens cups hats",
        add=("{name} buys {n} more.", "{name} finds {n} more."),
        subtract=("{name} sells {n}.", "{name} drops {n}."),
        multiply=("{name} then gets {n} times as many.", "The pile grows {n} times."),
        divide=("{name} keeps one of {n} equal shares.", "{n} friends share them."),
        asks=("How many {item} are left?", "How many does {name} have?"),
    ),
    _family(
        name="garden",
        opener="A garden has {n} {item}.",
        items="roses trees bushes",
        add=("{name} plants {n}.", "{n} come up."),
        subtract=("{name} picks {n}.", "{n} die."),
        multiply=("They become {n} times as many.", "The garden grows {n} times."),
        divide=("One in {n} lives.", "{name} keeps one of {n} equal rows."),
        asks=("How many {item} are there?", "How many are there now?"),
    ),
    _family(
        name="bus",
        opener="A bus has {n} {item}.",
        items="people riders bags",
        add=("{n} get on.", "A stop adds {n}."),
        subtract=("{n} get off.", "A stop takes {n}."),
        multiply=("It fills to {n} times that.", "A new bus has {n} times as many."),
        divide=("They split over {n} cars.", "One in {n} stays."),
        asks=("How many {item} are on it?", "How many ride now?"),
    ),
    _family(
        name="library",
        opener="A shelf has {n} {item}.",
        items="books maps cards",
        add=("{n} come back.", "{name} gives {n}."),
        subtract=("{n} go out.", "{name} takes {n}."),
        multiply=("{name} makes it {n} times as full.", "It then has {n} times as many."),
        divide=("They split over {n} shelves.", "{name} keeps one of {n} equal piles."),
        asks=("How many {item} are on it?", "How many does it have now?"),
    ),
    _family(
        name="money",
        opener="{name} saves {n} {item}.",
        items="coins dollars cents",
        add=("{name} earns {n}.", "Dad gives {n}."),
        subtract=("{name} spends {n}.", "{name} pays back {n}."),
        multiply=("The bank makes it {n} times as much.", "{name} wins {n} times as much."),
        divide=("{n} friends split it.", "{name} keeps one part of {n}."),
        asks=("How many {item} are left?", "How much does {name} have?"),
    ),
    _family(
        name="game",
        opener="{name} has {n} {item}.",
        items="points stars lives",
        add=("{name} wins {n}.", "A hit adds {n}."),
        subtract=("{name} loses {n}.", "A miss takes {n}."),
        multiply=("A prize makes it {n} times.", "{name} then has {n} times as many."),
        divide=("A trap leaves one part of {n}.", "{name} splits them over {n} games."),
        asks=("How many {item} does {name} have?", "How many are there now?"),
    ),
    _family(
        name="kitchen",
        held_out=True,
        opener="A jar holds {n} {item}.",
        items="nuts cookies beans",
        add=("{name} bakes {n} more.", "{name} puts in {n}."),
        subtract=("{name} eats {n}.", "{n} burn."),
        multiply=("{name} cooks {n} times as many.", "The jar fills {n} times."),
        divide=("{n} plates share them.", "{name} keeps one of {n} equal bowls."),
        asks=("How many {item} are in it?", "How many are left?"),
    ),
    _family(
        name="lake",
        held_out=True,
        opener="A lake has {n} {item}.",
        items="ducks fish frogs",
        add=("{n} swim in.", "{n} are born."),
        subtract=("{n} swim off.", "{name} catches {n}."),
        multiply=("They grow to {n} times that.", "Spring makes it {n} times."),
        divide=("They split over {n} lakes.", "One in {n} lives."),
        asks=("How many {item} are there?", "How many swim now?"),
    ),
    _family(
        name="farm",
        held_out=True,
        opener="A farm keeps {n} {item}.",
        items="cows hens eggs",
        add=("{name} brings {n}.", "{n} walk in."),
        subtract=("{name} sends off {n}.", "{n} run off."),
        multiply=("A good year makes it {n} times.", "{name} raises {n} times as many."),
        divide=("{n} farms share them.", "{name} keeps one of {n} equal pens."),
        asks=("How many {item} are left?", "How many does {name} have?"),
    ),
)

PEOPLE: Final = ("Ann", "Ben", "Eva", "Max", "Mia", "Sam", "Tom", "Zoe")

_POOLS: Final = (Pool.TRAIN, Pool.EVALUATION, Pool.PRETRAINING)

_MERGE_RATE: Final = 0.15
_SWAP_RATE: Final = 0.3

_LINES: Final = (
    "{equation}",
    "Then {equation}",
    "So {equation}",
    "Now {equation}",
    "{equation} {item}",
)


def generate(split: Split, *, count: int, seed: int) -> tuple[Problem, ...]:
    """The first `count` problems of a split, levels in turn (1 to 5, then 1 again)."""
    families = tuple(f for f in FAMILIES if f.held_out == (split is Split.OOD))
    pool = Pool.TRAIN if split is Split.TRAIN else Pool.EVALUATION
    seen: set[str] = set()
    problems = []
    for index in range(count):
        rng = seeded_random("tiny-gsm", split, str(seed), str(index))
        family = families[index // MAX_LEVEL % len(families)]
        story = _unseen_story(family, index % MAX_LEVEL + 1, pool, seen, rng)
        question = write_question(story)
        seen.add(question)
        problems.append(
            Problem(
                problem_id=f"tiny-gsm-{split}-{seed}-{index:05d}",
                question=question,
                answer=write_solution(story, story.steps, rng),
                level=len(story.steps),
                subject=family.name,
            )
        )
    return tuple(problems)


def seeded_random(*parts: str) -> random.Random:
    """A generator whose stream depends on the parts only, not on the process."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def pool_of(question: str) -> Pool:
    """The one pool a question may be used in."""
    digest = hashlib.sha256(question.encode()).digest()
    return _POOLS[int.from_bytes(digest[:8], "big") % len(_POOLS)]


def draw_story(family: Family, level: int, rng: random.Random) -> Story:
    """A story of `level` steps whose running value stays within 1..LARGEST_VALUE."""
    start = rng.randint(3, 40)
    value = start
    steps: list[Step] = []
    for _ in range(level):
        step = _draw_step(family, value, rng)
        value = apply_step(value, step)
        steps.append(step)
    return Story(
        family=family,
        person=rng.choice(PEOPLE),
        item=rng.choice(family.items),
        ask=rng.choice(family.asks),
        start=start,
        steps=tuple(steps),
    )


def is_applicable(value: int, step: Step, *, largest: int) -> bool:
    """Whether the step leads to a whole number in 1..largest."""
    match step.operation:
        case Operation.ADD:
            return value + step.operand <= largest
        case Operation.SUBTRACT:
            return value > step.operand
        case Operation.MULTIPLY:
            return value * step.operand <= largest
        case Operation.DIVIDE:
            return value % step.operand == 0


def apply_step(value: int, step: Step) -> int:
    """The running value after an applicable step."""
    match step.operation:
        case Operation.ADD:
            return value + step.operand
        case Operation.SUBTRACT:
            return value - step.operand
        case Operation.MULTIPLY:
            return value * step.operand
        case Operation.DIVIDE:
            return value // step.operand


def write_question(story: Story) -> str:
    """The question text, one sentence for each step."""
    family = story.family
    sentences = [
        family.opener.format(name=story.person, item=story.item, n=story.start),
        *(family.cues[step.operation][step.cue].format(name=story.person, n=step.operand) for step in story.steps),
        story.ask.format(name=story.person, item=story.item),
    ]
    return " ".join(sentences)


def write_solution(story: Story, steps: Sequence[Step], rng: random.Random) -> str:
    """The lines of a solution that takes `steps`, in a style drawn from rng.

    `steps` is story.steps in a sound solution; each must be applicable to
    the value that the steps before it lead to.
    """
    lines = []
    value = story.start
    remaining = list(steps)
    while remaining:
        first = remaining.pop(0)
        expression = _expression(value, first, rng)
        value = apply_step(value, first)
        if remaining and _can_merge(first, remaining[0]) and rng.random() < _MERGE_RATE:
            second = remaining.pop(0)
            expression = f"{expression} {second.operation} {second.operand}"
            value = apply_step(value, second)
        equation = f"{expression} = {value}"
        lines.append(rng.choice(_LINES).format(equation=equation, item=story.item))
    return "\n".join([*lines, f"#### {value}"])


def _unseen_story(family: Family, level: int, pool: Pool, seen: set[str], rng: random.Random) -> Story:
    while True:
        story = draw_story(family, level, rng)
        question = write_question(story)
        if pool_of(question) is pool and question not in seen:
            return story


def _draw_step(family: Family, value: int, rng: random.Random) -> Step:
    # Sums and differences are drawn twice as often as products and quotients,
    # as in grade-school books; each value below LARGEST_VALUE allows some step.
    common = (Operation.ADD, Operation.SUBTRACT)
    while True:
        operation = rng.choice((*common, *common, Operation.MULTIPLY, Operation.DIVIDE))
        operand = rng.randint(2, 20) if operation in common else rng.randint(2, 4)
        step = Step(
            operation=operation,
            operand=operand,
            cue=rng.randrange(len(family.cues[operation])),
        )
        if is_applicable(value, step, largest=LARGEST_VALUE):
            return step


def _expression(value: int, step: Step, rng: random.Random) -> str:
    commutes = step.operation in (Operation.ADD, Operation.MULTIPLY)
    if commutes and rng.random() < _SWAP_RATE:
        return f"{step.operand} {step.operation} {value}"
    return f"{value} {step.operation} {step.operand}"


def _can_merge(first: Step, second: Step) -> bool:
    # Sums and differences read left to right; a product or quotient would
    # need brackets or precedence.
    linear = (Operation.ADD, Operation.SUBTRACT)
    return first.operation in linear and second.operation in linear
