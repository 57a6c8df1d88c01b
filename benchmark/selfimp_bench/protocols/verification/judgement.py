"""Reading a verifier's generated judgement: correct or incorrect, a score of 1 to 10, or a preferred solution.

The prompts (2412.02674, Appendix G) demand an ending: ``Correctness: <correct> or <incorrect>``, ``Score: <score>``,
``Preferred solution: <A> or <B>``; the Sudoku example ends in ``the response is: Incorrect``. One rule for all:

- The verdict stands right after the phrase and its colon, on that line or the next; case does not count there, and
  quotes, brackets and markdown may stand around phrase and verdict (``**Score:** <8>``).
- The **last** phrase decides, since a verifier may correct itself. Passed over is a phrase that repeats the demanded
  format word for word; one that does not stand alone (``Clarity Score:``, the words of somebody else in quotes, where
  another phrase stands outside); and, once a judgement was given, all that follows a line that begins a new problem.
- A verdict in other words (``partially correct``, ``not correct``, ``eight``, ``neither``, ``A tie``), a calculation
  (``10 minus 2 = 8``) and a hedge (``incorrect or correct``, ``7-8``, ``A and B``) are
  UNPARSED: none is picked, and no earlier phrase steps in.
- OUT_OF_RANGE is a verdict of the right kind that the scale does not have: a number other than 1, 2 ... 10 (0, 11,
  -3, 8.5), a share of another whole than ten (``80/100``, ``85%``), a label other than A and B. ``8/10``, ``8 out of
  10``, ``8.0`` and ``08`` are 8.
- A verdict that touches the token limit (``Score: 1``) is UNPARSED: it may be the beginning of a longer one.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final, Literal

HIGHEST_SCORE: Final = 10

# Every repetition is bounded, so that reading takes linear time on any text.
_OPEN: Final = r"[*_\"'“‘`<(\[{$]{0,6}"
_CLOSE: Final = r"[*_\"'”’`>)\]}$]{0,6}"
_COLON: Final = rf"{_CLOSE}[ \t]{{0,3}}:{_CLOSE}[ \t]{{0,5}}(?:\r?\n)?[ \t]{{0,5}}{_OPEN}"

_CORRECTNESS: Final = re.compile(rf"\b(?:correctness|the response is){_COLON}", re.IGNORECASE)
_SCORE: Final = re.compile(rf"\bscore{_COLON}", re.IGNORECASE)
_PREFERRED: Final = re.compile(rf"\bpreferred solution{_COLON}", re.IGNORECASE)

_RECITED: Final = re.compile(
    rf"(?:correct{_CLOSE} or {_OPEN}incorrect\b|score>|a{_CLOSE} or {_OPEN}b\b)", re.IGNORECASE
)
_NEXT_PROBLEM: Final = re.compile(
    r"^[ \t]{0,5}[*_#]{0,5}[ \t]{0,5}"
    r"(?:(?:(?:Next |New |Another )?(?:Problem|Question|Puzzle|Exercise)(?:[ ]?#?[0-9]{1,4})?[*_]{0,3}[ ]?[:.]|"
    r"Q[0-9]{0,3}:)|Review the following|Judge the correctness|You are a Sudoku)",
    re.MULTILINE,
)
_WORD: Final = re.compile(rf"(correct|incorrect)(?![^\W_]){_CLOSE}", re.IGNORECASE)
_OTHER_WORD: Final = re.compile(rf"\s{{0,3}}(?:\bor\b|\band\b|[/,&])\s{{0,3}}{_OPEN}(?:in)?correct\b", re.IGNORECASE)
# A small letter is a label in brackets or at the line's end; elsewhere "a" is a word.
_LABEL: Final = re.compile(
    rf"(?:[Ss]olution[ ]{{1,3}}{_OPEN})?([A-Z](?![^\W_]|['’-]\w)|[a-z](?=[>)\]]|[*_\"'”’`.]{{0,6}}\s{{0,5}}\Z)){_CLOSE}"
)
_OTHER_LABEL: Final = re.compile(rf"\s{{0,3}}(?:or|and|[/,&])\s{{0,3}}(?:[Ss]olution[ ]{{1,3}})?{_OPEN}[AB](?![^\W_])")
_NUMBER: Final = re.compile(rf"([-−+]?[0-9]{{1,6}}(?:\.[0-9]{{1,6}})?)(?![^\W_]|[.,][0-9]){_CLOSE}")
_OTHER_NUMBER: Final = re.compile(rf"\s{{0,3}}(?:or|and|to|[-–—~])\s{{0,3}}{_OPEN}[0-9]")
_WHOLE: Final = re.compile(rf"\s{{0,3}}(?:/|out of)\s{{0,3}}{_OPEN}([0-9]{{1,6}})(?![^\W_]|[.,][0-9])")
_CALCULATION: Final = re.compile(
    rf"{_CLOSE}\s{{0,3}}(?:(?:minus|plus|times|less|and a half)\b|[+×x*=÷]\s{{0,3}}[0-9]|[=→]|->)"
)
_OTHER_THING: Final = re.compile(
    r"[ \t]{1,3}(?!(?:because|since|as|is|for|due|over|wins|has|was|which|by|but|with|gets|it|the|in|on|and|or)\b)[a-z]"
)
# Words that may stand before a phrase that stands alone; another one names another phrase ("Clarity Score:").
_OPENING: Final = frozenset(
    {
        "final",
        "overall",
        "total",
        "the",
        "my",
        "our",
        "a",
        "an",
        "so",
        "thus",
        "therefore",
        "hence",
        "and",
        "is",
        "then",
        "verdict",
        "judgement",
        "judgment",
        "answer",
        "conclusion",
        "output",
        "with",
        "give",
        "assign",
        "follows",
        "corrected",
        "revised",
        "actual",
        "true",
        "new",
        "updated",
        "of",
        "be",
        "end",
        "following",
        "correct",
    }
)
_TIE: Final = re.compile(r"[ \t]{1,3}(?:tie|draw|toss)", re.IGNORECASE)
_WORD_BEFORE: Final = re.compile(r"([^\W\d_]+)[ \t*_`]{1,5}\Z")
_QUOTES: Final = re.compile(r"[\"“”«»]|(?<!\w)['‘`](?=\w)|(?<=\w)['’`](?!\w)")
_SAID: Final = re.compile(
    r"\b(?:wrote|writes|written|claim(?:s|ed)?|said|says|states?|stated|concluded?|"
    r"student(?:[’']s)?|attempt|quotes?|quoted)\b"
    r"[^.\n]{0,80}\Z",
    re.IGNORECASE,
)
_LONGEST_LINE: Final = 1000
_LONGEST_WORD: Final = 40
_MOST_QUOTED: Final = 16
_PERCENT: Final = re.compile(r"\s{0,3}%")


class JudgementOutcome(StrEnum):
    """What became of a judgement. Only PARSED has a value."""

    PARSED = "parsed"
    UNPARSED = "unparsed"
    OUT_OF_RANGE = "out-of-range"


@dataclass(frozen=True, kw_only=True)
class ScoreJudgement:
    """A judgement as a number: 1.0 or 0.0 for correct or incorrect, 1.0 to 10.0 for a score; None unless PARSED."""

    outcome: JudgementOutcome
    value: float | None


@dataclass(frozen=True, kw_only=True)
class PreferenceJudgement:
    """Which of two solutions is preferred; None unless PARSED."""

    outcome: JudgementOutcome
    value: Literal["A", "B"] | None


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    """The rest of the deciding phrase's line; ``at_limit`` is where the token limit cut it (a place beyond, if not)."""

    line: str
    at_limit: int

    def reaches_limit(self, match: re.Match[str]) -> bool:
        """Whether a match's last group goes up to the cut."""
        return match.end(match.lastindex or 0) >= self.at_limit


