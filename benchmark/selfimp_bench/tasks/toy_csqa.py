"""A seeded generator of small questions in the form of CommonsenseQA: five choices, the answer a label.

A question asks for a thing's colour, home and the like; the wrong choices are other things' colours or homes. Choices
stand in alphabetical order, so that a model too small to look an answer up can still guess its label. Train and test
share relations but never a question; the ood split asks for relations that the other two never do. Every question has
rationales, each in words of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final

from selfimp_bench.measurement import Split
from selfimp_bench.tasks.commonsense_qa import LABELS
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.tiny_gsm import seeded_random
from selfimp_bench.tasks.toy_problems import distinct_problems


@dataclass(frozen=True, kw_only=True)
class Relation:
    """What is asked of a thing. ``asks`` hold {thing} and {name}; ``facts`` maps a thing to the right answer."""

    name: str
    held_out: bool
    asks: tuple[str, ...]
    facts: Mapping[str, str]

    @property
    def answers(self) -> tuple[str, ...]:
        """Every answer of the relation once, in the order of the facts."""
        return tuple(dict.fromkeys(self.facts.values()))


@dataclass(frozen=True, kw_only=True)
class Quiz:
    """A problem before it is written down; ``ask`` is the index of its phrasing."""

    relation: Relation
    thing: str
    ask: int
    person: str
    choices: tuple[str, ...]


def _relation(*, name: str, asks: tuple[str, ...], facts: str, held_out: bool = False) -> Relation:
    pairs = dict(fact.split(":") for fact in facts.split())
    return Relation(name=name, held_out=held_out, asks=asks, facts=MappingProxyType(pairs))


RELATIONS: Final = (
    _relation(
        name="colour",
        asks=("{name} sees the {thing}. What colour is it?", "What colour is the {thing} of {name}?"),
        facts="banana:yellow snow:white grass:green coal:black blood:red sky:blue carrot:orange plum:purple",
    ),
    _relation(
        name="home",
        asks=("{name} looks for the {thing}. Where is it?", "Where does the {thing} of {name} live?"),
        facts="fish:water bird:nest bee:hive cow:barn dog:kennel spider:web bear:cave lion:zoo",
    ),
    _relation(
        name="kind",
        asks=("{name} thinks of the {thing}. What kind is it?", "To what kind does the {thing} of {name} belong?"),
        facts="apple:fruit oak:tree rose:flower crow:bird trout:fish ant:insect hammer:tool sofa:seat",
    ),
    _relation(
        name="use",
        asks=("{name} takes the {thing}. What for?", "For what does {name} need the {thing}?"),
        facts="knife:cutting pen:writing bed:sleeping broom:sweeping oven:baking phone:calling soap:washing saw:sawing",
    ),
    _relation(
        name="part",
        held_out=True,
        asks=("{name} has the {thing}. What is on it?", "What is a part of the {thing} of {name}?"),
        facts="car:wheel house:roof shirt:sleeve tree:leaf clock:hand book:page shoe:sole door:handle",
    ),
    _relation(
        name="maker",
        held_out=True,
        asks=("{name} buys the {thing}. Who made it?", "Who makes the {thing} for {name}?"),
        facts="bread:baker chair:carpenter suit:tailor song:singer picture:painter meal:cook ring:jeweller wall:mason",
    ),
)

RATIONALES_EACH: Final = 3
"""Rationales of a problem."""
RATIONALE_FORMS: Final = (
    "The {thing} is {answer}.",
    "What is the {thing}? It is {answer}.",
    "For the {thing} it is {answer}.",
    "{answer} is of the {thing}.",
    "It is the {thing}, {answer}.",
)
"""The ways in which a rationale is written."""
PEOPLE: Final = ("Ann", "Ben", "Eva", "Max", "Mia", "Sam", "Tom", "Zoe", "Ida", "Leo", "Kim", "Pat")


def generate(split: Split, *, count: int, seed: int) -> tuple[Problem, ...]:
    """The first ``count`` problems of a split, relations in turn. Raises InputError for more than there are."""
    relations = tuple(relation for relation in RELATIONS if relation.held_out == (split is Split.OOD))

    def draw(index: int, rng: Random) -> Problem:
        quiz = draw_quiz(relations[index % len(relations)], rng)
        return Problem(
            problem_id="",
            question=write_question(quiz),
            choices=quiz.choices,
            answer=label_of(quiz, right_answer(quiz)),
        )

    return distinct_problems("toy-csqa", split, count=count, seed=seed, draw=draw)


def generate_rationales(split: Split, *, count: int, seed: int) -> tuple[Problem, ...]:
    """The first ``count`` rationales of a split's problems, ``RATIONALES_EACH`` of a problem one after the other.

    Each has the id of its problem, and stands where an answer does. Raises InputError for more than there are.
    """
    found = []
    for problem in generate(split, count=-(-count // RATIONALES_EACH), seed=seed):
        rng = seeded_random("toy-csqa-rationales", problem.problem_id)
        for form in rng.sample(RATIONALE_FORMS, RATIONALES_EACH):
            thing, answer = _fact(problem)
            text = form.format(thing=thing, answer=answer)
            found.append(Problem(problem_id=problem.problem_id, question="", answer=text))
    return tuple(found[:count])


def _fact(problem: Problem) -> tuple[str, str]:
    """The thing that a problem asks about and the right choice."""
    answer = (problem.choices or ())[LABELS.index(problem.answer or "")]
    facts = (fact for relation in RELATIONS for fact in relation.facts.items())
    return next((thing, fact) for thing, fact in facts if fact == answer and f" {thing}" in problem.question)


def draw_quiz(relation: Relation, rng: Random) -> Quiz:
    """A question of a relation; its choices, by alphabet, are the right answer and four others of the relation."""
    thing = rng.choice(tuple(relation.facts))
    others = [answer for answer in relation.answers if answer != relation.facts[thing]]
    return Quiz(
        relation=relation,
        thing=thing,
        ask=rng.randrange(len(relation.asks)),
        person=rng.choice(PEOPLE),
        choices=tuple(sorted([relation.facts[thing], *rng.sample(others, len(LABELS) - 1)])),
    )


def write_question(quiz: Quiz) -> str:
    """The question without its choices."""
    return quiz.relation.asks[quiz.ask].format(name=quiz.person, thing=quiz.thing)


def right_answer(quiz: Quiz) -> str:
    """The text of the right choice."""
    return quiz.relation.facts[quiz.thing]


def label_of(quiz: Quiz, answer: str) -> str:
    """The label of one of the quiz's choices."""
    return LABELS[quiz.choices.index(answer)]
