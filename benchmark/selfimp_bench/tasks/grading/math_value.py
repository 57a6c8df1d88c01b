r"""Whether two mathematical answers have the same value: by their forms (``math_form``), formulas by math-verify.

What is decided without math-verify is decided exactly. A decimal stands for another value where it is that value
rounded, to six decimals at least. ``50\%`` is 0.5 and 50: the data set's gold answers drop the sign.
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

from selfimp_bench.tasks.grading.math_equivalence import Comparison, Verdict, compare
from selfimp_bench.tasks.grading.math_form import Form, Kind, interval_of, read_form
from selfimp_bench.tasks.grading.math_units import same_kind

_FEWEST_DECIMALS: Final = 6
_CENT: Final = 100
_INTERVALS: Final = ("()", "[]", "[)", "(]")
_PAIR: Final = 2
# An equation that gives no value by itself: "-x = 4", "2x = 8".
_SCALED: Final = re.compile(
    r"(?:[-+]|[-+]?[0-9./]+|[-+]?\\frac\{[^{}]*\}\{[^{}]*\}) ?\*? ?[a-zA-Z](?:\^\{?[0-9]+\}?)? ?="
)
_EQUAL: Final = Comparison(verdict=Verdict.EQUAL, detail=None)
_DIFFERENT: Final = Comparison(verdict=Verdict.DIFFERENT, detail=None)
_AS_TEXT: Final = Comparison(verdict=Verdict.DIFFERENT, detail="compared as text: an answer that cannot be read")
_TOO_LARGE: Final = Comparison(
    verdict=Verdict.TIMED_OUT, detail="not evaluated: its powers take more memory or time than an answer is given"
)


class _CrashedError(Exception):
    """A comparison without a verdict that says nothing about the pair: it is not remembered."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__(comparison.detail)
        self.comparison = comparison


def compare_values(gold: str, answer: str) -> Comparison:
    """Whether ``answer`` has the value of ``gold``; both are LaTeX or plain, without dollar signs around them.

    The verdict depends on the pair alone, so each pair is compared once a process. Never raises.
    """
    try:
        return _remembered(gold, answer)
    except _CrashedError as crash:
        return crash.comparison


@lru_cache(maxsize=1 << 16)
def _remembered(gold: str, answer: str) -> Comparison:
    found = _compare(_form(gold), _form(answer))
    if found.verdict is Verdict.CRASHED:
        raise _CrashedError(found)
    return found


@lru_cache(maxsize=1 << 12)
def _form(text: str) -> Form:
    return read_form(text)


def _compare(gold: Form, answer: Form) -> Comparison:
    if gold.name and answer.name and gold.name != answer.name:
        return Comparison(verdict=Verdict.DIFFERENT, detail=f"{answer.name} is given for {gold.name}")
    if not same_kind(gold.unit, answer.unit, strictly=False):
        return Comparison(verdict=Verdict.DIFFERENT, detail="its unit is another")
    if any(_SCALED.match(form.text) for form in (gold, answer)) and ("=" in gold.text) != ("=" in answer.text):
        return _DIFFERENT
    return _compare_forms(gold, answer)


def _compare_forms(gold: Form, answer: Form) -> Comparison:
    kinds = (gold.kind, answer.kind)
    if kinds == (Kind.NUMBER, Kind.NUMBER):
        return _EQUAL if _same_number(gold, answer) else _DIFFERENT
    if (interval := interval_of(answer)) is not None and _is_set_of_numbers(gold):
        return _compare(gold, read_form(interval))
    if (interval := interval_of(gold)) is not None and "\\cup" in answer.text:
        return _compare(read_form(interval), answer)
    if Kind.LIST in kinds:
        return _compare_lists(gold, answer)
    if Kind.BASED in kinds:
        return _EQUAL if _same_digits(gold, answer) else _DIFFERENT
    if Kind.HUGE in kinds:
        return _compare_huge(gold, answer)
    if Kind.OPAQUE in kinds or Kind.WORDS in kinds:
        same = _plain(gold.text) == _plain(answer.text) and bool(_plain(gold.text))
        return _EQUAL if same else _AS_TEXT if Kind.OPAQUE in kinds else _DIFFERENT
    if _letters(gold.text) != _letters(answer.text) and _letters(gold.text, folded=True) == _letters(
        answer.text, folded=True
    ):
        return Comparison(verdict=Verdict.DIFFERENT, detail="its letters are of another case")
    return compare(gold.text, answer.text)


def _letters(text: str, *, folded: bool = False) -> frozenset[str]:
    """The letters of a formula outside its commands; none of a letter alone, which names a choice."""
    names = re.sub(r"\\[a-zA-Z]+", "", text)
    names = names.casefold() if folded else names
    return frozenset(re.findall(r"[a-zA-Z]", names)) if len(text) > 1 else frozenset()


def _is_set_of_numbers(form: Form) -> bool:
    """Whether a form is an interval or a union, and cannot be a point: an open interval of two numbers can."""
    if form.kind is Kind.LIST and form.brackets in _INTERVALS:
        return "[" in form.brackets or "]" in form.brackets or "\\infty" in form.text
    return form.kind is Kind.FORMULA and "\\cup" in form.text


def _same_number(gold: Form, answer: Form) -> bool:
    assert gold.value is not None and answer.value is not None
    if _is_rounded(gold, answer) or _is_rounded(answer, gold) or gold.value == answer.value:
        return True
    if gold.percent != answer.percent:
        shares = [
            form.value / _CENT if form.percent else form.value for form in (gold, answer) if form.value is not None
        ]
        return shares[0] == shares[1]
    return False


