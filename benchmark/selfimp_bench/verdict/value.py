"""Value claims: does the run's mean lie where the reference's replicates put it?

For a point with reference mean m (as printed), sample standard deviation s over n runs, K replicates here, and
``family`` points judged together at ``confidence``::

    H = max(t(1 - (1 - confidence) / (2 family), n - 1) s sqrt(1/K + 1/n),  1/N,  printed error)

Where a probe saw the run's engine change completions with their batch (``Divergence``), the same seed may give another
mean, and its standard deviation counts as well (decision 20): with H' for the first of the three above,

    H = max(sqrt(H'^2 + (t p)^2), ...),  p = sqrt(min(1, rate x completions) / (N K))

1/N is what one of this run's N problems is worth; the printed error is half a unit of the last digit, or the error of
reading a figure. On the reference's own problems the point is REPRODUCED when abs(measured - m) <= H. On other
problems (fewer, or a different data set) the run has a sampling error of its own, e = z(same level) x standard error,
and the point is REPRODUCED when abs(difference) + e <= H, NOT_REPRODUCED when abs(difference) - e > H, and otherwise
INCONCLUSIVE.

Worked example: m = 0.775, s = 0.010, n = 5, N = 200, K = 1, confidence 0.95, one point. t(0.975, 4) = 2.7764,
H = 2.7764 x 0.010 x sqrt(1 + 1/5) = 0.0304: a run on the same problems may give 0.7446 to 0.8054, so 0.79 reproduces
the number and 0.81 does not. As one of three points: t(0.99167, 4) = 3.9608, H = 0.0434. With 8 problems of the 200
and 6 of them right, 0.75: nothing is decided.
"""

import math
from dataclasses import dataclass
from decimal import Decimal, localcontext

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Cell, Claim, ValuePoint
from selfimp_bench.manifest.reference_table import Reference
from selfimp_bench.measurement import Measurement
from selfimp_bench.verdict.findings import (
    MINIMUM_PROBLEMS,
    Finding,
    Kind,
    PointFinding,
    Term,
    Verdict,
    combine,
    describe,
    show,
)
from selfimp_bench.verdict.inference import prediction_half_width, sampling_margin, student_quantile, two_sided_level

PER_WHOLE = {"share": Decimal(1), "fraction": Decimal(1), "percent": Decimal(100), "%": Decimal(100)}


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """What a rerun with the same seeds may change, as a probe found it.

    rate: share of completions that came out otherwise in other batches. completions: of them behind the value of one
    problem.
    """

    rate: float
    completions: int

    @property
    def problems(self) -> float:
        """At most this share of the problems has a completion that comes out otherwise (the union bound)."""
        return min(1.0, self.rate * self.completions)


@dataclass(frozen=True, kw_only=True)
class PointCase:
    """A point with its row and what the run measured there: one measurement per replicate, none if it has none.

    ``digest`` is that of the run's data set for the point's split; ``table`` names the row's table.
    conflicting: the rows that the row says it conflicts with, as ``conflicts_with`` names them.
    divergence: None where no probe was made, or none saw a completion change.
    """

    point: ValuePoint
    table: str
    row: Reference
    measurements: tuple[Measurement, ...]
    digest: str | None
    conflicting: tuple[Reference, ...] = ()
    divergence: Divergence | None = None


@dataclass(frozen=True, kw_only=True)
class RunValue:
    """What the replicates of a cell say together, in the reference's unit."""

    mean: Decimal
    replicates: int
    problems: int
    standard_error: float | None
    one_problem: Decimal
    other_problems: str | None


@dataclass(frozen=True, kw_only=True)
class _Allowed:
    level: float
    quantile: float
    interval: Decimal
    noise: float
    half_width: Decimal


