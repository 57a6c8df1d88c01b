"""Evidence, priors and claims by hand, for the tests of the verdict."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.manifest.model import (
    Against,
    Cell,
    Claim,
    ClaimReading,
    OrderClaim,
    TrendClaim,
    ValueClaim,
    ValuePoint,
)
from selfimp_bench.manifest.priors import Prior, Priors
from selfimp_bench.manifest.reference_table import Reference
from selfimp_bench.measurement import Measurement, Split, mean_over_problems
from selfimp_bench.verdict.evidence import CellValues, Evidence, Key, ProblemSet
from selfimp_bench.verdict.findings import Finding, Kind, Verdict

Values = Sequence[float | None]


def prior(metric: str = "*", sd: float = 0.01, df: float = 8.0, unit: str = "share") -> Prior:
    """A spread over seeds of a measurement, of every one unless it is named."""
    return Prior(
        setting="by-hand",
        metric=metric,
        split=None,
        trained=None,
        sd=sd,
        unit=unit,
        df=df,
        kind="assumed",
        source="a test",
        locator="",
        reason="by hand",
    )


class AnyPriors(Priors):
    """One spread for all measurements, whatever they are called."""

    def find(self, metric: str, split: Split, iteration: int) -> Prior | None:
        return self.rows[0]


def priors(sd: float = 0.01, df: float = 8.0, unit: str = "share") -> Priors:
    """The same spread for every measurement."""
    return AnyPriors(setting="by-hand", rows=(prior(sd=sd, df=df, unit=unit),))


def cell(metric: str = "pass@1", iteration: int = 1, split: Split = Split.TEST) -> Cell:
    """A cell of the test problems."""
    return Cell(metric=metric, split=split, iteration=iteration)


def share(quarters: int, problems: int = 80) -> list[float]:
    """Right on so many of every four problems: equal shares are right on the same problems."""
    return [1.0 if index % 4 < quarters else 0.0 for index in range(problems)]


def evidence_of(cells: dict[Key, Sequence[Values]], data_sets: dict[str, str] | None = None) -> Evidence:
    """Evidence from values by key: a row per replicate. One data set unless ``data_sets`` says which."""
    sets: dict[tuple[str, int], ProblemSet] = {}
    values, measurements, digests = {}, {}, {}
    for key, rows in cells.items():
        name = (data_sets or {}).get(key[0], "a")
        count = len(rows[0])
        made = ProblemSet(data_set=name, ids=tuple(f"p{index:05}" for index in range(count)))
        values[key] = CellValues(
            problems=sets.setdefault((name, count), made),
            replicates=tuple(range(len(rows))),
            values=_table(rows),
        )
        digests[key[0], key[2].split] = name
        measurements[key] = tuple(measurement(key, row, replicate) for replicate, row in enumerate(rows))
    return Evidence(values=values, measurements=measurements, digests=digests)


def _table(rows: Sequence[Values]) -> NDArray[np.float64]:
    return np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=np.float64)


def measurement(key: Key, row: Values, replicate: int) -> Measurement:
    """What a run writes of one cell and replicate."""
    estimate = mean_over_problems(list(row))
    return Measurement(
        model=key[1],
        metric=key[2].metric,
        split=key[2].split,
        iteration=key[2].iteration,
        replicate=replicate,
        value=estimate.value,
        unit="share",
        n=estimate.n,
        undefined=estimate.undefined,
        standard_error=estimate.standard_error,
        reason=estimate.reason,
    )


def row(
    name: str,
    printed: str,
    *,
    x: int | None = None,
    model: str = "m",
    metric: str = "pass@1",
    unit: str = "share",
    read_error: str | None = None,
    conflicts_with: tuple[str, ...] = (),
) -> Reference:
    """A published number of one run."""
    return Reference(
        id=name,
        model=model,
        dataset="gsm",
        method="sft",
        metric=metric,
        x=None if x is None else Decimal(x),
        printed=printed,
        unit=unit,
        read_error=None if read_error is None else Decimal(read_error),
        source="Figure 1",
        conflicts_with=conflicts_with,
    )


def of_runs(found: Reference, sd: str, runs: int, problems: int | None = None, digest: str | None = None) -> Reference:
    """The same number as the mean of several runs."""
    return replace(found, sd=Decimal(sd), runs=runs, problems=problems, digest=digest)


def point(reference: str, iteration: int = 1, metric: str = "pass@1", split: Split = Split.TEST) -> ValuePoint:
    """A point of a value claim."""
    return ValuePoint(metric=metric, split=split, iteration=iteration, reference=reference)


def value_claim(
    *points: ValuePoint, table: str = "t.csv", against: Against = "none", problems: int | None = None
) -> Claim:
    """Measured values are the published ones."""
    value = ValueClaim(
        table=table,
        points=points,
        against=against,
        problems=problems,
    )
    return Claim(id="values", statement="As in the table.", source="Table 1", value=value)


def order_claim(greater: Cell, lesser: Cell) -> Claim:
    """One cell is greater than another."""
    order = OrderClaim(greater=greater, lesser=lesser)
    return Claim(id="order", statement="Later is better.", source="Section 4", order=order)


def trend_claim(*iterations: int, metric: str = "pass@1", up: bool = True) -> Claim:
    """A metric goes up, or down."""
    trend = TrendClaim(
        metric=metric,
        split=Split.TEST,
        iterations=iterations,
        direction="up" if up else "down",
    )
    return Claim(id="trend", statement="It rises.", source="Figure 1", trend=trend)


def either(*claims: Claim) -> Claim:
    """Several readings."""
    named = tuple(
        ClaimReading(name=f"reading {index}", value=each.value, order=each.order, trend=each.trend)
        for index, each in enumerate(claims, start=1)
    )
    return Claim(id="either", statement="As in the table, or later is better.", source="Table 1", any_of=named)


def both(*claims: Claim) -> Claim:
    """Several parts."""
    return replace(either(*claims), any_of=None, all_of=either(*claims).any_of)


def finding(verdict: Verdict, p_for: float, p_against: float, claim: str = "c", kind: Kind = Kind.ORDER) -> Finding:
    """A finding without points and numbers of its own."""
    return Finding(
        claim=claim,
        model="m",
        statement="It rises.",
        source="Section 1",
        kind=kind,
        verdict=verdict,
        p_for=p_for,
        p_against=p_against,
        reason="",
        would_fail="",
        smallest_effect=None,
        points=(),
        interval=None,
        terms=(),
        problems_to_decide=None,
        replicates_to_decide=None,
    )
