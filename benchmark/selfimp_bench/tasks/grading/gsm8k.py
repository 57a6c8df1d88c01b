"""Answer checking of GSM8K: the number a completion ends in, compared exactly with the gold number.

Two rules of extraction, always reported side by side, because which one a paper used moves its numbers:

strict: the answer line is the first non-blank line after the **last** ``####``. The last, because a model may recite
    examples or correct itself before it answers (taking the first is lm-evaluation-harness issue 3438). The line must
    begin with a number (currency, sign and markdown may stand before it, words and units after it).
flexible: the strict answer where there is one; where the text has no ``####``, or its line does not begin with a
    number, the last number of the whole text.

Under both rules an answer line with several different numbers (``#### 18 or 19``, ``#### 9*2=18``), or one whose
number cannot be read (``#### 1,00``), is UNPARSED: a hedge is not an answer, and neither value is picked.
Values are compared exactly: 18 = 18.00 = 54/3, and ``18,000`` is not 18. The number printed counts, whatever
its unit: ``50%`` is 50 (no GSM8K gold has a percent sign), ``18 thousand`` is 18.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction
from typing import Final, Literal

from selfimp_bench.errors import InputError
from selfimp_bench.tasks.grading.numbers import MINUS, WrittenNumber, find_numbers, parse_number
from selfimp_bench.tasks.grading.outcome import BothGrades, Grade, Outcome

MARKER: Final = "####"

_SPACED_SIGN: Final = re.compile(rf"([{MINUS}])[ \t]+")
_LONGEST_REMARK: Final = 80


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
    answer = _answer_line(completion)
    if truncated and not (answer.line is _Line.READ and answer.complete):
        cut = Grade(outcome=Outcome.TRUNCATED, extracted=None, detail="cut before a full answer line")
        return BothGrades(strict=cut, flexible=cut)
    strict = unparsed(answer.remark) if answer.number is None else grade_number(answer.number, gold_value)
    absent = answer.line is _Line.ABSENT
    return BothGrades(strict=strict, flexible=grade_last_number(completion, gold_value) if absent else strict)


def gold_number(gold: str) -> Fraction:
    """The value of a gold number as printed. Raises InputError for anything else."""
    value = parse_number(gold)
    if value is None:
        raise InputError(
            f"gold answer {shorten(gold)} is not a number; expected one such as '1,080': mend the problems file"
        )
    return value


def grade_last_number(text: str, gold_value: Fraction) -> Grade:
    """Judge a text by its last number."""
    numbers = find_numbers(text)
    if not numbers:
        return unparsed("no number in the text")
    if numbers[-1].value is None:
        return unparsed(f"last number {shorten(numbers[-1].text)} is unreadable")
    return grade_number(numbers[-1], gold_value)


def grade_number(number: WrittenNumber, gold_value: Fraction) -> Grade:
    """Judge a readable number by its value."""
    outcome = Outcome.CORRECT if number.value == gold_value else Outcome.WRONG
    return Grade(outcome=outcome, extracted=number.text, detail=None)


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
    # "#### - 7": nothing stands before this dash that it could join or subtract from.
    line = _SPACED_SIGN.sub(r"\1", line, count=1) if line[:1] in MINUS else line
    numbers = find_numbers(line)
    if not numbers or any(c.isalnum() for c in line[: numbers[0].start]):
        remark = f"the line after {MARKER} does not begin with a number: {shorten(line)}"
        return _Answer(line=_Line.ABSENT, number=None, remark=remark, complete=bool(end))
    values = {number.value for number in numbers}
    if None in values or len(values) > 1:
        what = "an unreadable number" if None in values else "several numbers"
        remark = f"{what} after {MARKER}: {shorten(line)}"
        return _Answer(line=_Line.UNREADABLE, number=None, remark=remark, complete=bool(end))
    return _Answer(line=_Line.READ, number=numbers[0], remark=None, complete=bool(end))
