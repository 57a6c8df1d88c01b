"""What no run can have measured. A number that cannot be is no evidence, for a claim or against it.

Impossible are: a number beyond what its metric can be, or in another unit; a mean, or its error, that is not that of
its values by problem, or is not there though they are; fewer problems than the data has, or others; two replicates that
are one. Undefined is possible, with the reason.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.manifest.measured import Scale
from selfimp_bench.measurement import Measurement, Split
from selfimp_bench.verdict.evidence import CellValues, Evidence, ProblemSet
from selfimp_bench.verdict.findings import describe, show

_ROUNDING: Final = 1e-9
"""What two ways to add up the same numbers, all of the order of 1, may differ in."""

_UNLIKE: Final = 0.5
"""A ratio's standard error by the delta method is that of its values by problem, give or take less than this part."""

_TELLING: Final = 5
"""Problems whose value is not the commonest of their cell: with fewer, replicates may well be equal by chance."""


def impossible_numbers(evidence: Evidence, scale: Callable[[str], Scale], rows: Mapping[Split, int]) -> Iterator[str]:
    """Of measurements what cannot be, in words. rows: problems of each part of the data."""
    for measured in evidence.measurements.values():
        for each in measured:
            yield from _number(each, scale(each.metric))
            yield from _problems(each, scale(each.metric), rows)
            if (each.reason is None) is (each.value is None or each.standard_error is None):
                words = "has a reason" if each.reason else "has no reason"
                yield f"{_name(each)} {words}; expected one where its value or its error is undefined, and only there"


def impossible_means(evidence: Evidence) -> Iterator[str]:
    """Measurements that are not the mean of their values by problem, and values of which there is no mean, in words."""
    for key, measured in evidence.measurements.items():
        for each in measured:
            yield from _mean(each, evidence.values.get(key))
    for key, values in evidence.values.items():
        known = {each.replicate for each in evidence.measurements.get(key, ())}
        for replicate in sorted(set(values.replicates) - known):
            where = f"{key[1]}, {key[2].metric} {key[2].split} t={key[2].iteration}, replicate {replicate}"
            yield f"{where} has values by problem and no measurement; expected their mean"


def other_problems(evidence: Evidence, scale: Callable[[str], Scale]) -> Iterator[str]:
    """Cells whose values are of other problems than those of most others of the same data, in words."""
    several: dict[tuple[str, Split], Counter[ProblemSet]] = defaultdict(Counter)
    for (experiment, _, cell), values in evidence.values.items():
        if scale(cell.metric).everywhere:
            several[experiment, cell.split][values.problems] += 1
    for (experiment, model, cell), values in evidence.values.items():
        if (experiment, cell.split) not in several:
            continue
        ((usual, _),) = several[experiment, cell.split].most_common(1)
        strange = set(values.problems.ids) - set(usual.ids)
        if strange or (scale(cell.metric).everywhere and values.problems is not usual):
            yield f"{model}, {describe(cell)} has values of other problems than most measurements on {cell.split}"


def copied_replicates(evidence: Evidence) -> Iterator[str]:
    """Replicates of which every value of a model at an iteration is the other's, in words.

    Seeds that reached training and sampling change some value. Where nearly all values are one and the same anyway
    (a model that answers nothing), equal replicates say nothing.
    """
    cells: dict[tuple[str, int], list[CellValues]] = defaultdict(list)
    for (_, model, cell), values in evidence.values.items():
        cells[model, cell.iteration].append(values)
    for (model, iteration), several in sorted(cells.items()):
        replicates = sorted(set.intersection(*(set(each.replicates) for each in several)))
        for one, two in combinations(replicates, 2):
            if all(_equal(each, one, two) for each in several) and any(_tells(each, one) for each in several):
                yield (
                    f"replicates {one} and {two} of {model} at iteration {iteration} have the same value on every "
                    "problem; expected different seeds to differ: a copy is no replicate"
                )


def _number(each: Measurement, scale: Scale) -> Iterator[str]:
    if each.unit != scale.unit:
        yield f"{_name(each)} is in '{each.unit}'; expected '{scale.unit}'"
    value = each.value
    if value is not None and not scale.low - _ROUNDING <= value <= scale.high + _ROUNDING:
        yield f"{_name(each)} is {show(value)}; expected {_range(scale)}"


def _range(scale: Scale) -> str:
    low = "at most" if scale.low == -math.inf else f"from {show(scale.low)} to"
    return f"a {scale.unit}, {low} {show(scale.high)}"


def _problems(each: Measurement, scale: Scale, rows: Mapping[Split, int]) -> Iterator[str]:
    found, expected = each.n + each.undefined, rows.get(each.split)
    if scale.everywhere and expected is not None and found != expected:
        yield f"{_name(each)} is over {found} problems, the undefined ones counted; expected all {expected}"


def _mean(each: Measurement, values: CellValues | None) -> Iterator[str]:
    own = np.array([]) if values is None else _of_replicate(values, each.replicate)
    defined = own[~np.isnan(own)]
    if each.value is None:
        if len(defined):
            yield f"{_name(each)} is undefined, and {len(defined)} problems have a value; expected their mean"
    elif len(defined) != each.n:
        yield f"{_name(each)} is over {each.n} problems, of which {len(defined)} have a value; expected as many"
    elif not math.isclose(mean := float(np.mean(defined)), each.value, rel_tol=_ROUNDING, abs_tol=_ROUNDING):
        yield f"{_name(each)} is {show(each.value)}; expected {show(mean)}, the mean of its values by problem"
    elif len(defined) > 1:
        expected = float(np.std(defined, ddof=1) / math.sqrt(len(defined)))
        if each.standard_error is None:
            yield f"{_name(each)} has no standard error; expected about {show(expected)}, that of its values by problem"
        else:
            yield from _error(each, each.standard_error, expected)


def _error(each: Measurement, found: float, expected: float) -> Iterator[str]:
    if not math.isclose(found, expected, rel_tol=_UNLIKE, abs_tol=_ROUNDING):
        yield (
            f"{_name(each)} has the standard error {show(found)}; expected about {show(expected)}, that of its values "
            "by problem"
        )


def _of_replicate(values: CellValues, replicate: int) -> NDArray[np.float64]:
    if replicate not in values.replicates:
        return np.array([])
    return np.asarray(values.values[values.replicates.index(replicate)], dtype=np.float64)


def _equal(values: CellValues, one: int, two: int) -> bool:
    return bool(np.array_equal(_of_replicate(values, one), _of_replicate(values, two), equal_nan=True))


def _tells(values: CellValues, replicate: int) -> bool:
    own = _of_replicate(values, replicate)
    _, counts = np.unique(own[~np.isnan(own)], return_counts=True)
    return bool(len(counts) and counts.sum() - counts.max() >= _TELLING)


def _name(each: Measurement) -> str:
    where = f"{each.model}, {each.metric} {each.split} t={each.iteration}"
    return where if each.replicate == 0 else f"{where}, replicate {each.replicate}"
