"""What a model's responses to one problem agree on: accuracy at its extremes, one wrong answer's majority, entropy."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, log


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A response's answer as the deciding rule extracted it (None: it gave none), and whether it is right."""

    answer: str | None
    correct: bool


def is_extreme(accuracy: float | None) -> float | None:
    """1.0 where all responses to a problem are right or none is, else 0.0; None without responses.

    Source: 2412.02674, Section 6.2 ("MC will drive the accuracy to the extreme in one round").
    """
    return None if accuracy is None else float(accuracy in (0.0, 1.0))


def has_wrong_majority(responses: Sequence[Answered]) -> float | None:
    """1.0 where one wrong answer is that of more than half of a problem's responses, else 0.0; None without responses.

    Source: 2412.02674, Section 5 (takeaway) and Appendix D.3: the model concentrates on wrong answers. The paper names
    no measure; this one is ours. Answers are told apart by their text, so one answer written in two ways counts as two.
    """
    wrong = Counter(each.answer for each in responses if not each.correct and each.answer is not None)
    return float(max(wrong.values(), default=0) > len(responses) / 2) if responses else None


def answer_entropy(responses: Sequence[Answered]) -> float | None:
    """The Shannon entropy of a problem's answers over log of the responses, 0 (one answer) to 1 (all differ).

    All right responses are one answer, however it is written; to give none is one, too. None for fewer than two
    responses. The paper names no measure of how answers concentrate; this one is ours.
    """
    total = len(responses)
    if total < 2:
        return None
    counts = Counter(("right", None) if each.correct else ("wrong", each.answer) for each in responses)
    return fsum(n / total * log(total / n) for n in counts.values()) / log(total)
