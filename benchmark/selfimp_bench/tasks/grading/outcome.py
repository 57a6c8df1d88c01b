"""What a completion was judged to be."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """The judgement of one completion. Only CORRECT counts as right; the others are kept apart, never merged.

    TIMED_OUT: a program used up its time. CRASHED: the grader failed, or gave up. UNJUDGEABLE: the
    problem's tests cannot tell here whether it is right. TOO_LONG, DROPPED: the prompt did not fit the model, so that
    nothing was answered; the one counts as wrong, the other is left out (``prompt.too_long`` of the manifest).
    """

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSED = "unparsed"
    TRUNCATED = "truncated"
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    UNJUDGEABLE = "cannot be judged here"
    TOO_LONG = "prompt did not fit"
    DROPPED = "dropped: prompt did not fit"


UNJUDGED: Final = frozenset({Outcome.CRASHED, Outcome.UNJUDGEABLE, Outcome.DROPPED})
"""Outcomes that say nothing about the completion: left out, as if never drawn."""

UNWRITTEN: Final = frozenset({Outcome.TOO_LONG, Outcome.DROPPED})
"""Outcomes of completions that no model was asked for: there is no text of a model's."""


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
