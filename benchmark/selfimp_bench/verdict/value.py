"""The one rule for a published number: is the run's where another run of the same would be, and not where none should?

For a number m, published from n runs with standard deviation s (1 run without one, as a rule), with an error r of
reading or rounding, and K replicates here with standard deviation s_K::

    s2 = (nu0 sigma0^2 + (n - 1) s^2 + (K - 1) s_K^2) / (nu0 + n - 1 + K - 1), with that many degrees of freedom
    H  = t sqrt(s2 (1/n + 1/K)) + r, t at 1 - 0.05 / (2 points) of a finding

sigma0 with nu0 degrees is the prior of the measurement. Runs on the same problems differ by their seeds alone; on
others the sampling error of the problems counts against either verdict, and so it does, in the tails alone, where
nobody says on how many problems a number is. A run further off than H contradicts the number. To reproduce it takes
two things. Every point lies inside H, and inside what H would be without the run's own spread, so that a run's own
error never widens its tolerance. And what would refute the claim is refuted itself, at 0.01: at the point whose number
is furthest from it (of those published, not of those measured) the run lies beyond

    frozen      the number published for the claim's first iteration:  (distance - r1) / sqrt(s2 (1/n + 1/K))
    none        0:                                                     distance / sqrt(s2 / K)
    apart: X    m - X and m + X, both, at every point:                 distance / sqrt(s2 / K)

distance is the run's own from there, and r1 the reading error of that first number alone: a run's number, 0 and X are
not read off a page. Inside without that is INCONCLUSIVE: what would refute it would look the same. A number in conflict
with others of its paper is none of them in silence: the run may lie from the lowest - H to the highest + H.

Worked example: 53.91 percent is printed (r = 0.005) of one run, sigma0 is 1 percent with 8 degrees, K = 1, one point.
s2 = 1, t(0.975, 8) = 2.3060, H = 2.3060 x sqrt(2) + 0.005 = 3.266: a run may give 50.64 to 57.18. M_1 is printed as
41.6, and a run of 52.4 lies (52.4 - 41.6 - 0.05) / sqrt(2) = 7.60 from it: p = 0.00003. REPRODUCED. A run that stays at
41.6 is 12.31 off, and contradicts it. Had M_1 been printed as 51.26, the same run of 52.4 were INCONCLUSIVE.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Against, Apart
from selfimp_bench.manifest.priors import Prior
from selfimp_bench.manifest.reference_table import Reference
from selfimp_bench.measurement import Measurement
from selfimp_bench.verdict.findings import AGAINST_LEVEL, FOR_LEVEL, too_few
from selfimp_bench.verdict.inference import Variance, added, moderated, student_quantile, student_tail
from selfimp_bench.verdict.logic import Answer
from selfimp_bench.verdict.units import PER_WHOLE, scale


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
class Published:
    """A published number in its row's unit, the row itself, and those in conflict with it.

    earlier: the row of the claim's first iteration, for a claim against a model that stays as it was.
    problems: how many problems it is over, where the row does not say; None: nobody says.
    """

    table: str
    row: Reference
    conflicting: tuple[Reference, ...] = ()
    earlier: Reference | None = None
    problems: int | None = None

    @property
    def value(self) -> float:
        """The printed number."""
        return float(self.row.value)

    @property
    def runs(self) -> int:
        """How many runs it is a mean of."""
        return self.row.runs or 1

    @property
    def low(self) -> float:
        """The lowest that it may be, by every row about it and their errors."""
        return min(float(row.value - row.own_error) for row in (self.row, *self.conflicting))

    @property
    def high(self) -> float:
        """The highest."""
        return max(float(row.value + row.own_error) for row in (self.row, *self.conflicting))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a run has for a published number, in its row's unit.

    spread: the variance over the replicates, None of one. noise: the standard deviation of reruns with the same seeds.
    sampling: the standard error of being on other problems than the number; 0 on the same. others: in which way they
    are others. unsaid: the standard error over the run's problems where nobody says on how many the number is. own:
    the standard error over the run's problems where nothing bounds it (a ratio), else None. unsure: why the number
    decides nothing, whatever it is.
    """

    mean: float
    replicates: int
    spread: float | None
    problems: int
    noise: float = 0.0
    sampling: float = 0.0
    others: str | None = None
    unsaid: float = 0.0
    own: float | None = None
    unsure: str | None = None


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A published number and a run's.

    spread: s2, with its degrees of freedom; given: without the run's own. width: H without r; narrow: how far off the
    run may lie to be reproduced (below 0: nowhere), refuted: how far off it must lie to be contradicted, both with what
    other problems change; single: what narrow is for one replicate on the same problems, since the error over a run's
    problems does not fall with replicates on them. off: how far outside of the published numbers and their reading
    errors the run lies.
    outside: the probability of that, were it another run of the same (two-sided, of this point alone).
    beyond: the probability of being so far from what would refute it, were that true; None where this point does not
    decide that. threshold: where a run begins to be far enough from it.
    """

    number: Published
    seen: Seen
    spread: Variance
    given: Variance
    width: float
    narrow: float
    single: float
    refuted: float
    off: float
    outside: float
    inside: bool
    beyond: float | None = None
    threshold: tuple[float | None, float | None] = (None, None)


def compare(number: Published, seen: Seen, prior: Variance, points: int) -> Compared:
    """A run's number beside a published one of a claim of ``points`` points; ``prior`` is in the row's unit."""
    row = number.row
    published = Variance(value=float(row.sd or 0) ** 2, degrees=0 if row.sd is None else number.runs - 1)
    given = moderated(prior, published)
    spread = given
    if seen.spread is not None:
        spread = moderated(prior, published, Variance(value=seen.spread, degrees=seen.replicates - 1))
    level = 1 - AGAINST_LEVEL / (2 * points)
    factor = 1 / number.runs + 1 / seen.replicates
    here = replace(seen, sampling=0.0, unsaid=0.0)
    width = _width(_error(spread, factor, here), level)
    single = _width(_error(given, 1 / number.runs + 1, here), level)
    margin = student_quantile(level, math.inf) * seen.sampling
    narrow = min(width, _width(_error(given, factor, here), level)) - margin
    off = max(0.0, number.low - seen.mean, seen.mean - number.high)
    outside = 1.0 if seen.unsure else min(1.0, 2 * _tail(off, spread, factor, seen))
    small = seen.own is None or seen.own <= single
    return Compared(
        number=number,
        seen=seen,
        spread=spread,
        given=given,
        width=width,
        narrow=narrow,
        single=single,
        refuted=_width(_error(spread, factor, seen), level),
        off=off,
        outside=outside,
        inside=seen.unsure is None and off <= narrow and points * outside > AGAINST_LEVEL and small,
    )


def _width(error: Variance, level: float) -> float:
    return student_quantile(level, error.degrees) * math.sqrt(error.value)


def _error(spread: Variance, factor: float, seen: Seen) -> Variance:
    known = Variance(value=seen.noise**2 + seen.sampling**2 + seen.unsaid**2, degrees=math.inf)
    return added((Variance(value=spread.value * factor, degrees=spread.degrees), known))


def _tail(distance: float, spread: Variance, factor: float, seen: Seen) -> float:
    error = _error(spread, factor, seen)
    return student_tail(distance / math.sqrt(error.value), error.degrees)


def apart_from(found: Compared, far: float, level: float = FOR_LEVEL) -> Compared:
    """With the tails of a run ``far`` off the published numbers, to either side; the larger one counts."""
    values = [float(row.value) for row in (found.number.row, *found.number.conflicting)]
    low, high = min(values) - far, max(values) + far
    error = _error(found.spread, 1 / found.seen.replicates, found.seen)
    step = student_quantile(1 - level, error.degrees) * math.sqrt(error.value)
    nearest = min(found.seen.mean - low, high - found.seen.mean)
    beyond = student_tail(nearest / math.sqrt(error.value), error.degrees)
    return _decided(found, beyond, (low + step, high - step))


def beyond(found: Compared, at: float, reading: float, level: float = FOR_LEVEL, *, published: bool) -> Compared:
    """With the tail of being so far from ``at`` on the published side.

    reading: the error of ``at``. published: it is a number from as many runs as the other, and as unsure.
    """
    side = 1.0 if found.number.value >= at else -1.0
    factor = 1 / found.seen.replicates + (1 / found.number.runs if published else 0.0)
    error = _error(found.spread, factor, found.seen)
    step = student_quantile(1 - level, error.degrees) * math.sqrt(error.value) + reading
    far = student_tail((side * (found.seen.mean - at) - reading) / math.sqrt(error.value), error.degrees)
    return _decided(found, far, (at + step, None) if side > 0 else (None, at - step))


def _decided(found: Compared, far: float, threshold: tuple[float | None, float | None]) -> Compared:
    return replace(found, beyond=far, threshold=threshold)


def prior_in(prior: Prior, row: Reference, table: str) -> Variance:
    """The prior's variance in the row's unit. Raises InputError where one cannot be had in the other."""
    factor = scale(prior.unit, row.unit)
    if factor is None:
        raise InputError(
            f"{table}: row '{row.id}' is in {row.unit}, but the spread over seeds of {prior.metric} in {prior.unit}; "
            "give the row the measurement's unit"
        )
    return Variance(value=(prior.sd * float(factor)) ** 2, degrees=prior.df)


def seen_of(
    measurements: Sequence[Measurement],
    number: Published,
    *,
    digest: str | None,
    divergence: Divergence | None,
    ratio: bool,
) -> Seen | str:
    """What the replicates of a cell say together, in the row's unit; or why nothing.

    digest: of the run's data set. ratio: its values per problem are no shares, so that its error has no bound.
    Raises InputError for a unit that is not the row's.
    """
    if not measurements:
        return f"this run has no such number for {number.row.model}"
    for each in measurements:
        if each.value is None:
            why = each.reason or "undefined"
            return why if len(measurements) == 1 else f"{why} (replicate {each.replicate})"
        if not math.isfinite(each.value):
            raise ValueError(f"a measurement must be finite or None, got {each}")
        if each.n < 1:
            raise ValueError(f"a value needs at least one problem behind it, got {each}")
    factor = _factor(measurements, number)
    values = [each.value * factor for each in measurements if each.value is not None]
    mean = math.fsum(values) / len(values)
    problems = min(each.n for each in measurements)
    whole = float(PER_WHOLE.get(number.row.unit, 1))
    changed = 0.0 if divergence is None else divergence.problems
    others = in_which_way([each.n + each.undefined for each in measurements], number, digest)
    error = _own_error(measurements, factor)
    return Seen(
        mean=mean,
        replicates=len(values),
        spread=None if len(values) == 1 else sum((each - mean) ** 2 for each in values) / (len(values) - 1),
        problems=problems,
        noise=whole * math.sqrt(changed / (problems * len(values))),
        sampling=0.0 if others is None else sampling_error(error, problems, whole, number, digest),
        others=others,
        unsaid=0.0 if is_said(number) else error or 0.0,
        own=error if ratio else None,
        unsure=too_few(problems) or (_no_error(number, others, ratio=ratio) if error is None else None),
    )


def is_said(number: Published) -> bool:
    """Whether anybody says on which problems, or on how many, a number is."""
    return number.row.digest is not None or number.row.problems is not None or number.problems is not None


def _factor(measurements: Sequence[Measurement], number: Published) -> float:
    units = sorted({each.unit for each in measurements})
    factor = scale(units[0], number.row.unit) if len(units) == 1 else None
    if factor is None:
        raise InputError(
            f"{number.table}: row '{number.row.id}' is in {number.row.unit}, but {measurements[0].metric} is measured "
            f"in {' and '.join(units)}; give the row the metric's unit (share, fraction, percent and % are converted)"
        )
    return float(factor)


def in_which_way(counts: Sequence[int], number: Published, digest: str | None) -> str | None:
    """In which way the run's problems, so many in each replicate, are others than the number's; None for the same."""
    row, found = number.row, sorted(set(counts))
    expected = row.problems if row.problems is not None else number.problems
    if expected is not None and found != [expected]:
        return f"published on {expected} problems, measured on {' and '.join(map(str, found))}"
    return "the reference has another data set" if row.digest is not None and row.digest != digest else None


def _own_error(measurements: Sequence[Measurement], factor: float) -> float | None:
    """Over problems. Replicates share their problems, so their errors do not average out: at most the mean of them."""
    errors = [each.standard_error for each in measurements if each.standard_error is not None]
    return math.fsum(errors) / len(errors) * factor if len(errors) == len(measurements) else None


def sampling_error(error: float | None, problems: int, whole: float, number: Published, digest: str | None) -> float:
    """Of a part of the published problems what the rest would change; of another data set what both sides' change."""
    if error is None:
        return 0.0
    if error == 0:  # no two problems differ: as of one more that does
        error = whole / (problems + 1)
    published = number.row.problems or number.problems or problems
    if number.row.digest is not None and number.row.digest != digest:
        return error * math.sqrt(1 + problems / published)
    return error * math.sqrt(abs(1 - problems / published))


