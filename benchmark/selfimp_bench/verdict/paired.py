"""Order and trend claims: decided on the run's own problems, each compared with itself.

Values are averaged over the replicates first; then the problems are resampled (paired bootstrap), because which
problems a test set happens to hold is the error in question. The interval speaks of this run's checkpoints: that
other training seeds might order them differently shows only as far as the replicates of the run show it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.manifest.model import Bootstrap, Cell, Claim, OrderClaim, TrendClaim
from selfimp_bench.measurement import ProblemValue
from selfimp_bench.verdict.findings import MINIMUM_PROBLEMS, Finding, Interval, Kind, Term, Verdict, describe, show
from selfimp_bench.verdict.inference import bootstrap_mean, slopes


@dataclass(frozen=True, kw_only=True)
class CellValues:
    """A cell with its per-problem values of every replicate, in any order."""

    cell: Cell
    values: tuple[ProblemValue, ...]


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is asked of the problems: whether the mean of ``quantity`` is above (sign 1) or below (sign -1) zero."""

    kind: Kind
    quantity: str
    sign: int
    bootstrap: Bootstrap


@dataclass(frozen=True, kw_only=True)
class Paired:
    """``values``: problems x cells, defined everywhere, by problem id; ``dropped`` were undefined in some cell."""

    values: NDArray[np.float64]
    replicates: int
    dropped: int


def judge_order(*, claim: Claim, order: OrderClaim, model: str, greater: CellValues, lesser: CellValues) -> Finding:
    """Whether ``greater - lesser``, averaged over problems, lies above zero."""
    quantity = f"{describe(greater.cell)} minus {describe(lesser.cell)}"
    question = _Question(kind=Kind.ORDER, quantity=quantity, sign=1, bootstrap=order.bootstrap)
    paired = pair((greater, lesser))
    if isinstance(paired, str):
        return _finding(claim, model, question, Verdict.NOT_MEASURED, paired)
    return _judge(claim, model, question, paired, paired.values[:, 0] - paired.values[:, 1])


def judge_trend(*, claim: Claim, trend: TrendClaim, model: str, cells: Sequence[CellValues]) -> Finding:
    """Whether the per-problem least-squares slope over the iterations, averaged over problems, has the right sign.

    ``cells`` are those of ``trend.iterations``, in their order.
    """
    iterations = [cell.cell.iteration for cell in cells]
    span = ", ".join(map(str, iterations))
    quantity = f"slope of {trend.metric} on {trend.split} per iteration over {span}"
    sign = 1 if trend.direction == "up" else -1
    question = _Question(kind=Kind.TREND, quantity=quantity, sign=sign, bootstrap=trend.bootstrap)
    paired = pair(cells)
    if isinstance(paired, str):
        return _finding(claim, model, question, Verdict.NOT_MEASURED, paired)
    return _judge(claim, model, question, paired, slopes(paired.values, iterations))


def pair(cells: Sequence[CellValues]) -> Paired | str:
    """The problems defined in every cell and replicate; or why there are none."""
    tables = [_by_replicate(cell) for cell in cells]
    for cell, table in zip(cells, tables, strict=True):
        if not table:
            return f"{describe(cell.cell)} was not measured: this run has no values per problem for it"
    replicates = sorted(set.intersection(*(set(table) for table in tables)))
    if not replicates:
        return "no replicate of this run has all of " + ", ".join(describe(cell.cell) for cell in cells)
    problems = sorted({problem for table in tables for values in table.values() for problem in values})
    rows = []
    for problem in problems:
        means = [_mean([table[replicate].get(problem) for replicate in replicates]) for table in tables]
        defined = [mean for mean in means if mean is not None]
        if len(defined) == len(means):
            rows.append(defined)
    if not rows:
        return f"none of {len(problems)} problems has a defined value in " + ", ".join(
            describe(cell.cell) for cell in cells
        )
    return Paired(values=np.array(rows), replicates=len(replicates), dropped=len(problems) - len(rows))


