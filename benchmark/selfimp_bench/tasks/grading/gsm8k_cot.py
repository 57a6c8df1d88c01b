"""Answer checking of GSM8K by the sentence that chain-of-thought examples end in: ``The answer is 18.``

Both rules read the response only (``tasks.response``), and values are compared as in ``grading.gsm8k``.

strict: the number of the **first** ``The answer is`` that one follows at once, as lm-evaluation-harness reads it
    (gsm8k_cot, strict-match: ``The answer is (\\-?[0-9\\.\\,]+).``); a currency sign before it is not the format.
    The first, because a model that answered may go on with other problems. Unlike the harness, a number at the very
    end of the response is read whole (there its last digit is lost), and ``18.00`` equals 18.
flexible: the strict answer where there is one; else as under ``grading.gsm8k``: the number of the last box, or the last
    number of the response.

``The answer is 18 or 19`` and ``The answer is 9*2=18`` are UNPARSED under both rules: no value is picked from several.
"""

import re
from typing import Final

from selfimp_bench.tasks.grading.gsm8k import gold_number, grade_any_number, grade_number, shorten, unparsed
from selfimp_bench.tasks.grading.hedges import bounded_after, denied
from selfimp_bench.tasks.grading.numbers import MINUS, find_numbers
from selfimp_bench.tasks.grading.outcome import BothGrades, Grade, Outcome
from selfimp_bench.tasks.response import response_of

PHRASE: Final = "The answer is"

_STATED: Final = re.compile(rf"{PHRASE} (?=[{MINUS}]?[.,]{{0,3}}[0-9])")
_JOINED: Final = re.compile(
    r"\s{0,3}(?:or|and|to|[-–−*x×+/÷=])\s{0,3}|"
    r"[ \t]{0,3}[^\W\d_]{0,20}[ \t]{1,3}or[ \t]{1,3}(?:maybe |perhaps |possibly )?[$€£]?"
)
_CLOSED: Final = re.compile(r"\.\s|[^\n]*\n")


def grade_gsm8k_cot(completion: str, gold: str, *, truncated: bool) -> BothGrades:
    """Judge a completion by both rules.

    gold: the gold number alone (see ``tasks.gsm8k.gold_answer``); anything else raises InputError.
    truncated: generation stopped at the token limit. Then a response that no stop string ended is judged only when a
        sentence or a line ends after its stated answer.
    Never raises for any completion.
    """
    gold_value = gold_number(gold)
    response = response_of("gsm8k_cot", completion)
    stated = _STATED.search(response.text)
    rest = response.text[stated.end() :] if stated else ""
    line = rest.partition("\n")[0]
    numbers = find_numbers(line)
    cut_short = truncated and not response.ended
    if cut_short and not (numbers and _CLOSED.match(rest, numbers[0].end)):
        cut = Grade(outcome=Outcome.TRUNCATED, extracted=None, detail="cut before a full answer")
        return BothGrades(strict=cut, flexible=cut)
    if not numbers:
        missing = unparsed(f"no number right after '{PHRASE}'")
        return BothGrades(strict=missing, flexible=grade_any_number(response.text, gold_value))
    first, *others = numbers
    joined = bool(others) and _JOINED.fullmatch(line, first.end, others[0].start) is not None
    if bounded_after(line, first.end) or denied(line, first.start, first.end):
        taken_back = unparsed(f"words after '{PHRASE}' take the number back: {shorten(line)}")
        return BothGrades(strict=taken_back, flexible=taken_back)
    if first.value is None or (joined and others[0].value != first.value):
        what = "an unreadable number" if first.value is None else "several numbers"
        both = unparsed(f"{what} after '{PHRASE}': {shorten(line)}")
    else:
        both = grade_number(first, gold_value)
    return BothGrades(strict=both, flexible=both)
