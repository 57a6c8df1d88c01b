r"""The form of a mathematical answer: a number, a number in a base, a list, words, a formula, or nothing readable.

Lists, numbers, bases, units and words are compared here, exactly; only formulas are put to math-verify, which reads
past the rest (it takes ``52_8`` for 52, ``1,1,2`` for ``1,2``, ``(1,2)`` for ``\{1,2\}``, ``1 1/4`` for 1/2).

A *bare* list (``1,2``) has no order; a bracketed one has (``(1,2)``, ``[1,2]``), and braces make a set, whose elements
count with their number. A bare list may stand for a bracketed one in its order, or for a set. What cannot be read,
and what has ellipses, quantifiers or words, is ``OPAQUE``: it equals the same text only.
"""

import re
from dataclasses import dataclass, replace
from enum import Enum, auto
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from selfimp_bench.tasks.grading.math_text import LONGEST_ANSWER, name_of, normalised
from selfimp_bench.tasks.grading.math_units import Unit, magnitude, split_unit

_MOST_DIGITS: Final = 1000
_MOST_ITEMS: Final = 64
_DEEPEST: Final = 4
_HIGHEST_BASE: Final = 36

_BASES: Final = MappingProxyType(
    {
        "two": 2,
        "three": 3,
        "four": 4,
        "five": 5,
        "six": 6,
        "seven": 7,
        "eight": 8,
        "nine": 9,
        "ten": 10,
        "eleven": 11,
        "twelve": 12,
        "sixteen": 16,
    }
)
_THOUSANDS: Final = re.compile(r"(?<=[0-9])(?:\{,\}|,\\!|\\!,|\\,)(?=[0-9]{3}(?![0-9]))")
_SIZES: Final = re.compile(
    r"\\(?:left|right|[bB]igg?[lr]?)(?![a-zA-Z])\s*|\\!|\\displaystyle(?![a-zA-Z])|\\limits(?![a-zA-Z])"
)
_SPACE: Final = re.compile(r"(\\\\)|\\(?:[,;:> ]|q?quad(?![a-zA-Z]))|~|\s+")
_JOINING: Final = re.compile(
    r"\s*,?\s*(?:\\(?:text(?:rm)?|mbox)\s*\{\s*,?\s*(?:and|or)\s*\}|(?<=[\s$)}0-9])(?:and|or)(?=[\s$(]))\s*"
)
_ONE_LETTER: Final = re.compile(
    r"\\(?:text(?:rm|it)?|math(?:rm|it|bf)|operatorname)\s*(?:\{\s*([a-zA-Z])\s*\}| ([a-zA-Z])(?![a-zA-Z]))"
)
_FUNCTION: Final = re.compile(
    r"\\(?:text(?:rm)?|mathrm|operatorname\*?)\s*\{\s*((?:arc)?(?:sin|cos|tan|cot|sec|csc)h?|log|ln|exp|gcd|lcm|max|min|det)\s*\}"
)
# A choice's label before the choice, and a sign that says less than the value.
_LEADING: Final = re.compile(r"\\text(?:bf)?\s?\{\s?\([A-E]\)\s?\}\s*(?=\S)|\\approx\s*")
_TRIGONOMETRY: Final = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-z])")
_DEGREES: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:\^\s*\{\s*\\circ\s*\}|\^\s*\\circ|°)")
_COLUMN: Final = re.compile(r"\\begin\{([pb]matrix)\}([^&]*)\\end\{\1\}")
_PLAIN_ROOT: Final = re.compile(r"\\?\bsqrt\s*\(([^()]*)\)|√\s*\(([^()]*)\)")
_PLAIN_NAMES: Final = re.compile(r"(?<![\\a-zA-Z])(pi|infty|theta|alpha|beta|sqrt)(?![a-zA-Z])")
_UNREADABLE: Final = re.compile(
    r"\\(?:[lcvdi]?dots[a-z]?|forall|exists|implies|iff|(?:Long)?(?:[Rr]ight|[Ll]eft)+arrow|to|mapsto|mid|colon|not|"
    r"ne|neq|text[a-z]*|mbox)(?![a-zA-Z])|\.\.|…|[?:≠]|(?<=[0-9])_|(?<![_^][0-9])(?<=[0-9]) (?=[0-9])"
)
_TEXT: Final = re.compile(r"\\(?:text(?:bf|it|rm|normal)?|mbox|mathrm|mathbf|textbf)\s*\{([^{}]*)\}")
_WORDS: Final = re.compile(r"[^\W\d_]{2,}(?:[\s,'’-]+[^\W\d_]+)*[.!]?|[^\W\d_]+(?:[\s,'’-]+[^\W\d_]+)+[.!]?")
_VOWEL: Final = re.compile(r"[aeiouAEIOU]")

