"""A suite as frozen dataclasses: the shape of ``schema/suite.v1.json``, field by field.

A suite names experiments and holds what a paper says across them. A claim compares quantities in one of seven forms,
for every group that ``over`` makes; the labels of a quantity (data set, method, model) that it does not give itself are
those of the group. Where a sentence can be read in several ways, ``any_of`` has a form for each. Bounds and thresholds
are in the unit of the measurements (a share, not percent).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from selfimp_bench.manifest.kinds import (
    SOME,
    TWO,
    UNIQUE,
    Count,
    FromZero,
    Name,
    NotNegative,
    PathInside,
    Positive,
    PriorSetting,
    Text,
    Texts,
)
from selfimp_bench.manifest.model import Against, Paper
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

    name: Name
    """Its name."""
    version: Count
    """1, or more for a correction."""
    dataset: Text
    """Name of the data set in the reference tables."""
    ood: Text | None = None
    """Name of the out-of-distribution data set in the reference tables."""
    method: Text
    """Name of the method in the reference tables."""
    models: Annotated[tuple[Name, ...], SOME, UNIQUE]
    """The models, by id."""
    pending: Text | None = None
    """Why the experiment has no manifest yet; it is left out of plans and runs."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models that are compared with each other, in the order of a series (as a rule, the smallest first)."""

    name: Name
    """Its name in claims."""
    models: Texts
    """The models, by id, the smallest first."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Floating-point operations of a model's pre-training."""

    model: Text
    """The model, by id."""
    flops: Positive
    """Floating-point operations."""


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """A measurement that the tables call otherwise."""

    measured: Text
    """The measurement's name."""
    published: Text
    """The tables' metric."""


@dataclass(frozen=True, kw_only=True)
class PublishedBest:
    """The tables' name for the greatest of a measurement over these iterations."""

    measured: Text
    """The measurement's name."""
    iterations: Annotated[tuple[Count, ...], SOME, UNIQUE]
    """Iterations; 1 is the model after the first SFT."""
    published: Text
    """The tables' metric."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """Where the paper's own numbers stand: rows with the data set, method, model, metric and x of a measured cell.

    A row without a method is one for every method.
    """

    tables: Annotated[tuple[PathInside, ...], UNIQUE]
    """Reference tables, beside the suite or in reference_results/; none where nobody published any."""
    renamed: tuple[Renamed, ...]
    """Measurements that the tables call otherwise."""
    best: tuple[PublishedBest, ...]
    """What the tables call the greatest value over iterations."""


@dataclass(frozen=True, kw_only=True)
class Over:
    """The groups of a claim: every combination of these. An axis that is left out is given by the quantities."""

    dataset: Texts | None = None
    """Name of the data set in the reference tables."""
    method: Texts | None = None
    """Name of the method in the reference tables."""
    model: Texts | None = None
    """The model, by id."""
    metric: Texts | None = None
    """The measurement's name."""
    iteration: Annotated[tuple[FromZero, ...], SOME, UNIQUE] | None = None
    """Iterations, one group each."""
    family: Texts | None = None
    """Families of models, one group each."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """The greatest value of a metric over ``iterations``, less its value at ``minus_iteration`` where that is given.

    A gain is ``iterations: [1, 2, 3, 4, 5]`` with ``minus_iteration: 1``. What is left out is the group's. With ``fit``
    it is that number over the models of the group's family, at one iteration.
    """

    metric: Text | None = None
    """The measurement's name."""
    split: Split
    """On which part."""
    iterations: Annotated[tuple[FromZero, ...], SOME, UNIQUE] | None = None
    """Iterations; 0 is the pre-trained model, 1 the model after the first SFT."""
    minus_iteration: FromZero | None = None
    """The iteration whose value is taken away."""
    dataset: Text | None = None
    """Name of the data set in the reference tables."""
    method: Text | None = None
    """Name of the method in the reference tables."""
    model: Text | None = None
    """The model, by id."""
    fit: Fit | None = None
    """This number of the models of the group's family: their mean, or of the line through them against log10 of their
    compute."""


@dataclass(frozen=True, kw_only=True)
class Above:
    """``greater`` is above ``lesser`` (times the factor ``times``), by more than ``bound`` where there is one.

    Without ``lesser`` it is above ``bound``.
    """

    greater: Quantity
    """What is greater."""
    lesser: Quantity | None = None
    """What it is greater than."""
    bound: float | None = None
    """What it is above, or by how much it is above lesser, in the measurement's unit."""
    times: Positive | None = None
    """Factor of lesser; 1 without it."""


@dataclass(frozen=True, kw_only=True)
class Best:
    """Of ``among`` on ``axis``, one of ``winners`` has the greatest ``quantity``."""

    quantity: Quantity
    """What is compared."""
    axis: Axis
    """What the compared differ in."""
    among: Texts
    """Who is compared."""
    winners: Texts
    """One of them is the greatest."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Of ``among`` on ``axis``, one of ``above`` has the greatest ``quantity``, or one of ``below``, by a condition.

    ``above`` counts where ``condition`` is above ``threshold``, ``below`` where it is not.
    """

    condition: Quantity
    """What decides between above and below."""
    threshold: float
    """Where it decides, in the measurement's unit."""
    quantity: Quantity
    """What is compared."""
    axis: Axis
    """What the compared differ in."""
    among: Texts
    """Who is compared."""
    above: Texts
    """One of them is the greatest where the condition is above the threshold."""
    below: Texts
    """One of them is the greatest where it is below."""


