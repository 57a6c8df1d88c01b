"""Verdicts and findings: what judging a claim gives, how it becomes an exit code and ``findings.json``."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

from selfimp_bench.manifest.model import Cell, ValuePoint

# Under this many problems the normal margin and the percentile bootstrap cover visibly less than they say
# (tests/verdict/test_inference.py counts it), so nothing is decided from a sample smaller than this.
MINIMUM_PROBLEMS = 20


class Verdict(StrEnum):
    """Undecided is neither yes nor no: INCONCLUSIVE has numbers that do not decide, NOT_MEASURED has none."""

    REPRODUCED = "REPRODUCED"
    NOT_REPRODUCED = "NOT_REPRODUCED"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_MEASURED = "NOT_MEASURED"


class Kind(StrEnum):
    """What a claim asserts; from ABOVE to WITHIN the forms of a suite's claims. ANY_OF and ALL_OF:
    several readings, of which one counts, or parts, which all do.
    """

    VALUE = "value"
    ORDER = "order"
    TREND = "trend"
    ABOVE = "above"
    BEST = "best"
    RULE = "rule"
    PEAK = "peak"
    MONOTONE = "monotone"
    EQUALS = "equals"
    WITHIN = "within"
    ANY_OF = "any-of"
    ALL_OF = "all-of"


@dataclass(frozen=True, kw_only=True)
class Term:
    """One number (or word) that a verdict rests on, and where it comes from."""

    name: str
    value: float | int | str
    source: str


@dataclass(frozen=True, kw_only=True)
class PointFinding:
    """One point of a value claim; all numbers are in ``unit``, the reference's.

    measured: mean over the replicates; reference: the printed digits of row ``reference_id``.
    low, high: where a mean over the reference's problems may lie; ``terms`` holds the error of a run on others.
    problems_to_decide: about how many problems like the run's would settle an inconclusive point.
    """

    cell: Cell
    unit: str
    measured: Decimal | None
    reference_id: str
    reference: str
    low: Decimal | None
    high: Decimal | None
    verdict: Verdict
    reason: str
    terms: tuple[Term, ...]
    problems_to_decide: int | None


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over ``problems`` and its bootstrap interval; ``dropped`` problems were undefined in some cell."""

    mean: float
    low: float
    high: float
    problems: int
    dropped: int


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One claim judged for one model: ``points`` for a value, ``interval`` for an order or a trend."""

    claim: str
    model: str
    statement: str
    source: str
    kind: Kind
    verdict: Verdict
    reason: str
    points: tuple[PointFinding, ...]
    interval: Interval | None
    terms: tuple[Term, ...]
    problems_to_decide: int | None


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Every claim judged, in the manifest's order of claims and models."""

    schema: Literal[1]
    findings: tuple[Finding, ...]


def combine(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict for all: the first of NOT_REPRODUCED, INCONCLUSIVE, NOT_MEASURED that occurs, else REPRODUCED.

    Raises ValueError for no verdicts: an assertion without points asserts nothing.
    """
    if not verdicts:
        raise ValueError("no verdicts to combine")
    for verdict in (Verdict.NOT_REPRODUCED, Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED):
        if verdict in verdicts:
            return verdict
    return Verdict.REPRODUCED


def combine_readings(verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict for several readings of a claim: REPRODUCED if one is, NOT_REPRODUCED if none can be.

    Raises ValueError for no verdicts.
    """
    if not verdicts:
        raise ValueError("no verdicts to combine")
    for verdict in (Verdict.REPRODUCED, Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED):
        if verdict in verdicts:
            return verdict
    return Verdict.NOT_REPRODUCED


def combine_several(several: Literal["any_of", "all_of"], verdicts: Sequence[Verdict]) -> Verdict:
    """One verdict for a claim's readings, of which one is enough, or for its parts, which must all be reproduced."""
    return combine_readings(verdicts) if several == "any_of" else combine(verdicts)


def named_part(several: Literal["any_of", "all_of"] | None, name: str) -> str:
    """How a reason begins that is about one reading, or one part, of a claim."""
    return f"read as {name}" if several == "any_of" else name


def exit_code(findings: Findings) -> int:
    """1 when a claim is contradicted, else 3 when one is inconclusive, not measured, or nothing was judged, else 0."""
    verdicts = {finding.verdict for finding in findings.findings}
    if Verdict.NOT_REPRODUCED in verdicts:
        return 1
    return 3 if not verdicts or verdicts & {Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED} else 0


def describe(cell: Cell | ValuePoint) -> str:
    """A cell in words."""
    return f"{cell.metric} on {cell.split} at iteration {cell.iteration}"


def show(number: Decimal | float) -> str:
    """A number for a sentence: at most six decimals, no trailing zeros."""
    text = f"{number:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")


def to_json(findings: Findings) -> bytes:
    """``findings.json``: sorted keys, shortest exact floats, no clock; the same findings give the same bytes."""
    return msgspec.json.format(_ENCODER.encode(findings), indent=2) + b"\n"


def from_json(data: bytes) -> Findings:
    """The findings that ``to_json`` wrote. Raises msgspec.ValidationError for anything else."""
    return msgspec.json.decode(data, type=Findings)