def _by_replicate(cell: CellValues) -> dict[int, dict[str, float | None]]:
    table: dict[int, dict[str, float | None]] = {}
    for value in cell.values:
        problems = table.setdefault(value.replicate, {})
        if value.problem_id in problems:
            raise ValueError(f"two values for one problem and replicate: {value}")
        if value.value is not None and not math.isfinite(value.value):
            raise ValueError(f"a problem's value must be finite or None, got {value}")
        problems[value.problem_id] = value.value
    return table


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return math.fsum(defined) / len(defined) if len(defined) == len(values) else None


def _judge(claim: Claim, model: str, question: _Question, paired: Paired, quantity: NDArray[np.float64]) -> Finding:
    settings = question.bootstrap
    mean = bootstrap_mean(quantity, confidence=settings.confidence, resamples=settings.resamples, seed=settings.seed)
    interval = Interval(mean=mean.mean, low=mean.low, high=mean.high, problems=len(quantity), dropped=paired.dropped)
    terms = _terms(question, interval, paired)
    verdict, why = _verdict(question, interval)
    needed = deciding_problems(interval) if verdict is Verdict.INCONCLUSIVE else None
    dropped = f", {interval.dropped} dropped as undefined in a cell" if interval.dropped else ""
    reason = (
        f"{question.quantity}: {show(interval.mean)} on average over {interval.problems} problems{dropped}; "
        f"{show(100 * settings.confidence)} % interval {show(interval.low)} to {show(interval.high)}: {why}"
    )
    if needed is not None:
        reason += f"; about {needed} problems like these would decide"
    return _finding(claim, model, question, verdict, reason, interval, terms, needed)


def _verdict(question: _Question, interval: Interval) -> tuple[Verdict, str]:
    wanted = "above" if question.sign > 0 else "below"
    if interval.problems < MINIMUM_PROBLEMS:
        few = f"fewer than {MINIMUM_PROBLEMS} problems, too few for a bootstrap interval to hold what it says"
        return Verdict.INCONCLUSIVE, few
    if min(question.sign * interval.low, question.sign * interval.high) > 0:
        return Verdict.REPRODUCED, f"all of it {wanted} 0, as claimed"
    if max(question.sign * interval.low, question.sign * interval.high) < 0:
        return Verdict.NOT_REPRODUCED, f"none of it {wanted} 0, against the claim"
    return Verdict.INCONCLUSIVE, "it holds 0, so the sign is not decided"


def deciding_problems(interval: Interval) -> int | None:
    """About how many problems would settle it, were the mean to stay: the width shrinks with their square root."""
    if interval.mean == 0:
        return None
    half_width = (interval.high - interval.low) / 2
    return max(MINIMUM_PROBLEMS, math.ceil(interval.problems * (half_width / interval.mean) ** 2))


def _terms(question: _Question, interval: Interval, paired: Paired) -> tuple[Term, ...]:
    settings = question.bootstrap
    drawn = f"{settings.resamples} resamples of the problems, PCG64 seed {settings.seed}"
    return (
        Term(name="mean", value=interval.mean, source=f"{question.quantity}, mean over problems"),
        Term(name="problems", value=interval.problems, source="defined in every cell and replicate"),
        Term(name="dropped", value=interval.dropped, source="undefined in some cell or replicate"),
        Term(name="replicates", value=paired.replicates, source="averaged first, those that have every cell"),
        Term(name="confidence", value=settings.confidence, source="the claim's bootstrap, two-sided"),
        Term(name="low", value=interval.low, source=f"percentile bootstrap, {drawn}"),
        Term(name="high", value=interval.high, source=f"percentile bootstrap, {drawn}"),
        Term(name="fewest problems", value=MINIMUM_PROBLEMS, source="below it nothing is decided"),
    )


def _finding(
    claim: Claim,
    model: str,
    question: _Question,
    verdict: Verdict,
    reason: str,
    interval: Interval | None = None,
    terms: tuple[Term, ...] = (),
    needed: int | None = None,
) -> Finding:
    return Finding(
        claim=claim.id,
        model=model,
        statement=claim.statement,
        source=claim.source,
        kind=question.kind,
        verdict=verdict,
        reason=reason,
        points=(),
        interval=interval,
        terms=terms,
        problems_to_decide=needed,
    )
