r"""Answer checking of competition mathematics: the answer a completion marks, against the last box of the solution.

strict: what the last ``\boxed{}`` holds, or without a box what follows the last ``answer is``, equal to the gold
    answer when both are written in one way (``math_text.normalised``).
flexible: the same answer, or without a marked one the last line's mathematics; CORRECT when the texts are equal
    as under the strict rule, or when math-verify 0.8.0 finds it equal to the gold answer (in this order: it is not
    symmetric). So flexible never has fewer correct than strict, and the two bound what another checker may say.

math-verify runs in a process of its own, 5 s of CPU time a question: what takes longer or makes it fail is CRASHED,
not WRONG, because that is the checker's limit and says nothing about the answer. Known to be too generous: numbers
that differ by less than its rounding (1/2004! and 1/2006!), subscripts (``11_5`` and 11), order (1,2 and 2,1).
"""

from typing import Final

from selfimp_bench.tasks.competition_math import gold_answer
from selfimp_bench.tasks.grading.math_equivalence import Verdict, compare
from selfimp_bench.tasks.grading.math_text import (
    LONGEST_ANSWER,
    FoundAnswer,
    last_line_answer,
    marked_answer,
    normalised,
)
from selfimp_bench.tasks.grading.outcome import BothGrades, Grade, Outcome
from selfimp_bench.tasks.problem import Problem

_OUTCOMES: Final = {
    Verdict.EQUAL: Outcome.CORRECT,
    Verdict.DIFFERENT: Outcome.WRONG,
    Verdict.TIMED_OUT: Outcome.CRASHED,
    Verdict.CRASHED: Outcome.CRASHED,
}


def grade_math(completion: str, problem: Problem, *, truncated: bool) -> BothGrades:
    """Judge a completion by both rules.

    truncated: generation stopped at the token limit. Then only a marked answer that the cut cannot have shortened is
        judged: a closed box, a formula, a finished line.
    Raises InputError for a problem without a gold answer; never for any completion.
    """
    gold = gold_answer(problem)
    marked = marked_answer(completion)
    if truncated and (marked is None or not marked.complete):
        cut = Grade(outcome=Outcome.TRUNCATED, extracted=None, detail="cut before a full answer")
        return BothGrades(strict=cut, flexible=cut)
    strict = _by_text(marked, gold)
    if strict.outcome is Outcome.CORRECT:
        return BothGrades(strict=strict, flexible=strict)
    return BothGrades(strict=strict, flexible=grade_by_value(marked or last_line_answer(completion), gold))


def _by_text(answer: FoundAnswer | None, gold: str) -> Grade:
    if answer is None:
        return Grade(outcome=Outcome.UNPARSED, extracted=None, detail="no answer is marked")
    same = normalised(answer.text) == normalised(gold)
    return Grade(outcome=Outcome.CORRECT if same else Outcome.WRONG, extracted=answer.text, detail=None)


def grade_by_value(answer: FoundAnswer | None, gold: str) -> Grade:
    """Judge an answer by the flexible rule; None is UNPARSED."""
    if answer is None:
        return Grade(outcome=Outcome.UNPARSED, extracted=None, detail="no mathematics in the last line")
    by_text = _by_text(answer, gold)
    if by_text.outcome is Outcome.CORRECT:
        return by_text
    if len(answer.text) > LONGEST_ANSWER:
        long = f"an answer of {len(answer.text)} characters was compared as text only"
        return Grade(outcome=Outcome.WRONG, extracted=answer.text, detail=long)
    comparison = compare(_undollared(gold), _undollared(answer.text))
    return Grade(outcome=_OUTCOMES[comparison.verdict], extracted=answer.text, detail=comparison.detail)


def _undollared(text: str) -> str:
    """Without dollar signs (currency), which would end the formula that math-verify reads."""
    return text.replace("\\$", "").replace("$", "")