_INTEGER: Final = r"[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+"
_NUMBER: Final = re.compile(rf"([-+]?)\$?({_INTEGER})?(?:\.([0-9]+))?")
_REPEATING: Final = re.compile(r"([-+]?)([0-9]*)\.([0-9]*)\\(?:overline|bar)\{([0-9]+)\}")
_FRACTION_NAME: Final = re.compile(r"\\[dtc]?frac(?![a-zA-Z])")
_COMMAND: Final = re.compile(r"\\[a-zA-Z]+")
_EMPTY: Final = re.compile(r"\\varnothing(?![a-zA-Z])|\\\{\s*\\\}")
_FRACTION: Final = re.compile(r"([-+]?)\\frac\{([-+]?[0-9]+)\}\{([-+]?[0-9]+)\}")
_QUOTIENT: Final = re.compile(r"([-+]?)\(?([-+]?[0-9]+)\)?/\(?([0-9]+)\)?")
_MIXED: Final = re.compile(r"([-+]?)([0-9]+) ?(?:\\frac\{([0-9]+)\}\{([0-9]+)\}| ([0-9]+)/([0-9]+))")
_SCIENTIFIC: Final = re.compile(
    r"([-+]?[0-9]+(?:\.[0-9]+)?)(?:(?:\\times|\\cdot|\*|×)10\^\{?([-+]?[0-9]{1,3})\}?|[eE]([-+]?[0-9]{1,3}))"
)
_RATIO: Final = re.compile(r"([0-9]{1,9}):([0-9]{1,9})")
_CLOCK: Final = re.compile(r"(?:[01]?[0-9]|2[0-4]):[0-5][0-9]")
_BASED: Final = re.compile(
    r"\(?([0-9a-zA-Z]+)\)?(?:_\{?\(?(?:\\text\{)?(?:base)?([0-9]{1,2}|[a-z]+)\}?\)?\}?|\(?base([0-9]{1,2}|[a-z]+)\)?)"
)
_SENTENCE: Final = re.compile(r"(?:[A-Za-z]+ ){1,8}(\$?[-−]?[0-9][0-9,./]*)((?: [A-Za-z]+){0,6})\.?")
_RELATED: Final = re.compile(r"[,;<>≤≥≠]|\\(?:[lg]eq?|[lg]t|neq?|text|mbox|begin|pm)(?![a-zA-Z])|[=!]=")
_HUGE_EXPONENT: Final = re.compile(r"(?:([0-9]+)|[^0-9])\^\{?([0-9]{3,})\}?")
_TOWER: Final = re.compile(r"\^\s*\{[^{}]*\^|!\s*\^|[0-9]{6,}!|!!|\^\{[^{}]*!")
_LIMITS: Final = re.compile(r"_(?:\{[^{}]*\}|[0-9a-zA-Z])\^(?:\{[^{}^]*\}|[0-9a-zA-Z])")
_LITTLE_TOWER: Final = re.compile(
    r"\^\{(?:[0-9]|[0-9]{0,3}[a-zA-Z])\^(?:[0-3](?![0-9])|\{[0-3]\})(?:[+-][0-9a-zA-Z]{1,3})?\}"
)

