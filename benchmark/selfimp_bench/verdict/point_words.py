"""Published numbers beside a run's in words: every point with its terms, and what would have failed."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from selfimp_bench.manifest.model import Apart, Cell
from selfimp_bench.manifest.priors import Priors
from selfimp_bench.verdict.findings import (
    AGAINST_LEVEL,
    FOR_LEVEL,
    PointFinding,
    Term,
    Verdict,
    brief,
)
from selfimp_bench.verdict.inference import Variance, student_quantile
from selfimp_bench.verdict.leaf_words import Levels, Words, decided_by, probability, smallest_effect, step
from selfimp_bench.verdict.value import Compared, Published, ValuesJudged, error_of, told_from


def values_words(
    cells: Sequence[Cell],
    names: Sequence[str],
    judged: ValuesJudged,
    verdict: Verdict,
    priors: Priors,
    levels: Levels | None,
) -> Words:
    """The points of one model; ``names`` are the cells in words, where a point is no cell but the best of several."""
    told = all(
        isinstance(one, Compared) and one.beyond is not None and one.beyond <= FOR_LEVEL
        for one in (judged.compared[index] for index in judged.decisive)
    )
    told = told and bool(judged.decisive)
    points = [
        _point(cell, name, judged, index, told, priors)
        for index, (cell, name) in enumerate(zip(cells, names, strict=True))
    ]
    measured = [one for one in judged.compared if isinstance(one, Compared)]
    replicates = _replicates(judged) if verdict is Verdict.INCONCLUSIVE else None
    return Words(
        reason=_reason(points, judged, told, verdict) + decided_by(None, replicates),
        would_fail="" if levels is None else _would_fail(names, judged, levels),
        smallest_effect=_largest_effect(measured, judged.points),
        points=tuple(points),
        terms=(
            Term(name="points", value=judged.points, source="the claim's, about this model"),
            Term(name="against", value=_refuting(judged, names), source="the claim"),
        ),
        replicates=replicates,
    )


def values_effect(judged: ValuesJudged, replicates: int) -> float | None:
    """The smallest effect with so many replicates, whose seeds spread as expected; None where there are no numbers."""
    measured = [one for one in judged.compared if isinstance(one, Compared)]
    known = [Variance(value=one.given.value, degrees=one.given.degrees + replicates - 1) for one in measured]
    moved = [replace(one, spread=each) for one, each in zip(measured, known, strict=True)]
    return _largest_effect(moved, judged.points)


def _largest_effect(measured: Sequence[Compared], points: int) -> float | None:
    """Of the point that takes the most; None where they are not in one unit."""
    effects = [smallest_effect(error_of(one), AGAINST_LEVEL / (2 * points)) for one in measured]
    return max(effects) if len({one.number.row.unit for one in measured}) == 1 else None


def _reason(points: Sequence[PointFinding], judged: ValuesJudged, told: bool, verdict: Verdict) -> str:
    inside = all(not isinstance(one, Compared) or one.inside for one in judged.compared)
    measured = sum(isinstance(one, Compared) for one in judged.compared)
    if inside and measured == len(points) and not told:
        what = "no point is published as different from it" if not judged.decisive else "it would look the same"
        told_from = "; ".join([points[index].reason for index in judged.decisive][:3])
        return f"inside at all {len(points)} points, but not told from what would refute it: {what}; {told_from}"
    deciding = [point for point in points if point.verdict is verdict] or list(points)
    share = f"{len(deciding)} of {len(points)} points {'is' if len(deciding) == 1 else 'are'} {verdict}"
    return f"{share}: " + "; ".join(point.reason for point in deciding)


def _refuting(judged: ValuesJudged, names: Sequence[str]) -> str:
    against = judged.against
    if isinstance(against, Apart):
        return f"a run {brief(against.apart)} {judged.numbers[0].row.unit} off"
    where = "" if not judged.decisive else f", at {names[judged.decisive[0]]}, whose number is furthest from it"
    return f"a run that never improves{where}" if against == "frozen" else f"no effect at all (0){where}"


def _would_fail(names: Sequence[str], judged: ValuesJudged, levels: Levels) -> str:
    """At the point that the claim hangs on: the decisive one, or the narrowest of those that are."""
    found = {index: one for index, one in enumerate(judged.compared) if isinstance(one, Compared)}
    if not found:
        return "nothing was measured"
    among = [index for index in judged.decisive if index in found] or list(found)
    index = min(among, key=lambda each: found[each].narrow / max(found[each].number.value, 1e-12, key=abs))
    one, where = found[index], f" at {names[index]}" if len(names) > 1 else ""
    if one.seen.unsure is not None:
        return f"nothing would have{where}, {one.seen.unsure}"
    said = _ends(judged, one, where, _reproduced(judged, one, index in judged.decisive, levels), levels)
    return f"{said}{'; likewise at any other point' if len(found) > 1 else ''}{levels.aside}"


def _ends(judged: ValuesJudged, one: Compared, where: str, kept: tuple[float, float], levels: Levels) -> str:
    off, unit = step(error_of(one), levels.below / (2 * judged.points)), one.number.row.unit
    inside, allowed = (
        f"outside of {brief(low)} to {brief(high)} {unit}{where} it would "
        for low, high in (kept, (one.number.low - off, one.number.high + off))
    )
    reproduced = f"{inside}not have been reproduced" if kept[0] < kept[1] else f"no number{where} would reproduce it"
    if not levels.contradicts:
        return reproduced
    contradicted = f"{allowed}have been contradicted"
    return contradicted if inside == allowed else f"{reproduced}, and {contradicted}"


def _reproduced(judged: ValuesJudged, one: Compared, decisive: bool, levels: Levels) -> tuple[float, float]:
    """From where to where a point may lie for a reproduction."""
    low, high = one.number.low - one.narrow, one.number.high + one.narrow
    if not decisive:
        return low, high
    least, most = told_from(judged.against, one, levels.above).threshold
    return max(low, low if least is None else least), min(high, high if most is None else most)


def _replicates(judged: ValuesJudged) -> int | None:
    """How many would tell the run from what would refute it, were the published numbers the truth; None: no number."""
    needed = []
    for index in judged.decisive:
        one = judged.compared[index]
        if not isinstance(one, Compared) or not one.inside:
            return None
        gap = _gap(judged, one)
        parts = student_quantile(1 - FOR_LEVEL, one.spread.degrees) + student_quantile(0.8, one.spread.degrees)
        fixed = 1 / one.number.runs if judged.against == "frozen" else 0.0
        share = (gap / parts) ** 2 / one.spread.value - fixed if gap > 0 else 0.0
        if share <= 1e-4:
            return None
        needed.append(math.ceil(1 / share))
    return max(needed, default=None) if judged.decisive else None


def _gap(judged: ValuesJudged, one: Compared) -> float:
    """How far the published number lies from what would refute it, without the errors of both."""
    if isinstance(judged.against, Apart):
        return judged.against.apart
    earlier = one.number.earlier if judged.against == "frozen" else None
    other = float(earlier.value) if earlier is not None else 0.0
    return abs(one.number.value - other) - (float(earlier.own_error) if earlier is not None else 0.0)


def _point(cell: Cell, name: str, judged: ValuesJudged, index: int, told: bool, priors: Priors) -> PointFinding:
    number, one = judged.numbers[index], judged.compared[index]
    if isinstance(one, str):
        reason = f"{name} was not measured: {one}"
        return _finding(cell, number, None, Verdict.NOT_MEASURED, reason, ())
    unit = number.row.unit
    seeds = "1 replicate" if one.seen.replicates == 1 else f"{one.seen.replicates} replicates"
    printed = " or ".join(row.printed for row in (number.row, *number.conflicting))
    low, high = number.low - one.width, number.high + one.width
    where = (
        f"{name}: measured {brief(one.seen.mean)} {unit} ({seeds}, {one.seen.problems} problems), {printed} published, "
        f"{brief(low)} to {brief(high)} allowed"
    )
    verdict, why = _why(judged, one, told)
    return _finding(cell, number, one, verdict, f"{where}: {why}", tuple(_terms(cell, judged, one, priors)))


def _why(judged: ValuesJudged, one: Compared, told: bool) -> tuple[Verdict, str]:
    if one.seen.unsure is not None:
        return Verdict.INCONCLUSIVE, one.seen.unsure
    if judged.points * one.outside <= AGAINST_LEVEL:
        return Verdict.NOT_REPRODUCED, f"{brief(one.off)} further off than the published number may be, or more"
    if not one.inside:
        return Verdict.INCONCLUSIVE, _why_not_inside(one)
    if one.beyond is not None and one.beyond > FOR_LEVEL:
        return Verdict.INCONCLUSIVE, f"inside, but not told from what would refute it ({probability(one.beyond)})"
    if one.beyond is not None:
        return Verdict.REPRODUCED, f"inside, and told from what would refute it ({probability(one.beyond)})"
    return (Verdict.REPRODUCED, "inside") if told else (Verdict.INCONCLUSIVE, "inside")


def _why_not_inside(one: Compared) -> str:
    seen = one.seen
    if seen.own is not None and seen.own > one.single:
        return f"its own standard error, {brief(seen.own)}, is larger than what is allowed of one replicate"
    if seen.others is not None:
        return f"{seen.others}, and the sampling error of that leaves it open"
    if seen.unsaid and one.off > one.width:
        return "nobody says on how many problems the number is, and the sampling error of that leaves it open"
    return "inside only by the run's own spread over seeds, which never widens what is allowed"


def _finding(
    cell: Cell, number: Published, one: Compared | None, verdict: Verdict, reason: str, terms: tuple[Term, ...]
) -> PointFinding:
    return PointFinding(
        cell=cell,
        unit=number.row.unit,
        measured=None if one is None else _decimal(one.seen.mean),
        reference_id=number.row.id,
        reference=number.row.printed,
        low=None if one is None else _decimal(number.low - one.width),
        high=None if one is None else _decimal(number.high + one.width),
        verdict=verdict,
        reason=reason,
        terms=terms,
    )


def _decimal(number: float) -> Decimal:
    return Decimal(repr(round(number, 12)))


def _terms(cell: Cell, judged: ValuesJudged, one: Compared, priors: Priors) -> Iterator[Term]:
    number, seen = one.number, one.seen
    row, place = number.row, f"{number.table} row '{number.row.id}'"
    yield Term(name="measured mean", value=seen.mean, source="mean over this run's replicates")
    for each in (row, *number.conflicting):
        name = "published number" if each is row else "number in conflict"
        how = "half a unit of the last digit" if each.read_error is None else "reading the figure, or rounding"
        yield Term(name=name, value=each.printed, source=f"{number.table} row '{each.id}' ({each.source})")
        yield Term(name="its error", value=float(each.own_error), source=f"row '{each.id}': {how}")
    yield Term(name="published runs", value=number.runs, source=f"{place}{'' if row.runs else ', which says none'}")
    if row.sd is not None:
        yield Term(name="published sd", value=float(row.sd), source=f"{place}, over those runs")
    prior = priors.of(cell.metric, cell.split, cell.iteration)
    yield Term(
        name="expected sd over seeds",
        value=prior.sd,
        source=f"{prior.cited}; in {prior.unit}; {brief(prior.df)} degrees",
    )
    yield Term(name="replicates", value=seen.replicates, source="this run")
    if seen.spread is not None:
        yield Term(name="sd over replicates", value=math.sqrt(seen.spread), source="this run")
    yield Term(
        name="sd over seeds", value=math.sqrt(one.spread.value), source="of all of these, each weighing as its degrees"
    )
    yield Term(name="degrees of freedom", value=one.spread.degrees, source="of all of these")
    yield from _noise(seen.noise, seen.problems)
    yield Term(
        name="allowed besides the error",
        value=one.width,
        source=f"Student's t at 1 - {AGAINST_LEVEL} / (2 x {judged.points} points) x sd over seeds x "
        "sqrt(1 / published runs + 1 / replicates)",
    )
    yield Term(
        name="problems", value=seen.problems, source=f"this run{'' if seen.others is None else '; ' + seen.others}"
    )
    if seen.unsaid:
        yield Term(
            name="standard error, problems",
            value=seen.unsaid,
            source="this run's; nobody says on how many problems the number is, so it counts against either verdict",
        )
    if seen.sampling:
        yield Term(
            name="sampling error", value=seen.sampling, source="of being on other problems, against either verdict"
        )
    yield Term(
        name="p outside",
        value=min(1.0, judged.points * one.outside),
        source="so far off, were it another run of the same; for all points of the claim",
    )
    yield from _refuted(judged, one)


def _noise(noise: float, problems: int) -> Iterator[Term]:
    if noise:
        source = f"this run's probe: what reruns with the same seeds may change, over {problems} problems"
        yield Term(name="rerun noise", value=noise, source=source)


def _refuted(judged: ValuesJudged, one: Compared) -> Iterator[Term]:
    if one.beyond is None:
        return
    earlier = one.number.earlier
    if judged.against == "frozen" and earlier is not None:
        yield Term(name="a run that never improves", value=earlier.printed, source=f"row '{earlier.id}'")
        yield Term(name="its error", value=float(earlier.own_error), source=f"row '{earlier.id}'")
    for side, threshold in zip(("above", "below"), one.threshold, strict=True):
        if threshold is not None:
            yield Term(
                name=f"told from it {side}",
                value=threshold,
                source=f"Student's t at 1 - {FOR_LEVEL} x standard error from what would refute it",
            )
    yield Term(name="p of what would refute it", value=one.beyond, source="so far from it, were it the truth")
