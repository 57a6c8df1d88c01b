r"""Answer checking of multiple choice: the label (A, B ...) a completion gives, compared with the gold label.

strict: the label after the last ``answer is`` or ``Answer:``, or in the last ``\boxed{}``; without one there, a lone
    label that the completion begins with (``C``, ``(C)``, ``C.``, or a label and its own choice's text).
flexible: the strict answer where there is one; else the choice whose text alone stands after the last ``answer is``;
    else the last label standing by itself; else the choice whose text the whole completion is. A text that two
    choices share names neither.

Labels are capitals; in brackets, and after ``answer is`` at the end of its sentence or line, small letters too. A
capital A before a word (``A dog``) is an article, unless it follows ``answer is``. An answer that names several labels
(``B or C``), or one that no choice has (``F``), is UNPARSED under both rules: a hedge is not an answer. A label that
the words beside it deny (``not B``, ``A is wrong``; ``grading.hedges``) is none. What follows a line that begins
another question, once an answer was stated, is not read.
"""

import re
from dataclasses import dataclass
from typing import Final

from selfimp_bench.tasks.commonsense_qa import choice_labels, gold_answer
from selfimp_bench.tasks.grading.hedges import denied, next_problem
from selfimp_bench.tasks.grading.outcome import BothGrades, Grade, Outcome
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.response import without_end_token

_STATED: Final = re.compile(
    r"\banswer(?:\s{1,5}is\b|[*_]{0,3}\s{0,5}:)[\s*_:]{0,10}|"
    r"\\(?:boxed|fbox)(?=\s{0,3}\{\s?(?:\\(?:text[a-z]{0,2}|mathrm|mathbf)\s?\{)?\s?\(?[a-z]\)?\s?[.})])",
    re.IGNORECASE,
)
_AFTER_STATED: Final = re.compile(
    r"(?:(?:[Oo]ption|[Cc]hoice|[Ll]etter)\s{1,5})?(?:[*_$`\"“']|\\\(|(?:\\(?:boxed|fbox|text[a-z]{0,2}|mathrm|mathbf))?\s?\{){0,6}"
    r"(?:[(\[<]([A-Za-z])[)\]>]|([A-Z])(?![\w'’]|-\w)|([a-z])(?=[*_$`\"”'})]{0,6}(?:[.:),;}]|[ \t]{0,5}(?:\r?\n|\Z))))",
    re.ASCII,
)
_FIRST: Final = re.compile(
    r"\s*[*_]{0,3}(?:[(\[]([A-Za-z])[)\]]|([A-Z])(?=[*_]{0,3}(?:[.:)](?:\s|\Z)|[\s,/&]|\Z)))", re.ASCII
)
_CLOSED: Final = re.compile(r"[*_]{0,3}(?:[.:)]|[ \t]{0,20}(?:\n|\Z))")
_STANDING: Final = re.compile(r"[(\[]([A-Za-z])[)\]]|(?<![\w'’.-])([A-Z])(?![\w'’]|-\w|\.\w)", re.ASCII)
_ARTICLE: Final = re.compile(r"A\s{1,5}\w")
_HEDGE: Final = re.compile(
    r"[)\]*_.]{0,5}\s{0,5}(?:\bor\b|\band\b|[/,&])\s{0,5}[*_]{0,3}[(\[]?([A-Z])(?![\w'’])", re.ASCII
)
_JOINED: Final = re.compile(
    r"[)\]*_.>]{0,5}\s{0,5}(?:\bn?or\b|\band\b|[/,&]|,\s?(?:n?or|and)\b)\s{0,5}(?:(?:maybe|perhaps|possibly|option|choice)\s)?[*_(\[<]{0,5}"
)
_LONGEST_CHOICE: Final = 1000


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What one rule read: a label, or (label None) an answer that cannot be used; ``end`` is where it stops."""

    label: str | None
    remark: str | None
    end: int


def grade_choice(completion: str, problem: Problem, *, truncated: bool) -> BothGrades:
    """Judge a completion by both rules.

    truncated: generation stopped at the token limit. Then only a strict label with something after it is judged,
        since one that touches the cut may be the beginning of a word.
    Raises InputError for a problem without choices or gold label; never for any completion.
    """
    labels, gold = choice_labels(problem), gold_answer(problem)
    completion = without_end_token(completion) if not truncated else completion
    stated = _STATED.search(completion)
    completion = completion[: next_problem(completion, stated.end())] if stated else completion
    strict = _stated_label(completion, problem, labels) or _first_label(completion, problem, labels)
    if truncated and (strict is None or strict.end >= len(completion)):
        cut = Grade(outcome=Outcome.TRUNCATED, extracted=None, detail="cut before a full answer")
        return BothGrades(strict=cut, flexible=cut)
    if strict is not None:
        grade = _grade(strict, gold)
        return BothGrades(strict=grade, flexible=grade)
    missing = Grade(outcome=Outcome.UNPARSED, extracted=None, detail="no label where an answer is given")
    flexible = _stated_text(completion, problem, labels) or _last_label(completion, problem, labels)
    flexible = flexible or _choice_named(completion, problem, labels)
    return BothGrades(strict=missing, flexible=missing if flexible is None else _grade(flexible, gold))


def _grade(reading: _Reading, gold: str) -> Grade:
    if reading.label is None:
        return Grade(outcome=Outcome.UNPARSED, extracted=None, detail=reading.remark)
    outcome = Outcome.CORRECT if reading.label == gold else Outcome.WRONG
    return Grade(outcome=outcome, extracted=reading.label, detail=reading.remark)


def _stated_label(completion: str, problem: Problem, labels: tuple[str, ...]) -> _Reading | None:
    stated = _last(_STATED, completion)
    match = _AFTER_STATED.match(completion, stated.end()) if stated else None
    if match is None or (match.group(3) and match.group(3).upper() not in labels):
        return None
    is_denied = stated is not None and _denied(completion, stated.start(), match, problem, labels)
    return None if is_denied else _reading(completion, match, labels)


def _first_label(completion: str, problem: Problem, labels: tuple[str, ...]) -> _Reading | None:
    match = _FIRST.match(completion)
    if match is None or _label(match) not in labels or _denied(completion, match.start(), match, problem, labels):
        return None
    reading = _reading(completion, match, labels)
    if match.group(2) is None or _CLOSED.match(completion, match.end()) or _hedge(completion, match, labels):
        return reading
    return reading if _own_text_follows(completion, match, problem, labels) else None


def _denied(completion: str, start: int, match: re.Match[str], problem: Problem, labels: tuple[str, ...]) -> bool:
    """Whether the words beside a label deny it; its own choice's text (``D incorrect``) denies nothing."""
    own = _own_text_follows(completion, match, problem, labels)
    return denied(completion[: match.end()] if own else completion, start, match.end())


