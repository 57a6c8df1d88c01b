"""What a run of a verification manifest measures: the one table of measurement names.

Everything is measured on the test problems, for t = 0 (the models as they are) .. T (after the last round of
self-improvement; T = 0 without one).

    V   a verifier: the id of a method, and after an ``@`` the model that judges, unless every generator judges itself:
        ``mc``, ``cot-score@some-model``
    S   a selection: ``q0.8`` (quantile), ``t8`` (threshold), ``w0.5`` (reweight), ``r5`` (after that many rounds of a
        tournament)
    F   a filter V.S, or the AND of several: ``and(mc.q0.8+cot-score.t8)``

    metric                   measurement names
    accuracy                 accuracy, accuracy.flexible (or .strict): by the extraction that does not decide
    pass@k                   pass@K for every K of measure.k
    filtered-accuracy        filtered-accuracy.F, ...F.left-out (or .zero): by the other convention for empty filters
    gap                      gap.F and the other convention
    relative-gap             relative-gap.F and the other convention (Definition 2.2: a mean over problems)
    aggregate-relative-gap   aggregate-relative-gap.F and the other convention (gap / (1 - accuracy))
    kept-share               kept-share.F, but for tournaments, which keep 2^-r
    gap-sd                   gap-sd.F: the standard deviation of the gap over problems
    gap-positive             gap-positive.F: the share of problems whose gap is above 0
    label-mass               label-mass.V of multiple-choice
    scored-share             scored-share.V: responses (of a tournament: matches) with a usable judgement; where fewer
                             have one than ``judging.unusable_at_most`` allows, all else that rests on V has no value
    extreme-share            extreme-share: the share of problems whose responses are all right, or all wrong
    wrong-majority           wrong-majority: the share of problems where most responses give one wrong answer
    answer-entropy           answer-entropy: of the answers to a problem, over the most it can be
    score-share              score-share.V.N for N = 1 .. 10, of cot-score
    judgement-variance       judgement-variance.V of cot-binary with repeats: the mean of p(1 - p) over responses, and
                             judgement-variance.V.toX for X = 0.025, 0.05 .. 0.25: the share of them with at most that
    step-gap                 step-gap.V.rN of a tournament: the gap of round N to the round before it
    first-preferred          first-preferred.V of a tournament, and first-preferred.V.rN of its round N: how often the
                             response shown first wins
    score-correlation        score-correlation.V+V, for every two of measure.correlate with scores
    gap-correlation          gap-correlation.F+F, for every two of measure.correlate
    gap-accuracy-correlation gap-accuracy-correlation.F, for each of measure.correlate

With ``temperatures`` every name has an ending: ``gap.mc.q0.8.temp0.5``.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from selfimp_bench.manifest.measured import SHARE_SCALE, MeasuredCell, Scale
from selfimp_bench.manifest.model import Grading
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.verification.manifest import (
    SELF,
    Ensemble,
    Filtered,
    Selection,
    SelfImprovement,
    VerificationManifest,
    VerificationMeasure,
    VerificationMetric,
    VerifierKind,
    VerifierMethod,
)

_M = VerificationMetric
SCORES = range(1, 11)
VARIANCES = tuple(step / 40 for step in range(1, 11))
"""0.025, 0.05 .. 0.25, which is the most that p(1 - p) can be."""
OF_GAPS = (_M.FILTERED_ACCURACY, _M.GAP, _M.RELATIVE_GAP, _M.AGGREGATE_RELATIVE_GAP)
"""Metrics that have a value under each of the two conventions for a filter that keeps nothing."""
OF_ANSWERS = (_M.EXTREME_SHARE, _M.WRONG_MAJORITY, _M.ANSWER_ENTROPY)
"""Metrics of what the responses to a problem agree on."""
CORRELATIONS = (_M.SCORE_CORRELATION, _M.GAP_CORRELATION, _M.GAP_ACCURACY_CORRELATION)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A method and who judges by it: a model's id, or ``self``."""

    method: VerifierMethod
    model: str

    @property
    def name(self) -> str:
        """What measurements call it."""
        return self.method.id if self.model == SELF else f"{self.method.id}@{self.model}"


