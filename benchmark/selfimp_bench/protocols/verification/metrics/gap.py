"""The generation-verification gap: accuracy under a verifier's weights minus plain accuracy (2412.02674, Section 2.1).

Problem by problem first (``Reweighted``), then over problems (``Gap``). The paper leaves two cases open, and both are
counted here: a filter that keeps nothing of a problem (both conventions are given), and the relative gap of a problem
whose responses are all correct (0 / 0: left out).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import fsum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.measurement import Estimate, mean_over_problems
from selfimp_bench.protocols.verification.metrics.scored import Responses
from selfimp_bench.protocols.verification.metrics.selection import (
    Filter,
    Reweight,
    Selection,
    Weights,
    all_of,
    kept,
    weights,
)


class EmptyFilter(StrEnum):
    """What a problem counts for whose filter keeps nothing: gap 0 (nothing changes), or left out."""

    ZERO = "zero"
    LEFT_OUT = "left-out"


@dataclass(frozen=True, kw_only=True)
class Reweighted:
    """One problem before and after its responses are weighed.

    responses, unscored: how many there are, and how many without a usable score.
    accuracy: the share of correct ones, E_{y ~ f}[u]; None without responses.
    reweighted: the same under the weights, E_{y ~ f[w]}[u]; None where all weights are 0.
    kept_share: (sum w)^2 / (n sum w^2), Kish's effective share; for a filter it is the share of responses kept. 0 to
    1; None without responses.
    """

    responses: int
    unscored: int
    accuracy: float | None
    reweighted: float | None
    kept_share: float | None


NOTHING: Final = Reweighted(responses=0, unscored=0, accuracy=None, reweighted=None, kept_share=None)
"""A problem without responses."""


def reweigh(responses: Responses, weight: Weights) -> Reweighted:
    """One problem's accuracy before and after ``weight`` (one per response, finite, at least 0).

    Independent of the order of the responses, to the last bit. Raises ValueError for weights that do not fit.
    """
    if len(weight) != len(responses):
        raise ValueError(f"{len(weight)} weights for {len(responses)} responses")
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise ValueError("a weight is negative or not finite")
    of_correct, total = fsum(weight[responses.correct].tolist()), fsum(weight.tolist())
    return Reweighted(
        responses=len(responses),
        unscored=responses.unscored,
        accuracy=responses.accuracy,
        reweighted=of_correct / total if total else None,
        kept_share=_effective_share(weight) if len(responses) else None,
    )


def reweigh_all(problems: Mapping[str, Responses], selection: Selection) -> dict[str, Reweighted]:
    """Every problem under one selection, by problem id."""
    if isinstance(selection, Reweight):
        return {name: reweigh(responses, weights(responses, selection)) for name, responses in problems.items()}
    every = list(problems.values())
    return _filtered(problems, kept(every, selection), _in_a_row(each.usable for each in every))


def _in_a_row(columns: Iterable[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    return np.concatenate([np.empty(0, np.bool_), *columns])


def _filtered(
    problems: Mapping[str, Responses], kept: NDArray[np.bool_], usable: NDArray[np.bool_]
) -> dict[str, Reweighted]:
    """Every problem with what a filter keeps of its responses: both columns have those of one after the other."""
    every = list(problems.values())
    owner = np.repeat(np.arange(len(every)), np.array([len(each) for each in every], np.int64))
    correct = _in_a_row(each.correct for each in every)
    counts = (np.bincount(owner[rows], minlength=len(every)).tolist() for rows in (~usable, kept, kept & correct))
    return {
        name: Reweighted(
            responses=len(own),
            unscored=unscored,
            accuracy=own.accuracy,
            reweighted=right / total if total else None,
            kept_share=total / len(own) if len(own) else None,
        )
        for (name, own), unscored, total, right in zip(problems.items(), *counts, strict=True)
    }


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The same responses as scored by one verifier, with the filter that its scores pass through."""

    problems: Mapping[str, Responses]
    filter: Filter


