r"""Answer checking of competition mathematics: the answer a completion marks, against the last box of the solution.

strict: what the last ``\boxed{}`` holds (with the boxes joined to it: ``\boxed{3}, \boxed{5}``), or without a box what
    follows the last ``answer is``, equal to the gold answer when both are written in one way (``math_text.same_text``).
flexible: the same answer, or without a marked one the last line's mathematics; CORRECT when the texts are equal
    as under the strict rule, or when the values are (``math_value``, formulas by math-verify 0.8.0). So flexible never
    has fewer correct than strict, and the two bound what another checker may say.

Under both rules an answer that the words beside it take back (``grading.hedges``) is UNPARSED, and so are alternatives
(``12 or 13``) unless each of them is the gold answer, or, for flexible, all of them together.

A comparison that needs more than 5 s of CPU time or 2 GiB, or that would by its looks (``10^{10^{10}}``), is TIMED_OUT;
one on which math-verify fails is UNPARSED. Both stay among the answers. CRASHED is kept for the grader's own failures.
"""

from typing import Final

from selfimp_bench.tasks.competition_math import gold_answer
from selfimp_bench.tasks.grading.math_equivalence import Comparison, Verdict
from selfimp_bench.tasks.grading.math_text import (
    LONGEST_ANSWER,
    FoundAnswer,
    last_line_answer,
    marked_answer,
    same_text,
)
from selfimp_bench.tasks.grading.math_value import compare_values
from selfimp_bench.tasks.grading.outcome import BothGrades, Grade, Outcome
from selfimp_bench.tasks.problem import Problem

_OUTCOMES: Final = {
    Verdict.EQUAL: Outcome.CORRECT,
    Verdict.DIFFERENT: Outcome.WRONG,
    Verdict.TIMED_OUT: Outcome.TIMED_OUT,
    Verdict.FAILED: Outcome.UNPARSED,
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
    if marked is None:
        missing = Grade(outcome=Outcome.UNPARSED, extracted=None, detail="no answer is marked")
        return BothGrades(strict=missing, flexible=grade_by_value(last_line_answer(completion), gold))
    strict = _by_text(marked, gold)
    return BothGrades(
        strict=strict, flexible=strict if strict.outcome is Outcome.CORRECT else grade_by_value(marked, gold)
    )


def grade_by_value(answer: FoundAnswer | None, gold: str) -> Grade:
    """Judge an answer by the flexible rule; None is UNPARSED."""
    if answer is None:
        return _unparsed("no mathematics in the last line")
    by_text = _by_text(answer, gold)
    if by_text.outcome is Outcome.CORRECT:
        return by_text
    if len(answer.text) > LONGEST_ANSWER:
        long = f"an answer of {len(answer.text)} characters was compared as text only"
        return Grade(outcome=Outcome.WRONG, extracted=answer.text, detail=long)
    if answer.hedge is not None:
        return _unparsed(answer.hedge)
    if not answer.alternatives:
        return _grade(answer, compare_values(gold, answer.text))
    together = compare_values(gold, ",".join(answer.alternatives))
    each = [compare_values(gold, alternative) for alternative in answer.alternatives]
    if together.verdict is Verdict.EQUAL or all(one.verdict is Verdict.EQUAL for one in each):
        return Grade(outcome=Outcome.CORRECT, extracted=answer.text, detail=None)
    return _unparsed(_several(answer))


def _by_text(answer: FoundAnswer, gold: str) -> Grade:
    """Judge an answer by the strict rule."""
    whole = same_text(gold, answer.text)
    if answer.alternatives and not whole:
        same = all(same_text(gold, alternative) for alternative in answer.alternatives)
        return (
            Grade(outcome=Outcome.CORRECT, extracted=answer.text, detail=None) if same else _unparsed(_several(answer))
        )
    # Words of the gold answer itself ("3 or more") are no hedge; words beside the answer always are.
    if answer.hedge is not None and not (whole and answer.hedged_inside):
        return _unparsed(answer.hedge)
    return Grade(outcome=Outcome.CORRECT if whole else Outcome.WRONG, extracted=answer.text, detail=None)


def _grade(answer: FoundAnswer, comparison: Comparison) -> Grade:
    outcome = _OUTCOMES[comparison.verdict]
    extracted = None if outcome is Outcome.UNPARSED else answer.text
    return Grade(outcome=outcome, extracted=extracted, detail=comparison.detail)


def _several(answer: FoundAnswer) -> str:
    return f"several answers: {' or '.join(answer.alternatives)}"


def _unparsed(remark: str) -> Grade:
    return Grade(outcome=Outcome.UNPARSED, extracted=None, detail=remark)
