"""Numbers as people write them in answers: found in text, with their exact value.

A written number is digits with optional thousands commas (``1,080``; wrong groups are no number), decimals
(``.5``, ``5.``), an exponent (``1.5e3``), a sign and a currency sign before it in either order (``-$5``, ``$-5``),
or a quotient (``3/4``, mixed ``1 1/2``). What stands after it (``dollars``, ``%``, ``thousand``) is a unit: the
number printed is the value, so ``50%`` is 50 and not 0.5. ``(5)`` is 5: accountants' negatives do not occur here.
Commas, dots and dashes without a digit are never a number. Only ASCII digits count.

Every pattern is free of nested repetition, so that reading takes linear time on any text.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

# A limit of our own, far below Python's 4,300 digits for int(str): a longer run is written but not readable.
MAX_DIGITS: Final = 1000

CURRENCY: Final = "$€£¥₹¢₩₽"
MINUS: Final = "-−–﹣－"

_RUN: Final = re.compile(r"[0-9.,]+(?:(?<=[0-9])[eE][+-]?[0-9]+)?(?:/\.?[0-9][0-9.,]*)*")
_PLAIN: Final = re.compile(
    r"(?:(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
)
_LEAD: Final = re.compile(rf"([{MINUS}]?)[{CURRENCY}]?([{MINUS}]?)\Z")
_LEAD_LENGTH: Final = 3
_WORD_END: Final = re.compile(r"[a-zA-Z] ")
_TAIL: Final = 200
_CONTEXT: Final = 100
_ENOUGH: Final = 3
_DIGITS: Final = re.compile(r"[0-9]+")
_TRAILING_PERCENT_OR_CURRENCY: Final = re.compile(rf"[.,]*\s?[%{CURRENCY}]?[.,]*")


@dataclass(frozen=True, kw_only=True)
class WrittenNumber:
    """A number in a text, from ``start`` to ``end``; ``value`` is None if unreadable (``1,00``, ``3/4/20``)."""

    text: str
    value: Fraction | None
    start: int
    end: int


def find_numbers(text: str) -> tuple[WrittenNumber, ...]:
    """Every written number of a text, in order; a mixed number such as ``1 1/2`` is one."""
    found: list[WrittenNumber] = []
    for number in _single_numbers(text):
        mixed = _mixed(text, found[-1], number) if found else None
        if mixed is None:
            found.append(number)
        else:
            found[-1] = mixed
    return tuple(found)


def find_last_numbers(text: str) -> tuple[str, tuple[WrittenNumber, ...]]:
    """The end of the last line that has a number, and its numbers: the last three at least, if there are as many.

    No number reaches across a line break, nor across a blank after a letter; so what stands before is not read.
    """
    end = len(text)
    while end > 0:
        start = text.rfind("\n", 0, end) + 1
        if _DIGITS.search(text, start, end):
            if end - start > 2 * _TAIL and (cut := _WORD_END.search(text, end - _TAIL, end)):
                numbers = find_numbers(text[cut.end() : end])
                if len(numbers) >= _ENOUGH and numbers[-1].start > _CONTEXT:
                    return text[cut.end() : end], numbers
            if numbers := find_numbers(text[start:end]):
                return text[start:end], numbers
        end = start - 1
    return "", ()


def parse_number(text: str) -> Fraction | None:
    """The value of a text that is one number and nothing else but currency, percent and a final stop; else None."""
    stripped = text.strip()
    numbers = find_numbers(stripped)
    if len(numbers) != 1 or numbers[0].start != 0:
        return None
    rest = stripped[numbers[0].end :]
    return numbers[0].value if _TRAILING_PERCENT_OR_CURRENCY.fullmatch(rest) else None


def _single_numbers(text: str) -> Iterator[WrittenNumber]:
    for match in _RUN.finditer(text):
        first, last = match.span()
        while last > first and text[last - 1] in ".,":
            last -= 1
        first = _skip_punctuation(text, first, last)
        if _DIGITS.search(text, first, last) is None:
            continue
        start, negative = _lead(text, first)
        value = None if _beside_other_numerals(text, first, last) else _value(text[first:last])
        if value is not None and negative:
            value = -value
        yield WrittenNumber(text=text[start:last], value=value, start=start, end=last)


def _skip_punctuation(text: str, first: int, last: int) -> int:
    """The start of the number in a run: past commas and an ellipsis, but at the dot of ``.5`` (not of ``No.5``)."""
    digit = first
    while digit < last and text[digit] in ".,":
        digit += 1
    if digit == first or text[digit - 1] != ".":
        return digit
    before = text[digit - 2] if digit > 1 else " "
    return digit if before == "." or before.isalpha() else digit - 1


def _lead(text: str, first: int) -> tuple[int, bool]:
    """Where sign and currency before a number begin, and whether the sign is a minus.

    A dash after a letter, digit, closing bracket or another dash joins (``20-5``, ``covid-19``, ``so--5``).
    """
    base = max(0, first - _LEAD_LENGTH)
    match = _LEAD.search(text, base, first)
    if match is None or match.start() == first:
        return first, False
    start = match.start()
    dashes = match.group(1) + match.group(2)
    if not dashes:
        return start, False
    before = text[start - 1] if start > 0 else " "
    joins = before.isalnum() or before in ")]}%" or before in MINUS or len(dashes) > 1
    if before in CURRENCY and start > 1:
        joins = joins or text[start - 2].isalnum()
    return (first, False) if joins else (start, True)


def _beside_other_numerals(text: str, first: int, last: int) -> bool:
    """Whether a superscript, a vulgar fraction or a foreign digit touches the run: ``5²`` is not 5."""
    neighbours = text[max(0, first - 1) : first] + text[last : last + 1]
    return any(not c.isascii() and unicodedata.category(c) in ("Nd", "Nl", "No") for c in neighbours)


@lru_cache(maxsize=1 << 14)
def _value(written: str) -> Fraction | None:
    parts = [part.rstrip(".,") for part in written.split("/")]
    values = [_plain_value(part) for part in parts]
    match values:
        case [Fraction() as whole]:
            return whole
        case [Fraction() as numerator, Fraction() as denominator] if denominator != 0:
            return numerator / denominator
        case _:
            return None


def _plain_value(written: str) -> Fraction | None:
    if len(written) > MAX_DIGITS or _PLAIN.fullmatch(written) is None:
        return None
    return Fraction(written.replace(",", ""))


def _mixed(text: str, whole: WrittenNumber, part: WrittenNumber) -> WrittenNumber | None:
    """``1 1/2`` as one number: whole digits, one space, a proper fraction of whole digits; else None."""
    numerator, slash, denominator = part.text.partition("/")
    digits_only = all(_DIGITS.fullmatch(item) for item in (numerator, denominator, whole.text.lstrip(MINUS + CURRENCY)))
    if not slash or not digits_only or text[whole.end : part.start] not in (" ", "\u00a0"):
        return None
    if whole.value is None or part.value is None or part.value >= 1:
        return None
    negative = any(c in MINUS for c in whole.text[: -len(whole.text.lstrip(MINUS + CURRENCY))])
    value = whole.value - part.value if negative else whole.value + part.value
    return WrittenNumber(text=text[whole.start : part.end], value=value, start=whole.start, end=part.end)
