"""Answer checking of MATH by the line that Minerva's four examples end in.

``Final Answer: The final answer is $24$. I hope it is correct.`` Both rules read the response only
(``tasks.response``) and compare by value, as ``grading.math_answer`` does under its flexible rule.

strict: what stands in the **first** such line, up to ``I hope it is correct`` or the line's end, as
    lm-evaluation-harness reads it (minerva_math).
flexible: the strict answer where there is one; else the flexible rule of ``grading.math_answer`` (a box, a stated
    answer, the last line's mathematics).
"""

import re
from dataclasses import replace
from typing import Final

from selfimp_bench.tasks.competition_math import gold_answer
from selfimp_bench.tasks.grading.math_answer import grade_by_value, grade_math
from selfimp_bench.tasks.grading.math_text import FoundAnswer, statement
from selfimp_bench.tasks.grading.outcome import BothGrades, Grade, Outcome
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.response import response_of

PHRASE: Final = "Final Answer: The final answer is"

_STATED: Final = re.compile(rf"{PHRASE}(?P<answer>[^\n]*?)(?P<end>\s{{0,5}}I hope it is correct|\n|\Z)")


def grade_minerva_math(completion: str, problem: Problem, *, truncated: bool) -> BothGrades:
    """Judge a completion by both rules.

    truncated: generation stopped at the token limit. Then a response that no stop string ended is judged only by an
        answer that the cut cannot have shortened.
    Raises InputError for a problem without a gold answer; never for any completion.
    """
    gold = gold_answer(problem)
    response = response_of("minerva_math", completion)
    cut_short = truncated and not response.ended
    answer = _stated(response.text)
    if answer is not None and (answer.complete or not cut_short):
        grade = grade_by_value(answer, gold)
        return BothGrades(strict=grade, flexible=grade)
    strict = (
        Grade(outcome=Outcome.TRUNCATED, extracted=None, detail="cut before a full answer")
        if cut_short
        else Grade(outcome=Outcome.UNPARSED, extracted=None, detail=f"no answer after '{PHRASE}'")
    )
    return BothGrades(strict=strict, flexible=grade_math(response.text, problem, truncated=cut_short).flexible)


def _stated(text: str) -> FoundAnswer | None:
    match = _STATED.search(text)
    answer = match["answer"].strip().rstrip(".").strip("*_ \t") if match else ""
    found = statement(answer, ended=True) if answer else None
    return replace(found, complete=match is not None and bool(match["end"])) if found else None
