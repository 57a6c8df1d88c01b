"""Make the priors of the tiny settings from the spreads of our own replicates, and put them into the table of priors.

    python benchmark/recipes/tiny_priors.py

A prior pools the standard deviations of a group of rows of ``reference_results/tiny/*.csv``. Rows of one group have not
all the same true spread; how much it differs among them is what the degrees of freedom say (Smyth 2004, "Linear models
and empirical Bayes methods", Section 6.2): with e = log(s^2) - psi(d/2) + log(d/2) for rows of d degrees each,

    trigamma(df/2) = var(e) - trigamma(d/2)      log(sd^2) = mean(e) + psi(df/2) - log(df/2)

and never more degrees of freedom than the runs have less their groups (9 an experiment). Rows that several experiments
have in common (M_1 is the same in three) count once.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from math import exp, log
from pathlib import Path
from statistics import fmean, variance

from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from selfimp_bench.manifest.measured import fits
from selfimp_bench.manifest.priors import ANY, COLUMNS, FILE
from selfimp_bench.manifest.reference_table import Reference, read_table
from selfimp_bench.places import REFERENCES

SOURCE = "reference_results/tiny"
TRAINED = ("tiny-iter-sft", "tiny-iter-dpo", "tiny-iter-sft-dpo", "tiny-iter-sft-vllm")
FOLLOW_UPS = (
    "tiny-iter-sft-short",
    "tiny-iter-dpo-short",
    "tiny-iter-sft-balanced",
    "tiny-iter-sft-tail",
    "tiny-iter-dpo-majority",
)
_SMALLEST = 0.00001
"""What the tables' last digit is worth; a row whose runs all agree has at most this spread."""
_FILTERS = ("mc.q*", "mc.*", "cot-binary", "cot-score", "tournament", "and(*")
_OF_FILTERS = ("filtered-accuracy", "gap", "relative-gap", "aggregate-relative-gap")


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows that are pooled: of these tables, of a metric's pattern, a split, and of models trained or not (None: any).

    data: what the tables call the split's data. after: the iteration behind which they are.
    """

    setting: str
    metric: str
    tables: tuple[str, ...]
    split: str = ANY
    data: str = "*"
    trained: bool | None = None
    after: int = -1


def groups() -> Iterator[Group]:
    """All of them, the narrower before the wider."""
    yield Group(setting="tiny-trained", metric="pass@1", tables=TRAINED, split="test", data="*-test")
    yield Group(setting="tiny-trained", metric="pass@1", tables=TRAINED, split="ood", data="*-ood")
    for metric in ("pass@*", "coverage"):
        for split in ("test", "train"):
            yield Group(setting="tiny-trained", metric=metric, tables=TRAINED, split=split, data=f"*-{split}")
    for metric in ("distinct-n", "distinct-equations", "sbert-diversity", "is-pass@*", "group-disparity"):
        yield Group(setting="tiny-trained", metric=metric, tables=TRAINED)
    for metric in ("ece.*", "overconfidence.*", "balance"):
        yield Group(setting="tiny-trained", metric=metric, tables=FOLLOW_UPS)
    # The first training set is the same in every run; those of votes differ ten times as much as others.
    yield Group(setting="tiny-trained", metric="tail-share", tables=FOLLOW_UPS[:-1], after=1)
    for trained, tables in ((False, ("tiny-gv-gap", "tiny-iter-rejection")), (True, ("tiny-iter-rejection",))):
        for metric in _verification_metrics():
            yield Group(setting="tiny-sampled", metric=metric, tables=tables, trained=trained)


def _verification_metrics() -> Iterator[str]:
    yield from ("accuracy", "pass@2", "pass@4", "pass@8")
    for metric in (*_OF_FILTERS, "kept-share", "gap-sd"):
        yield from (f"{metric}.{each}" for each in _FILTERS)
    yield from ("step-gap", "first-preferred", "label-mass", "scored-share", "score-share")
    yield from ("score-correlation", "gap-correlation", "gap-accuracy-correlation")


def pooled(spreads: Sequence[float], freedom: int, most: int) -> tuple[float, float]:
    """(sd, df) of rows with these standard deviations of ``freedom`` degrees each; at most ``most`` degrees."""
    half = freedom / 2
    logs = [log(max(each, _SMALLEST) ** 2) - digamma(half) + log(half) for each in spreads]
    excess = variance(logs) - polygamma(1, half) if len(logs) > 1 else 0.0
    df = float(most)
    if excess > polygamma(1, most / 2):
        df = 2 * brentq(lambda x: polygamma(1, x) - excess, 1e-3, most)
    return exp((fmean(logs) + digamma(df / 2) - log(df / 2)) / 2), df


def prior(group: Group, earlier: Sequence[Group]) -> dict[str, str] | None:
    """The table's row of a group; None where no table has rows of it that no earlier group has."""
    rows = [row for row in _rows(group) if not any(_is_of(other, row) for other in earlier)]
    distinct = {(row.dataset, row.metric, row.x, row.printed, row.sd): row for row in rows}
    if not distinct:
        return None
    spreads = [float(row.sd or 0) for row in distinct.values()]
    (runs,) = {row.runs or 0 for row in rows}
    experiments = {row.method for row in rows}
    sd, df = pooled(spreads, runs - 1, len(experiments) * (runs - 1))
    (unit,) = {row.unit for row in rows}
    words = "" if group.trained is None else ", t from 1" if group.trained else ", t = 0"
    split = "" if group.split == ANY else f" on {group.split}"
    reason = (
        f"{len(spreads)} cells of {len(experiments)} experiments with {runs} seeds each have a standard deviation of "
        f"{min(spreads):.4f} to {max(spreads):.4f}; pooled by benchmark/recipes/tiny_priors.py"
    )
    trained = ANY if group.trained is None else "yes" if group.trained else "no"
    values = (
        group.setting, group.metric, group.split, trained, _plain(sd), unit, f"{df:.1f}", "own replicates", SOURCE,
        f"{', '.join(sorted(experiments))}: {group.metric}{split}{words}", reason,
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _plain(number: float) -> str:
    """Two significant digits without an exponent."""
    return f"{Decimal(f'{number:.1e}'):f}"


def _rows(group: Group) -> Iterator[Reference]:
    for name in group.tables:
        table = read_table(REFERENCES / "tiny" / f"{name}.v1.csv", name)
        yield from (row for row in table.rows if _is_of(group, row))


def _is_of(group: Group, row: Reference) -> bool:
    time = row.x is not None and row.x > group.after and group.trained in (None, row.x > 0)
    return (
        time and row.method in group.tables and fnmatchcase(row.dataset, group.data) and fits(group.metric, row.metric)
    )


def tiny_rows() -> list[dict[str, str]]:
    """The rows of the tiny settings, in the table's order."""
    everything = list(groups())
    found = [prior(group, everything[:index]) for index, group in enumerate(everything)]
    return [row for row in found if row is not None]


def main(table: Path = REFERENCES / FILE) -> None:
    """Replace the rows of the tiny settings; those of other settings stay as they are."""
    made = tiny_rows()
    settings = {row["setting"] for row in made}
    with table.open(encoding="utf-8", newline="") as stream:
        kept = [row for row in csv.DictReader(stream) if row["setting"] not in settings]
    with table.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*kept, *made])


if __name__ == "__main__":
    main()