_OPEN: Final = "([{"
_CLOSE: Final = ")]}"


class Kind(Enum):
    """What an answer is."""

    NUMBER = auto()
    BASED = auto()
    LIST = auto()
    WORDS = auto()
    FORMULA = auto()
    HUGE = auto()
    OPAQUE = auto()


@dataclass(frozen=True, kw_only=True)
class Form:
    """An answer that was read.

    text: as written, in one spacing. name: the letter whose value it is (``x = 5``). value: of a NUMBER; decimals: how
    many it was written with (None for fractions and whole numbers); percent: a percent sign follows. digits, base: of
    a BASED. brackets, items: of a LIST; brackets is empty for a bare one.
    """

    kind: Kind
    text: str
    name: str | None = None
    unit: Unit | None = None
    value: Fraction | None = None
    decimals: int | None = None
    percent: bool = False
    digits: str = ""
    base: int = 10
    brackets: str = ""
    items: tuple["Form", ...] = ()


def read_form(answer: str) -> Form:
    """The form of an answer; never raises."""
    text = _tidy(answer)
    if not text or len(text) > LONGEST_ANSWER:
        return Form(kind=Kind.OPAQUE, text=text)
    return _read(text, depth=0)


def _tidy(answer: str) -> str:
    text = _SIZES.sub("", _THOUSANDS.sub("", answer.strip().strip("$").strip().rstrip(".")))
    text = text.replace(r"\lbrace", r"\{").replace(r"\rbrace", r"\}").replace("\\$", "$")
    text = _FUNCTION.sub(r"\\\1 ", _ONE_LETTER.sub(r"\1\2", text))
    text = _LEADING.sub("", text)
    if _TRIGONOMETRY.search(text):
        text = _DEGREES.sub(r"(\\frac{\1\\pi}{180})", text)
    text = _PLAIN_ROOT.sub(lambda match: rf"\sqrt{{{match[1] or match[2]}}}", text)
    text = _PLAIN_NAMES.sub(r"\\\1", text) if not _WORDS.fullmatch(text) else text
    text = _EMPTY.sub(r"\\emptyset", text.replace("−", "-")).replace("×", r"\times ").replace("·", r"\cdot ")
    text = re.sub(" +", " ", _SPACE.sub(lambda match: match[1] or " ", text)).strip()
    return _braced(text) if len(text) <= LONGEST_ANSWER else text


def _read(text: str, *, depth: int) -> Form:
    if text.count("=") > 1 and not _RELATED.search(text):  # "m+n = 256+37 = 293" says 293
        text = text.rpartition("=")[2].strip()
    name = name_of(text)
    if name is not None and not any(name_of(part) for part in _items(text)[1:]):
        text = re.split(r"=|\\in(?![a-zA-Z])", text, maxsplit=1)[1].strip()
    else:
        name = None
    listing = _listing(text, depth) if depth < _DEEPEST else None
    if listing is not None:
        return replace(listing, name=listing.name or name)
    quantity = split_unit(text, bare=True)
    value, unit = quantity.value.strip(), quantity.unit
    form = _number(value) or _based(value) or _sentence(value) or _words(text)
    if form is None:
        form = _formula(value)
    return replace(form, name=name, unit=form.unit or unit)


