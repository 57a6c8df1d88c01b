"""What a metric gives in a run: a value per problem, and the mean over problems with its standard error."""

from dataclasses import dataclass

from selfimp_bench.manifest.model import Split


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemValue:
    """A metric on one problem in one replicate; ``value`` is None where the metric is undefined there.

    A run at full size has millions of them, hence the slots.
    """

    model: str
    metric: str
    split: Split
    iteration: int
    replicate: int
    problem_id: str
    value: float | None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A metric in one replicate: the mean over the ``n`` problems where it is defined.

    value and standard_error (sample standard deviation / sqrt(n), in the metric's unit) are None when undefined
    (no problem, or for the error fewer than two), with the reason.
    undefined: how many problems had no defined value.
    """

    model: str
    metric: str
    split: Split
    iteration: int
    replicate: int
    value: float | None
    unit: str
    n: int
    undefined: int
    standard_error: float | None
    reason: str | None
