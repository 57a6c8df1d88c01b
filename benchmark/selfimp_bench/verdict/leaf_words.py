"""One comparison in words: what was measured, what it rests on, what would have failed, and what would decide it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from selfimp_bench.manifest.priors import Priors
from selfimp_bench.verdict.contrast import DIFFERENCE, EQUAL, SHARE, Contrast, Summary, tails
from selfimp_bench.verdict.findings import (
    AGAINST_LEVEL,
    FOR_LEVEL,
    MINIMUM_PROBLEMS,
    Interval,
    PointFinding,
    Term,
    Verdict,
    brief,
    tail_text,
)
from selfimp_bench.verdict.inference import Variance, added, student_quantile

POWER: Final = 0.8
"""Of so many runs of 100 is spoken where it is said what would decide."""

_TAIL: Final = 0.025


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is said of one comparison, or of the numbers of one model; the fields are those of a ``Finding``."""

    reason: str
    would_fail: str
    smallest_effect: float | None = None
    points: tuple[PointFinding, ...] = ()
    interval: Interval | None = None
    terms: tuple[Term, ...] = ()
    problems: int | None = None
    replicates: int | None = None


@dataclass(frozen=True, kw_only=True)
class Levels:
    """The tails at which one comparison makes its claim, and breaks it: as one of several it pays for the others.

    above, below: how small the tails on either side of the bound must be. turned: the claim needs that it does not
    hold. others: the claim is reproduced without it, too. contradicts: whether it alone can contradict the claim.
    """

    above: float = FOR_LEVEL
    below: float = AGAINST_LEVEL
    turned: bool = False
    others: bool = False
    contradicts: bool = True

    @property
    def aside(self) -> str:
        """The end of a sentence that says what the comparison alone cannot do."""
        others = ", and neither would the others that do" if self.others else ""
        return others if self.contradicts else f"{others}; it alone contradicts nothing"


def probability(p: float) -> str:
    """A probability for a sentence."""
    return f"p {tail_text(p)}"


def spread(found: Summary) -> Variance:
    """Of the estimate, from problems and seeds; of values that are all equal as of one problem more that differs."""
    if found.kind != EQUAL:
        return found.spread
    reach = max(found.up, found.down) / (found.problems + 1)
    return added((Variance(value=reach**2, degrees=max(1, found.problems - 1)), found.seed))


def smallest_effect(error: Variance, level: float) -> float:
    """How far from the bound a truth must lie for ``POWER`` of the runs to pass a test at ``level``, one-sided."""
    return step(error, level) + step(error, 1 - POWER)


def step(error: Variance, level: float) -> float:
    """How far from the bound a run must lie to pass a test at ``level``, one-sided."""
    return student_quantile(1 - level, error.degrees) * math.sqrt(error.value)


def interval_of(found: Summary) -> Interval:
    """Where the truth may lie: every bound that neither tail refuses at 0.025."""
    width = 50 * math.sqrt(spread(found).value) + 2 * max(found.up, found.down)
    low = _crossing(lambda bound: tails(found, bound)[0], found.estimate - width, found.estimate)
    high = _crossing(lambda bound: -tails(found, bound)[1], found.estimate, found.estimate + width, -_TAIL)
    return Interval(mean=found.estimate, low=low, high=high, problems=found.problems, dropped=found.dropped)