def _listing(text: str, depth: int) -> Form | None:
    """A list, if the text is one: several items, or anything in braces. One item in brackets is that item."""
    column = _COLUMN.fullmatch(text)
    if column is not None and "begin" not in column[2]:
        rows = [row for row in column[2].split("\\\\") if row.strip()]
        items = tuple(_read(row.strip(), depth=depth + 1) for row in rows)
        return Form(kind=Kind.LIST, text=text, brackets="()", items=items) if len(items) > 1 else None
    brackets, inside = _outer(text)
    if not brackets and _number(text) is not None:
        return None
    parts = _items(inside)
    if len(parts) < 2 and brackets != "{}":
        return _read(inside, depth=depth + 1) if brackets == "()" and inside.strip() else None
    if len(parts) > _MOST_ITEMS or not all(part.strip() for part in parts) or _UNREADABLE_LIST.search(inside):
        return Form(kind=Kind.OPAQUE, text=text)
    items = tuple(_read(part.strip(), depth=depth + 1) for part in parts)
    if not brackets:
        items = tuple(each for item in items for each in _both_signs(item, depth))
    return Form(kind=Kind.LIST, text=text, brackets=brackets, items=items)


_UNREADABLE_LIST: Final = re.compile(r"\\[lcvd]?dots|\.\.|…|\\(?:forall|exists|mid)(?![a-zA-Z])|[|:]")


def _both_signs(item: Form, depth: int) -> tuple[Form, ...]:
    r"""``\pm 3`` in a list as 3 and -3."""
    if item.kind is not Kind.FORMULA or item.text.count(r"\pm") != 1:
        return (item,)
    before, _, after = item.text.partition(r"\pm")
    signs = ("+", "-") if before.strip() else ("", "-")
    return tuple(_read(f"{before.strip()}{sign}{after.strip()}", depth=depth + 1) for sign in signs)


def _outer(text: str) -> tuple[str, str]:
    """The brackets around a whole text (``()``, ``[)``, ``{}`` ...; empty without) and what is inside."""
    body = text.replace(r"\{", "\x01").replace(r"\}", "\x02").replace(r"\langle", "(").replace(r"\rangle", ")")
    kinds = {"(": "(", "[": "[", "\x01": "{"}
    closing = {")": ")", "]": "]", "\x02": "}"}
    if len(body) < 2 or body[0] not in kinds or body[-1] not in closing:
        return "", text
    level = 0
    for place, char in enumerate(body):
        level += (char in "([{\x01") - (char in ")]}\x02")
        if level == 0 and place < len(body) - 1:
            return "", text
    inside = body[1:-1].replace("\x01", r"\{").replace("\x02", r"\}")
    return kinds[body[0]] + closing[body[-1]], inside


def _items(text: str) -> list[str]:
    """A text split at the commas, semicolons and joining words that no bracket encloses."""
    joined = _JOINING.sub(", ", text) if _JOINING.search(text) else text
    grouped = ", " in joined and re.search(r"(?<![0-9,])[0-9]{1,3},[0-9]{3}(?![0-9])", joined) is not None
    parts, level, start = [], 0, 0
    plain = re.sub(r"\\begin\{[a-z]+\}", lambda m: "(" + "\x00" * (len(m[0]) - 1), joined)
    plain = re.sub(r"\\end\{[a-z]+\}", lambda m: "\x00" * (len(m[0]) - 1) + ")", plain)
    for place, char in enumerate(plain):
        level += (char in _OPEN) - (char in _CLOSE)
        ends = char == ";" or (char == "," and (not grouped or joined[place + 1 : place + 2] == " "))
        if ends and level <= 0:
            parts.append(joined[start:place])
            start = place + 1
    parts.append(joined[start:])
    return parts


def _number(text: str) -> Form | None:
    core, times = magnitude(text)
    percent = core.rstrip().endswith("%")
    plain = core.replace("\\%", "").replace("%", "").strip() if percent else core.strip()
    found = _value(plain)
    if found is None:
        return None
    value, decimals = found
    return Form(kind=Kind.NUMBER, text=text, value=value * times, decimals=decimals, percent=percent)


