"""Measuring the verification protocol: grades, scores and matches become values per problem and their means.

The names of measurements are those of ``protocols/verification/cells.py``.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from math import fsum, isnan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.measurement import Estimate, Measurement, ProblemValue, Split, mean_over_problems, pass_at_k
from selfimp_bench.protocols.verification.cells import (
    CORRELATION,
    SCORES,
    VARIANCE,
    VARIANCES,
    Judge,
    ensemble_name,
    filter_name,
    judges_of,
    other_convention,
    picked_filters,
    temperature_ending,
)
from selfimp_bench.protocols.verification.filters import filter_of, selection_of
from selfimp_bench.protocols.verification.judged import (
    ANSWERS,
    GRADE_COLUMNS,
    MATCH_COLUMNS,
    NOT_SCORED,
    SCORE_COLUMNS,
    Graded,
    Scored,
    graded,
    played,
    responses_of,
    scored,
)
from selfimp_bench.protocols.verification.manifest import (
    Ensemble,
    VerificationMeasure,
    VerificationMetric,
    VerifierKind,
    VerifierMethod,
)
from selfimp_bench.protocols.verification.metrics.answers import (
    Answered,
    answer_entropy,
    has_wrong_majority,
    is_extreme,
)
from selfimp_bench.protocols.verification.metrics.correlation import Variable, correlation_values
from selfimp_bench.protocols.verification.metrics.distribution import deviation_values
from selfimp_bench.protocols.verification.metrics.gap import (
    NOTHING,
    EmptyFilter,
    Reweighted,
    Verified,
    aggregate_pseudo_values,
    aggregate_relative_gap_of,
    gap_of,
    relative_gap_of,
    reweigh_all,
    reweigh_ensemble,
)
from selfimp_bench.protocols.verification.metrics.position import preference
from selfimp_bench.protocols.verification.metrics.scored import Responses
from selfimp_bench.protocols.verification.metrics.tournament import RoundColumns, after_round, round_accuracies
from selfimp_bench.protocols.verification.metrics.variance import verdict_variance
from selfimp_bench.protocols.verification.score import SCORES as SCORE_TABLE
from selfimp_bench.protocols.verification.tournament import MATCHES
from selfimp_bench.steps.inputs import StepInputs
from selfimp_bench.steps.measured import Measured, write_measured
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.rows import GRADES
from selfimp_bench.steps.store import arrow_table
from selfimp_bench.steps.work import Work

SHARE = "share"

_M = VerificationMetric
Values = Mapping[str, float | None]
Reweighing = Mapping[str, Reweighted]


@dataclass(frozen=True, kw_only=True)
class MeasureGapBlock:
    """Compute every metric of one generator and replicate of the verification protocol.

    Inputs: ``grades.<t>.<k>``, and for every judge j (``judges_of``) ``scores.<j>.<t>.<k>`` or ``matches.<j>.<t>.<k>``;
    k numbers the temperatures, and is 0 where there is one only.
    """

    model: str
    replicate: int
    iterations: int
    temperatures: tuple[float, ...] | None
    extraction: str
    measure: VerificationMeasure
    verification: tuple[VerifierMethod, ...]
    verifiers: tuple[str, ...]
    ensembles: tuple[Ensemble, ...]


@dataclass(frozen=True, kw_only=True)
class Point:
    """What one f_t generated on the test problems at one temperature (None: there is one only), graded and judged.

    grades: by problem id. scores, matches: by the names of judges, then problem id.
    """

    iteration: int
    temperature: float | None
    grades: Mapping[str, Graded]
    scores: Mapping[str, Mapping[str, Scored]]
    matches: Mapping[str, Mapping[str, tuple[RoundColumns, ...]]]


@dataclass(frozen=True, kw_only=True)
class _Cell:
    """One measurement in the making: its values by problem where it is a mean over them, and its estimate."""

    metric: str
    values: Values
    estimate: Estimate
    unit: str = SHARE


def measure_gaps(block: MeasureGapBlock, points: Iterable[Point]) -> Measured:
    """Every metric the manifest asks for, of every point, one after the other."""
    measurements: list[Measurement] = []
    values: list[ProblemValue] = []
    for point in points:
        for cell in _cells(block, point):
            name = f"{cell.metric}{temperature_ending(point.temperature)}"
            measurements.append(
                Measurement(
                    model=block.model,
                    metric=name,
                    split=Split.TEST,
                    iteration=point.iteration,
                    replicate=block.replicate,
                    value=cell.estimate.value,
                    unit=cell.unit,
                    n=cell.estimate.n,
                    undefined=cell.estimate.undefined,
                    standard_error=cell.estimate.standard_error,
                    reason=cell.estimate.reason,
                )
            )
            values += [
                ProblemValue(
                    model=block.model,
                    metric=name,
                    split=Split.TEST,
                    iteration=point.iteration,
                    replicate=block.replicate,
                    problem_id=problem_id,
                    value=value,
                )
                for problem_id, value in cell.values.items()
            ]
    return Measured(measurements=tuple(measurements), problem_values=tuple(values))


def _cells(block: MeasureGapBlock, point: Point) -> Iterator[_Cell]:
    evidence = _Evidence(block=block, point=point)
    for metric in block.measure.metrics:
        if metric in _OF_FILTERS:
            for name, problems in evidence.filters.items():
                cells = _OF_FILTERS[metric](evidence, metric, name, problems)
                yield from _unless_unreadable(evidence, cells, evidence.rests_on[name])
        elif metric in _OF_JUDGES:
            for judge in evidence.judges:
                cells = _OF_JUDGES[metric](evidence, metric, judge)
                yield from _unless_unreadable(evidence, cells, () if metric in _OF_FORMAT else (judge.name,))
        else:
            yield from _OF_POINT[metric](evidence, metric)


def _unless_unreadable(evidence: "_Evidence", cells: Iterator[_Cell], judges: Iterable[str]) -> Iterator[_Cell]:
    """The cells; without a value where one of the judges that they rest on has not followed the format."""
    reasons = [evidence.unreadable[name] for name in dict.fromkeys(judges) if name in evidence.unreadable]
    for cell in cells:
        yield cell if not reasons else _not_measured(cell, "; ".join(reasons))


def _not_measured(cell: _Cell, reason: str) -> _Cell:
    problems = cell.estimate.n + cell.estimate.undefined
    nothing = Estimate(value=None, n=0, undefined=problems, standard_error=None, reason=reason)
    return replace(cell, values=dict.fromkeys(cell.values), estimate=nothing)


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """A point, and what several metrics make of it."""

    block: MeasureGapBlock
    point: Point

    @cached_property
    def judges(self) -> tuple[Judge, ...]:
        return judges_of(self.block.verification, self.block.verifiers)

    @property
    def graded(self) -> Mapping[str, Graded]:
        return self.point.grades

    @cached_property
    def accuracy(self) -> Values:
        return {name: _share_of(own.correct) for name, own in self.graded.items()}

    @cached_property
    def responses(self) -> Mapping[str, Mapping[str, Responses]]:
        """By judge's name (all but tournaments), then problem id."""
        return {
            judge: {name: responses_of(own, problems.get(name, NOT_SCORED)) for name, own in self.graded.items()}
            for judge, problems in self.point.scores.items()
        }

    @cached_property
    def usable(self) -> Mapping[str, Mapping[str, NDArray[np.bool_]]]:
        """By judges that write, then problem id: of every response (match) whether its judgement counts."""
        written = {
            judge.name: {name: own.usable for name, own in self.responses[judge.name].items()}
            for judge in self.judges
            if judge.method.kind not in (VerifierKind.MULTIPLE_CHOICE, VerifierKind.TOURNAMENT)
        }
        matches = {
            judge: {name: np.concatenate([each.judged for each in rounds]) for name, rounds in problems.items()}
            for judge, problems in self.point.matches.items()
        }
        return written | matches

    @cached_property
    def tournaments(self) -> Mapping[str, Mapping[str, tuple[float, ...] | None]]:
        """By the names of tournaments, then problem id: the accuracies of the entrants and of each round's winners.

        None for a problem with a response that was not graded: its bracket cannot be measured.
        """
        return {
            judge: {name: self._accuracies(name, rounds) for name, rounds in problems.items()}
            for judge, problems in self.point.matches.items()
        }

    def _accuracies(self, name: str, rounds: Sequence[RoundColumns]) -> tuple[float, ...] | None:
        own = self.graded.get(name)
        if own is None or len(own.samples) != _entrants(rounds):
            return None
        return round_accuracies(own.samples, own.correct, rounds)

    @cached_property
    def unreadable(self) -> Mapping[str, str]:
        """Why nothing that rests on a judge is measured, by the names of those that have not followed the format."""
        found = {}
        for judge in self.judges:
            most = None if judge.method.judging is None else judge.method.judging.unusable_at_most
            usable = self.usable.get(judge.name, {})
            counted = [own for name, own in usable.items() if self.accuracy.get(name) is not None]
            total = sum(map(len, counted))
            unusable = total - sum(int(np.count_nonzero(own)) for own in counted)
            if most is None or not total or unusable <= most * total:
                continue
            what = "matches" if judge.method.kind is VerifierKind.TOURNAMENT else "responses"
            found[judge.name] = (
                f"{judge.name}: the judgement's format was not followed: {unusable} of {total} "
                f"{what} have no usable judgement, and unusable_at_most is {most:g}: nothing measured"
            )
        return found

    @cached_property
    def rests_on(self) -> Mapping[str, tuple[str, ...]]:
        """The names of the judges behind every filter."""
        found: dict[str, tuple[str, ...]] = {}
        for judge in self.judges:
            for selection in judge.method.selections or ():
                found[filter_name(judge, selection)] = (judge.name,)
            for number in range(1, (judge.method.rounds or 0) + 1):
                found[f"{judge.name}.r{number}"] = (judge.name,)
        methods = {method.id: method for method in self.block.verification}
        for verifier in self.block.verifiers:
            for ensemble in self.block.ensembles:
                name = ensemble_name(ensemble, self.block.verification, verifier)
                members = (Judge(method=methods[each.verifier], model=verifier) for each in ensemble.members)
                found[name] = tuple(judge.name for judge in members)
        return found

    @cached_property
    def filters(self) -> Mapping[str, Reweighing]:
        """Everything that a gap can be measured of, by its name."""
        found: dict[str, Reweighing] = {}
        for judge in self.judges:
            for selection in judge.method.selections or ():
                problems = self.responses[judge.name]
                found[filter_name(judge, selection)] = reweigh_all(problems, selection_of(selection))
            for number in range(1, (judge.method.rounds or 0) + 1):
                found[f"{judge.name}.r{number}"] = self.after(judge, number, since=0)
        for verifier in self.block.verifiers:
            for ensemble in self.block.ensembles:
                name = ensemble_name(ensemble, self.block.verification, verifier)
                found[name] = self._ensemble(ensemble, verifier)
        return found

    def after(self, judge: Judge, number: int, *, since: int) -> Reweighing:
        """The winners of a tournament's round against those of round ``since``."""
        rounds = self.point.matches[judge.name]
        return {
            name: after_round(accuracies, entrants=_entrants(rounds[name]), after=number, since=since)
            if accuracies is not None
            else NOTHING
            for name, accuracies in self.tournaments[judge.name].items()
        }

    def _ensemble(self, ensemble: Ensemble, verifier: str) -> Reweighing:
        methods = {method.id: method for method in self.block.verification}
        verified = []
        for member in ensemble.members:
            if member.selection is None:
                raise ValueError("a member of an ensemble has a selection; the loader refuses others")
            judge = Judge(method=methods[member.verifier], model=verifier)
            verified.append(Verified(problems=self.responses[judge.name], filter=filter_of(member.selection)))
        return reweigh_ensemble(verified)

    def conventions(self) -> Iterator[tuple[str, EmptyFilter]]:
        """The headline's convention for empty filters, and the other one with the ending of its name."""
        yield "", EmptyFilter(self.block.measure.empty_filter)
        other = other_convention(self.block.measure)
        yield f".{other}", EmptyFilter(other)

    @property
    def headline(self) -> EmptyFilter:
        return EmptyFilter(self.block.measure.empty_filter)


