"""Verdicts and findings: what judging a claim gives, how it becomes an exit code and ``findings.json``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal

import msgspec

from selfimp_bench.manifest.model import Cell, ValuePoint
from selfimp_bench.plural import plural

MINIMUM_PROBLEMS: Final = 20
"""Of fewer problems Student's t covers visibly less than it says, so that nothing is decided from them."""

FOR_LEVEL: Final = 0.01
"""REPRODUCED at most so often where the claim is false: the level is the kit's, for no manifest to widen."""

AGAINST_LEVEL: Final = 0.05
"""NOT_REPRODUCED at most so often where the claim is true."""


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

    @property
    def shown(self) -> str:
        """The value for a person; a probability (its name begins with ``p``) as in every sentence."""
        if self.name.startswith("p ") and isinstance(self.value, float):
            return tail_text(self.value)
        return brief(self.value)


@dataclass(frozen=True, kw_only=True)
class PointFinding:
    """One point of a value claim; all numbers are in ``unit``, the reference's.

    measured: mean over the replicates; reference: the printed digits of row ``reference_id``.
    low, high: where another run of the same may lie; ``terms`` holds the error of a run on other problems.
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


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over ``problems`` and its 95 % interval over problems and seeds.

    problems: of the smallest data set; ``dropped`` problems were undefined in some cell.
    """

    mean: float
    low: float
    high: float
    problems: int
    dropped: int


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One claim judged for one model: ``points`` for a value, ``interval`` for one comparison.

    p_for: the probability of numbers so much for the claim where it is false; p_against: so much against it where it is
    true; 1 where nothing is decided. would_fail: what would have failed, in a sentence with the numbers.
    smallest_effect: how far from the bound (of a value: from the published number) the truth must lie for 80 of 100
    runs to decide it, in the measurement's unit (of a value: the reference's); None where that is no one number.
    problems_to_decide, replicates_to_decide: how many, either alone, would decide what is inconclusive in 80 of 100
    runs, were the truth what was measured; None where no number would, or where it is decided.
    """

    claim: str
    model: str
    statement: str
    source: str
    kind: Kind
    verdict: Verdict
    p_for: float
    p_against: float
    reason: str
    would_fail: str
    smallest_effect: float | None
    points: tuple[PointFinding, ...]
    interval: Interval | None
    terms: tuple[Term, ...]
    problems_to_decide: int | None
    replicates_to_decide: int | None


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Every claim judged, in the manifest's order of claims and models."""

    schema: Literal[2]
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


def named_part(several: Literal["any_of", "all_of"] | None, name: str) -> str:
    """How a reason begins that is about one reading, or one part, of a claim."""
    return f"read as {name}" if several == "any_of" else name


def exit_code(findings: Findings) -> int:
    """1 when a claim is contradicted, else 3 when one is inconclusive, not measured, or nothing was judged, else 0."""
    verdicts = {finding.verdict for finding in findings.findings}
    if Verdict.NOT_REPRODUCED in verdicts:
        return 1
    return 3 if not verdicts or verdicts & {Verdict.INCONCLUSIVE, Verdict.NOT_MEASURED} else 0


def too_few(problems: int) -> str | None:
    """Why a number over so many problems decides nothing, or None."""
    if problems >= MINIMUM_PROBLEMS:
        return None
    return f"of {plural(problems, 'problem')}; fewer than {MINIMUM_PROBLEMS} decide nothing"


def describe(cell: Cell | ValuePoint) -> str:
    """A cell in words."""
    return f"{cell.metric} on {cell.split} at iteration {cell.iteration}"


def show(number: Decimal | float) -> str:
    """A number for a sentence: at most six decimals, no trailing zeros."""
    text = f"{number:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def brief(number: Decimal | float | int | str) -> str:
    """A number in at most four significant digits, whole ones and words as they are: 0.2949, 53.91, 1319, 0.00003."""
    if isinstance(number, str | int):
        return str(number)
    if not math.isfinite(number):
        return str(float(number))
    found = float(number)
    digits = 3 - math.floor(math.log10(abs(found))) if found else 0
    return show(round(found, digits)) if digits <= 6 else f"{found:.2g}"


def tail_text(p: float) -> str:
    """A probability; how far below 0.0001 it is rests on the far tails of approximations, and is not said."""
    return "below 0.0001" if p < 0.0001 else brief(p)


_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")


def to_json(findings: object) -> bytes:
    """Findings, or what holds them, as JSON: sorted keys, shortest exact floats; equal findings give equal bytes."""
    return msgspec.json.format(_ENCODER.encode(findings), indent=2) + b"\n"