def _value(text: str) -> tuple[Fraction, int | None] | None:
    """The exact value of a written number, and its decimals; None for anything else."""
    if len(text) > _MOST_DIGITS or not any(c.isdigit() and c.isascii() for c in text):
        return None
    if mixed := _MIXED.fullmatch(text):
        top, bottom = int(mixed[3] or mixed[5]), int(mixed[4] or mixed[6])
        if 0 < top < bottom:
            return _sign(mixed[1]) * (int(mixed[2]) + Fraction(top, bottom)), None
        return None
    packed = normalised(text).replace("$", "")
    if (number := _NUMBER.fullmatch(packed)) and (number[2] or number[3]):
        written = f"{(number[2] or '0').replace(',', '')}.{number[3] or '0'}"
        return _sign(number[1]) * Fraction(written), len(number[3]) if number[3] else None
    if repeating := _REPEATING.fullmatch(packed):
        return _sign(repeating[1]) * _repeating(repeating[2], repeating[3], repeating[4]), None
    if (part := _FRACTION.fullmatch(packed) or _QUOTIENT.fullmatch(packed)) and int(part[3]):
        return _sign(part[1]) * Fraction(int(part[2]), int(part[3])), None
    if power := _SCIENTIFIC.fullmatch(packed):
        return Fraction(power[1]) * Fraction(10) ** int(power[2] or power[3]), None
    if (ratio := _RATIO.fullmatch(packed)) and not _CLOCK.fullmatch(packed) and int(ratio[2]):
        return Fraction(int(ratio[1]), int(ratio[2])), None
    return None


def _braced(text: str) -> str:
    """Fractions with braces around both parts: ``\\frac12``, ``\\frac\\pi2``, ``\\frac{\\sqrt{3}}2``."""
    done, place = [], 0
    for name in _FRACTION_NAME.finditer(text):
        if name.start() < place:  # inside a part of the fraction before it
            continue
        top, middle = _argument(text, name.end())
        bottom, end = _argument(text, middle)
        if not top or not bottom:
            continue
        done.append(text[place : name.start()] + rf"\frac{{{_braced(top)}}}{{{_braced(bottom)}}}")
        place = end
    return "".join([*done, text[place:]])


def _argument(text: str, start: int) -> tuple[str, int]:
    """What a command reads at ``start`` (a group, a command, a sign), without its braces, and where it ends."""
    while text[start : start + 1] == " ":
        start += 1
    command = _COMMAND.match(text, start)
    if command is not None:
        inner = _argument(text, command.end()) if command[0] == "\\sqrt" else ("", command.end())
        return text[start : inner[1]], inner[1]
    if text[start : start + 1] != "{":
        return text[start : start + 1], start + 1
    level = 0
    for place in range(start, len(text)):
        level += (text[place] == "{") - (text[place] == "}")
        if level == 0:
            return text[start + 1 : place].strip(), place + 1
    return "", len(text)


def _sign(written: str) -> int:
    return -1 if written == "-" else 1


def _repeating(whole: str, fixed: str, period: str) -> Fraction:
    """``0.1\\overline{3}``: digits that stay, then digits that repeat."""
    all_digits, kept = int(f"{whole or 0}{fixed}{period}"), int(f"{whole or 0}{fixed}")
    return Fraction(all_digits - kept, (10 ** len(period) - 1) * 10 ** len(fixed))


def _based(text: str) -> Form | None:
    """``52_8``, ``52_{\\text{eight}}``, ``52 (base 8)``."""
    found = _BASED.fullmatch("".join(text.split()))
    if found is None:
        return None
    written = found[2] or found[3]
    base = int(written) if written.isdigit() else _BASES.get(written, 0)
    digits = found[1].upper()
    if not 2 <= base <= _HIGHEST_BASE or not any(c.isdigit() for c in digits):
        return None
    if any(int(c, 36) >= base for c in digits):
        return Form(kind=Kind.OPAQUE, text=text)
    return Form(kind=Kind.BASED, text=text, digits=digits.lstrip("0") or "0", base=base)