def value_finding(
    *, claim: Claim, model: str, confidence: float, family: int, points: tuple[PointFinding, ...]
) -> Finding:
    """A value claim for one model from its judged points. ``family`` counts the claim's points over all models."""
    verdict = combine([point.verdict for point in points])
    deciding = [point for point in points if point.verdict is verdict]
    needed = [point.problems_to_decide for point in points if point.problems_to_decide is not None]
    share = f"{len(deciding)} of {len(points)} points {'is' if len(deciding) == 1 else 'are'} {verdict}"
    return Finding(
        claim=claim.id,
        model=model,
        statement=claim.statement,
        source=claim.source,
        kind=Kind.VALUE,
        verdict=verdict,
        reason=f"{share}: " + "; ".join(point.reason for point in deciding),
        points=points,
        interval=None,
        terms=(
            Term(name="confidence", value=confidence, source="the claim's confidence, for all its points together"),
            Term(name="points", value=family, source="the claim's points"),
        ),
        problems_to_decide=max(needed) if needed else None,
    )


def judge_point(case: PointCase, *, confidence: float, family: int) -> PointFinding:
    """One point of a value claim; the rule is this module's docstring.

    Raises InputError when the row has no spread or its unit is not the metric's, ValueError for values that no metric
    gives (non-finite, or two for one replicate).
    """
    with localcontext(prec=28):
        missing = why_not_measured(case)
        if missing is not None:
            return _point(case, Verdict.NOT_MEASURED, f"{describe(case.point)} was not measured: {missing}")
        run = run_value(case)
        allowed = _allowed(case, run, confidence=confidence, family=family)
        if run.other_problems is None:
            return _judge_same_problems(case, run, allowed)
        return _judge_other_problems(case, run, allowed)


def why_not_measured(case: PointCase) -> str | None:
    """Why the point has no number in this run, or None when it has one."""
    if not case.measurements:
        return f"this run has no such number for {case.row.model}"
    for measurement in case.measurements:
        if measurement.value is None:
            why = measurement.reason or "undefined"
            return why if len(case.measurements) == 1 else f"{why} (replicate {measurement.replicate})"
        if not math.isfinite(measurement.value):
            raise ValueError(f"a measurement must be finite or None, got {measurement}")
        if measurement.n < 1:
            raise ValueError(f"a value needs at least one problem behind it, got {measurement}")
    if len({measurement.replicate for measurement in case.measurements}) < len(case.measurements):
        raise ValueError(f"two measurements for one replicate of {describe(case.point)} of {case.row.model}")
    return None


def run_value(case: PointCase) -> RunValue:
    """The mean over the replicates. Raises InputError for a unit that is not the row's."""
    replicates = len(case.measurements)
    scale = _scale(case)
    values = [Decimal(repr(float(each.value))) for each in case.measurements if each.value is not None]
    errors = [each.standard_error for each in case.measurements if each.standard_error is not None]
    problems = min(each.n for each in case.measurements)
    # The standard deviation of a mean is at most the mean of the standard deviations, whatever the correlation:
    # replicates share their problems, so their sampling errors do not average out.
    error = math.fsum(errors) / replicates * float(scale) if len(errors) == replicates else None
    return RunValue(
        mean=sum(values, Decimal(0)) / replicates * scale,
        replicates=replicates,
        problems=problems,
        standard_error=error,
        one_problem=whole(case.row) / problems,
        other_problems=_other_problems(case),
    )


def _scale(case: PointCase) -> Decimal:
    units = {measurement.unit for measurement in case.measurements}
    if units == {case.row.unit}:
        return Decimal(1)
    if len(units) == 1 and units | {case.row.unit} <= PER_WHOLE.keys():
        return PER_WHOLE[case.row.unit] / PER_WHOLE[units.pop()]
    found = " and ".join(sorted(units))
    raise InputError(
        f"{case.table}: row '{case.row.id}' is in {case.row.unit}, but {case.point.metric} is measured in {found}; "
        "give the row the metric's unit (share, fraction, percent and % are converted)"
    )


def whole(row: Reference) -> Decimal:
    """What one problem's change from 0 to 1 is in the row's unit; counts and the like change by one."""
    return PER_WHOLE.get(row.unit, Decimal(1))


def _other_problems(case: PointCase) -> str | None:
    """Why the run's problems cannot be taken for the reference's; None when they are the same."""
    row = case.row
    counts = {measurement.n + measurement.undefined for measurement in case.measurements}
    if row.problems is not None and counts != {row.problems}:
        return f"the reference has {row.problems} problems"
    if row.digest is None:
        return "the reference does not say which problems it had"
    return None if row.digest == case.digest else "the reference has another data set"