def _entrants(rounds: Sequence[RoundColumns]) -> int:
    return 2 * len(rounds[0].a)


def _mean(metric: str, values: Values, unit: str = SHARE) -> _Cell:
    return _Cell(metric=metric, values=values, estimate=mean_over_problems(list(values.values())), unit=unit)


# ---- of the responses alone ----


def _accuracy(evidence: _Evidence, metric: VerificationMetric) -> Iterator[_Cell]:
    yield _mean(metric, evidence.accuracy)
    other = "flexible" if evidence.block.extraction == "strict" else "strict"
    yield _mean(f"{metric}.{other}", {name: _share_of(own.other_correct) for name, own in evidence.graded.items()})


def _pass_at_k(evidence: _Evidence, metric: VerificationMetric) -> Iterator[_Cell]:  # noqa: ARG001
    for k in evidence.block.measure.k:
        values = {
            name: pass_at_k(n=len(own.correct), c=int(np.count_nonzero(own.correct)), k=k)
            for name, own in evidence.graded.items()
        }
        yield _mean(f"pass@{k}", values)


def _answered(evidence: _Evidence) -> Iterator[tuple[str, list[Answered]]]:
    for name, own in evidence.graded.items():
        answers = () if own.answers is None else zip(own.answers.tolist(), own.correct.tolist(), strict=True)
        yield name, [Answered(answer=answer, correct=correct) for answer, correct in answers]