def reweigh_ensemble(verifiers: Sequence[Verified]) -> dict[str, Reweighted]:
    """Every problem with those responses kept that every verifier's own filter keeps.

    Source: 2412.02674, Section 6.3 and Table 7. Responses are matched by sample index; ``unscored`` counts those that
    some verifier gave no score. Raises ValueError without verifiers, and unless all have the same responses with the
    same grades.
    """
    if not verifiers:
        raise ValueError("an ensemble needs at least one verifier")
    for other in verifiers[1:]:
        if other.problems.keys() != verifiers[0].problems.keys():
            raise ValueError("the verifiers of an ensemble have not judged the same problems")
    problems = {name: _lined_up(name, verifiers) for name in verifiers[0].problems}
    judged = [[rows[index] for rows in problems.values()] for index in range(len(verifiers))]
    passed = all_of([kept(rows, verifier.filter) for rows, verifier in zip(judged, verifiers, strict=True)])
    usable = all_of([_in_a_row(each.usable for each in rows) for rows in judged])
    return _filtered({name: rows[0] for name, rows in problems.items()}, passed, usable)


def _lined_up(name: str, verifiers: Sequence[Verified]) -> Sequence[Responses]:
    """A problem's responses as scored by each verifier, in one order."""
    rows = [verifier.problems[name] for verifier in verifiers]
    if any(not _are_equal(row.samples, rows[0].samples) for row in rows):
        rows = [_in_order(row) for row in rows]
    first = rows[0]
    for row in rows:
        if not (_are_equal(row.samples, first.samples) and _are_equal(row.correct, first.correct)):
            raise ValueError(f"the verifiers of an ensemble differ in the responses or grades of problem {name!r}")
    return rows


