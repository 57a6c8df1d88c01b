r"""Mathematical answers as text: found in a completion, and brought into one way of writing.

The way of writing is that of the MATH data set's own checker in spirit: spacing, sizes of brackets and fractions,
units, degree, percent and currency signs do not count; values are not computed (0.5 is not 1/2 here).
"""

import re
from dataclasses import dataclass
from typing import Final

from selfimp_bench.tasks.competition_math import last_box
from selfimp_bench.tasks.grading.numbers import find_numbers

# An answer stands at the end; patterns that look for pairs of dollar signs read no more than this.
TAIL: Final = 4000
LONGEST_ANSWER: Final = 1000

_STATED: Final = re.compile(r"\banswer(?:\s{1,5}is\b|[*_]{0,3}\s{0,5}:)[\s*_:]{0,10}", re.IGNORECASE)
_FORMULA: Final = re.compile(r"\$\$([^$]+)\$\$|\$([^$]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_SENTENCE_END: Final = re.compile(r"[.;?](?=\s|\Z)")
_USELESS_BOX: Final = re.compile(r"\\(?:boxed|fbox)\s{0,5}\{(?:\s{0,5}\})?")
_LAST_EQUALS: Final = re.compile(r"(?<![<>!=\\])=(?!=)")

_SPACING: Final = re.compile(r"\\(?:[!,;:> ]|q?quad(?![a-zA-Z])|left(?![a-zA-Z])|right(?![a-zA-Z]))|(\\.)|~", re.DOTALL)
_DEGREE: Final = re.compile(r"\^\{\s*\\circ\s*\}|\^?\\(?:circ|degree)(?![a-zA-Z])|°")
_SIGNS: Final = re.compile(r"\\?[%$]")
_ONLY_TEXT: Final = re.compile(r"\\(?:text(?:bf|it|rm)?|mbox|math(?:rm|bf)|operatorname)\s*\{([^{}]*)\}\Z")
# A unit is a text at the end, perhaps squared; the half of the day and a single letter (3 i) are none.
_UNIT: Final = re.compile(
    r"(?<=\S)\s*(?:\\(?:text(?:bf|it|rm)?|mbox)\s*\{(?!\s*[ap]\.?\s?m\b)|\\mathrm\s*\{(?=\s*\w\w))[^{}]*\}"
    r"(?:\^\{?[23]\}?)?\Z",
    re.IGNORECASE,
)
_FRACTION_NAME: Final = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_FRACTION: Final = re.compile(r"\\frac(?:([0-9a-zA-Z])|(\{[^{}]*\}))(?:([0-9a-zA-Z])|(\{[^{}]*\}))")
_ROOT: Final = re.compile(r"\\sqrt([0-9a-zA-Z])")
_QUOTIENT: Final = re.compile(r"(-?)([0-9]+)/([0-9]+)")
_NAMED: Final = re.compile(r"[a-zA-Z](?:=|\\in(?![a-zA-Z]))(?=[^=])")
_GROUPED: Final = re.compile(r"-?[0-9]{1,3}(?:(?:,|\{,\})[0-9]{3})+(?:\.[0-9]+)?")
_BARE_POINT: Final = re.compile(r"(?<![0-9.])\.(?=[0-9])")
_LONG_NAME: Final = re.compile(r"\\(le|ge|ne)q(?![a-zA-Z])")
_CHARACTERS: Final = str.maketrans({"−": "-", "π": r"\pi", "∞": r"\infty", "√": r"\sqrt"})


@dataclass(frozen=True, kw_only=True)
class FoundAnswer:
    """An answer as it stands in a completion; ``complete`` tells that a cut at the end cannot have shortened it."""

    text: str
    complete: bool


def marked_answer(completion: str) -> FoundAnswer | None:
    r"""What the last ``\boxed{}`` holds; without any box, what follows the last ``answer is`` or ``Answer:``.

    None without either, or where the last box is never closed or is empty.
    """
    if "\\boxed" in completion or "\\fbox" in completion:
        box = last_box(completion)
        return FoundAnswer(text=box, complete=True) if box else None
    stated = None
    for match in _STATED.finditer(completion):
        stated = match
    if stated is None:
        return None
    line, line_end, _ = completion[stated.end() :].partition("\n")
    formula = _FORMULA.search(line[:TAIL])
    # "The answer is 5, since $x = 2$" has its answer before the formula.
    if formula is not None and not any(c.isdigit() for c in line[: formula.start()]):
        return _found(_inside(formula), complete=True)
    end = _SENTENCE_END.search(line)
    return _found(line[: end.start()] if end else line, complete=bool(line_end))


def last_line_answer(completion: str) -> FoundAnswer | None:
    """The last line's mathematics: its last formula; else what follows its last ``=``; else its last number."""
    text = completion.rstrip()
    if not text:
        return None
    # A box that is empty or never closed (others were read before) leaves what stands in it.
    tail = _USELESS_BOX.sub("", text[-TAIL:])
    line = tail.rpartition("\n")[2]
    last = None
    for match in _FORMULA.finditer(tail):
        last = match
    if last is not None and last.end() > len(tail) - len(line):
        return _found(_after_equals(_inside(last)), complete=False)
    if _LAST_EQUALS.search(line):
        end = _SENTENCE_END.search(_after_equals(line))
        return _found(_after_equals(line)[: end.start() if end else None], complete=False)
    numbers = find_numbers(line)
    return _found(numbers[-1].text, complete=False) if numbers else None


def normalised(answer: str) -> str:
    """An answer in one way of writing: equal texts are equal answers, different ones may still be equal."""
    text = answer.strip().rstrip(".").strip()
    if len(text) > LONGEST_ANSWER:
        return text
    whole = _ONLY_TEXT.match(text)
    text = whole.group(1) if whole else _UNIT.sub("", text)
    text = _SPACING.sub(lambda match: match.group(1) or "", text)
    text = "".join(_SIGNS.sub("", _DEGREE.sub("", text)).split())
    text = _LONG_NAME.sub(r"\\\1", text.translate(_CHARACTERS))
    named = _NAMED.match(text)
    text = text[named.end() :] if named else text
    text = _FRACTION.sub(_braced_fraction, _FRACTION_NAME.sub(r"\\frac", text))
    text = _ROOT.sub(r"\\sqrt{\1}", text)
    quotient = _QUOTIENT.fullmatch(text)
    text = rf"{quotient.group(1)}\frac{{{quotient.group(2)}}}{{{quotient.group(3)}}}" if quotient else text
    if _GROUPED.fullmatch(text):
        text = text.replace("{,}", "").replace(",", "")
    return _BARE_POINT.sub("0.", text)


def _found(text: str, *, complete: bool) -> FoundAnswer | None:
    stripped = text.strip().strip("*_$").strip()
    return FoundAnswer(text=stripped, complete=complete) if stripped else None


def _inside(formula: re.Match[str]) -> str:
    return next(group for group in formula.groups() if group is not None)


def _after_equals(text: str) -> str:
    start = 0
    for match in _LAST_EQUALS.finditer(text):
        start = match.end()
    return text[start:]


def _braced_fraction(match: re.Match[str]) -> str:
    top, bottom = (match.group(bare) or match.group(bare + 1).strip("{}") for bare in (1, 3))
    return rf"\frac{{{top}}}{{{bottom}}}"
