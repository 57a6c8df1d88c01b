"""B-STaR's balance score, and the rewards that its thresholds are about."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.steps.rows import Judged, JudgedAnswer
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome

ENOUGH: Final = 8
"""n* of 2412.17256, where a manifest names no other."""

AGREEMENT_WEIGHT: Final = 5.0
"""What a share is divided by beside correctness: as the process reward in determine_hyper.py of hkust-nlp/B-STaR,
revision 05c0e3f489ce2e9132b6f51876ebe43af0f4c661 (``prm_score / 5.0 + orm_score``)."""


def balance_score(correct: int, selected: int, *, enough: int = ENOUGH) -> float:
    """min(n'/``enough``, 1) n'/n of one problem, 0 to 1: n' = ``correct`` of n = ``selected`` responses; 0 for n = 0.

    Source: 2412.17256 (balance score; n* = 8), as ``cal_modi_acc_soft`` of its code computes it from distinct selected
    responses. The code leaves a problem out of the mean that has none selected; here it counts 0.
    Raises ValueError unless 0 <= correct <= selected and enough >= 1.
    """
    if not 0 <= correct <= selected or enough < 1:
        raise ValueError(
            f"{correct} correct of {selected}, {enough} enough; expected 0 <= correct <= selected, enough >= 1"
        )
    return min(correct / enough, 1.0) * correct / selected if selected else 0.0


def rewards(samples: Sequence[JudgedAnswer], rule: str) -> list[float]:
    """The reward of each sample of one problem: 0 to 1 by ``agreement``, 0 to 1.2 by ``correct+agreement``.

    Agreement is the share of the judged samples with the same answer, by its text; a sample without an answer, or not
    judged, has none.
    """
    judged = [each for each in samples if each.outcome not in UNJUDGED]
    votes = Counter(each.extracted for each in judged if each.extracted is not None)
    shares = [
        votes[each.extracted] / len(judged) if each.outcome not in UNJUDGED and each.extracted is not None else 0.0
        for each in samples
    ]
    if rule == "agreement":
        return shares
    correct = [each.outcome is Outcome.CORRECT for each in samples]
    return [right + share / AGREEMENT_WEIGHT for right, share in zip(correct, shares, strict=True)]


def rewarded(samples: Sequence[Judged], rule: str, threshold: float) -> list[Judged]:
    """Of one problem the distinct responses that ended by themselves, of a reward above the threshold, highest first.

    Of equal texts the one of the highest reward counts, the first of equals.
    """
    found = zip(rewards(samples, rule), samples, strict=True)
    able = [(reward, each) for reward, each in found if reward > threshold and is_whole(each)]
    return distinct([each for _, each in sorted(able, key=lambda one: -one[0])])


def distinct(samples: Sequence[Judged]) -> list[Judged]:
    """The first of every text."""
    first: dict[str, Judged] = {}
    for each in samples:
        first.setdefault(each.sample.completion, each)
    return list(first.values())


def is_whole(judged: JudgedAnswer) -> bool:
    """Whether it was judged and ended by itself: training on a cut one would teach the model not to stop."""
    return judged.outcome not in UNJUDGED and judged.sample.finish_reason is FinishReason.STOP