def judges_of(verification: tuple[VerifierMethod, ...], verifiers: tuple[str, ...]) -> tuple[Judge, ...]:
    """Every method with every verifier."""
    return tuple(Judge(method=method, model=model) for model in verifiers for method in verification)


def selection_name(selection: Selection) -> str:
    """``q0.8``, ``t8`` or ``w0.5``."""
    given = {"q": selection.quantile, "t": selection.threshold, "w": selection.reweight}
    return next(f"{letter}{value:g}" for letter, value in given.items() if value is not None)


def filter_name(judge: Judge, selection: Selection | None) -> str:
    """A judge's selection; a tournament's is its last round."""
    chosen = f"r{judge.method.rounds}" if selection is None else selection_name(selection)
    return f"{judge.name}.{chosen}"


def ensemble_name(ensemble: Ensemble, verification: tuple[VerifierMethod, ...], verifier: str) -> str:
    """The AND of an ensemble's filters, all judged by one verifier."""
    methods = {method.id: method for method in verification}
    judged = [(Judge(method=methods[each.verifier], model=verifier), each.selection) for each in ensemble.members]
    return f"and({'+'.join(filter_name(judge, selection) for judge, selection in judged)})"


def other_convention(measure: VerificationMeasure) -> str:
    """The convention for empty filters that is not the headline's."""
    return "left-out" if measure.empty_filter == "zero" else "zero"


CORRELATION, VARIANCE = "correlation", "variance"
"""The units of what is no share."""

_SCALES: Final[Mapping[str, Scale]] = {
    _M.GAP: Scale(low=-1.0),
    _M.TOURNAMENT_STEPS: Scale(low=-1.0),
    _M.RELATIVE_GAP: Scale(low=-math.inf),
    _M.AGGREGATE_RELATIVE_GAP: Scale(low=-math.inf),
    _M.GAP_SPREAD: Scale(high=2.0),
    **{each: Scale(unit=CORRELATION, low=-1.0) for each in CORRELATIONS},
}


def scale_of(metric: str) -> Scale:
    """What a measurement can be: most are shares; gaps can be negative, relative ones without end."""
    family, _, ending = metric.partition(".")
    if family == _M.JUDGEMENT_VARIANCE and ".to0" not in ending:
        return Scale(unit=VARIANCE, high=0.25)
    return _SCALES.get(family, SHARE_SCALE)


def temperature_ending(temperature: float | None) -> str:
    """What a measurement's name ends in where temperatures vary."""
    return "" if temperature is None else f".temp{temperature:g}"


def verification_cells(manifest: VerificationManifest) -> tuple[MeasuredCell, ...]:
    """Every measurement that a run of this manifest yields, in the order of the table above."""
    return measured_by(
        manifest.measure,
        manifest.verification,
        manifest.verifiers,
        manifest.grading,
        manifest.ensembles,
        manifest.temperatures,
        manifest.self_improvement,
    )


def measured_by(
    measure: VerificationMeasure,
    verification: tuple[VerifierMethod, ...],
    verifiers: tuple[str, ...],
    grading: Grading,
    ensembles: tuple[Ensemble, ...] | None,
    temperatures: tuple[float, ...] | None,
    improvement: SelfImprovement | None,
) -> tuple[MeasuredCell, ...]:
    """``verification_cells`` from the blocks that decide it."""
    named = _Named(
        measure=measure,
        verification=verification,
        verifiers=verifiers,
        grading=grading,
        ensembles=ensembles or (),
    )
    names = tuple(dict.fromkeys(name for metric in measure.metrics for name in named.of(metric)))
    last = 0 if improvement is None else improvement.iterations
    return tuple(
        MeasuredCell(metric=f"{name}{temperature_ending(temperature)}", split=Split.TEST, first=0, iterations=last)
        for temperature in temperatures or (None,)
        for name in names
    )


