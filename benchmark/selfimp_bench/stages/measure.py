"""Measuring: graded samples of every iteration become values per problem and their means."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.grading.outcome import Outcome
from selfimp_bench.manifest.model import Measure, Metric, Split
from selfimp_bench.metrics.coverage import coverage
from selfimp_bench.metrics.distinct_equations import distinct_equations
from selfimp_bench.metrics.distinct_n import distinct_n
from selfimp_bench.metrics.estimate import mean_over_problems
from selfimp_bench.metrics.measurement import Measurement, ProblemValue
from selfimp_bench.metrics.pass_at_k import pass_at_k
from selfimp_bench.plan import SPLIT_OF_ROLE, MeasureBlock, Role
from selfimp_bench.stages.select import JudgedSample

UNIT = "share"
"""Every metric so far is a share between 0 and 1."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The measurements of one model and replicate, and the values per problem that they are means of."""

    measurements: tuple[Measurement, ...]
    problem_values: tuple[ProblemValue, ...]


@dataclass(frozen=True, kw_only=True)
class JudgedSet:
    """Everything one M_t generated in one role."""

    role: Role
    iteration: int
    samples: Sequence[JudgedSample]


def measure(block: MeasureBlock, sets: Iterable[JudgedSet]) -> Measured:
    """Every metric the manifest asks for, wherever the role of the samples defines it."""
    values: list[ProblemValue] = []
    means: list[Measurement] = []
    for judged in sets:
        for metric, by_problem in _values(judged, block.measure).items():
            values.extend(
                ProblemValue(
                    model=block.model,
                    metric=metric,
                    split=SPLIT_OF_ROLE[judged.role],
                    iteration=judged.iteration,
                    replicate=block.replicate,
                    problem_id=problem_id,
                    value=value,
                )
                for problem_id, value in by_problem.items()
            )
            means.append(_mean(block, judged, metric, tuple(by_problem.values())))
    return Measured(measurements=tuple(means), problem_values=tuple(values))


def _mean(block: MeasureBlock, judged: JudgedSet, metric: str, values: Sequence[float | None]) -> Measurement:
    estimate = mean_over_problems(values)
    return Measurement(
        model=block.model,
        metric=metric,
        split=Split(SPLIT_OF_ROLE[judged.role]),
        iteration=judged.iteration,
        replicate=block.replicate,
        value=estimate.value,
        unit=UNIT,
        n=estimate.n,
        undefined=estimate.undefined,
        standard_error=estimate.standard_error,
        reason=estimate.reason,
    )


def _values(judged: JudgedSet, spec: Measure) -> dict[str, dict[str, float | None]]:
    """Metric name to problem id to value."""
    groups: dict[str, list[JudgedSample]] = defaultdict(list)
    for sample in judged.samples:
        groups[sample.sample.problem_id].append(sample)
    values: dict[str, dict[str, float | None]] = defaultdict(dict)
    for metric in spec.metrics:
        if judged.role in _ROLES[metric]:
            for problem_id, samples in groups.items():
                for name, value in _METRICS[metric](samples, spec):
                    values[name][problem_id] = value
    return dict(values)


Named = Iterator[tuple[str, float | None]]


def _greedy_pass_at_1(samples: Sequence[JudgedSample], _: Measure) -> Named:
    yield "pass@1", pass_at_k(n=len(samples), c=_correct(samples), k=1)


def _pass_at_k(samples: Sequence[JudgedSample], spec: Measure) -> Named:
    for k in spec.k:
        yield f"pass@{k}", pass_at_k(n=len(samples), c=_correct(samples), k=k)


def _coverage(samples: Sequence[JudgedSample], _: Measure) -> Named:
    yield "coverage", coverage(correct=_correct(samples), sampled=len(samples))


def _distinct_n(samples: Sequence[JudgedSample], spec: Measure) -> Named:
    for name, texts in _texts_by_outcome(samples):
        yield f"distinct-n.{name}", distinct_n(texts, ngram_max=spec.ngram_max)


def _distinct_equations(samples: Sequence[JudgedSample], _: Measure) -> Named:
    for name, texts in _texts_by_outcome(samples):
        yield f"distinct-equations.{name}", distinct_equations(texts)


def _texts_by_outcome(samples: Sequence[JudgedSample]) -> Iterator[tuple[str, list[str]]]:
    """Correct and incorrect outputs apart (Section 5.2); everything judged and not correct is incorrect."""
    unjudged = (Outcome.TIMED_OUT, Outcome.CRASHED)
    yield "correct", [s.sample.completion for s in samples if s.outcome is Outcome.CORRECT]
    yield (
        "incorrect",
        [s.sample.completion for s in samples if s.outcome is not Outcome.CORRECT and s.outcome not in unjudged],
    )


def _correct(samples: Sequence[JudgedSample]) -> int:
    return sum(sample.outcome is Outcome.CORRECT for sample in samples)


_METRICS: Mapping[Metric, Callable[[Sequence[JudgedSample], Measure], Named]] = {
    Metric.PASS_AT_1: _greedy_pass_at_1,
    Metric.PASS_AT_K: _pass_at_k,
    Metric.COVERAGE: _coverage,
    Metric.DISTINCT_N: _distinct_n,
    Metric.DISTINCT_EQUATIONS: _distinct_equations,
}
_ROLES: Mapping[Metric, tuple[Role, ...]] = {
    Metric.PASS_AT_1: (Role.GREEDY, Role.OOD),
    Metric.PASS_AT_K: (Role.SAMPLE, Role.TRAIN),
    Metric.COVERAGE: (Role.SAMPLE, Role.TRAIN),
    Metric.DISTINCT_N: (Role.SAMPLE,),
    Metric.DISTINCT_EQUATIONS: (Role.SAMPLE,),
}
