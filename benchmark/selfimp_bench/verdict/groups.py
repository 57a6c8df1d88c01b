"""A suite's claims judged on runs: every comparison by a bootstrap over problems, then the logic of ``assertion``.

Cells on the same data set are compared problem by problem (one resample serves them all; problems undefined in one of
them are dropped); cells on different data sets are resampled independently. A comparison is the interval of
max(greater) - max(lesser): above zero is yes, below is no, else open. Its level is the suite's confidence shared by all
comparisons of the claim, in all its readings (Bonferroni). A claim of all groups is REPRODUCED when every group is a
yes and NOT_REPRODUCED when one is a no; of most groups, when more than half are, or can no longer be; of any or of at
least k accordingly. Of several readings one must be reproduced, of several parts all.

Replicates are averaged first. The greatest of several noisy numbers is a little too high, in the paper as here.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.canonical import derive_seed
from selfimp_bench.manifest.model import Cell
from selfimp_bench.manifest.reference_table import ReferenceTable
from selfimp_bench.manifest.suite_model import FORMS, Equals, Reading, Suite, SuiteClaim, readings
from selfimp_bench.measurement import ProblemValue, Split
from selfimp_bench.verdict.comparisons import Amount, Comparison, Group, Place, Truth, expand, hold, in_words, needed
from selfimp_bench.verdict.families import fit_of
from selfimp_bench.verdict.findings import (
    MINIMUM_PROBLEMS,
    Finding,
    Findings,
    Kind,
    Term,
    Verdict,
    combine_several,
    named_part,
    show,
)
from selfimp_bench.verdict.inference import normal_quantile, two_sided_level
from selfimp_bench.verdict.paired import CellValues, pair
from selfimp_bench.verdict.paper_numbers import Row, agreed
from selfimp_bench.verdict.value import PER_WHOLE

ALL_MODELS = "all"
"""The ``model`` of a finding that speaks of several."""

_CHUNK = 2**20


@dataclass(frozen=True, kw_only=True)
class MemberRun:
    """What one experiment's run measured per problem; ``digests`` are those of its data sets."""

    experiment: str
    digests: Mapping[Split, str]
    values: tuple[ProblemValue, ...]


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """A comparison or a group on runs, with its numbers in words."""

    truth: Truth
    reason: str


@dataclass(frozen=True, kw_only=True)
class _Means:
    """The mean of every place (first row: on the runs' problems; then on each resample), and what it rests on."""

    columns: Mapping[Place, NDArray[np.float64]]
    problems: int
    replicates: int


_Key = tuple[str, str, Cell]
"""Experiment, model and cell."""


@dataclass(frozen=True, kw_only=True)
class _Whole:
    """The resampled means of the cells that are defined on every problem of a data set."""

    columns: Mapping[_Key, NDArray[np.float64]]
    problems: int
    replicates: int


def _key(place: Place) -> _Key:
    return place.experiment, place.model, place.cell


