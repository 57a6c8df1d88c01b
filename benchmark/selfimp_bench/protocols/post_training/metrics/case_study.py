"""The case study: one problem followed through the iterations.

Source: 2407.05013, Appendix E, which shows the outputs for one test problem and does not say how it was chosen. Our
rule looks for the most telling problem, so the case illustrates the other metrics and is evidence of nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.protocols.post_training.metrics.coverage import coverage
from selfimp_bench.protocols.post_training.metrics.distinct_equations import extract_equations
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome


@dataclass(frozen=True, kw_only=True)
class GradedText:
    """A completion with its outcome."""

    completion: str
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class CaseStep:
    """One problem at M_iteration: its greedy completion, and what its samples are like.

    share_correct: of the samples that were judged, 0 to 1; None where none was.
    distinct_equations: how many different equations occur in the samples, right and wrong ones (a count, not the
        share that the metric of that name is: a count shows in how many ways the problem is still attacked).
    """

    iteration: int
    greedy: GradedText
    share_correct: float | None
    distinct_equations: int


def case_step(*, iteration: int, greedy: GradedText, samples: Sequence[GradedText]) -> CaseStep:
    """One iteration of a case study. Without samples the share is undefined and the count is 0."""
    judged = [sample for sample in samples if sample.outcome not in UNJUDGED]
    correct = sum(sample.outcome is Outcome.CORRECT for sample in judged)
    return CaseStep(
        iteration=iteration,
        greedy=greedy,
        share_correct=coverage(correct=correct, sampled=len(judged)),
        distinct_equations=len({each for sample in samples for each in extract_equations(sample.completion)}),
    )


def choose_case(candidates: Mapping[str, Sequence[CaseStep]]) -> str | None:
    """The problem id of the case to show, from the steps of every test problem in order of iteration.

    Of the problems that the first iteration got wrong (judged, and not correct) and the last got right, the one whose
    number of distinct equations fell most from first to last; of equals, the first by id. Where all rose, it is the
    one that rose least. None where no problem went from wrong to right, and so for fewer than two iterations.
    """
    turned = [problem_id for problem_id, steps in candidates.items() if _went_from_wrong_to_right(steps)]
    return min(turned, key=lambda problem_id: (-_fall(candidates[problem_id]), problem_id), default=None)


def _went_from_wrong_to_right(steps: Sequence[CaseStep]) -> bool:
    if len(steps) < 2 or steps[-1].greedy.outcome is not Outcome.CORRECT:
        return False
    return steps[0].greedy.outcome not in {Outcome.CORRECT, *UNJUDGED}


def _fall(steps: Sequence[CaseStep]) -> int:
    return steps[0].distinct_equations - steps[-1].distinct_equations