def parse_correctness(judgement: str, *, truncated: bool) -> ScoreJudgement:
    """1.0 for ``correct``, 0.0 for ``incorrect``. ``truncated``: generation stopped at the token limit."""
    verdict = _last_verdict(judgement, _CORRECTNESS, truncated=truncated)
    match = _WORD.match(verdict.line) if verdict else None
    if verdict is None or match is None or verdict.reaches_limit(match) or _OTHER_WORD.match(verdict.line, match.end()):
        return ScoreJudgement(outcome=JudgementOutcome.UNPARSED, value=None)
    return ScoreJudgement(outcome=JudgementOutcome.PARSED, value=float(match[1].lower() == "correct"))


def parse_score(judgement: str, *, truncated: bool) -> ScoreJudgement:
    """A score of 1.0 to 10.0, whole. ``truncated``: generation stopped at the token limit."""
    verdict = _last_verdict(judgement, _SCORE, truncated=truncated)
    number = _NUMBER.match(verdict.line) if verdict else None
    if verdict is None or number is None or _is_calculation(verdict.line, number.end()):
        return ScoreJudgement(outcome=JudgementOutcome.UNPARSED, value=None)
    whole = _WHOLE.match(verdict.line, number.end())
    if verdict.reaches_limit(whole or number):
        return ScoreJudgement(outcome=JudgementOutcome.UNPARSED, value=None)
    value = Fraction(number[1].replace("−", "-"))
    of_ten = int(whole[1]) == HIGHEST_SCORE if whole else not _PERCENT.match(verdict.line, number.end())
    if not of_ten or value.denominator != 1 or not 1 <= value <= HIGHEST_SCORE:
        return ScoreJudgement(outcome=JudgementOutcome.OUT_OF_RANGE, value=None)
    return ScoreJudgement(outcome=JudgementOutcome.PARSED, value=float(value))


