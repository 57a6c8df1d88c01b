r"""Answer checking of GSM8K: the number a completion ends in, compared exactly with the gold number.

Two rules of extraction, always reported side by side, because which one a paper used moves its numbers:

strict: the answer line is the first non-blank line after the **last** ``####``. The last, because a model may recite
    examples or correct itself before it answers (taking the first is lm-evaluation-harness issue 3438). The line must
    begin with a number (currency, sign and markdown may stand before it, words and units after it).
flexible: the strict answer where there is one; where the text has no ``####``, or its line does not begin with a
    number, the number of the last ``\boxed{}``; without one, the last number of the text (LaTeX's ``1{,}000`` and
    ``\frac{1}{2}`` are numbers).

Under both rules an answer line with several different numbers (``#### 18 or 19``, ``#### 9*2=18``), or one whose
number cannot be read (``#### 1,00``), is UNPARSED: a hedge is not an answer, and neither value is picked. So is a
number that the words beside it take back (``not 18``, ``18 or more``; ``grading.hedges``). What follows a line that
begins another problem, once a number was given, is not read, unless the text began with a problem itself.
Values are compared exactly: 18 = 18.00 = 54/3, and ``18,000`` is not 18. The number printed counts, whatever
its unit: ``50%`` is 50 (no GSM8K gold has a percent sign), ``18 thousand`` is 18.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction
from functools import lru_cache
from typing import Final, Literal

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.competition_math import last_boxes
from selfimp_bench.tasks.grading.hedges import bounded, bounded_after, denied, next_problem
from selfimp_bench.tasks.grading.numbers import MINUS, WrittenNumber, find_last_numbers, find_numbers, parse_number
from selfimp_bench.tasks.grading.outcome import BothGrades, Grade, Outcome

MARKER: Final = "####"

_DIGIT: Final = re.compile(r"[0-9]")
_OR: Final = re.compile(r"[^0-9\n.;:]{0,30}\bor\b[ \t]{0,3}(?:maybe|perhaps|possibly|even)?[ \t]{0,3}[^\w\n]{0,3}")
_NOT: Final = re.compile(r"[ \t*]{0,3}[,;(]?[ \t]{0,3}(?:and |but )?not[ \t$*]{1,5}", re.IGNORECASE)
_STATED: Final = re.compile(r"\banswer\b", re.IGNORECASE)
_THOUSANDS: Final = re.compile(r"(?<=[0-9])(?:\{,\}|,\\!|\\!,|\\,|\{\\,\})(?=[0-9]{3}(?![0-9]))")
_FRACTION: Final = re.compile(
    r"(-?)\\[dtc]?frac\s{0,3}\{\s{0,3}([0-9]{1,99})\s{0,3}\}\s{0,3}\{\s{0,3}([0-9]{1,99})\s{0,3}\}"
)
_SHORT_FRACTION: Final = re.compile(r"\\[dtc]?frac ?([0-9]) ?([0-9])(?![0-9])")
_BLANKS: Final = re.compile(r" {2,}")
_TEXT: Final = re.compile(r"\\(?:text(?:bf|it|rm)?|mbox|mathrm|mathbf)\s{0,3}\{([^{}]*)\}")
# What may stand beside the number of a box: words and units, and no other mathematics.
_BESIDE_NUMBER: Final = re.compile(r"(?:[ \t\n$%°.,:*_~]|\\[,;:! ]|[^\W\d_]{2,}|\^\{?\\circ\}?)*")
_SPACED_SIGN: Final = re.compile(rf"([{MINUS}])[ \t]+")
_LONGEST_REMARK: Final = 80
_REMEMBERED: Final = 1 << 14
"""Answer lines, and grades: most samples of a problem end in one of a few."""


class _Line(Enum):
    """What the answer line is: not there, there but not one number, there and one number."""

    ABSENT = auto()
    UNREADABLE = auto()
    READ = auto()


@dataclass(frozen=True, kw_only=True)
class _Answer:
    line: _Line
    number: WrittenNumber | None
    remark: str | None
    complete: bool


def grade_gsm8k(completion: str, gold: str, *, extraction: Literal["strict", "flexible"], truncated: bool) -> Grade:
    """Judge a completion by one rule.

    gold: the gold number alone (``18``, ``1,080``; see ``tasks.gsm8k.gold_answer``); anything else raises InputError.
    truncated: generation stopped at the token limit. Then only a strict answer whose line had ended in a line break
        is judged; an answer that touches the cut may be the beginning of a longer number, so it is TRUNCATED.
    Never raises for any completion.
    """
    both = grade_gsm8k_both(completion, gold, truncated=truncated)
    return both.strict if extraction == "strict" else both.flexible


def grade_gsm8k_both(completion: str, gold: str, *, truncated: bool) -> BothGrades:
    """Judge a completion by both rules; see ``grade_gsm8k``."""
    gold_value = gold_number(gold)
    completion = _without_next_problem(completion)
    answer = _answer_line(completion)
    if truncated and not (answer.line is _Line.READ and answer.complete):
        cut = Grade(outcome=Outcome.TRUNCATED, extracted=None, detail="cut before a full answer line")
        return BothGrades(strict=cut, flexible=cut)
    strict = unparsed(answer.remark) if answer.number is None else grade_number(answer.number, gold_value)
    absent = answer.line is _Line.ABSENT
    return BothGrades(strict=strict, flexible=grade_any_number(completion, gold_value) if absent else strict)


@lru_cache(maxsize=1 << 14)
def gold_number(gold: str) -> Fraction:
    """The value of a gold number as printed. Raises InputError for anything else."""
    value = parse_number(gold)
    if value is None:
        raise InputError(
            f"gold answer {shorten(gold)} is not a number; expected one such as '1,080': mend the problems file"
        )
    return value


def grade_any_number(text: str, gold_value: Fraction) -> Grade:
    """Judge a text by the number of its last box; without one, by its last number."""
    boxes = last_boxes(text, at_most=2) if "\\boxed" in text or "\\fbox" in text else ()
    inside = _plain_numbers(boxes[-1].text) if boxes else ""
    if any(c.isdigit() for c in inside):
        box = boxes[-1]
        is_other = len({each.text for each in boxes}) > 1 and _OR.fullmatch(text, boxes[0].end, box.start)
        if is_other or denied(text, box.start, box.end) or bounded_after(text, box.end):
            return unparsed(f"words beside the box take {shorten(inside)} back")
        value = inside.rpartition("=")[2]
        numbers = find_numbers(value)
        if len({number.value for number in numbers}) != 1 or not _BESIDE_NUMBER.fullmatch(_outside(value, numbers[0])):
            return unparsed(f"the box is not one number: {shorten(inside)}")
        return _grade_readable(numbers[0], gold_value)
    line, numbers = find_last_numbers(text)
    plain = _plain_numbers(line)
    numbers = numbers if plain == line else find_numbers(plain)
    if not numbers:
        return unparsed("no number in the text")
    return _grade_last(plain, numbers, gold_value)


def _grade_last(line: str, numbers: tuple[WrittenNumber, ...], gold_value: Fraction) -> Grade:
    last = numbers[-1]
    other = numbers[-2] if len(numbers) > 1 else None
    if other is not None and other.value != last.value and _OR.fullmatch(line, other.end, last.start):
        return unparsed(f"several numbers: {shorten(line[other.start : last.end])}")
    if other is not None and _NOT.fullmatch(line, other.end, last.start):  # "18, not 19"
        return _grade_readable(other, gold_value)
    stated = _STATED.search(line[max(0, last.start - _LONGEST_REMARK) : last.start])
    if denied(line, last.start, last.end) or (bounded if stated else _ends_in_range)(line, last.start, last.end):
        return unparsed(f"words beside the last number take {shorten(last.text)} back")
    return _grade_readable(last, gold_value)


def _grade_readable(number: WrittenNumber, gold_value: Fraction) -> Grade:
    if number.value is None:
        return unparsed(f"last number {shorten(number.text)} is unreadable")
    return grade_number(number, gold_value)


def _ends_in_range(line: str, _start: int, end: int) -> bool:
    return bounded_after(line, end)


def _outside(text: str, number: WrittenNumber) -> str:
    return text[: number.start] + text[number.end :]


def _plain_numbers(text: str) -> str:
    """LaTeX's ways of writing numbers as plain ones; any other text as it is."""
    if "\\" not in text and "{" not in text:
        return text
    text = _THOUSANDS.sub(",", text)
    text = _FRACTION.sub(r" \1\2/\3 ", _SHORT_FRACTION.sub(r"\\frac{\1}{\2}", text))
    return _BLANKS.sub(" ", _TEXT.sub(r" \1 ", text)).replace("\\$", "$").replace("\\%", "%")


