r"""The unit at the end of a mathematical answer: read, compared, and told from words that are part of the value.

``5\text{ cm}`` is 5 with a unit. ``5\text{ million}`` and ``3\text{ or more}`` have none: magnitudes and quantifiers
count, and so does the half of the day (``4\text{ p.m.}``).
"""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SYNONYMS: Final = (
    "mm millimeter millimetre|cm centimeter centimetre|m meter metre|km kilometer kilometre|in inch inche|ft foot feet|"
    "yd yard|mi mile|mg milligram|g gram gm|kg kilogram kilo|lb pound|oz ounce|ton tonne|s sec second|min minute|"
    "h hr hour|day|week|month|yr year|dollar usd|cent penny penni|euro|deg degree|rad radian|l liter litre|"
    "ml milliliter millilitre|gal gallon|quart|pint|cup|mph|kmh km/h kph|percent|ms millisecond|decade|century|unit"
)
_MEASURES: Final = MappingProxyType(
    {name: names.split()[0] for names in _SYNONYMS.split("|") for name in names.split()}
)
"""Every name of a unit of measure to its short name; what is not here counts things (``teachers``)."""

_MAGNITUDES: Final = MappingProxyType(
    {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
)
# A word of these makes what it stands in part of the value.
_COUNTING: Final = _words(
    "or and more less fewer at least most about approximately approx around roughly nearly almost not no never above "
    "below over under than to from mod if when for where with without only either neither nor between up down until "
    "half quarter third thirds a.m p.m am pm a.m. p.m. noon midnight rd th st nd bc ad remainder base"
)
_NO_WORDS: Final = _words(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp pi sqrt frac mod max min gcd lcm det theta "
    "alpha beta gamma infty infinity times cdot cis"
)
_SYMBOL_LENGTH: Final = 3

_TEXT_UNIT: Final = re.compile(
    r"\s*(?:\\(?:text(?:bf|it|rm)?|mbox)\s*\{([^{}]*)\}|\\mathrm\s*\{(\s*\w\w[^{}]*)\})(?:\^\{?([23])\}?)?\Z"
)
_BARE_UNIT: Final = re.compile(
    r"(?<=[0-9})\]])(?P<blank>\s*)(?P<words>[A-Za-z][A-Za-z/. -]{1,60}?)(?:\^\{?(?P<power>[23])\}?)?\.?\Z"
)
_DEGREE: Final = re.compile(r"\s*(?:\^\s*\{\s*\\circ\s*\}|\^\s*\\circ|\^?\s*\{?\\degree\}?|°)\Z")
_SPEEDS: Final = MappingProxyType({"mi per h": "mph", "mi/h": "mph", "km per h": "kmh", "km/h": "kmh"})
_POWERS: Final = MappingProxyType({"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cubed": 3, "cu": 3})


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit's short name, or the words that count things, and its power (2 for ``square``)."""

    name: str
    power: int

    @property
    def is_measure(self) -> bool:
        """Whether it is a unit of measure, and not the name of the things that are counted."""
        return self.name in _MEASURES.values()


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """An answer without its unit."""

    value: str
    unit: Unit | None


def split_unit(answer: str, *, bare: bool) -> Quantity:
    """An answer and the unit at its end. ``bare``: read units outside ``\\text{}``, too (``12 dollars``)."""
    degree = _DEGREE.search(answer)
    if degree is not None and degree.start():
        return Quantity(value=answer[: degree.start()], unit=Unit(name="deg", power=1))
    found = _TEXT_UNIT.search(answer)
    if found is not None and found.start() and (unit := _unit(found[1] or found[2] or "", found[3])):
        return Quantity(value=answer[: found.start()], unit=unit)
    plain = _BARE_UNIT.search(answer) if bare else None
    if plain is not None and _is_bare_unit(plain["words"], apart=bool(plain["blank"])):
        unit = _unit(plain["words"], plain["power"])
        if unit is not None:
            return Quantity(value=answer[: plain.start()], unit=unit)
    currency = Unit(name="dollar", power=1) if answer.lstrip("-− \\").startswith("$") else None
    return Quantity(value=answer, unit=currency)


def same_kind(gold: Unit | None, answer: Unit | None, *, strictly: bool) -> bool:
    """Whether an answer's unit may stand for the gold answer's. One that is missing may.

    ``strictly``: words that count things must be the same; else only units of measure and powers must.
    """
    if gold is None or answer is None:
        return True
    if gold.power != answer.power:
        return False
    if gold.name == answer.name or "unit" in (gold.name, answer.name):
        return True
    return not strictly and not (gold.is_measure and answer.is_measure)


def magnitude(answer: str) -> tuple[str, int]:
    """An answer without a magnitude's word at its end (``5 million``), and the magnitude (1 without one)."""
    found = re.fullmatch(r"(.*?[0-9}])\s*(?:\\(?:text(?:rm)?|mbox|mathrm)\s*\{)?\s*([a-z]+?)s?\s*\}?", answer.strip())
    if found is None or found[2] not in _MAGNITUDES:
        return answer, 1
    return found[1], _MAGNITUDES[found[2]]


def _unit(words: str, power: str | None) -> Unit | None:
    """The unit that words name; None where they belong to the value, or say nothing."""
    parts = [part.strip(".,") or part for part in words.casefold().replace("-", " ").split()]
    letters = words.casefold().split()
    if any(part in _COUNTING or part.rstrip("s") in _MAGNITUDES for part in (*parts, *letters)) or not parts:
        return None
    raised = int(power or 1)
    for part in parts:
        raised = _POWERS.get(part, raised)
    names = [_short(part) for part in parts if part not in _POWERS]
    if not names or not any(c.isalpha() for c in words):
        return None
    described = len(names) > 1 and names[0] in _MEASURES.values() and "per" not in names  # "feet tall"
    joined = names[0] if described else " ".join(names)
    return Unit(name=_SPEEDS.get(joined, joined), power=raised)


def _short(word: str) -> str:
    if word in _MEASURES:
        return _MEASURES[word]
    singular = word[:-2] if word.endswith("es") and word[:-2] in _MEASURES else word.removesuffix("s")
    return _MEASURES.get(singular, singular)


def _is_bare_unit(words: str, *, apart: bool) -> bool:
    """Whether words outside ``\\text{}`` are a unit and not factors: a known measure, or words as of a language."""
    parts = words.replace(".", " ").split()
    if not parts or any(part.casefold() in _NO_WORDS for part in parts):
        return False
    first = parts[0]
    if len(first) > 1 and (_short(first.casefold()) in _MEASURES.values() or first.casefold() in _POWERS):
        return True
    return apart and all(len(part) > _SYMBOL_LENGTH or part.islower() for part in parts) and _is_word(first)


def _is_word(text: str) -> bool:
    return len(text) > _SYMBOL_LENGTH and any(c in "aeiou" for c in text) and any(c not in "aeiou" for c in text)
