"""What a completion was judged to be."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """The judgement of one completion. Only CORRECT counts as right; the others are kept apart, never merged.

    TIMED_OUT: a program used up its time. CRASHED: the grader failed, or gave up. UNJUDGEABLE: the
    problem's tests cannot tell here whether it is right.
    """

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSED = "unparsed"
    TRUNCATED = "truncated"
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    UNJUDGEABLE = "cannot be judged here"


UNJUDGED: Final = frozenset({Outcome.CRASHED, Outcome.UNJUDGEABLE})
"""Outcomes that say something about the grader and nothing about the completion: left out, as if never drawn."""


@dataclass(frozen=True, kw_only=True)
class Grade:
    """An outcome, the answer text it rests on (None when there was none) and a remark for people."""

    outcome: Outcome
    extracted: str | None
    detail: str | None


@dataclass(frozen=True, kw_only=True)
class BothGrades:
    """One completion judged under the two rules of a task, side by side: the interval that the grader leaves open."""

    strict: Grade
    flexible: Grade