def _is_calculation(line: str, end: int) -> bool:
    """Whether another number goes on from the number that ends there (``7-8``, ``10 minus 2``)."""
    return _OTHER_NUMBER.match(line, end) is not None or _CALCULATION.match(line, end) is not None


def parse_preference(judgement: str, *, truncated: bool) -> PreferenceJudgement:
    """The preferred solution, A or B. ``truncated``: generation stopped at the token limit."""
    verdict = _last_verdict(judgement, _PREFERRED, truncated=truncated)
    match = _LABEL.match(verdict.line) if verdict else None
    if verdict is None or match is None or verdict.reaches_limit(match):
        return PreferenceJudgement(outcome=JudgementOutcome.UNPARSED, value=None)
    match match[1].upper():
        case "A" | "B" as label if not _names_another(verdict.line, match):
            return PreferenceJudgement(outcome=JudgementOutcome.PARSED, value=label)
        case label if label not in "AB" and not verdict.line[match.end() :].strip(" \t\r.,;"):
            return PreferenceJudgement(outcome=JudgementOutcome.OUT_OF_RANGE, value=None)
        case _:
            return PreferenceJudgement(outcome=JudgementOutcome.UNPARSED, value=None)


def _names_another(line: str, match: re.Match[str]) -> bool:
    """Whether a second label follows, or the label is the first word of something else (``A tie``)."""
    closed = match.end() > match.end(1)
    is_article = match[1] == "A" and not closed and _OTHER_THING.match(line, match.end()) is not None
    is_article = is_article or _TIE.match(line, match.end()) is not None
    return is_article or _OTHER_LABEL.match(line, match.end()) is not None


def _last_verdict(judgement: str, phrase: re.Pattern[str], *, truncated: bool) -> _Verdict | None:
    """What follows the deciding phrase; None without one."""
    given = [match for match in phrase.finditer(judgement) if not _RECITED.match(judgement, match.end())]
    given = [match for match in given if _stands_alone(judgement, match)]
    if not given:
        return None
    next_problem = _NEXT_PROBLEM.search(judgement, given[0].end())
    end = next_problem.start() if next_problem else len(judgement)
    before = [match for match in given if match.start() < end][-_MOST_QUOTED:]
    start = next((match for match in reversed(before) if not _is_quoted(judgement, match)), before[-1]).end()
    line = judgement[start:end].partition("\n")[0]
    return _Verdict(line=line, at_limit=len(judgement) - start if truncated else len(line) + 1)


def _stands_alone(judgement: str, phrase: re.Match[str]) -> bool:
    """Whether no word before a phrase makes another one of it (``Clarity Score:``)."""
    word = _WORD_BEFORE.search(judgement[max(0, phrase.start() - _LONGEST_WORD) : phrase.start()])
    return word is None or word[1].lower() in _OPENING or phrase.group().lower().startswith("the ")


def _is_quoted(judgement: str, phrase: re.Match[str]) -> bool:
    """Whether a quotation that words introduce is open where a phrase begins, or its line is a block quotation."""
    start = judgement.rfind("\n", 0, phrase.start()) + 1
    before = judgement[max(start, phrase.start() - _LONGEST_LINE) : phrase.start() + 1]
    if before.lstrip().startswith(">"):
        return True
    return len(_QUOTES.findall(before)) % 2 == 1 or _SAID.search(before) is not None
