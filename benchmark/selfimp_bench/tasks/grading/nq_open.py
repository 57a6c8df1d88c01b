"""Answer checking of Natural Questions: the response is one of the candidate answers, after the usual normalisation.

The response is the completion's first line (``tasks.response``). Normalised, in this order: small letters, no ASCII
punctuation, no articles (a, an, the), single blanks (Rajpurkar et al. 2016, SQuAD v1.1). Where nothing is left of a
candidate (``A+``, ``---``: 4 of the 3,610 validation questions' answers), its text itself is compared, case aside.

strict: the whole line equals a candidate.
flexible: the line, or the line up to its first full stop or comma, equals a candidate. lm-evaluation-harness (nq_open)
    stops generating at ``.`` and ``,``: this gives a reader of its numbers what it counts, without its loss of the 316
    validation questions every answer of which has a stop or comma inside.
"""

import re
import string
from typing import Final

from selfimp_bench.tasks.grading.outcome import BothGrades, Grade, Outcome
from selfimp_bench.tasks.nq_open import gold_answers
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.response import response_of

_ARTICLE: Final = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
_STOP: Final = re.compile(r"[.,]")


def grade_nq_open(completion: str, problem: Problem, *, truncated: bool) -> BothGrades:
    """Judge a completion by both rules.

    truncated: generation stopped at the token limit; a line that no line break ended is then TRUNCATED.
    Raises InputError for a problem without answers; never for any completion.
    """
    candidates = {_compared(answer) for answer in gold_answers(problem)}
    response = response_of("nq_open", completion)
    line = response.text.strip()
    if truncated and not response.ended:
        cut = Grade(outcome=Outcome.TRUNCATED, extracted=None, detail="cut before the line's end")
        return BothGrades(strict=cut, flexible=cut)
    if not line:
        empty = Grade(outcome=Outcome.UNPARSED, extracted=None, detail="the first line is blank")
        return BothGrades(strict=empty, flexible=empty)
    strict = _grade(line, candidates)
    head = _STOP.split(line, maxsplit=1)[0].strip()
    if strict.outcome is Outcome.CORRECT or not head:
        return BothGrades(strict=strict, flexible=strict)
    short = _grade(head, candidates)
    return BothGrades(strict=strict, flexible=short if short.outcome is Outcome.CORRECT else strict)


def normalised(answer: str) -> str:
    """An answer as it is compared; may be empty."""
    return " ".join(_ARTICLE.sub(" ", answer.lower().translate(_NO_PUNCTUATION)).split())


def _compared(answer: str) -> str:
    return normalised(answer) or answer.strip().lower()


def _grade(answer: str, candidates: set[str]) -> Grade:
    found = _compared(answer) in candidates
    return Grade(outcome=Outcome.CORRECT if found else Outcome.WRONG, extracted=answer, detail=None)
