"""A suite as frozen dataclasses: the shape of ``schema/suite.v1.json``, field by field.

A suite names experiments and holds what a paper says across them. A claim compares quantities in one of seven forms,
for every group that ``over`` makes; the labels of a quantity (data set, method, model) that it does not give itself are
those of the group. Where a sentence can be read in several ways, ``any_of`` has a form for each. Bounds and thresholds
are in the unit of the measurements (a share, not percent).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from selfimp_bench.manifest.model import Bootstrap, Paper
from selfimp_bench.measurement import Split


class Axis(StrEnum):
    """What the members of a comparison can differ in."""

    DATASET = "dataset"
    METHOD = "method"
    MODEL = "model"
    METRIC = "metric"


class Fit(StrEnum):
    """A number that sums up a metric of several models, all but the mean against the logarithm of their compute.

    mean: over the models, each weighing the same. slope: of the least-squares line, per decade. r-squared: its
    coefficient of determination, 0 to 1. kendall: pairs of models in the order of their compute less pairs against it,
    as a share of the pairs that differ in it, -1 to 1.
    """

    MEAN = "mean"
    SLOPE = "slope"
    R_SQUARED = "r-squared"
    KENDALL = "kendall"


@dataclass(frozen=True, kw_only=True)
class Member:
    """An experiment of the suite, with the words that the reference tables use for its data sets and its method.

    ``dataset`` is that of train and test, ``ood`` that of ood; no two members share ``dataset``, ``method`` and a
    model. ``pending`` says why an experiment has no manifest yet: it is left out of plans and runs, and what is
    claimed of it is NOT_MEASURED.
    """

    name: str
    version: int
    dataset: str
    ood: str | None = None
    method: str
    models: tuple[str, ...]
    pending: str | None = None


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models that are compared with each other, in the order of a series (as a rule, the smallest first)."""

    name: str
    models: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Floating-point operations of a model's pre-training."""

    model: str
    flops: float


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """A measurement that the tables call otherwise."""

    measured: str
    published: str


@dataclass(frozen=True, kw_only=True)
class PublishedBest:
    """The tables' name for the greatest of a measurement over these iterations."""

    measured: str
    iterations: tuple[int, ...]
    published: str


@dataclass(frozen=True, kw_only=True)
class Published:
    """Where the paper's own numbers stand: rows with the data set, method, model, metric and x of a measured cell.

    A row without a method is one for every method.
    """

    tables: tuple[str, ...]
    renamed: tuple[Renamed, ...]
    best: tuple[PublishedBest, ...]


@dataclass(frozen=True, kw_only=True)
class Over:
    """The groups of a claim: every combination of these. An axis that is left out is given by the quantities."""

    dataset: tuple[str, ...] | None = None
    method: tuple[str, ...] | None = None
    model: tuple[str, ...] | None = None
    metric: tuple[str, ...] | None = None
    iteration: tuple[int, ...] | None = None
    family: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """The greatest value of a metric over ``iterations``, less its value at ``minus_iteration`` where that is given.

    A gain is ``iterations: [1, 2, 3, 4, 5]`` with ``minus_iteration: 1``. What is left out is the group's. With ``fit``
    it is that number over the models of the group's family, at one iteration.
    """

    metric: str | None = None
    split: Split
    iterations: tuple[int, ...] | None = None
    minus_iteration: int | None = None
    dataset: str | None = None
    method: str | None = None
    model: str | None = None
    fit: Fit | None = None


@dataclass(frozen=True, kw_only=True)
class Above:
    """``greater`` is above ``lesser`` (times the factor ``times``), or above ``bound``: exactly one of the two."""

    greater: Quantity
    lesser: Quantity | None = None
    bound: float | None = None
    times: float | None = None


@dataclass(frozen=True, kw_only=True)
class Best:
    """Of ``among`` on ``axis``, one of ``winners`` has the greatest ``quantity``."""

    quantity: Quantity
    axis: Axis
    among: tuple[str, ...]
    winners: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Of ``among`` on ``axis``, one of ``above`` has the greatest ``quantity``, or one of ``below``, by a condition.

    ``above`` counts where ``condition`` is above ``threshold``, ``below`` where it is not.
    """

    condition: Quantity
    threshold: float
    quantity: Quantity
    axis: Axis
    among: tuple[str, ...]
    above: tuple[str, ...]
    below: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Peak:
    """Over the iterations of ``quantity`` the greatest value is at one of ``at``."""

    quantity: Quantity
    at: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Monotone:
    """From one term of a series to the next the value goes ``direction``.

    The terms are the iterations of ``quantity``; with ``axis`` those of ``among`` on it, or without ``among`` (axis
    model) the models of the group's family.
    """

    quantity: Quantity
    direction: Literal["up", "down"]
    axis: Axis | None = None
    among: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Within:
    """``quantity`` is above ``low`` and below ``high``, or one of the two."""

    quantity: Quantity
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Equals:
    """``quantity`` is the number of a row; ``seed_sd`` is its assumed spread over seeds, in the row's unit."""

    quantity: Quantity
    table: str
    reference: str
    seed_sd: float


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to read a claim, ``name``d in words, as exactly one form."""

    name: str
    above: Above | None = None
    best: Best | None = None
    rule: Rule | None = None
    peak: Peak | None = None
    monotone: Monotone | None = None
    equals: Equals | None = None
    within: Within | None = None


@dataclass(frozen=True, kw_only=True)
class SuiteClaim:
    """One assertion, in words and as exactly one form, that ``holds`` in all, most, any or ``at_least`` so many groups.

    ``any_of`` stands for the form where the words have several readings: the claim holds if it does so in one of them.
    assumed: why these bounds, where the paper's sentence gives none.
    """

    id: str
    statement: str
    source: str
    assumed: str | None = None
    over: Over | None = None
    holds: Literal["all", "most", "any", "at-least"]
    at_least: int | None = None
    above: Above | None = None
    best: Best | None = None
    rule: Rule | None = None
    peak: Peak | None = None
    monotone: Monotone | None = None
    equals: Equals | None = None
    within: Within | None = None
    any_of: tuple[Reading, ...] | None = None


FORMS = ("above", "best", "rule", "peak", "monotone", "equals", "within")


def readings(claim: SuiteClaim) -> tuple[Reading, ...]:
    """The ways to read a claim: those of ``any_of``, or the one without a name that its own form is."""
    own = Reading(
        name="",
        above=claim.above,
        best=claim.best,
        rule=claim.rule,
        peak=claim.peak,
        monotone=claim.monotone,
        equals=claim.equals,
        within=claim.within,
    )
    return claim.any_of or (own,)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Experiments that are planned and run together, and the claims across them."""

    schema: Literal[1]
    kind: Literal["suite"]
    name: str
    version: int
    title: str
    summary: str
    corrects: str | None = None
    paper: Paper
    experiments: tuple[Member, ...]
    families: tuple[Family, ...] | None = None
    compute: tuple[Compute, ...] | None = None
    published: Published
    bootstrap: Bootstrap
    claims: tuple[SuiteClaim, ...]