def _no_error(number: Published, others: str | None, *, ratio: bool) -> str | None:
    """Why a run that gives no standard error decides nothing; None where none is needed."""
    if others is not None:
        return f"{others}, and the run gives no standard error"
    if not is_said(number):
        return "nobody says on how many problems the number is, and the run gives no standard error"
    return "a ratio, of which the run gives no standard error" if ratio else None


@dataclass(frozen=True, kw_only=True)
class ValuesJudged:
    """The points of a claim about one model: what was compared, or why a point was not measured.

    refuting: what the run must be told from. decisive: the points that say whether it is.
    """

    against: Against
    points: int
    numbers: tuple[Published, ...]
    compared: tuple[Compared | str, ...]
    decisive: tuple[int, ...]


def judge_values(
    against: Against,
    points: int,
    numbers: Sequence[Published],
    seen: Sequence[Seen | str],
    priors: Sequence[Variance],
) -> Answer[ValuesJudged]:
    """The points of a claim about one model; ``points`` of them share the level of a contradiction."""
    decisive = _decisive(against, numbers, priors)
    compared: list[Compared | str] = []
    for index, (number, one, prior) in enumerate(zip(numbers, seen, priors, strict=True)):
        if isinstance(one, str):
            compared.append(one)
            continue
        found = compare(number, one, prior, points)
        compared.append(told_from(against, found) if index in decisive else found)
    measured = [each for each in compared if isinstance(each, Compared)]
    inside = all(each.inside for each in measured)
    told = [each.beyond for each in measured if each.beyond is not None]
    best = max(told, default=0.0) if inside and decisive else 1.0
    complete = len(measured) == len(compared) and len(told) == len(decisive)
    return Answer(
        p_for=best if complete else 1.0,
        p_against=min([1.0, *(points * each.outside for each in measured)]),
        best=best,
        absent=not measured,
        detail=ValuesJudged(
            against=against, points=points, numbers=tuple(numbers), compared=tuple(compared), decisive=tuple(decisive)
        ),
    )