class _Runs:
    """The values of all runs by place, and the problems they are about."""

    def __init__(self, suite: Suite, runs: Sequence[MemberRun]) -> None:
        self.suite = suite
        self._digests = {(run.experiment, split): digest for run in runs for split, digest in run.digests.items()}
        self._values: dict[_Key, list[ProblemValue]] = {}
        self._complete: dict[str, _Whole] = {}
        for run in runs:
            for value in run.values:
                cell = Cell(metric=value.metric, split=value.split, iteration=value.iteration)
                self._values.setdefault((run.experiment, value.model, cell), []).append(value)

    def means(self, places: Sequence[Place]) -> _Means | str:
        """The means of these places on the same resamples; or why there are none."""
        parts: list[_Means] = []
        for data_set, members in self._by_data_set(places).items():
            found = self._of_data_set(data_set, members)
            if isinstance(found, str):
                return found
            parts.append(found)
        return _Means(
            columns={place: column for part in parts for place, column in part.columns.items()},
            problems=min(part.problems for part in parts),
            replicates=min(part.replicates for part in parts),
        )

    def _of_data_set(self, data_set: str, members: Sequence[Place]) -> _Means | str:
        whole = self._whole(data_set)
        if all(_key(place) in whole.columns for place in members):
            columns = {place: whole.columns[_key(place)] for place in members}
            return _Means(columns=columns, problems=whole.problems, replicates=whole.replicates)
        for each in members:
            if not self._values.get(_key(each)):
                where = f"{each.experiment}, {each.model}"
                return f"{where}: {each.cell.metric} {each.cell.split} t={each.cell.iteration} was not measured"
        together = pair([CellValues(cell=each.cell, values=tuple(self._values[_key(each)])) for each in members])
        if isinstance(together, str):
            return together
        drawn = self._resampled(data_set, together.values)
        return _Means(
            columns={each: drawn[:, number] for number, each in enumerate(members)},
            problems=together.values.shape[0],
            replicates=together.replicates,
        )

    def _whole(self, data_set: str) -> _Whole:
        """The cells of a data set that are defined on all its problems in all replicates, resampled together, once."""
        if data_set not in self._complete:
            keys = [key for key in self._values if self._data_set(key[0], key[2].split) == data_set]
            asked = {key: {(value.replicate, value.problem_id) for value in self._values[key]} for key in keys}
            every = max(asked.values(), key=len, default=set())
            whole = [
                key
                for key in keys
                if asked[key] == every and all(value.value is not None for value in self._values[key])
            ]
            columns = [CellValues(cell=key[2], values=tuple(self._values[key])) for key in whole]
            paired = pair(columns) if columns else ""
            if isinstance(paired, str):
                self._complete[data_set] = _Whole(columns={}, problems=0, replicates=0)
            else:
                drawn = self._resampled(data_set, paired.values)
                self._complete[data_set] = _Whole(
                    columns={key: drawn[:, number] for number, key in enumerate(whole)},
                    problems=paired.values.shape[0],
                    replicates=paired.replicates,
                )
        return self._complete[data_set]

    def _resampled(self, data_set: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Equal numbers of problems of one data set get equal resamples, whatever is compared on them."""
        seed = derive_seed(self.suite.bootstrap.seed, data_set)
        return _resampled(values, self.suite.bootstrap.resamples, seed)

    def _data_set(self, experiment: str, split: Split) -> str:
        return self._digests.get((experiment, split), f"{experiment} {split}")

    def _by_data_set(self, places: Sequence[Place]) -> dict[str, list[Place]]:
        sets: dict[str, list[Place]] = {}
        for place in places:
            sets.setdefault(self._data_set(place.experiment, place.cell.split), []).append(place)
        return sets


def judge_suite(suite: Suite, runs: Sequence[MemberRun], tables: Sequence[ReferenceTable]) -> Findings:
    """Every claim of the suite on the runs of its experiments, in the order of the claims.

    ``tables`` are the suite's published ones and those of its ``equals``. A member without a run is NOT_MEASURED.
    """
    evidence = _Runs(suite, runs)
    return Findings(schema=1, findings=tuple(_finding(suite, claim, evidence, tables) for claim in suite.claims))


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A claim judged in one of its readings: every group, the verdict, and the groups that make it in words."""

    reading: Reading
    cases: tuple[Group, ...]
    judged: tuple[_Judged, ...]
    verdict: Verdict
    reason: str


def _finding(suite: Suite, claim: SuiteClaim, evidence: _Runs, tables: Sequence[ReferenceTable]) -> Finding:
    expanded = {reading: expand(suite, claim, reading) for reading in readings(claim)}
    count = max(1, sum(len(group.comparisons) for cases in expanded.values() for group in cases))
    level = two_sided_level(suite.bootstrap.confidence, count)
    read = [_read(claim, reading, cases, evidence, level, tables) for reading, cases in expanded.items()]
    verdicts = [each.verdict for each in read]
    models = {place.model for cases in expanded.values() for group in cases for place in group.places}
    return Finding(
        claim=claim.id,
        model=models.pop() if len(models) == 1 else ALL_MODELS,
        statement=claim.statement,
        source=claim.source,
        kind=_kind(claim),
        verdict=read[0].verdict if claim.several is None else combine_several(claim.several, verdicts),
        reason="; ".join(_named(claim, each.reading, f"{each.verdict}, {each.reason}", each.reason) for each in read),
        points=(),
        interval=None,
        terms=(
            Term(name="confidence", value=suite.bootstrap.confidence, source="the suite's bootstrap"),
            Term(name="comparisons", value=count, source="of the claim, in all groups and readings"),
            Term(name="level", value=level, source="1 - (1 - confidence) / (2 comparisons)"),
            *(term for each in read for term in _terms(claim, each)),
        ),
        problems_to_decide=None,
    )


def _kind(claim: SuiteClaim) -> Kind:
    if claim.several is not None:
        return Kind.ANY_OF if claim.several == "any_of" else Kind.ALL_OF
    return Kind(next(name for name in FORMS if getattr(claim, name) is not None))


def _named(claim: SuiteClaim, reading: Reading, of_several: str, alone: str) -> str:
    return f"{named_part(claim.several, reading.name)}: {of_several}" if reading.name else alone


def _terms(claim: SuiteClaim, read: _Read) -> Iterator[Term]:
    for group, each in zip(read.cases, read.judged, strict=True):
        name = _named(claim, read.reading, group.name, group.name)
        yield Term(name=f"{name}: {each.truth}", value=each.reason, source="bootstrap over problems")


def _read(
    claim: SuiteClaim,
    reading: Reading,
    cases: tuple[Group, ...],
    evidence: _Runs,
    level: float,
    tables: Sequence[ReferenceTable],
) -> _Read:
    judged = tuple(_group(reading, group, evidence, level, tables) for group in cases)
    verdict = _verdict([each.truth for each in judged], needed(claim, len(cases)))
    tally = ", ".join(f"{sum(each.truth is truth for each in judged)} {truth}" for truth in Truth)
    deciding = [
        f"{group.name}: {each.reason}"
        for group, each in zip(cases, judged, strict=True)
        if each.truth is _TELLING[verdict]
    ]
    reason = f"claimed of {in_words(claim)} {len(cases)}: {tally}; " + "; ".join(deciding)
    return _Read(reading=reading, cases=cases, judged=judged, verdict=verdict, reason=reason)


_TELLING = {
    Verdict.REPRODUCED: Truth.YES,
    Verdict.NOT_REPRODUCED: Truth.NO,
    Verdict.INCONCLUSIVE: Truth.OPEN,
    Verdict.NOT_MEASURED: Truth.UNKNOWN,
}


def _verdict(truths: Sequence[Truth], need: int) -> Verdict:
    if truths.count(Truth.YES) >= need:
        return Verdict.REPRODUCED
    if truths.count(Truth.NO) > len(truths) - need:
        return Verdict.NOT_REPRODUCED
    return Verdict.INCONCLUSIVE if Truth.OPEN in truths else Verdict.NOT_MEASURED


def _group(reading: Reading, group: Group, evidence: _Runs, level: float, tables: Sequence[ReferenceTable]) -> _Judged:
    if reading.equals is not None and group.amount is not None:
        return _equals(reading.equals, group.amount, evidence, level, tables)
    found = {each: _compare(each, evidence, level) for each in group.comparisons}
    truth = hold(group.clauses, lambda each: found[each].truth)
    return _Judged(truth=truth, reason="; ".join(each.reason for each in found.values()))


def _compare(comparison: Comparison, evidence: _Runs, level: float) -> _Judged:
    means = evidence.means(comparison.places)
    if isinstance(means, str):
        return _Judged(truth=Truth.UNKNOWN, reason=means)
    sides = (comparison.greater, comparison.lesser)
    greater, lesser = (_greatest(side, means) if side else comparison.bound for side in sides)
    drawn = np.asarray(greater - (comparison.times * lesser if comparison.lesser else lesser))
    low, high = np.quantile(drawn[1:], [1 - level, level])
    truth = Truth.YES if low > 0 else Truth.NO if high < 0 else Truth.OPEN
    names = [" or ".join(each.name for each in side) or show(comparison.bound) for side in sides]
    times = "" if comparison.times == 1 else f"{show(comparison.times)} times "
    reason = f"{names[0]} less {times}{names[1]}: {show(drawn[0])} ({show(low)} to {show(high)})"
    if means.problems < MINIMUM_PROBLEMS:
        truth, reason = Truth.OPEN, f"{reason}, of only {means.problems} problems"
    return _Judged(truth=truth, reason=reason)


def _greatest(amounts: Sequence[Amount], means: _Means) -> NDArray[np.float64]:
    return np.asarray(np.max([_amount(each, means) for each in amounts], axis=0), dtype=np.float64)


def _amount(amount: Amount, means: _Means) -> NDArray[np.float64]:
    if amount.line is not None:
        return fit_of(
            amount.line.fit, amount.line.decades, np.stack([means.columns[each] for each in amount.series], 1)
        )
    best = np.max([means.columns[place] for place in amount.series], axis=0)
    return np.asarray(best - (means.columns[amount.minus] if amount.minus else 0.0), dtype=np.float64)


def _equals(equals: Equals, amount: Amount, evidence: _Runs, level: float, tables: Sequence[ReferenceTable]) -> _Judged:
    """As ``judge_published`` judges a point, with the bootstrap's spread for the standard error."""
    named = {table.name: table for table in tables}
    row = named[equals.table].find(equals.reference) if equals.table in named else None
    if row is None:
        return _Judged(truth=Truth.UNKNOWN, reason=f"{equals.table} has no row '{equals.reference}'")
    means = evidence.means(amount.places)
    if isinstance(means, str):
        return _Judged(truth=Truth.UNKNOWN, reason=means)
    drawn = _amount(amount, means)
    error, seeds = float(np.std(drawn[1:])), equals.seed_sd / float(PER_WHOLE.get(row.unit, 1))
    spread = normal_quantile(level) * math.sqrt(seeds**2 * (1 + 1 / means.replicates) + 2 * error**2)
    said = agreed([Row(table=named[equals.table], row=row)], named)
    low, high = float(said.low) - spread, float(said.high) + spread
    truth = Truth.YES if low <= drawn[0] <= high else Truth.NO
    reason = f"{amount.name}: {show(drawn[0])}; {show(low)} to {show(high)} allowed around {row.printed} {row.unit}"
    if means.problems < MINIMUM_PROBLEMS:
        truth, reason = Truth.OPEN, f"{reason}, of only {means.problems} problems"
    return _Judged(truth=truth, reason=reason)


def _resampled(values: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    """Means of every column: first of all rows, then of ``resamples`` draws of as many rows with replacement."""
    problems = values.shape[0]
    random = np.random.Generator(np.random.PCG64(seed))
    means = [values.mean(axis=0, keepdims=True)]
    rows = max(1, _CHUNK // problems)
    for start in range(0, resamples, rows):
        drawn = random.integers(0, problems, size=(min(rows, resamples - start), problems))
        weights = np.stack([np.bincount(each, minlength=problems) for each in drawn])
        means.append(weights @ values / problems)
    return np.concatenate(means)
