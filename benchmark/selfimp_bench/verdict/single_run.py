"""Value claims on numbers published from one run: does the run's mean lie where they put it?

Such a number has no spread of its own, so the claim says what stands in for it (``SingleRun``): the standard deviation
over training seeds, and how many problems N the number is a mean over. For a published number v with printed or reading
error r, K replicates here with standard error e at n problems, and the normal quantile z of the claim's confidence
(``family`` points judged together)::

    H = r + z sqrt(seed_sd^2 (1 + 1/K) + 2 e^2 n / N),  at least 1/N

2 e^2 n / N is the sampling variance of both sides on N problems: theirs is taken for as large as this run's, because a
paper prints none. 1/N is what one problem is worth.

A number in conflict (``conflicts_with``) is never picked in silence: every row of the conflict is as good as the other,
so the run may lie anywhere from the lowest row - H to the highest row + H, each with its own r.

A run on fewer than N problems has more sampling error than H allows for: E = z e sqrt(1 - n / N). The point is
REPRODUCED when it is inside by at least E, NOT_REPRODUCED when it is outside by more than E, and otherwise
INCONCLUSIVE; with fewer than 20 problems, or without a standard error, nothing is decided.

Worked example: 53.91 percent is printed (r = 0.005), seed_sd is 1.0 percent, K = 1, N = n = 1319, e = 1.3767 percent,
confidence 0.95, one point. z = 1.95996, H = 0.005 + 1.95996 x sqrt(1.0 x 2 + 2 x 1.3767^2) = 0.005 + 4.7163 = 4.7213: a
run may give 49.1887 to 58.6313. If the row conflicted with one that prints 49.6 with a reading error of 0.15, the run
might give 49.6 - 0.15 - 4.7163 = 44.7337 to 58.6313.
"""

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Cell, SingleRun
from selfimp_bench.manifest.reference_table import Reference
from selfimp_bench.verdict.findings import MINIMUM_PROBLEMS, PointFinding, Term, Verdict, describe, show
from selfimp_bench.verdict.inference import normal_quantile, sampling_margin, two_sided_level
from selfimp_bench.verdict.value import PointCase, RunValue, count, run_value, whole, why_not_measured


@dataclass(frozen=True, kw_only=True)
class _Allowed:
    """``low`` .. ``high`` is where a run on N problems may lie; ``margin`` is E, what a smaller run adds."""

    quantile: float
    sampling: float
    spread: Decimal
    low: Decimal
    high: Decimal
    margin: Decimal


def judge_published_point(case: PointCase, single: SingleRun, *, confidence: float, family: int) -> PointFinding:
    """One point of a ``published-value`` claim; the rule is this module's docstring.

    Raises InputError when the row's unit is not the metric's or not that of a row in conflict with it, ValueError for
    values that no metric gives.
    """
    with localcontext(prec=28):
        missing = why_not_measured(case)
        if missing is not None:
            reason = f"{describe(case.point)} was not measured: {missing}"
            return _point(case, Verdict.NOT_MEASURED, reason)
        run = run_value(case)
        if run.standard_error is None or run.problems < MINIMUM_PROBLEMS:
            few = f"{count(run.problems)} are too few to say how far off they put the mean"
            why = "the run gives no standard error" if run.standard_error is None else few
            return _point(case, Verdict.INCONCLUSIVE, f"{_measured(case, run)}, but {why}", run)
        allowed = _allowed(case, run, run.standard_error, single, two_sided_level(confidence, family))
        verdict, why = _verdict(run, allowed)
        sources = " or ".join(row.printed for row in _sources(case))
        place = f"{show(allowed.low)} to {show(allowed.high)} allowed around {sources}"
        needed = _deciding_problems(run, allowed) if verdict is Verdict.INCONCLUSIVE else None
        reason = f"{_measured(case, run)}; {place}: {why}"
        return _point(case, verdict, reason, run, allowed, _terms(case, run, single, allowed), needed)


def _sources(case: PointCase) -> tuple[Reference, ...]:
    for row in case.conflicting:
        if row.unit != case.row.unit:
            raise InputError(
                f"{case.table}: row '{case.row.id}' is in {case.row.unit}, but row '{row.id}', which it conflicts "
                f"with, in {row.unit}; only numbers in one unit can be in conflict"
            )
    return (case.row, *case.conflicting)


def _allowed(case: PointCase, run: RunValue, error: float, single: SingleRun, level: float) -> _Allowed:
    quantile = normal_quantile(level)
    problems = single.problems or run.problems
    sampling = math.sqrt(2 * run.problems / problems) * error
    spread = Decimal(repr(quantile * math.hypot(single.seed_sd * math.sqrt(1 + 1 / run.replicates), sampling)))
    one_problem = whole(case.row) / problems
    widths = {row: max(row.own_error + spread, one_problem) for row in _sources(case)}
    return _Allowed(
        quantile=quantile,
        sampling=sampling,
        spread=spread,
        low=min(row.value - width for row, width in widths.items()),
        high=max(row.value + width for row, width in widths.items()),
        margin=_margin(case, run, error, level) * Decimal(repr(math.sqrt(max(0.0, 1 - run.problems / problems)))),
    )