def _without_next_problem(completion: str) -> str:
    """A completion up to the line that begins another problem, once a number was given."""
    end = next_problem(completion, 0)
    if end == len(completion):
        return completion
    marker = completion.find(MARKER)
    answered = completion.find("\n", marker + len(MARKER)) if marker >= 0 else -1
    if marker >= 0:
        end = next_problem(completion, answered) if answered >= 0 else len(completion)
    return completion[:end] if _DIGIT.search(completion, 0, end) else completion


def grade_number(number: WrittenNumber, gold_value: Fraction) -> Grade:
    """Judge a readable number by its value."""
    value = number.value  # fractions are in lowest terms; comparing them so takes a quarter of the time
    same = value is not None and (value.numerator, value.denominator) == (gold_value.numerator, gold_value.denominator)
    return _grade_of(number.text, same)


@lru_cache(maxsize=_REMEMBERED)
def _grade_of(written: str, correct: bool) -> Grade:
    return Grade(outcome=Outcome.CORRECT if correct else Outcome.WRONG, extracted=written, detail=None)


def unparsed(remark: str | None) -> Grade:
    """The grade of a text without a usable answer, and why."""
    return Grade(outcome=Outcome.UNPARSED, extracted=None, detail=remark)


def shorten(text: str) -> str:
    """A text for a remark, quoted, at most 80 characters of it."""
    clipped = text.strip()
    return repr(clipped if len(clipped) <= _LONGEST_REMARK else clipped[:_LONGEST_REMARK] + "…")