@dataclass(frozen=True, kw_only=True)
class _Named:
    """The blocks that decide which measurements a metric has."""

    measure: VerificationMeasure
    verification: tuple[VerifierMethod, ...]
    verifiers: tuple[str, ...]
    grading: Grading
    ensembles: tuple[Ensemble, ...]

    def of(self, metric: VerificationMetric) -> Iterator[str]:
        """The names of one metric's measurements."""
        if metric is _M.ACCURACY:
            yield from ("accuracy", f"accuracy.{'flexible' if self.grading.extraction == 'strict' else 'strict'}")
        elif metric is _M.PASS_AT_K:
            yield from (f"pass@{k}" for k in self.measure.k)
        elif metric in (*OF_GAPS, _M.KEPT_SHARE, _M.GAP_SPREAD, _M.GAP_POSITIVE):
            yield from self._of_filters(metric)
        elif metric in CORRELATIONS:
            yield from self._of_correlation(metric)
        elif metric in OF_ANSWERS:
            yield metric.value
        else:
            for judge in judges_of(self.verification, self.verifiers):
                yield from _of_judge(metric, judge)

    def _of_filters(self, metric: VerificationMetric) -> Iterator[str]:
        for name in self._filters(with_rounds=metric is not _M.KEPT_SHARE):
            yield f"{metric}.{name}"
            if metric in OF_GAPS:
                yield f"{metric}.{name}.{other_convention(self.measure)}"

    def _filters(self, *, with_rounds: bool) -> Iterator[str]:
        for judge in judges_of(self.verification, self.verifiers):
            if judge.method.kind is VerifierKind.TOURNAMENT:
                rounds = range(1, (judge.method.rounds or 0) + 1) if with_rounds else ()
                yield from (f"{judge.name}.r{each}" for each in rounds)
            yield from (filter_name(judge, selection) for selection in judge.method.selections or ())
        for verifier in self.verifiers:
            yield from (ensemble_name(each, self.verification, verifier) for each in self.ensembles)

    def _of_correlation(self, metric: VerificationMetric) -> Iterator[str]:
        for verifier in self.verifiers:
            picked = picked_filters(self.measure.correlate or (), self.verification, verifier)
            filters = [filter_name(judge, selection) for judge, selection in picked]
            if metric is _M.GAP_ACCURACY_CORRELATION:
                yield from (f"{metric}.{name}" for name in filters)
                continue
            scored = dict.fromkeys(judge.name for judge, selection in picked if selection is not None)
            pairs = combinations(filters if metric is _M.GAP_CORRELATION else scored, 2)
            yield from (f"{metric}.{one}+{two}" for one, two in pairs)


def picked_filters(
    correlate: tuple[Filtered, ...], verification: tuple[VerifierMethod, ...], verifier: str
) -> list[tuple[Judge, Selection | None]]:
    """The verifications that are correlated, all judged by one verifier."""
    methods = {method.id: method for method in verification}
    return [(Judge(method=methods[each.verifier], model=verifier), each.selection) for each in correlate]


def _of_judge(metric: VerificationMetric, judge: Judge) -> Iterator[str]:
    kind, judging = judge.method.kind, judge.method.judging
    repeated = judging is not None and judging.repeats > 1
    applies = {
        _M.LABEL_MASS: kind is VerifierKind.MULTIPLE_CHOICE,
        _M.SCORED_SHARE: kind is not VerifierKind.MULTIPLE_CHOICE,
        _M.SCORE_SHARES: kind is VerifierKind.COT_SCORE,
        _M.JUDGEMENT_VARIANCE: kind is VerifierKind.COT_BINARY and repeated,
        _M.TOURNAMENT_STEPS: kind is VerifierKind.TOURNAMENT,
        _M.FIRST_PREFERRED: kind is VerifierKind.TOURNAMENT,
    }
    if not applies[metric]:
        return
    if metric is _M.SCORE_SHARES:
        yield from (f"{metric}.{judge.name}.{score}" for score in SCORES)
        return
    if metric is not _M.TOURNAMENT_STEPS:
        yield f"{metric}.{judge.name}"
    if metric is _M.JUDGEMENT_VARIANCE:
        yield from (f"{metric}.{judge.name}.to{most:g}" for most in VARIANCES)
    if metric in (_M.TOURNAMENT_STEPS, _M.FIRST_PREFERRED):
        yield from (f"{metric}.{judge.name}.r{each}" for each in range(1, (judge.method.rounds or 0) + 1))