def _own_text_follows(completion: str, match: re.Match[str], problem: Problem, labels: tuple[str, ...]) -> bool:
    """Whether the line goes on with nothing but the text of the choice that the label names."""
    own = dict(zip(labels, problem.choices or (), strict=True)).get(_label(match))
    rest = completion[match.end() :].partition("\n")[0]
    return own is not None and _plain(own) == _plain(rest[:_LONGEST_CHOICE])


def _stated_text(completion: str, problem: Problem, labels: tuple[str, ...]) -> _Reading | None:
    stated = _last(_STATED, completion)
    return _choice_named(completion[stated.end() :].partition("\n")[0], problem, labels) if stated else None


def _last_label(completion: str, problem: Problem, labels: tuple[str, ...]) -> _Reading | None:
    """The last label that nothing denies; several that are joined are none."""
    before: re.Match[str] | None = None
    found = None
    for match in _STANDING.finditer(completion):
        label = _label(match)
        if label not in labels or (label == "A" and _ARTICLE.match(completion, match.start())):
            continue
        joined = before is not None and _JOINED.fullmatch(completion, before.end(), match.start()) is not None
        if joined and before is not None and _label(before) != label:
            found = _Reading(label=None, remark=f"several labels: {_label(before)} and {label}", end=match.end())
        elif not _denied(completion, match.start(), match, problem, labels):
            found = _Reading(label=label, remark=None, end=match.end())
        before = match
    return found


def _choice_named(text: str, problem: Problem, labels: tuple[str, ...]) -> _Reading | None:
    if len(text) > _LONGEST_CHOICE:
        return None
    wanted = _plain(text)
    named = [label for label, choice in zip(labels, problem.choices or (), strict=True) if _plain(choice) == wanted]
    return _Reading(label=named[0], remark="by its text", end=len(text)) if len(named) == 1 else None


def _reading(completion: str, match: re.Match[str], labels: tuple[str, ...]) -> _Reading:
    label, other = _label(match), _hedge(completion, match, labels)
    if label not in labels:
        return _Reading(label=None, remark=f"no choice is labelled {label}", end=match.end())
    if other is not None:
        return _Reading(label=None, remark=f"several labels: {label} and {other}", end=match.end())
    return _Reading(label=label, remark=None, end=match.end())


def _hedge(completion: str, match: re.Match[str], labels: tuple[str, ...]) -> str | None:
    """Another label, joined to this one by ``or``, ``and`` or a comma."""
    other = _HEDGE.match(completion, match.end())
    return other.group(1) if other and other.group(1) in labels and other.group(1) != _label(match) else None


def _label(match: re.Match[str]) -> str:
    return str(next(group for group in match.groups() if group)).upper()


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for match in pattern.finditer(text):
        found = match
    return found


def _plain(text: str) -> str:
    """For comparing texts: case, runs of blanks, marks around words and a leading article do not count."""
    marks = "".join(c for c in set(text) if not c.isalnum())
    words = [word for word in (word.strip(marks) for word in text.casefold().split()) if word]
    return " ".join(words[1:] if len(words) > 1 and words[0] in ("a", "an", "the") else words)