def _margin(case: PointCase, run: RunValue, error: float, level: float) -> Decimal:
    unit = whole(case.row)
    return unit * Decimal(repr(sampling_margin(standard_error=error / float(unit), problems=run.problems, level=level)))


def _verdict(run: RunValue, allowed: _Allowed) -> tuple[Verdict, str]:
    inside = min(run.mean - allowed.low, allowed.high - run.mean)
    if inside >= allowed.margin:
        return Verdict.REPRODUCED, "within what the published number allows"
    if inside < -allowed.margin:
        return Verdict.NOT_REPRODUCED, "outside of what the published number allows"
    why = f"the {count(run.problems)} of this run, fewer than were published on, leave {show(allowed.margin)} open"
    return Verdict.INCONCLUSIVE, why


def _deciding_problems(run: RunValue, allowed: _Allowed) -> int | None:
    """About how many problems would settle it, were the mean to stay: E shrinks with their square root, or faster."""
    gap = abs(min(run.mean - allowed.low, allowed.high - run.mean))
    return max(MINIMUM_PROBLEMS, math.ceil(run.problems * (allowed.margin / gap) ** 2)) if gap else None


def _measured(case: PointCase, run: RunValue) -> str:
    seeds = "1 replicate" if run.replicates == 1 else f"{run.replicates} replicates"
    return f"{describe(case.point)}: measured {show(run.mean)} {case.row.unit} ({seeds}, {count(run.problems)})"


def _point(
    case: PointCase,
    verdict: Verdict,
    reason: str,
    run: RunValue | None = None,
    allowed: _Allowed | None = None,
    terms: tuple[Term, ...] = (),
    needed: int | None = None,
) -> PointFinding:
    point = case.point
    return PointFinding(
        cell=Cell(metric=point.metric, split=point.split, iteration=point.iteration),
        unit=case.row.unit,
        measured=None if run is None else run.mean,
        reference_id=case.row.id,
        reference=case.row.printed,
        low=None if allowed is None else allowed.low,
        high=None if allowed is None else allowed.high,
        verdict=verdict,
        reason=reason,
        terms=terms,
        problems_to_decide=needed,
    )


def _terms(case: PointCase, run: RunValue, single: SingleRun, allowed: _Allowed) -> tuple[Term, ...]:
    why = single.assumed if isinstance(single.assumed, str) else (single.assumed or {}).get("seed_sd", single.source)
    problems = single.problems or run.problems
    theirs = "the claim's single_run" if single.problems is not None else "not published; taken for this run's"
    terms = [Term(name="measured mean", value=float(run.mean), source="mean over this run's replicates")]
    for row in _sources(case):
        name = "published value" if row is case.row else "conflicting value"
        error = "half a unit of the last digit" if row.read_error is None else "of reading the figure, or of rounding"
        terms.append(Term(name=name, value=row.printed, source=f"row '{row.id}' ({row.source})"))
        terms.append(Term(name="printed error", value=float(row.own_error), source=f"row '{row.id}', {error}"))
    return (
        *terms,
        Term(name="seed sd", value=single.seed_sd, source=f"the claim's single_run: {why or 'no reason given'}"),
        Term(name="replicates", value=run.replicates, source="this run"),
        Term(name="problems", value=run.problems, source="this run, those where the metric is defined"),
        Term(name="published problems", value=problems, source=theirs),
        Term(name="standard error", value=run.standard_error or 0.0, source="this run's, over its problems"),
        Term(
            name="sampling error of both sides",
            value=allowed.sampling,
            source="standard error x sqrt(2 problems / published problems)",
        ),
        Term(name="z quantile", value=allowed.quantile, source="normal, at 1 - (1 - confidence) / (2 points)"),
        Term(
            name="spread",
            value=float(allowed.spread),
            source="z quantile x sqrt(seed sd^2 (1 + 1 / replicates) + sampling error of both sides^2)",
        ),
        Term(name="one problem", value=float(whole(case.row) / problems), source="1 / published problems, the least"),
        Term(name="lowest", value=float(allowed.low), source="least of (value - printed error - spread)"),
        Term(name="highest", value=float(allowed.high), source="greatest of (value + printed error + spread)"),
        Term(
            name="margin of fewer problems",
            value=float(allowed.margin),
            source="z quantile x standard error x sqrt(1 - problems / published problems)",
        ),
    )
