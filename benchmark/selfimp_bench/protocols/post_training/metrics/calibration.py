"""Calibration: how far a model's confidence lies from its accuracy."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, fsum

from selfimp_bench.steps.rows import JudgedAnswer
from selfimp_bench.tasks.grading.outcome import UNJUDGED, UNWRITTEN, Outcome


@dataclass(frozen=True, kw_only=True)
class Confident:
    """An answer to one problem: the confidence in it, 0 to 1, and whether it is right."""

    confidence: float
    correct: bool


def agreement(samples: Sequence[JudgedAnswer]) -> Confident | None:
    """The answer that most judged samples of one problem give, and their share; None where none was written and judged.

    Right samples give one answer, however they write it; to give none is one, too, and is wrong. Of equally frequent
    answers the one given first counts. Source: the vote of self-consistency (2203.11171); its share as confidence is
    our reading of 2504.02902.
    """
    judged = [each for each in samples if each.outcome not in UNJUDGED | UNWRITTEN]
    if not judged:
        return None
    answers = Counter((True, None) if each.outcome is Outcome.CORRECT else (False, each.extracted) for each in judged)
    (correct, _), votes = answers.most_common(1)[0]
    return Confident(confidence=votes / len(judged), correct=correct)


def bin_of(confidence: float, bins: int) -> int:
    """The bin m = 1 .. ``bins`` of ((m - 1)/bins, m/bins]; confidence 0 lies in the first.

    Raises ValueError for a confidence outside 0 to 1 or fewer than one bin.
    """
    if not 0 <= confidence <= 1 or bins < 1:
        raise ValueError(f"confidence {confidence} in {bins} bins; expected 0 to 1, and at least 1 bin")
    return max(1, ceil(round(confidence * bins, 9)))


def ece_values(answers: Sequence[Confident], *, bins: int) -> list[float]:
    """One value an answer, -1 to 1, whose mean is the expected calibration error, 0 (calibrated) to 1.

    ECE = sum over bins of |B|/n |acc(B) - conf(B)|, with equally wide bins (Guo et al. 2017, 1706.04599, Eq. 3; the
    measure of 2504.02902, Abstract). An answer's value is confidence - right, with the sign that this difference has in
    its bin; the spread of these values is the error of a sample of problems, less what few answers in a bin add.
    """
    places = [bin_of(each.confidence, bins) for each in answers]
    apart = overconfidence_values(answers)
    sums = {place: fsum(a for a, own in zip(apart, places, strict=True) if own == place) for place in set(places)}
    return [value if sums[place] >= 0 else -value for value, place in zip(apart, places, strict=True)]


def overconfidence_values(answers: Sequence[Confident]) -> list[float]:
    """Confidence - right of every answer, -1 to 1; the mean is above 0 for a model that is surer than it is right."""
    return [each.confidence - each.correct for each in answers]
