"""Group disparity: how much accuracy is lost from the easiest to the hardest group of problems."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt

from selfimp_bench.measurement import Estimate, mean_over_problems


@dataclass(frozen=True, kw_only=True)
class LevelValue:
    """pass@1 of one problem (0 to 1; None where undefined) and the problem's level (None where it has none)."""

    level: int | None
    value: float | None


def group_disparity(problems: Iterable[LevelValue], *, best: int, worst: int) -> Estimate:
    """(pass@1 of level ``best`` - pass@1 of level ``worst``) / pass@1 of level ``best``.

    Source: 2407.05013, Section 5.3, Eq. 3, with best = 1 and worst = 5. The formula is lost in the text; that the
    difference is relative is known from Figure 5, whose values (x 100) exceed the whole accuracy. A share of the best
    level's accuracy: 1 where the worst level has none, 0 where they are equal, negative where "worst" is better.
    The other levels play no part.

    ``n`` and ``undefined`` count the problems of both levels. standard_error is the delta method's,
    sqrt(s_w^2 / p_b^2 + p_w^2 s_b^2 / p_b^4) with accuracies p and their standard errors s: the levels share no
    problem, so they are independent. It is a large-sample error, fair where p_b is several s_b from 0; it is 0, which
    says little, where all problems of each level agree. None (with the reason) where a level has only one problem.

    Undefined, with the reason, where a level has no problem with a value and where p_b is 0. Raises ValueError for
    best == worst and for a value that is not finite.
    """
    if best == worst:
        raise ValueError(f"best and worst are both level {best}; expected two levels")
    of_level: dict[int, list[float | None]] = {best: [], worst: []}
    for problem in problems:
        if problem.level in of_level:
            of_level[problem.level].append(problem.value)
    easy, hard = mean_over_problems(of_level[best]), mean_over_problems(of_level[worst])
    n, undefined = easy.n + hard.n, easy.undefined + hard.undefined
    for level, accuracy in ((best, easy), (worst, hard)):
        if accuracy.value is None:
            reason = f"level {level}: {accuracy.reason}"
            return Estimate(value=None, n=n, undefined=undefined, standard_error=None, reason=reason)
    assert easy.value is not None and hard.value is not None
    if easy.value == 0:
        reason = f"pass@1 of level {best} is 0, and the disparity is relative to it"
        return Estimate(value=None, n=n, undefined=undefined, standard_error=None, reason=reason)
    value = (easy.value - hard.value) / easy.value
    if easy.standard_error is None or hard.standard_error is None:
        reason = "a level with one problem has no standard error"
        return Estimate(value=value, n=n, undefined=undefined, standard_error=None, reason=reason)
    error = sqrt(hard.standard_error**2 + (hard.value / easy.value * easy.standard_error) ** 2) / easy.value
    return Estimate(value=value, n=n, undefined=undefined, standard_error=error, reason=None)


def disparity_pseudo_values(problems: Mapping[str, LevelValue], *, best: int, worst: int) -> dict[str, float | None]:
    """Group disparity as a mean over the problems of both levels, by problem id: D + the problem's influence on D.

    D = 1 - p_w / p_b is no mean, but to first order it is one: with n problems in both levels together, a problem x
    of the worst level (n_w problems) stands for D - (n / n_w) (x - p_w) / p_b, one of the best level (n_b) for
    D + (n / n_b) (x - p_b) p_w / p_b^2. Their mean is D, and its error is the delta method's (up to the n - 1 of the
    sample variance), so what is tested on means over problems can be tested on it, paired by problem.
    Source: the infinitesimal jackknife (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 21).

    Empty where D is undefined. None for a problem of these levels without a value.
    """
    found = group_disparity(problems.values(), best=best, worst=worst)
    if found.value is None:
        return {}
    of = {level: {k: p.value for k, p in problems.items() if p.level == level} for level in (best, worst)}
    easy, hard = (mean_over_problems(tuple(of[level].values())) for level in (best, worst))
    assert easy.value is not None and hard.value is not None
    n = easy.n + hard.n
    values: dict[str, float | None] = {}
    for key, x in of[best].items():
        shift = None if x is None else n / easy.n * (x - easy.value) * hard.value / easy.value**2
        values[key] = None if shift is None else found.value + shift
    for key, x in of[worst].items():
        shift = None if x is None else -n / hard.n * (x - hard.value) / easy.value
        values[key] = None if shift is None else found.value + shift
    return values