def _extreme_share(evidence: _Evidence, metric: VerificationMetric) -> Iterator[_Cell]:
    yield _mean(metric, {name: is_extreme(accuracy) for name, accuracy in evidence.accuracy.items()})


def _wrong_majority(evidence: _Evidence, metric: VerificationMetric) -> Iterator[_Cell]:
    yield _mean(metric, {name: has_wrong_majority(own) for name, own in _answered(evidence)})


def _answer_entropy(evidence: _Evidence, metric: VerificationMetric) -> Iterator[_Cell]:
    yield _mean(metric, {name: answer_entropy(own) for name, own in _answered(evidence)})


# ---- of a filter ----


def _filtered_accuracy(
    evidence: _Evidence, metric: VerificationMetric, name: str, problems: Reweighing
) -> Iterator[_Cell]:
    """Where a filter keeps nothing, the convention that the gap is 0 leaves the accuracy as it is."""
    for ending, convention in evidence.conventions():
        values = {
            problem: each.accuracy if each.reweighted is None and convention is EmptyFilter.ZERO else each.reweighted
            for problem, each in problems.items()
        }
        yield _mean(f"{metric}.{name}{ending}", values)


def _gap(evidence: _Evidence, metric: VerificationMetric, name: str, problems: Reweighing) -> Iterator[_Cell]:
    gap = (gap_of if metric is _M.GAP else relative_gap_of)(problems)
    for ending, convention in evidence.conventions():
        yield _mean(f"{metric}.{name}{ending}", gap.values(convention))