def _are_equal(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one is other or np.array_equal(one, other)


def _in_order(responses: Responses) -> Responses:
    """By sample index."""
    order = np.argsort(responses.samples)
    samples, correct, scores = responses.samples[order], responses.correct[order], responses.scores[order]
    return Responses(samples=samples, correct=correct, scores=scores)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A gap problem by problem.

    per_problem: by problem id; None where undefined.
    emptied: the problems whose filter keeps nothing, unless they are in ``perfect``.
    perfect: the problems left out because all their responses are correct (relative gap only).
    kept_share: the mean over problems of ``Reweighted.kept_share``; None without responses.
    unscored: how many responses had no usable score, over all problems.
    """

    per_problem: Mapping[str, float | None]
    emptied: frozenset[str]
    perfect: frozenset[str]
    kept_share: float | None
    unscored: int

    def values(self, empty: EmptyFilter) -> dict[str, float | None]:
        """The gap by problem id, under one convention for filters that keep nothing."""
        zero = self.emptied if empty is EmptyFilter.ZERO else frozenset[str]()
        return {name: 0.0 if name in zero else value for name, value in self.per_problem.items()}

    def mean(self, empty: EmptyFilter) -> Estimate:
        """The mean over problems with its standard error; ``undefined`` counts the problems left out."""
        return mean_over_problems(list(self.values(empty).values()))


def gap(problems: Mapping[str, Responses], selection: Selection) -> Gap:
    """J(f[w]) - J(f): the accuracy under the weights minus the accuracy, -1 to 1, by problem id.

    Source: 2412.02674, Definition 2.1; weights are normalised within each problem, and every problem weighs the same.
    """
    return gap_of(reweigh_all(problems, selection))


def relative_gap(problems: Mapping[str, Responses], selection: Selection) -> Gap:
    """The gap of each problem over 1 - its accuracy: at most 1, unbounded below.

    Source: 2412.02674, Definition 2.2 with U_max = 1. A problem with accuracy 1 is left out and counted.
    """
    return relative_gap_of(reweigh_all(problems, selection))


def gap_of(problems: Mapping[str, Reweighted]) -> Gap:
    """Definition 2.1 on problems that are weighed already (an ensemble, a tournament)."""
    return _gap(problems, {name: _difference(each) for name, each in problems.items()}, frozenset())


def relative_gap_of(problems: Mapping[str, Reweighted]) -> Gap:
    """Definition 2.2 on problems that are weighed already (an ensemble, a tournament)."""
    perfect = frozenset(name for name, each in problems.items() if each.accuracy == 1)
    values: dict[str, float | None] = {}
    for name, each in problems.items():
        difference = _difference(each)
        if difference is None or each.accuracy is None or name in perfect:
            values[name] = None
        else:
            values[name] = difference / (1 - each.accuracy)
    return _gap(problems, values, perfect)


def aggregate_relative_gap(*, gap: float, accuracy: float) -> float | None:
    """gap / (1 - accuracy), both means over problems: the gap over what is missing to 1 overall.

    Not Definition 2.2, which divides problem by problem; the multiple-choice columns of Table 4 in 2412.02674 are
    this. Shares in, share out. None for accuracy 1. Raises ValueError for an accuracy outside 0 to 1.
    """
    if not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy is {accuracy}; expected a share from 0 to 1")
    return None if accuracy == 1 else gap / (1 - accuracy)


def aggregate_relative_gap_of(problems: Mapping[str, Reweighted], empty: EmptyFilter) -> Estimate:
    """``aggregate_relative_gap`` of the mean gap and the mean accuracy of the problems that count under ``empty``.

    standard_error is the delta method's, as in ``aggregate_pseudo_values``. Undefined, with the reason, without such
    problems and where all their responses are correct.
    """
    pairs = _pairs(problems, empty)
    if not pairs:
        reason = f"no gap on any of {len(problems)} problems"
        return Estimate(value=None, n=0, undefined=len(problems), standard_error=None, reason=reason)
    pseudo = mean_over_problems(list(aggregate_pseudo_values(problems, empty).values()))
    if pseudo.value is None:
        reason = "accuracy is 1, and the gap is relative to what is missing to 1"
        undefined = len(problems) - len(pairs)
        return Estimate(value=None, n=len(pairs), undefined=undefined, standard_error=None, reason=reason)
    return pseudo


def aggregate_pseudo_values(problems: Mapping[str, Reweighted], empty: EmptyFilter) -> dict[str, float | None]:
    """The aggregate relative gap R = G / (1 - A) as a mean over problems, by problem id: R + the problem's influence.

    A problem with gap g and accuracy a stands for R + (g - G) / (1 - A) + G (a - A) / (1 - A)^2. The mean is R, so
    what is tested on means over problems can be tested on it, paired by problem (the infinitesimal jackknife, Efron
    and Tibshirani, An Introduction to the Bootstrap, chapter 21). Empty where R is undefined; None for a problem that
    does not count under ``empty``.
    """
    pairs = _pairs(problems, empty)
    if not pairs:
        return {}
    mean_gap = fsum(gain for gain, _ in pairs.values()) / len(pairs)
    missing = 1 - fsum(accuracy for _, accuracy in pairs.values()) / len(pairs)
    if missing == 0:
        return {}
    ratio = mean_gap / missing
    values = {name: ratio + (g - mean_gap - ratio * (1 - a - missing)) / missing for name, (g, a) in pairs.items()}
    return {name: values.get(name) for name in problems}


def _effective_share(weight: Weights) -> float:
    """(sum w)^2 / (n sum w^2), of weights over the heaviest, so that no square vanishes; 0 where all are 0."""
    heaviest = float(weight.max())
    if not heaviest:
        return 0.0
    scaled = weight / heaviest
    return fsum(scaled.tolist()) ** 2 / fsum((scaled * scaled).tolist()) / len(weight)


def _pairs(problems: Mapping[str, Reweighted], empty: EmptyFilter) -> dict[str, tuple[float, float]]:
    """(gap, accuracy) of the problems that count."""
    gaps = gap_of(problems).values(empty)
    found = {name: (gaps[name], each.accuracy) for name, each in problems.items()}
    return {
        name: (gain, accuracy) for name, (gain, accuracy) in found.items() if gain is not None and accuracy is not None
    }


def _difference(problem: Reweighted) -> float | None:
    if problem.reweighted is None or problem.accuracy is None:
        return None
    return problem.reweighted - problem.accuracy


def _gap(problems: Mapping[str, Reweighted], values: Mapping[str, float | None], perfect: frozenset[str]) -> Gap:
    emptied = (name for name, each in problems.items() if each.responses and each.reweighted is None)
    return Gap(
        per_problem=dict(values),
        emptied=frozenset(emptied) - perfect,
        perfect=perfect,
        kept_share=_mean(each.kept_share for each in problems.values() if each.kept_share is not None),
        unscored=sum(each.unscored for each in problems.values()),
    )


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return fsum(numbers) / len(numbers) if numbers else None
