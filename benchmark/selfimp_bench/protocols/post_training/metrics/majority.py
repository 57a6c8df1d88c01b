"""A vote of samples: the answer that most of them give, and how sure one may be that most would."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from selfimp_bench.steps.rows import JudgedAnswer
from selfimp_bench.tasks.grading.outcome import UNJUDGED, UNWRITTEN


@dataclass(frozen=True, kw_only=True)
class Vote:
    """The answer that ``votes`` of ``total`` samples give; None where most give none."""

    answer: str | None
    votes: int
    total: int


def vote(samples: Sequence[JudgedAnswer]) -> Vote | None:
    """The vote of one model's samples of one problem; None without samples. It does not look at what is right.

    Answers are told apart by their text, and to give none counts as one of them; of equally frequent ones the first
    given wins. Source: ``construct_majority_voting_data`` of GAIR-NLP/weak-to-strong-reasoning (2407.13647),
    src/construct_training_data.py, revision 596a0b61166a91e9677e1940ae06ec4f84878cae.
    """
    answers = [each.extracted for each in samples if each.outcome not in {*UNJUDGED, *UNWRITTEN}]
    if not answers:
        return None
    answer, votes = Counter(answers).most_common(1)[0]
    return Vote(answer=answer, votes=votes, total=len(answers))


def lower_bound(votes: int, total: int, *, level: float) -> float:
    """Wilson's lower bound, one-sided with confidence ``level``, of a share of which ``votes`` of ``total`` are seen.

    (p + z^2/2n - z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n), with p the share, n the total and z the level's
    quantile of the normal distribution (Wilson 1927). Level 0.5 gives the share itself, the confidence of 2407.13647.
    Raises ValueError unless 0 <= votes <= total, total >= 1 and 0.5 <= level < 1.
    """
    if not 0 <= votes <= total or total < 1 or not 0.5 <= level < 1:
        raise ValueError(f"{votes} of {total} at level {level}; expected 0 <= votes <= total >= 1, 0.5 <= level < 1")
    share, z = votes / total, NormalDist().inv_cdf(level)
    middle, width = share + z * z / (2 * total), z * sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2)
    return (middle - width) / (1 + z * z / total)