def _allowed(case: PointCase, run: RunValue, *, confidence: float, family: int) -> _Allowed:
    row = case.row
    if row.sd is None or row.runs is None:
        raise InputError(f"{case.table}: row '{row.id}' has no sd and runs; a prediction interval needs both")
    level = two_sided_level(confidence, family)
    quantile = student_quantile(level, row.runs - 1)
    width = prediction_half_width(sd=float(row.sd), runs=row.runs, replicates=run.replicates, quantile=quantile)
    noise = _noise(case, run)
    interval = Decimal(repr(math.hypot(width, quantile * noise)))
    half_width = max(interval, run.one_problem, row.own_error)
    return _Allowed(level=level, quantile=quantile, interval=interval, noise=noise, half_width=half_width)


def _noise(case: PointCase, run: RunValue) -> float:
    """The most that the mean's standard deviation over reruns with the same seeds can be; 0 without divergence.

    A value of one problem lies within one ``whole`` and changes on a share of the problems, in either direction alike.
    """
    if case.divergence is None:
        return 0.0
    return float(whole(case.row)) * math.sqrt(case.divergence.problems / (run.problems * run.replicates))


def _judge_same_problems(case: PointCase, run: RunValue, allowed: _Allowed) -> PointFinding:
    distance = abs(run.mean - case.row.value)
    inside = distance <= allowed.half_width
    verdict = Verdict.REPRODUCED if inside else Verdict.NOT_REPRODUCED
    reason = f"{_comparison(case, run, allowed)}: {'within' if inside else 'further off than'} the allowed distance"
    return _point(case, verdict, reason, run=run, allowed=allowed)


def _judge_other_problems(case: PointCase, run: RunValue, allowed: _Allowed) -> PointFinding:
    compared = f"{_comparison(case, run, allowed)}; {run.other_problems}"
    if run.problems < MINIMUM_PROBLEMS or run.standard_error is None:
        needed = _deciding_problems(case, run, allowed, margin=None)
        reason = f"{compared}, and {count(run.problems)} are too few to say how far off they put the mean"
        return _point(case, Verdict.INCONCLUSIVE, _with_need(case, reason, needed), run, allowed, needed=needed)
    unit = whole(case.row)
    error = run.standard_error / float(unit)
    margin = unit * Decimal(repr(sampling_margin(standard_error=error, problems=run.problems, level=allowed.level)))
    distance = abs(run.mean - case.row.value)
    compared += f", so that the {count(run.problems)} of this run add a sampling error of {show(margin)}"
    if distance + margin <= allowed.half_width:
        return _point(case, Verdict.REPRODUCED, f"{compared}: within it all the same", run, allowed, margin)
    if distance - margin > allowed.half_width:
        return _point(case, Verdict.NOT_REPRODUCED, f"{compared}: further off even so", run, allowed, margin)
    needed = _deciding_problems(case, run, allowed, margin=margin)
    reason = _with_need(case, f"{compared}: not enough to decide", needed)
    return _point(case, Verdict.INCONCLUSIVE, reason, run, allowed, margin, needed)


def _comparison(case: PointCase, run: RunValue, allowed: _Allowed) -> str:
    row = case.row
    seeds = "1 replicate" if run.replicates == 1 else f"{run.replicates} replicates"
    return (
        f"{describe(case.point)}: measured {show(run.mean)} {row.unit} ({seeds}, {count(run.problems)}), reference "
        f"{row.printed} ({row.runs} runs, sd {row.sd}); {show(abs(run.mean - row.value))} apart, "
        f"{show(allowed.half_width)} allowed"
    )


def _deciding_problems(case: PointCase, run: RunValue, allowed: _Allowed, *, margin: Decimal | None) -> int | None:
    """About how many problems would settle it, were the mean to stay: the margin shrinks with their square root."""
    limit = max(allowed.interval, case.row.own_error)
    gap = abs(limit - abs(run.mean - case.row.value))
    if margin is None or not gap:
        return None
    return max(MINIMUM_PROBLEMS, math.ceil(run.problems * (margin / gap) ** 2))


