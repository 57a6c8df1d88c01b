"""The part of a training set that comes from hard problems."""

from collections.abc import Mapping

from selfimp_bench.measurement import Estimate, mean_over_problems


def tail_values(rows: Mapping[str, int], levels: Mapping[str, int | None], *, tail_from: int) -> dict[str, float]:
    """One value a problem, whose mean is the share of the rows that problems of level ``tail_from`` and more have.

    rows: training rows by problem id, none where it is not there. levels: of every training problem. Source: 2411.00750
    ("tail narrowing": solutions to difficult queries vanish from self-generated data); the paper shows distributions by
    difficulty, the share above a level is ours. The values are those of the ratio's linearisation, s + (h - s) r / m
    with s the share, r a problem's rows, m their mean and h 1 in the tail, so that their spread is the share's error.
    Empty without rows or where a problem has no level.
    """
    known = {name: level for name, level in levels.items() if level is not None}
    total = sum(rows.get(name, 0) for name in known)
    if not total or len(known) < len(levels):
        return {}
    share = sum(rows.get(name, 0) for name, level in known.items() if level >= tail_from) / total
    mean = total / len(known)
    return {name: share + ((level >= tail_from) - share) * rows.get(name, 0) / mean for name, level in known.items()}


def tail_share(values: Mapping[str, float]) -> Estimate:
    """The share and its standard error; undefined, with the reason, without values."""
    if values:
        return mean_over_problems(tuple(values.values()))
    reason = "no training rows, or a training problem without a level"
    return Estimate(value=None, n=0, undefined=0, standard_error=None, reason=reason)
