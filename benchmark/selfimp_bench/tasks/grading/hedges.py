"""What takes an answer back: the one notion of negation, hedge and continuation that every grader of text shares.

A *denial* stands beside an answer and turns it round: ``not 12``, ``isn't B``, ``12 is wrong``. A *bound* makes a
range of it: ``less than 12``, ``at most 12``, ``12 or more``. An *alternative* gives a second answer: ``12 or 13``.
None of these is an answer. What follows a line that begins another problem belongs to that problem.

Only the words directly beside an answer are read, so that ``It is not prime, so 12`` stays an answer.
"""

import re
from typing import Final

_BESIDE: Final = 80
"""Characters before an answer that are looked at; the longest denial is far shorter."""

# Small words and marks that may stand between a denial and its answer: "not equal to $", "not option (".
_BETWEEN: Final = (
    r"(?:[ \t]{1,3}(?:be|equal|equals|to|simply|just|really|exactly|necessarily|the|answer|option|choice|letter|"
    r"value|number|definitely|likely|probably|going|=)){0,4}[ \t]{0,3}"
    r"(?:\\[(\[]|\\boxed|\\fbox|[\s:$(*_\[{\"'“‘]){0,8}\Z"
)
_DENIED_BEFORE: Final = re.compile(
    rf"(?:\b(?:not|never|neither|nor|cannot|either|rather than|instead of|except|excluding|rule out|ruled out|"
    rf"eliminate|incorrect|wrong)|n[’']t){_BETWEEN}|"
    rf"\b(?:do|does|did|would|can|could)(?:n[’']t| not) (?:think|believe|say)\b"
    rf"[^.\n]{{0,30}}(?: is| be| equals?){_BETWEEN}",
    re.IGNORECASE,
)
_BOUND_BEFORE: Final = re.compile(
    rf"\b(?:(?:less|more|greater|fewer|higher|lower|larger|smaller|other) than(?: or equal to)?|at (?:least|most)|"
    rf"no (?:more|less|fewer) than|up to|between|below|above|under|over|nearly|almost|within){_BETWEEN}",
    re.IGNORECASE,
)
# Closing marks, then the words that take an answer back: "$5$ is wrong", "(A) is not the answer".
_CLOSE: Final = r"(?:\\[)\]]|[ \t$)*_\]}\"'”’,]){0,8}"
_DENIED_AFTER: Final = re.compile(
    rf"{_CLOSE}(?:(?:is|was|are|would be|can be|must be|seems?|looks?)[ \t]{{1,3}}"
    rf"(?:(?:also|clearly|definitely|obviously)[ \t]){{0,2}}(?:wrong|incorrect|false|impossible|ruled out|"
    rf"eliminated|excluded|out\b|"
    rf"not[ \t]{{1,3}}(?:the (?:answer|correct|right|best|one)|correct|right|it\b|possible|valid|"
    rf"true|our|what)|not[ \t]*(?:[.,;!?\n]|\Z))|"
    rf"(?:isn|wasn|can|couldn|doesn)[’']t\b|(?:cannot|can not) be\b|(?:\(|\[)?(?:wrong|incorrect|false)\b|"
    rf"does not (?:work|fit|hold|apply)\b)",
    re.IGNORECASE,
)
_BOUND_AFTER: Final = re.compile(
    rf"{_CLOSE}(?:\\text(?:rm)?\{{)?\s{{0,3}}(?:or|and)[ \t]{{1,3}}(?:more|less|fewer|greater|higher|lower|above|below|"
    rf"over|under|so|larger|smaller|up|beyond)\b",
    re.IGNORECASE,
)
_NEXT_PROBLEM: Final = re.compile(
    r"\n[ \t]{0,5}(?:#{1,4}[ \t]{0,3})?[*_]{0,3}"
    r"(?:(?:(?:New|Next|Another)[ \t]{1,3})?(?:Question|Problem|Puzzle|Exercise)"
    r"(?:(?:[ \t]{0,3}#?[0-9]{1,4})?[*_]{0,3}[ \t]{0,3}[:.]|[ \t]{1,3}#?[0-9]{1,4}[*_]{0,3}[ \t]{0,3}(?:\n|\Z))|"
    r"Q[0-9]{0,3}[*_]{0,3}[:.]|Instruction[*_]{0,3}:|(?:Human|User)[*_]{0,3}:)",
    re.IGNORECASE,
)


def denied(text: str, start: int, end: int) -> bool:
    """Whether the words beside the answer ``text[start:end]`` deny it (``not 12``, ``either 12``, ``12 is wrong``)."""
    before = text[max(0, start - _BESIDE) : start]
    return _DENIED_BEFORE.search(before) is not None or _DENIED_AFTER.match(text, end) is not None


def bounded(text: str, start: int, end: int) -> bool:
    """Whether the words beside an answer make a range of it (``less than 12``, ``12 or more``)."""
    before = text[max(0, start - _BESIDE) : start]
    return _BOUND_BEFORE.search(before) is not None or bounded_after(text, end)


def bounded_after(text: str, end: int) -> bool:
    """Whether the words after an answer make a range of it (``12 or more``)."""
    return _BOUND_AFTER.match(text, end) is not None


def next_problem(text: str, answered: int) -> int:
    """Where another problem begins after ``answered``, the end of a first answer; the text's length without one.

    A text that itself begins with a problem recites: there its own answer is the last, and nothing is cut.
    """
    found = _NEXT_PROBLEM.search(text, answered)
    if found is None or _NEXT_PROBLEM.match("\n" + text.lstrip()[:_BESIDE]):
        return len(text)
    return found.start()