def _answer_line(completion: str) -> _Answer:
    """The strict answer; ``complete`` tells whether a line break ended its line."""
    marker = completion.rfind(MARKER)
    if marker < 0:
        return _Answer(line=_Line.ABSENT, number=None, remark=f"no {MARKER} in the text", complete=False)
    line, end, _ = completion[marker + len(MARKER) :].lstrip().partition("\n")
    return (_read if len(line) <= _LONGEST_REMARK else _read.__wrapped__)(line, bool(end))


@lru_cache(maxsize=_REMEMBERED)
def _read(line: str, complete: bool) -> _Answer:
    # "#### - 7": nothing stands before this dash that it could join or subtract from.
    line = _SPACED_SIGN.sub(r"\1", line, count=1) if line[:1] in MINUS else line
    numbers = find_numbers(line)
    if numbers and (denied(line, numbers[0].start, numbers[0].end) or bounded(line, numbers[0].start, numbers[0].end)):
        remark = f"words after {MARKER} take the number back: {shorten(line)}"
        return _Answer(line=_Line.UNREADABLE, number=None, remark=remark, complete=complete)
    if not numbers or any(c.isalnum() for c in line[: numbers[0].start]):
        remark = f"the line after {MARKER} does not begin with a number: {shorten(line)}"
        return _Answer(line=_Line.ABSENT, number=None, remark=remark, complete=complete)
    values = {number.value for number in numbers}
    if None in values or len(values) > 1:
        what = "an unreadable number" if None in values else "several numbers"
        remark = f"{what} after {MARKER}: {shorten(line)}"
        return _Answer(line=_Line.UNREADABLE, number=None, remark=remark, complete=complete)
    return _Answer(line=_Line.READ, number=numbers[0], remark=None, complete=complete)