def _is_rounded(exact: Form, written: Form) -> bool:
    """Whether a decimal is another value, rounded (or cut) at its own last place."""
    if exact.value is None or written.value is None or written.decimals is None:
        return False
    if written.decimals < _FEWEST_DECIMALS or (exact.decimals is not None and exact.decimals <= written.decimals):
        return False
    return abs(exact.value - written.value) < Fraction(1, 10**written.decimals)


def _same_digits(gold: Form, answer: Form) -> bool:
    """Numbers in bases: the same digits in the same base; without a base (ten, or left out) the gold one's digits."""
    if gold.kind is Kind.BASED and answer.kind is Kind.BASED:
        return (gold.digits, gold.base) == (answer.digits, answer.base)
    based, plain = (gold, answer) if gold.kind is Kind.BASED else (answer, gold)
    digits = plain.text.replace(",", "").replace(" ", "").lstrip("0").upper()
    return based.digits == digits and (based is gold or based.base == 10)


def _compare_lists(gold: Form, answer: Form) -> Comparison:
    if gold.kind is not Kind.LIST or answer.kind is not Kind.LIST:
        listing, other = (gold, answer) if gold.kind is Kind.LIST else (answer, gold)
        if len(listing.items) == 1:
            return _compare(listing.items[0], other) if listing is gold else _compare(other, listing.items[0])
        is_interval = listing.brackets in _INTERVALS and len(listing.items) == _PAIR
        if other.kind is Kind.FORMULA and (is_interval or "\\cup" in other.text or "\\pm" in other.text):
            return compare(gold.text, answer.text)
        return _DIFFERENT
    if len(gold.items) != len(answer.items):
        return Comparison(verdict=Verdict.DIFFERENT, detail=f"{len(answer.items)} values for {len(gold.items)}")
    ordered = _is_ordered(gold.brackets, answer.brackets)
    if ordered is None:
        return Comparison(verdict=Verdict.DIFFERENT, detail="brackets of another kind")
    return _in_order(gold.items, answer.items) if ordered else _in_any_order(gold.items, answer.items)


def _is_ordered(gold: str, answer: str) -> bool | None:
    """Whether lists in these brackets are compared in order; None where one cannot stand for the other."""
    if gold == answer:
        return gold not in ("", "{}")
    if {gold, answer} == {"", "{}"}:
        return False
    if "" in (gold, answer) and (gold or answer) == "()":
        return True
    return True if (gold, answer) == ("", "[]") else None


def _in_order(gold: tuple[Form, ...], answer: tuple[Form, ...]) -> Comparison:
    return _first([_compare(*pair) for pair in zip(gold, answer, strict=True)], _ALL_MUST)


def _in_any_order(gold: tuple[Form, ...], answer: tuple[Form, ...]) -> Comparison:
    """Every value of the gold list paired with one of the answer's of its own."""
    left = list(answer)
    found: list[Comparison] = []
    for wanted in gold:
        tried = []
        for place, given in enumerate(left):
            tried.append(_compare(wanted, given))
            if tried[-1].verdict is Verdict.EQUAL:
                del left[place]
                break
        found.append(tried[-1] if tried[-1].verdict is Verdict.EQUAL else _first(tried, _NONE_IS))
        if found[-1].verdict is not Verdict.EQUAL:
            break
    return _first(found, _ALL_MUST)


_ALL_MUST: Final = (Verdict.DIFFERENT, Verdict.CRASHED, Verdict.TIMED_OUT, Verdict.FAILED)
_NONE_IS: Final = (Verdict.CRASHED, Verdict.TIMED_OUT, Verdict.FAILED, Verdict.DIFFERENT)


def _first(comparisons: list[Comparison], order: tuple[Verdict, ...]) -> Comparison:
    """The comparison that decides for all of them; EQUAL if none does."""
    for verdict in order:
        for each in comparisons:
            if each.verdict is verdict:
                return each
    return _EQUAL


def _compare_huge(gold: Form, answer: Form) -> Comparison:
    """Powers that are not evaluated equal the same text; a number that can be written out is none of them."""
    if _plain(gold.text) == _plain(answer.text):
        return _EQUAL
    tower, other = (gold, answer) if gold.kind is Kind.HUGE else (answer, gold)
    if other.kind is Kind.WORDS or (other.kind is Kind.NUMBER and _PURE_TOWER.fullmatch(_plain(tower.text))):
        return _DIFFERENT
    return _TOO_LARGE


_PURE_TOWER: Final = re.compile(r"-?(?:[2-9]|[1-9][0-9]+)(?:\^\(*(?:[2-9]|[1-9][0-9]+))+\)*!?")


def _plain(text: str) -> str:
    """For comparing as text: case, blanks, braces and the commands of text do not count."""
    text = re.sub(r"\\[lcd]?dots[a-z]?(?![a-zA-Z])|\.{3}|…", "…", text)
    text = re.sub(r"\\(?:text(?:bf|it|rm|normal)?|mbox|mathrm|mathbf)(?![a-zA-Z])|\s+(?![0-9])|(?<![0-9])\s+", "", text)
    text = re.sub(r"(?<![0-9])\.|\.(?![0-9])", "", text)
    return text.replace("{", "(").replace("}", ")").strip("()").casefold()