def _sentence(text: str) -> Form | None:
    """``There are 12 teachers``: one number in a plain sentence without a hedge."""
    found = _SENTENCE.fullmatch(text)
    if found is None or _HEDGED.search(text) or not _VOWEL.search(text):
        return None
    number = _number(found[1].rstrip(".,"))
    rest = split_unit(f"1{found[2]}", bare=True)
    return replace(number, unit=rest.unit) if number and rest.value == "1" else None


_HEDGED: Final = re.compile(
    r"\b(?:not|never|no|or|either|neither|nor|than|least|most|between|to|and|about|up|under|over|below|above|than|if|"
    r"except|without|minus|plus|times|of|per|half|dozen|hundred|thousand|million|billion)\b",
    re.IGNORECASE,
)


def _words(text: str) -> Form | None:
    plain = _TEXT.sub(r"\1", text).strip()
    marked = plain != text
    inside = plain.strip("() .")
    if not inside or any(c in "\\^=<>+*/|0123456789" for c in inside):
        return Form(kind=Kind.OPAQUE, text=plain) if marked and re.search(r"[^\W\d_]{2,}", plain) else None
    is_language = " " in inside or (len(inside) > 3 and _VOWEL.search(inside) is not None)
    if marked or (_WORDS.fullmatch(inside) and is_language and not inside.startswith(("sin", "cos", "log", "ln"))):
        return Form(kind=Kind.WORDS, text=inside)
    return None


def _formula(text: str) -> Form:
    if _is_huge(text):
        return Form(kind=Kind.HUGE, text=text)
    opaque = _UNREADABLE.search(text)
    return Form(kind=Kind.OPAQUE if opaque else Kind.FORMULA, text=text)


def _is_huge(text: str) -> bool:
    """Whether evaluating would need more memory or time than an answer is worth: towers of powers, huge exponents."""
    packed = _LIMITS.sub("", "".join(text.split()))
    if _TOWER.search(_LITTLE_TOWER.sub("^{n}", packed)):
        return True
    return any(
        len(power[2]) > 6 or int(power[2]) > (20_000 if power[1] else 200) for power in _HUGE_EXPONENT.finditer(packed)
    )


_RELATION: Final = r"(<|>|\\leq?(?![a-zA-Z])|\\geq?(?![a-zA-Z])|\\lt(?![a-zA-Z])|\\gt(?![a-zA-Z])|≤|≥)"
_ONE_SIDE: Final = re.compile(rf"([a-zA-Z]) ?{_RELATION} ?([^<>=≤≥]+)")
_BOTH_SIDES: Final = re.compile(rf"([^<>=≤≥]+?) ?{_RELATION} ?([a-zA-Z]) ?{_RELATION} ?([^<>=≤≥]+)")


def interval_of(form: Form) -> str | None:
    """The interval that an inequality in one letter says (``x \\ge 3``), or the union of several; None for the rest."""
    if form.kind is Kind.LIST and not form.brackets:
        parts = [interval_of(item) for item in form.items]
        return r" \cup ".join(part for part in parts if part) if parts and all(parts) else None
    if form.kind is not Kind.FORMULA:
        return None
    if one := _ONE_SIDE.fullmatch(form.text):
        closed = _is_closed(one[2])
        if _is_less(one[2]):
            return rf"(-\infty,{one[3]}{']' if closed else ')'}"
        return rf"{'[' if closed else '('}{one[3]},\infty)"
    both = _BOTH_SIDES.fullmatch(form.text)
    if both is None or not (_is_less(both[2]) and _is_less(both[4])) or both[1].strip() in ("", "\\"):
        return None
    return f"{'[' if _is_closed(both[2]) else '('}{both[1]},{both[5]}{']' if _is_closed(both[4]) else ')'}"


def _is_less(relation: str) -> bool:
    return relation == "<" or relation.startswith(("\\l", "≤"))


def _is_closed(relation: str) -> bool:
    return "e" in relation or relation in "≤≥"