def _aggregate(evidence: _Evidence, metric: VerificationMetric, name: str, problems: Reweighing) -> Iterator[_Cell]:
    """A ratio of means; its values by problem are pseudo-values, which have its mean and its error."""
    for ending, convention in evidence.conventions():
        yield _Cell(
            metric=f"{metric}.{name}{ending}",
            values=aggregate_pseudo_values(problems, convention),
            estimate=aggregate_relative_gap_of(problems, convention),
        )


def _kept_share(evidence: _Evidence, metric: VerificationMetric, name: str, problems: Reweighing) -> Iterator[_Cell]:
    rounds = {f"{judge.name}.r{n}" for judge in evidence.judges for n in range(1, (judge.method.rounds or 0) + 1)}
    if name not in rounds:
        yield _mean(f"{metric}.{name}", {problem: each.kept_share for problem, each in problems.items()})


def _gap_spread(evidence: _Evidence, metric: VerificationMetric, name: str, problems: Reweighing) -> Iterator[_Cell]:
    """No mean, but a statistic with an influence of every problem, whose mean it is; so are the correlations."""
    yield _mean(f"{metric}.{name}", deviation_values(gap_of(problems).values(evidence.headline)))


def _gap_positive(evidence: _Evidence, metric: VerificationMetric, name: str, problems: Reweighing) -> Iterator[_Cell]:
    gaps = gap_of(problems).values(evidence.headline)
    yield _mean(f"{metric}.{name}", {problem: None if gap is None else float(gap > 0) for problem, gap in gaps.items()})


# ---- of a judge ----


def _judgements(evidence: _Evidence, judge: Judge) -> Iterator[tuple[str, Scored]]:
    problems = evidence.point.scores[judge.name]
    return ((name, problems.get(name, NOT_SCORED)) for name in evidence.graded)


def _share_of(found: NDArray[np.bool_]) -> float | None:
    return int(np.count_nonzero(found)) / len(found) if len(found) else None


def _label_mass(evidence: _Evidence, metric: VerificationMetric, judge: Judge) -> Iterator[_Cell]:
    if judge.method.kind is VerifierKind.MULTIPLE_CHOICE:
        masses = {name: own.masses[~np.isnan(own.masses)].tolist() for name, own in _judgements(evidence, judge)}
        yield _mean(f"{metric}.{judge.name}", {name: fsum(m) / len(m) if m else None for name, m in masses.items()})