def _decisive(against: Against, numbers: Sequence[Published], priors: Sequence[Variance]) -> list[int]:
    """The point whose published number is furthest from what would refute the claim, in its own spreads; or all."""
    if isinstance(against, Apart):
        return list(range(len(numbers)))
    far = {}
    for index, (number, prior) in enumerate(zip(numbers, priors, strict=True)):
        earlier = number.earlier if against == "frozen" else None
        if against == "frozen" and earlier is None:
            continue
        reading = float(number.row.own_error) + float(earlier.own_error if earlier else 0)
        gap = abs(number.value - float(earlier.value if earlier else 0)) - reading
        if gap > 0:
            far[index] = gap / math.sqrt(prior.value)
    return [max(far, key=far.__getitem__)] if far else []


def told_from(against: Against, found: Compared, level: float = FOR_LEVEL) -> Compared:
    """With the tail of being so far from what would refute it, and where a run is far enough at ``level``."""
    if isinstance(against, Apart):
        return apart_from(found, against.apart, level)
    earlier = found.number.earlier
    if against == "frozen" and earlier is not None:
        return beyond(found, float(earlier.value), float(earlier.own_error), level, published=True)
    return beyond(found, 0.0, 0.0, level, published=False)


def error_of(found: Compared) -> Variance:
    """How far another run of the same would lie from the published number."""
    return _error(found.spread, 1 / found.number.runs + 1 / found.seen.replicates, found.seen)
