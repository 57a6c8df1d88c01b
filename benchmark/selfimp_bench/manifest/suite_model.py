"""A suite as frozen dataclasses: the shape of ``schema/suite.v1.json``, field by field.

A suite names experiments and holds what a paper says across them. A claim compares quantities in one of six forms, for
every group that ``over`` makes; the labels of a quantity (data set, method, model) that it does not give itself are
those of the group. Bounds and thresholds are in the unit of the measurements (a share, not percent).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from selfimp_bench.manifest.model import Bootstrap, Paper, Split


class Axis(StrEnum):
    """What the members of a comparison can differ in."""

    DATASET = "dataset"
    METHOD = "method"
    MODEL = "model"


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


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """The greatest value of a metric over ``iterations``, less its value at ``minus_iteration`` where that is given.

    A gain is ``iterations: [1, 2, 3, 4, 5]`` with ``minus_iteration: 1``. What is left out is the group's.
    """

    metric: str | None = None
    split: Split
    iterations: tuple[int, ...] | None = None
    minus_iteration: int | None = None
    dataset: str | None = None
    method: str | None = None
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class Above:
    """``greater`` is above ``lesser``, or above ``bound``: exactly one of the two."""

    greater: Quantity
    lesser: Quantity | None = None
    bound: float | None = None


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
    """From each iteration of ``quantity`` to the next the value goes ``direction``."""

    quantity: Quantity
    direction: Literal["up", "down"]


@dataclass(frozen=True, kw_only=True)
class Equals:
    """``quantity`` is the number of a row; ``seed_sd`` is its assumed spread over seeds, in the row's unit."""

    quantity: Quantity
    table: str
    reference: str
    seed_sd: float


@dataclass(frozen=True, kw_only=True)
class SuiteClaim:
    """One assertion, in words and as exactly one form, that ``holds`` in all or in most groups.

    assumed: why these bounds, where the paper's sentence gives none.
    """

    id: str
    statement: str
    source: str
    assumed: str | None = None
    over: Over | None = None
    holds: Literal["all", "most"]
    above: Above | None = None
    best: Best | None = None
    rule: Rule | None = None
    peak: Peak | None = None
    monotone: Monotone | None = None
    equals: Equals | None = None


FORMS = ("above", "best", "rule", "peak", "monotone", "equals")


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
    published: Published
    bootstrap: Bootstrap
    claims: tuple[SuiteClaim, ...]
