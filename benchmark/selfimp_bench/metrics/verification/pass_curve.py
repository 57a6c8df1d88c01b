"""pass@k through the iterations of self-improvement: the paper's effective diversity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfimp_bench.metrics.estimate import Estimate, mean_over_problems
from selfimp_bench.metrics.pass_at_k import pass_at_k


@dataclass(frozen=True, kw_only=True)
class PassPoint:
    """pass@k of f_iteration: by problem id (None with fewer than k samples), and the mean with its standard error."""

    iteration: int
    k: int
    per_problem: Mapping[str, float | None]
    mean: Estimate


def pass_curve(correct: Mapping[int, Mapping[str, Sequence[bool]]], *, ks: Sequence[int]) -> tuple[PassPoint, ...]:
    """pass@k by iteration (0 = the model before any update), then k, from the grades of each problem's samples.

    Source: 2412.02674, Section 5 and its footnote 6, Figures 4, 10 and 13. The footnote defines pass@k of k
    generations; from n >= k samples it is estimated without bias (``pass_at_k``). Shares, 0 to 1.
    """
    return tuple(_point(iteration, k, correct[iteration]) for iteration in sorted(correct) for k in ks)


def _point(iteration: int, k: int, problems: Mapping[str, Sequence[bool]]) -> PassPoint:
    values = {name: pass_at_k(len(grades), sum(grades), k) for name, grades in problems.items()}
    return PassPoint(iteration=iteration, k=k, per_problem=values, mean=mean_over_problems(list(values.values())))