def _with_need(case: PointCase, reason: str, needed: int | None) -> str:
    options = [] if needed is None else [f"about {needed} problems like these"]
    if case.row.digest is not None:
        own = f"its {case.row.problems} problems" if case.row.problems is not None else "its problems"
        options.append(f"the reference's own data set ({own})")
    return f"{reason}; {' or '.join(options)} would" if options else f"{reason}; more problems are needed"


def _point(
    case: PointCase,
    verdict: Verdict,
    reason: str,
    run: RunValue | None = None,
    allowed: _Allowed | None = None,
    margin: Decimal | None = None,
    needed: int | None = None,
) -> PointFinding:
    row, point = case.row, case.point
    return PointFinding(
        cell=Cell(metric=point.metric, split=point.split, iteration=point.iteration),
        unit=row.unit,
        measured=None if run is None else run.mean,
        reference_id=row.id,
        reference=row.printed,
        low=None if allowed is None else row.value - allowed.half_width,
        high=None if allowed is None else row.value + allowed.half_width,
        verdict=verdict,
        reason=reason,
        terms=() if run is None or allowed is None else _terms(case, run, allowed, margin),
        problems_to_decide=needed,
    )


def _terms(case: PointCase, run: RunValue, allowed: _Allowed, margin: Decimal | None) -> tuple[Term, ...]:
    row = case.row
    place = f"{case.table} row '{row.id}'"
    assert row.sd is not None and row.runs is not None
    terms = [
        Term(name="measured mean", value=float(run.mean), source="mean over this run's replicates"),
        Term(name="reference mean", value=row.printed, source=f"{place}, printed ({row.source})"),
        Term(name="difference", value=float(run.mean - row.value), source="measured mean - reference mean"),
        Term(name="sd", value=float(row.sd), source=f"{place}, sd"),
        Term(name="reference runs", value=row.runs, source=f"{place}, runs"),
        Term(name="replicates", value=run.replicates, source="this run"),
        Term(name="level", value=allowed.level, source="1 - (1 - confidence) / (2 points)"),
        Term(name="t quantile", value=allowed.quantile, source="Student's t at the level, reference runs - 1 degrees"),
        Term(
            name="prediction half-width",
            value=float(allowed.interval),
            source="t quantile x sd x sqrt(1 / replicates + 1 / reference runs)"
            + ("" if case.divergence is None else ", and in quadrature t quantile x rerun noise"),
        ),
        *_divergence_terms(case.divergence, allowed.noise),
        Term(name="problems", value=run.problems, source="this run, those where the metric is defined"),
        Term(name="one problem", value=float(run.one_problem), source="1 / problems, in the reference's unit"),
        Term(name="rounding error", value=float(row.rounding_error), source=f"{place}, half a unit of the last digit"),
        Term(name="reading error", value=float(row.read_error or 0), source=f"{place}, read_error"),
        Term(
            name="allowed half-width",
            value=float(allowed.half_width),
            source="the largest of prediction half-width, one problem, rounding error and reading error",
        ),
    ]
    if run.other_problems is not None and run.standard_error is not None:
        terms.append(Term(name="standard error", value=run.standard_error, source=f"this run; {run.other_problems}"))
    if margin is not None:
        terms.append(
            Term(name="sampling error", value=float(margin), source="z quantile at the level x standard error")
        )
    if row.conflicts_with:
        conflicts = ", ".join(row.conflicts_with)
        terms.append(Term(name="conflicting rows", value=conflicts, source=f"{place}, conflicts_with"))
    return tuple(terms)


def _divergence_terms(divergence: Divergence | None, noise: float) -> tuple[Term, ...]:
    if divergence is None:
        return ()
    return (
        Term(
            name="divergence rate",
            value=divergence.rate,
            source="this run's probe (record.json): share of completions that other batches and orders change",
        ),
        Term(name="completions per problem", value=divergence.completions, source="the manifest, for this measurement"),
        Term(
            name="rerun noise",
            value=noise,
            source="sqrt(min(1, divergence rate x completions per problem) / (problems x replicates)): the most that "
            "the standard deviation of reruns with the same seeds can be",
        ),
    )


def count(problems: int) -> str:
    """So many problems, in words."""
    return "1 problem" if problems == 1 else f"{problems} problems"
