r"""Mathematical answers as text: found in a completion, and brought into one way of writing.

The way of writing is that of the MATH data set's own checker in spirit: spacing, sizes of brackets and fractions,
units, degree, percent and currency signs do not count; values are not computed (0.5 is not 1/2 here).

Beside an answer, words that take it back (``grading.hedges``) make it unusable, and ``or`` gives alternatives.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from selfimp_bench.tasks.competition_math import Box, last_boxes
from selfimp_bench.tasks.grading.hedges import bounded, bounded_after, denied
from selfimp_bench.tasks.grading.math_units import same_kind, split_unit
from selfimp_bench.tasks.grading.numbers import find_numbers

# An answer stands at the end; patterns that look for pairs of dollar signs read no more than this.
TAIL: Final = 4000
LONGEST_ANSWER: Final = 1000

_STATED: Final = re.compile(r"\banswer(?:\s{1,5}is\b|[*_]{0,3}\s{0,5}:)[\s*_:]{0,10}", re.IGNORECASE)
_FORMULA: Final = re.compile(r"\$\$([^$]+)\$\$|\$([^$]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_SENTENCE_END: Final = re.compile(r"[.;?](?=\s|\Z)")
_USELESS_BOX: Final = re.compile(r"\\(?:boxed|fbox)\s{0,5}\{(?:\s{0,5}\})?")
_LAST_EQUALS: Final = re.compile(r"(?<![<>!=\\])=(?!=)")

_NO_SPACE: Final = re.compile(r"\\(?:!|(?:left|right)(?![a-zA-Z]))|(\\.)", re.DOTALL)
_SPACE: Final = re.compile(r"\\(?:[,;:> ]|q?quad(?![a-zA-Z]))|(\\.)|~", re.DOTALL)
_BLANKS: Final = re.compile(r"(?<=[0-9])\s+(?=[0-9])|(\s+)")
_DEGREE: Final = re.compile(r"\^\{\s*\\circ\s*\}|\^\\circ(?![a-zA-Z])|\^?\\degree(?![a-zA-Z])|°")
_SIGNS: Final = re.compile(r"\\?[%$]")
_ONLY_TEXT: Final = re.compile(r"\\(?:text(?:bf|it|rm)?|mbox|math(?:rm|bf)|operatorname)\s*\{([^{}]*)\}\Z")
_FRACTION_NAME: Final = re.compile(r"\\[dtc]frac(?![a-zA-Z])")
_FRACTION: Final = re.compile(r"\\frac(?:([0-9a-zA-Z])|(\{[^{}]*\}))(?:([0-9a-zA-Z])|(\{[^{}]*\}))")
_ROOT: Final = re.compile(r"\\sqrt([0-9a-zA-Z])")
_QUOTIENT: Final = re.compile(r"(-?)([0-9]+)/([0-9]+)")
_NAMED: Final = re.compile(r"([a-zA-Z])(?:=|\\in(?![a-zA-Z]))(?=[^=])")
_GROUPED: Final = re.compile(r"-?[0-9]{1,3}(?:(?:(?:,|\{,\})[0-9]{3})+|(?: [0-9]{3})+)(?:\.[0-9]+)?")
_MIXED: Final = re.compile(r"(-?)([0-9]+) ([0-9]+)/([0-9]+)")
_BARE_POINT: Final = re.compile(r"(?<![0-9.])\.(?=[0-9])")
_LONG_NAME: Final = re.compile(r"\\(le|ge|ne)q(?![a-zA-Z])")
_RADICAL: Final = re.compile(r"√\s*([0-9]+)")
_CHARACTERS: Final = str.maketrans({"−": "-", "π": r"\pi", "∞": r"\infty", "√": r"\sqrt", "\u2009": " ", "\u202f": " "})

# What may stand between two answers that are given together: "$3$, $5$ and $7$", "x = \boxed{3} or x = \boxed{-3}".
_TOGETHER: Final = re.compile(
    r"(?:\\[)\]]|[\s$*_]){0,8}(?:,?\s*(?:\\text\s*\{\s*)?(?P<word>and|or)(?:\s*\})?|[,;])\s*(?:\\(?:quad|[,; ]))?"
    r"(?:(?:also|else|possibly|perhaps|maybe)\s)?(?:\\[(\[]|[\s$*_]){0,8}(?:\(?[a-zA-Z]\)?\s{0,3}=\s{0,3})?"
)
_ALTERNATIVE: Final = re.compile(
    r"(?:\\[)\]]|[\s$*_,(]){0,8}(?:\bor\b|/(?=\s?\$))\s{0,3}(?:(?:maybe|perhaps|possibly|else|equivalently|simply|just|rather),?\s{0,3}){0,2}"
    r"(?:\$\$?([^$\n]{1,200})\$|\\\((.{1,200}?)\\\)|([-−]?[0-9][0-9.,/]*))"
)
_OR: Final = re.compile(r"\s+or\s+(?:else\s+)?")
_HEDGE: Final = re.compile(
    r"\b(?:not|never|cannot|neither|either|nor|(?:less|more|greater|fewer|larger|smaller|higher|lower|other) than|"
    r"at (?:least|most)|up to|between|(?:or|and) (?:more|less|fewer|so|greater|higher|lower|above|below|over|under|up)|"
    r"wrong|incorrect|unknown)\b|n[’']t\b",
    re.IGNORECASE,
)
_CONTRAST: Final = re.compile(r"[,;(]\s{0,3}(?:and |but )?not\s.*", re.IGNORECASE | re.DOTALL)
_NOT_BUT: Final = re.compile(r"\A\s{0,5}not\b[^.\n]{0,100}?\bbut\b(?: rather)?\s{0,3}", re.IGNORECASE)
_EITHER: Final = re.compile(r"\beither\s+", re.IGNORECASE)
_DENIED: Final = "words beside the answer deny it"
_MOST_TOGETHER: Final = 8


@dataclass(frozen=True, kw_only=True)
class FoundAnswer:
    """An answer as it stands in a completion; ``complete`` tells that a cut at the end cannot have shortened it.

    ``alternatives`` are the answers that ``or`` joins (none, or two and more), and ``hedge`` is what makes the answer
    unusable, for people; ``hedged_inside`` tells that it stands in ``text`` (which may be the gold answer's).
    """

    text: str
    complete: bool
    alternatives: tuple[str, ...] = ()
    hedge: str | None = None
    hedged_inside: bool = False


def marked_answer(completion: str) -> FoundAnswer | None:
    r"""What the last ``\boxed{}`` holds; without any box, what follows the last ``answer is`` or ``Answer:``.

    Boxes joined by a comma, ``and`` or ``or`` are one answer. None without a box or a statement, or where the last box
    is never closed or is empty.
    """
    if "\\boxed" in completion or "\\fbox" in completion:
        boxes = last_boxes(completion, at_most=_MOST_TOGETHER)
        return _boxed(completion, boxes) if boxes and boxes[-1].text else None
    stated = None
    for match in _STATED.finditer(completion):
        stated = match
    if stated is None:
        return None
    line, line_end, _ = completion[stated.end() :].partition("\n")
    return statement(line, ended=bool(line_end))


def statement(line: str, *, ended: bool) -> FoundAnswer | None:
    """The answer of a line that follows ``answer is``; ``ended`` tells that a line break follows it."""
    line = _NOT_BUT.sub("", line, count=1)
    formula = _FORMULA.search(line[:TAIL])
    # "The answer is 5, since $x = 2$" has its answer before the formula.
    if formula is not None and not any(c.isdigit() for c in line[: formula.start()]):
        return _stated_formula(line[:TAIL], formula)
    end = _SENTENCE_END.search(line)
    found = _found(line[: end.start()] if end else line, complete=ended)
    if found is None:
        return None
    plain = _CONTRAST.sub("", found.text).rstrip()
    found = FoundAnswer(text=plain, complete=ended) if any(c.isalnum() for c in plain) else found
    parts = [part.strip("*_$ ,") for part in _OR.split(found.text[:LONGEST_ANSWER])]
    several = len(parts) > 1 and all(any(c.isdigit() for c in part) for part in parts)
    parts = [_EITHER.sub("", part) for part in parts] if several else [found.text]
    hedge = next((each.group() for part in parts if (each := _HEDGE.search(part))), None)
    return FoundAnswer(
        text=found.text,
        complete=ended,
        alternatives=tuple(parts) if several else (),
        hedge=f"the answer is hedged: {hedge!r}" if hedge else None,
        hedged_inside=True,
    )


def _stated_formula(line: str, first: re.Match[str]) -> FoundAnswer | None:
    """A formula, and the formulas joined to it."""
    texts, end, word = [_inside(first).strip()], first.end(), ""
    for formula in _FORMULA.finditer(line, first.end()):
        between = _TOGETHER.fullmatch(line, end, formula.start())
        if between is None or len(texts) == _MOST_TOGETHER:
            break
        texts.append(_inside(formula).strip())
        end, word = formula.end(), between["word"] or word
    return _joined(line, texts, word, first.start(), end, bounds=True)


def _boxed(completion: str, boxes: tuple[Box, ...]) -> FoundAnswer | None:
    """The last box, and the boxes joined to it."""
    texts, start, word = [boxes[-1].text], boxes[-1].start, ""
    for box in reversed(boxes[:-1]):
        between = _TOGETHER.fullmatch(completion, box.end, start) if box.end <= start else None
        if between is None or not box.text:
            break
        texts.insert(0, box.text)
        start, word = box.start, word or between["word"] or ""
    return _joined(completion, texts, word, start, boxes[-1].end, bounds=False)


def _joined(text: str, answers: list[str], word: str, start: int, end: int, *, bounds: bool) -> FoundAnswer | None:
    """Answers that stand together in a text, with what stands beside them. ``bounds``: ranges before them count."""
    other = _ALTERNATIVE.match(text, end)
    if other is not None:
        answers, word, end = [*answers, _inside(other).strip()], "or", other.end()
    before = text[max(0, start - TAIL) : start]
    before = _EITHER.sub("", before) if len(answers) > 1 else before
    beside, place, stop = before + text[start : end + TAIL], len(before), len(before) + end - start
    ranged = bounded(beside, place, stop) if bounds else bounded_after(beside, stop)
    hedge = _DENIED if denied(beside, place, stop) else None
    hedge = "words beside the answer make a range of it" if ranged and hedge is None else hedge
    whole = answers[0] if len(set(answers)) == 1 else ",".join(answers)
    alternatives = tuple(answers) if word == "or" and len(set(answers)) > 1 else ()
    if not whole.strip():
        return None
    return FoundAnswer(text=whole, complete=True, alternatives=alternatives, hedge=hedge)


def last_line_answer(completion: str) -> FoundAnswer | None:
    """The last line's mathematics: its last formula; else what follows its last ``=``; else its last number."""
    text = completion.rstrip()
    if not text:
        return None
    # A box that is empty or never closed (others were read before) leaves what stands in it.
    tail = _USELESS_BOX.sub("", text[-TAIL:])
    line = tail.rpartition("\n")[2]
    formulas = list(_FORMULA.finditer(tail))
    last = formulas[-1] if formulas else None
    if last is not None and last.end() > len(tail) - len(line):
        found = _beside(_after_equals(_inside(last)), tail, last.start(), last.end())
        return _with_alternative(found, tail, formulas)
    if equals := list(_LAST_EQUALS.finditer(line)):
        value = line[equals[-1].end() :]
        end = _SENTENCE_END.search(value)
        return _beside(value[: end.start() if end else None], line, equals[0].start(), len(line))
    numbers = find_numbers(line)
    return _beside(numbers[-1].text, line, numbers[-1].start, numbers[-1].end) if numbers else None


def _with_alternative(found: FoundAnswer | None, text: str, formulas: list[re.Match[str]]) -> FoundAnswer | None:
    """The last formula with the one before it, if ``or`` joins them."""
    between = _TOGETHER.fullmatch(text, formulas[-2].end(), formulas[-1].start()) if len(formulas) > 1 else None
    if found is None or between is None or between["word"] != "or":
        return found
    other = _after_equals(_inside(formulas[-2])).strip()
    return (
        found if other == found.text else replace(found, text=f"{other},{found.text}", alternatives=(other, found.text))
    )


def _beside(answer: str, text: str, start: int, end: int) -> FoundAnswer | None:
    found = _found(answer, complete=False)
    is_denied = denied(text, start, end) or bounded_after(text, end)
    return replace(found, hedge=_DENIED) if found is not None and is_denied else found


def same_text(gold: str, answer: str) -> bool:
    r"""Whether two answers are one when both are written in one way.

    A name before the value (``x = 5``) and a unit in ``\text{}`` may be missing; where both answers have one, it must
    be the same.
    """
    if len(gold) > LONGEST_ANSWER or len(answer) > LONGEST_ANSWER:
        return gold.strip() == answer.strip()
    return _same_short_text(gold, answer)


@lru_cache(maxsize=1 << 15)
def _same_short_text(gold: str, answer: str) -> bool:
    parts = [split_unit(_one_spacing(text.strip().rstrip(".").strip()), bare=False) for text in (gold, answer)]
    if not same_kind(parts[0].unit, parts[1].unit, strictly=True):
        return False
    names = [name_of(part.value) for part in parts]
    if all(names) and names[0] != names[1]:
        return False
    return _canonical(parts[0].value) == _canonical(parts[1].value)


def name_of(answer: str) -> str | None:
    """The single letter that an answer is said to be the value of (``x = 5``, ``k \\in [1,2]``); None without one."""
    named = _NAMED.match("".join(answer.split()))
    return named.group(1) if named else None


def normalised(answer: str) -> str:
    """An answer in one way of writing: equal texts are equal answers, different ones may still be equal."""
    text = answer.strip().rstrip(".").strip()
    if len(text) > LONGEST_ANSWER:
        return text
    return _canonical(split_unit(_one_spacing(text), bare=False).value)


def _one_spacing(text: str) -> str:
    """Sizes of brackets and negative spaces away, every space a blank."""
    return _SPACE.sub(lambda match: match.group(1) or " ", _NO_SPACE.sub(lambda match: match.group(1) or "", text))


def _canonical(value: str) -> str:
    whole = _ONLY_TEXT.match(value.strip())
    text = whole.group(1) if whole else value
    text = _BLANKS.sub(lambda match: "" if match.group(1) else " ", _SIGNS.sub("", _DEGREE.sub("", text)).strip())
    text = _LONG_NAME.sub(r"\\\1", _RADICAL.sub(r"\\sqrt{\1}", text).translate(_CHARACTERS))
    named = _NAMED.match(text)
    text = text[named.end() :] if named else text
    text = _FRACTION.sub(_braced_fraction, _FRACTION_NAME.sub(r"\\frac", text))
    text = _ROOT.sub(r"\\sqrt{\1}", text)
    text = _MIXED.sub(r"\1\2\\frac{\3}{\4}", text) if _MIXED.fullmatch(text) else text
    quotient = _QUOTIENT.fullmatch(text)
    text = rf"{quotient.group(1)}\frac{{{quotient.group(2)}}}{{{quotient.group(3)}}}" if quotient else text
    if _GROUPED.fullmatch(text):
        text = text.replace("{,}", "").replace(",", "").replace(" ", "")
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