def _scored_share(evidence: _Evidence, metric: VerificationMetric, judge: Judge) -> Iterator[_Cell]:
    if judge.method.kind is not VerifierKind.MULTIPLE_CHOICE:
        usable = evidence.usable[judge.name]
        shares = {
            name: None if evidence.accuracy.get(name) is None else _share_of(each) for name, each in usable.items()
        }
        yield _mean(f"{metric}.{judge.name}", shares)


def _score_shares(evidence: _Evidence, metric: VerificationMetric, judge: Judge) -> Iterator[_Cell]:
    """Of the usable judgements of a problem."""
    if judge.method.kind is VerifierKind.COT_SCORE:
        given = {name: own.usable for name, own in _judgements(evidence, judge)}
        for score in SCORES:
            values = {name: _share_of(scores == score) for name, scores in given.items()}
            yield _mean(f"{metric}.{judge.name}.{score}", values)


def _judgement_variance(evidence: _Evidence, metric: VerificationMetric, judge: Judge) -> Iterator[_Cell]:
    """The mean of p (1 - p) over a problem's responses, and the shares of them with at most so much."""
    judging = judge.method.judging
    if judge.method.kind is not VerifierKind.COT_BINARY or judging is None or judging.repeats == 1:
        return
    found: dict[str, list[float]] = {}
    for name, own in _judgements(evidence, judge):
        verdicts: dict[int, list[bool | None]] = defaultdict(list)
        for sample, score in zip(own.samples.tolist(), own.scores.tolist(), strict=True):
            verdicts[sample].append(None if isnan(score) else bool(score))
        found[name] = [each.variance for said in verdicts.values() if (each := verdict_variance(said)) is not None]
    means = {name: fsum(own) / len(own) if own else None for name, own in found.items()}
    yield _mean(f"{metric}.{judge.name}", means, VARIANCE)
    for most in VARIANCES:
        shares = {name: _share_of(np.array(variances) <= most) for name, variances in found.items()}
        yield _mean(f"{metric}.{judge.name}.to{most:g}", shares)


def _tournament_steps(evidence: _Evidence, metric: VerificationMetric, judge: Judge) -> Iterator[_Cell]:
    for number in range(1, (judge.method.rounds or 0) + 1):
        step = gap_of(evidence.after(judge, number, since=number - 1))
        yield _mean(f"{metric}.{judge.name}.r{number}", step.values(evidence.headline))


def _first_preferred(evidence: _Evidence, metric: VerificationMetric, judge: Judge) -> Iterator[_Cell]:
    """Of the usable judgements of a problem's matches, of all rounds and of each."""
    if judge.method.kind is not VerifierKind.TOURNAMENT:
        return
    rounds = range(1, (judge.method.rounds or 0) + 1)
    for ending, wanted in (("", rounds), *((f".r{number}", (number,)) for number in rounds)):
        values = {
            name: preference(
                side for number, each in enumerate(rounds_, 1) if number in wanted for side in each.judgements
            ).first_share
            for name, rounds_ in evidence.point.matches[judge.name].items()
        }
        yield _mean(f"{metric}.{judge.name}{ending}", values)


# ---- between verifications ----


def _picked(evidence: _Evidence) -> Iterator[tuple[list[str], list[str]]]:
    """For every verifier the filters that are correlated, and the judges among them that give scores."""
    for verifier in evidence.block.verifiers:
        picked = picked_filters(evidence.block.measure.correlate or (), evidence.block.verification, verifier)
        filters = [filter_name(judge, selection) for judge, selection in picked]
        yield filters, list(dict.fromkeys(judge.name for judge, selection in picked if selection is not None))


def _correlated(metric: VerificationMetric, names: Sequence[str], first: Variable, second: Variable) -> _Cell:
    return _mean(f"{metric}.{'+'.join(names)}", correlation_values(first, second), CORRELATION)


def _score_correlation(evidence: _Evidence, metric: VerificationMetric) -> Iterator[_Cell]:
    """Over all responses, pooled."""
    for _, judges in _picked(evidence):
        for one, two in combinations(judges, 2):
            cell = _correlated(metric, (one, two), _scores(evidence, one), _scores(evidence, two))
            yield from _unless_unreadable(evidence, iter((cell,)), (one, two))


def _scores(evidence: _Evidence, judge: str) -> Variable:
    return {name: own.scores for name, own in evidence.responses[judge].items()}


