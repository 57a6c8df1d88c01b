"""Progress, regress or reversal of every model of a run, by the rules of ``assess`` (``assess/headline.py``).

The last model is compared with the first of the run, problem by problem; with several seeds the seeds' mean.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.measurement import Split
from selfimp_bench.runs.assess.essentials import accuracy_of, judged
from selfimp_bench.runs.assess.results import Change, Headline
from selfimp_bench.runs.judge import RunFiles


@dataclass(frozen=True, kw_only=True)
class Direction:
    """What became of one model from iteration ``first`` to ``last``.

    changes: of everything measured at both; family: those of them that may be called up or down, accuracy first.
    """

    model: str
    first: int
    last: int
    headline: Headline
    changes: tuple[Change, ...]
    family: tuple[Change, ...]


_Key = tuple[str, Split]
_ByIteration = Mapping[int, Mapping[str, float | None]]


def directions(run: RunFiles) -> tuple[Direction, ...]:
    """Those of the models that have several iterations and an accuracy, in the order of the run."""
    values = problem_means(run)
    return tuple(
        found for model in run.record.models if (found := _direction(model, values.get(model, {}))) is not None
    )


def problem_means(run: RunFiles) -> Mapping[str, Mapping[_Key, _ByIteration]]:
    """By model, then metric and split, then iteration: by problem the mean over the replicates.

    None where it is undefined in one of them: a mean over the others would be another quantity. What was measured and
    has no value of any problem is there, without problems.
    """
    found: dict[str, dict[_Key, dict[int, dict[str, list[float | None]]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(dict))
    )
    for each in run.measurements:
        _ = found[each.model][each.metric, each.split][each.iteration]
    for one in run.problem_values:
        found[one.model][one.metric, one.split][one.iteration].setdefault(one.problem_id, []).append(one.value)
    return {
        model: {
            key: {t: {name: _mean(own) for name, own in by_problem.items()} for t, by_problem in by_iteration.items()}
            for key, by_iteration in by_metric.items()
        }
        for model, by_metric in found.items()
    }


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if len(defined) == len(values) else None


def _direction(model: str, values: Mapping[_Key, _ByIteration]) -> Direction | None:
    accuracy = (accuracy_of(metric for metric, split in values if split is Split.TEST), Split.TEST)
    if len(values.get(accuracy, {})) < 2:
        return None
    first, last = min(values[accuracy]), max(values[accuracy])
    ends = {
        key: (own[first], own[last])
        for key, own in values.items()
        if first in own and last in own and not key[0].startswith("is-pass@")
    }
    found = judged(ends, first=first, last=last)
    return Direction(
        model=model, first=first, last=last, headline=found.headline, changes=found.changes, family=found.family
    )