@dataclass(frozen=True, kw_only=True)
class Peak:
    """Over the iterations of ``quantity`` the greatest value is at one of ``at``."""

    quantity: Quantity
    """What is compared."""
    at: Annotated[tuple[FromZero, ...], SOME, UNIQUE]
    """The greatest value is at one of these iterations."""
    margin: NotNegative = 0.0
    """No other iteration's value is above it by this much or more, in the measurement's unit."""


@dataclass(frozen=True, kw_only=True)
class Monotone:
    """From one term of a series to the next the value goes ``direction``.

    The terms are the iterations of ``quantity``; with ``axis`` those of ``among`` on it, or without ``among`` (axis
    model) the models of the group's family.
    """

    quantity: Quantity
    """What is compared."""
    direction: Literal["up", "down"]
    """Where the paper sees it go."""
    axis: Axis | None = None
    """What the terms differ in; the iterations of quantity without it."""
    among: Texts | None = None
    """The terms, in order; the models of the group's family without it."""


@dataclass(frozen=True, kw_only=True)
class Within:
    """``quantity`` is above ``low`` and below ``high``, or one of the two."""

    quantity: Quantity
    """What is compared."""
    low: float | None = None
    """What it is above, in the measurement's unit."""
    high: float | None = None
    """What it is below, in the measurement's unit."""


@dataclass(frozen=True, kw_only=True)
class Equals:
    """``quantity`` is the number of a row, and not what ``against`` says. A gain that is frozen is none."""

    quantity: Quantity
    """What is compared."""
    table: PathInside
    """The reference table."""
    reference: Text
    """Id of the row in the table."""
    against: Against


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to read a claim, ``name``d in words, as exactly one form."""

    name: Text
    """The reading in words."""
    above: Above | None = None
    """A quantity is above another, or above a bound."""
    best: Best | None = None
    """Who has the greatest quantity."""
    rule: Rule | None = None
    """Who has it, by a condition."""
    peak: Peak | None = None
    """Where a series is greatest."""
    monotone: Monotone | None = None
    """A series goes one way at every step."""
    equals: Equals | None = None
    """A quantity is a published number."""
    within: Within | None = None
    """A quantity lies between bounds."""


@dataclass(frozen=True, kw_only=True)
class SuiteClaim:
    """One assertion, in words and as exactly one form, that ``holds`` in all, most, any or ``at_least`` so many groups.

    ``any_of`` stands for the form where the words have several readings: the claim holds if it does so in one of them;
    ``all_of`` where they assert several things: it holds if it does so in all of them.
    assumed: why these bounds, where the paper's sentence gives none.
    """

    id: Name
    """The claim's name in reports."""
    statement: Text
    """What the paper says, in one sentence."""
    source: Text
    """Where the paper says it."""
    assumed: Text | None = None
    """Why these bounds, where the paper gives none."""
    over: Over | None = None
    """The groups: every combination."""
    holds: Literal["all", "most", "any", "at-least"]
    """In all groups, in more than half of them, in one, or in at_least so many."""
    at_least: Count | None = None
    """In so many groups; exactly where holds is at-least."""
    above: Above | None = None
    """A quantity is above another, or above a bound."""
    best: Best | None = None
    """Who has the greatest quantity."""
    rule: Rule | None = None
    """Who has it, by a condition."""
    peak: Peak | None = None
    """Where a series is greatest."""
    monotone: Monotone | None = None
    """A series goes one way at every step."""
    equals: Equals | None = None
    """A quantity is a published number."""
    within: Within | None = None
    """A quantity lies between bounds."""
    any_of: Annotated[tuple[Reading, ...], TWO] | None = None
    """Several readings of the words, each with its form; the claim holds if one does."""
    all_of: Annotated[tuple[Reading, ...], TWO] | None = None
    """Several parts of the words, each with its form; the claim holds if all do."""

    @property
    def several(self) -> Literal["any_of", "all_of"] | None:
        """The key of its readings or of its parts; None where it has one form."""
        return "any_of" if self.any_of is not None else "all_of" if self.all_of is not None else None


FORMS = ("above", "best", "rule", "peak", "monotone", "equals", "within")


def readings(claim: SuiteClaim) -> tuple[Reading, ...]:
    """A claim's readings or parts, or the one without a name that its own form is."""
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
    return claim.any_of or claim.all_of or (own,)


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Experiments that are planned and run together, and the claims across them."""

    schema: Literal[1]
    """Version of this format."""
    kind: Literal["suite"]
    """This is a suite, not an experiment."""
    name: Name
    """Its name."""
    version: Count
    """1, or more for a correction."""
    title: Text
    """One line."""
    summary: Text
    """What is run and what is claimed, in a few sentences."""
    corrects: Text | None = None
    """What this version corrects in the one before; present exactly from version 2 on."""
    paper: Paper
    """What the suite comes from."""
    experiments: Annotated[tuple[Member, ...], SOME]
    """Its experiments."""
    families: Annotated[tuple[Family, ...], SOME] | None = None
    """Models that claims compare with each other."""
    compute: Annotated[tuple[Compute, ...], SOME] | None = None
    """Pre-training compute of the models that claims fit a line through."""
    published: Published
    """Where the paper's own numbers stand."""
    claims: tuple[SuiteClaim, ...]
    """What the paper says across experiments."""
    priors: PriorSetting
