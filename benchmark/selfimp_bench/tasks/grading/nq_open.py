"""Answer checking of Natural Questions: the response is one of the candidate answers, after the usual normalisation.

The response is the completion's first line (``tasks.response``), without an end-of-text token. Normalised, in this
order: composed accents, typographic dashes and quotes as ASCII's, small letters, no ASCII punctuation, no articles (a,
an, the), single blanks (Rajpurkar et al. 2016, SQuAD v1.1). Unlike there, a point between digits stays (2.5 is not 25)
and a dash between digits parts them (1998-99). Where nothing is left of a candidate (``A+``, ``---``: 4 of the 3,610
validation questions' answers), its text itself is compared, case aside.

strict: the whole line equals a candidate.
flexible: the line, or the line up to a comma, semicolon or full stop that ends a phrase, equals a candidate (not inside
    ``2.5``, ``3,500``, ``St. Louis``). lm-evaluation-harness (nq_open) stops generating at every ``.`` and ``,``: this
    gives a reader of its numbers what it counts, without its loss of the 316 validation questions every answer of which
    has a stop or comma inside.
"""

import re
import string
import unicodedata
from typing import Final

from selfimp_bench.tasks.grading.outcome import BothGrades, Grade, Outcome
from selfimp_bench.tasks.nq_open import gold_answers
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.response import response_of, without_end_token

_ARTICLE: Final = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
_PHRASE_END: Final = re.compile(r"[.,;](?=\s|\Z)")
_ABBREVIATED: Final = re.compile(
    r"(?:\b(?:St|Mr|Mrs|Ms|Dr|Jr|Sr|Mt|Ft|No|Vol|Prof|Gen|Col|Lt|Sgt|Rev|Inc|Co|vs)|\b[A-Za-z])\Z"
)
_TYPOGRAPHIC: Final = str.maketrans(
    dict.fromkeys("‐‑‒–—―−﹣－", "-") | dict.fromkeys("‘’‚‛′`´", "'") | dict.fromkeys("“”„‟″", '"')
)
_IN_NUMBER: Final = re.compile(r"(?<=[0-9])([.,-])(?=[0-9])")
_POINT: Final = "\x00"
_MOST_ENDS: Final = 8


def grade_nq_open(completion: str, problem: Problem, *, truncated: bool) -> BothGrades:
    """Judge a completion by both rules.

    truncated: generation stopped at the token limit; a line that no line break ended is then TRUNCATED.
    Raises InputError for a problem without answers; never for any completion.
    """
    candidates = {_compared(answer) for answer in gold_answers(problem)}
    response = response_of("nq_open", completion)
    line = without_end_token(response.text).strip()
    if truncated and not response.ended:
        cut = Grade(outcome=Outcome.TRUNCATED, extracted=None, detail="cut before the line's end")
        return BothGrades(strict=cut, flexible=cut)
    if not line:
        empty = Grade(outcome=Outcome.UNPARSED, extracted=None, detail="the first line is blank")
        return BothGrades(strict=empty, flexible=empty)
    strict = _grade(line, candidates)
    if strict.outcome is Outcome.CORRECT:
        return BothGrades(strict=strict, flexible=strict)
    heads = (_grade(head, candidates) for head in _heads(line))
    short = next((grade for grade in heads if grade.outcome is Outcome.CORRECT), strict)
    return BothGrades(strict=strict, flexible=short)


def _heads(line: str) -> tuple[str, ...]:
    """The line up to the end of its first phrase: a comma, or a stop that ends no abbreviation."""
    for end in list(_PHRASE_END.finditer(line))[:_MOST_ENDS]:
        head = line[: end.start()].strip()
        if head and not (end.group() == "." and _ABBREVIATED.search(head)):
            return (head,)
    return ()


def normalised(answer: str) -> str:
    """An answer as it is compared; may be empty."""
    text = unicodedata.normalize("NFC", answer.replace(_POINT, "")).translate(_TYPOGRAPHIC).lower()
    text = unicodedata.normalize("NFC", text)
    text = _IN_NUMBER.sub(lambda match: {".": _POINT, ",": "", "-": " "}[match[1]], text)
    # Once more, for a mark may have lost what parted it from its letter.
    text = unicodedata.normalize("NFC", text.translate(_NO_PUNCTUATION))
    return " ".join(_ARTICLE.sub(" ", text).replace(_POINT, ".").split())


def _compared(answer: str) -> str:
    return normalised(answer) or answer.strip().lower()


def _grade(answer: str, candidates: set[str]) -> Grade:
    found = _compared(answer) in candidates
    return Grade(outcome=Outcome.CORRECT if found else Outcome.WRONG, extracted=answer, detail=None)