def _gap_correlation(evidence: _Evidence, metric: VerificationMetric) -> Iterator[_Cell]:
    for filters, _ in _picked(evidence):
        for one, two in combinations(filters, 2):
            cell = _correlated(metric, (one, two), _gaps(evidence, one), _gaps(evidence, two))
            judges = (*evidence.rests_on[one], *evidence.rests_on[two])
            yield from _unless_unreadable(evidence, iter((cell,)), judges)


def _gap_accuracy_correlation(evidence: _Evidence, metric: VerificationMetric) -> Iterator[_Cell]:
    accuracy = {name: [value] for name, value in evidence.accuracy.items()}
    for filters, _ in _picked(evidence):
        for name in filters:
            cell = _correlated(metric, (name,), _gaps(evidence, name), accuracy)
            yield from _unless_unreadable(evidence, iter((cell,)), evidence.rests_on[name])


def _gaps(evidence: _Evidence, name: str) -> Variable:
    """By problem; a tournament may lack some."""
    gaps = gap_of(evidence.filters[name]).values(evidence.headline)
    return {problem: [gaps.get(problem)] for problem in evidence.accuracy}


_OF_POINT: Mapping[VerificationMetric, Callable[[_Evidence, VerificationMetric], Iterator[_Cell]]] = {
    _M.ACCURACY: _accuracy,
    _M.PASS_AT_K: _pass_at_k,
    _M.EXTREME_SHARE: _extreme_share,
    _M.WRONG_MAJORITY: _wrong_majority,
    _M.ANSWER_ENTROPY: _answer_entropy,
    _M.SCORE_CORRELATION: _score_correlation,
    _M.GAP_CORRELATION: _gap_correlation,
    _M.GAP_ACCURACY_CORRELATION: _gap_accuracy_correlation,
}
_OF_FILTERS: Mapping[
    VerificationMetric, Callable[[_Evidence, VerificationMetric, str, Reweighing], Iterator[_Cell]]
] = {
    _M.FILTERED_ACCURACY: _filtered_accuracy,
    _M.GAP: _gap,
    _M.RELATIVE_GAP: _gap,
    _M.AGGREGATE_RELATIVE_GAP: _aggregate,
    _M.KEPT_SHARE: _kept_share,
    _M.GAP_SPREAD: _gap_spread,
    _M.GAP_POSITIVE: _gap_positive,
}
_OF_ANSWERS: Final = frozenset({_M.WRONG_MAJORITY, _M.ANSWER_ENTROPY})
"""Metrics of the answers that were extracted, which nothing else reads."""
_OF_FORMAT: Final = (_M.LABEL_MASS, _M.SCORED_SHARE)
"""Metrics that say how far a judge follows the format: measured whatever they say."""
_OF_JUDGES: Mapping[VerificationMetric, Callable[[_Evidence, VerificationMetric, Judge], Iterator[_Cell]]] = {
    _M.LABEL_MASS: _label_mass,
    _M.SCORED_SHARE: _scored_share,
    _M.SCORE_SHARES: _score_shares,
    _M.JUDGEMENT_VARIANCE: _judgement_variance,
    _M.TOURNAMENT_STEPS: _tournament_steps,
    _M.FIRST_PREFERRED: _first_preferred,
}


def _do(block: MeasureGapBlock, work: Work) -> Counts:
    points = (_point(block, work.inputs, name) for name in work.inputs.named("grades."))
    return write_measured(work.folder, measure_gaps(block, points))


def _point(block: MeasureGapBlock, inputs: StepInputs, grades: str) -> Point:
    _, iteration, number = grades.split(".")
    place = f"{iteration}.{number}"
    judges = tuple(enumerate(judges_of(block.verification, block.verifiers)))
    answers = (ANSWERS,) if _OF_ANSWERS & set(block.measure.metrics) else ()
    return Point(
        iteration=int(iteration),
        temperature=None if block.temperatures is None else block.temperatures[int(number)],
        grades=graded(arrow_table(inputs.artifact(grades, GRADES), (*GRADE_COLUMNS, *answers))),
        scores={
            judge.name: scored(arrow_table(inputs.artifact(f"scores.{index}.{place}", SCORE_TABLE), SCORE_COLUMNS))
            for index, judge in judges
            if judge.method.rounds is None
        },
        matches={
            judge.name: played(arrow_table(inputs.artifact(f"matches.{index}.{place}", MATCHES), MATCH_COLUMNS))
            for index, judge in judges
            if judge.method.rounds is not None
        },
    )


STAGE: Final = Stage(name="measure", block=MeasureGapBlock, do=_do)