def _crossing(rising: Callable[[float], float], low: float, high: float, level: float = _TAIL) -> float:
    """Where a rising function reaches ``level``."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < level else (low, middle)
    return (low + high) / 2


def moved(found: Summary, to: float) -> Summary:
    """The same comparison with another estimate: of 0s and 1s with so many successes, and else as spread as it is."""
    if found.kind == SHARE or (found.kind == EQUAL and found.reach == 1):
        successes = min(1.0, max(0.0, to + found.shift)) * found.problems
        return replace(found, kind=SHARE, estimate=to, high=successes, low=found.problems - successes)
    if found.kind == DIFFERENCE:
        more = to * found.problems
        differ = max(found.different, math.ceil(abs(more)))
        high = round((differ + more) / 2)
        return replace(found, estimate=to, high=high, low=differ - high)
    return replace(found, estimate=to)


def least_above(found: Summary, bound: float, level: float) -> float | None:
    """The least estimate above the bound that passes at ``level``; None where none that there can be does."""
    return _turning(found, bound, level, side=0)


def most_below(found: Summary, bound: float, level: float) -> float | None:
    """The greatest below it, likewise."""
    return _turning(found, bound, level, side=1)


def _turning(found: Summary, bound: float, level: float, *, side: int) -> float | None:
    sign = -1 if side else 1
    far = 50 * math.sqrt(spread(found).value) + 2 * max(found.up, found.down)
    if found.reach == 1:
        far = bound + found.shift if side else 1 - found.shift - bound
    if far <= 0 or tails(moved(found, bound + sign * far), bound)[side] > level:
        return None
    off = _crossing(lambda distance: -tails(moved(found, bound + sign * distance), bound)[side], 0.0, far, -level)
    return bound + sign * off


def would_fail(asked: Contrast, found: Summary, few: str | None, levels: Levels) -> str:
    """What would not have reproduced the claim, and what would have contradicted it, held against the judge itself."""
    if few:
        return f"{asked.name}: nothing would have, {few}"
    ends = [least_above(found, asked.bound, levels.above), most_below(found, asked.bound, levels.below)]
    missed, refused = reversed(ends) if levels.turned else ends
    sign, side = (-1, "more") if asked.turned else (1, "less")
    if levels.turned:
        side = "less" if asked.turned else "more"
    said = (
        f"no number of {found.problems} problems would have reproduced it"
        if missed is None
        else f"{side} than {brief(sign * missed)} would not have reproduced it"
    )
    if refused is not None and levels.contradicts:
        said += f", and {side} than {brief(sign * refused)} would have contradicted it"
    return f"{asked.name}: {said}{levels.aside}"


def contrast_words(
    asked: Contrast,
    found: Summary,
    few: str | None,
    tail: tuple[float, float],
    verdict: Verdict,
    priors: Priors,
    levels: Levels | None,
) -> Words:
    """A weighted sum of cells against its bound; ``tail``: its p for and p against."""
    interval, error = _turned(interval_of(found)) if asked.turned else interval_of(found), spread(found)
    bound, (p_for, p_against) = brief(-asked.bound if asked.turned else asked.bound), tail
    problems, replicates = (
        to_decide(found, asked.bound) if verdict is Verdict.INCONCLUSIVE and not few else (None, None)
    )
    side, other = ("below", "above") if asked.turned else ("above", "below")
    why = {
        Verdict.REPRODUCED: f"{side} {bound}, as claimed ({probability(p_for)})",
        Verdict.NOT_REPRODUCED: f"{other} {bound}, against the claim ({probability(p_against)})",
    }.get(verdict, f"not told from {bound} ({probability(p_for)} for the claim, {probability(p_against)} against it)")
    dropped = f", {found.dropped} more undefined in a cell" if found.dropped else ""
    return Words(
        reason=f"{asked.name}: {brief(interval.mean)} over {found.problems} problems{dropped}, "
        f"{brief(interval.low)} to {brief(interval.high)} at 95 %: {few or why}{decided_by(problems, replicates)}",
        would_fail="" if levels is None else would_fail(asked, found, few, levels),
        smallest_effect=smallest_effect(error, FOR_LEVEL),
        interval=interval,
        terms=tuple(_terms(asked, found, error, p_for, p_against, priors)),
        problems=problems,
        replicates=replicates,
    )


def _turned(found: Interval) -> Interval:
    return replace(found, mean=0.0 - found.mean, low=0.0 - found.high, high=0.0 - found.low)


def decided_by(problems: int | None, replicates: int | None) -> str:
    """The end of a sentence that says what would decide, were the truth what was measured; empty for nothing."""
    options = [f"about {problems} problems like these" if problems else "", _seeds(replicates)]
    said = " or ".join(filter(None, options))
    return f"; {said} would decide it in 80 of 100 runs, were that the truth" if said else ""


def _seeds(replicates: int | None) -> str:
    return "" if replicates is None else f"about {replicates} replicates"


def to_decide(found: Summary, bound: float) -> tuple[int | None, int | None]:
    """How many problems like these, or replicates, would decide in ``POWER`` of the runs, were the estimate the truth.

    None where no number of them would: the other error alone is too large. At most a million.
    """
    distance, error = found.estimate - bound, spread(found)
    level = FOR_LEVEL if distance > 0 else AGAINST_LEVEL
    if distance == 0:
        return None, None
    allowed = (distance / (smallest_effect(error, level) / math.sqrt(error.value))) ** 2
    of_problems = error.value - found.seed.value
    problems = _times(found.problems, of_problems, allowed - found.seed.value)
    replicates = _times(found.replicates, found.seed.value, allowed - of_problems)
    return problems if problems is None else max(MINIMUM_PROBLEMS, problems), replicates


def _times(count: int, variance: float, allowed: float) -> int | None:
    if allowed <= 0 or count * variance / allowed > 10**6:
        return None
    return math.ceil(count * variance / allowed)


_TAILS: Final = {
    SHARE: "exact over the problems (Clopper and Pearson), with the error of seeds",
    DIFFERENCE: "exact over the problems (sign test) where the bound is 0, with the error of seeds",
    EQUAL: "no two problems differ: what so many would not show (rule of three), with the error of seeds",
}


def _terms(
    asked: Contrast, found: Summary, error: Variance, p_for: float, p_against: float, priors: Priors
) -> Iterator[Term]:
    how = _TAILS.get(found.kind, "Student's t over problems and seeds")
    sign = -1 if asked.turned else 1
    mean = "mean over problems, then over replicates"
    yield Term(name="estimate", value=0.0 + sign * found.estimate, source=f"{asked.name}; {mean}")
    yield Term(name="bound", value=0.0 + sign * asked.bound, source="the claim")
    yield Term(name="problems", value=found.problems, source="this run, those with a value in every cell")
    yield Term(name="dropped", value=found.dropped, source="this run, undefined in some cell")
    yield Term(name="replicates", value=found.replicates, source="this run, those that have every cell")
    yield Term(
        name="standard error, problems",
        value=math.sqrt(max(0.0, error.value - found.seed.value)),
        source="spread of the problems' own values / sqrt(problems); each problem is compared with itself",
    )
    seen: dict[str, Term] = {}
    for (_, _, cell), _ in asked.weights:
        prior = priors.of(cell.metric, cell.split, cell.iteration)
        name = f"expected sd over seeds, {cell.metric}"
        seen.setdefault(name, Term(name=name, value=prior.sd, source=f"{prior.cited}; {brief(prior.df)} degrees"))
    yield from seen.values()
    own = "" if found.replicates == 1 else ", moderated by the spread over this run's replicates"
    yield Term(
        name="standard error, seeds",
        value=math.sqrt(found.seed.value),
        source=f"sqrt(sum of weight^2 sd^2 / replicates){own}; {brief(found.seed.degrees)} degrees",
    )
    yield Term(name="standard error", value=math.sqrt(error.value), source="of both, sqrt of the sum of squares")
    yield Term(name="degrees of freedom", value=error.degrees, source="Welch and Satterthwaite, of both")
    yield Term(name="p for", value=p_for, source=f"this far on the claimed side of the bound, were it the truth; {how}")
    yield Term(name="p against", value=p_against, source="this far on the other side, likewise")
    yield Term(
        name="level for", value=FOR_LEVEL, source="the kit's: REPRODUCED in at most 1 of 100 runs of a false claim"
    )
    yield Term(
        name="level against", value=AGAINST_LEVEL, source="the kit's: contradicted in at most 5 of 100 of a true one"
    )
