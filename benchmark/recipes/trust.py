"""Make benchmark/TRUST.md: how often the verdicts are right, from counts that `selfimp-bench calibrate` wrote.

    selfimp-bench calibrate NAME --draws N --out benchmark/trust/NAME.csv      for every name of ``STUDIES``
    python benchmark/recipes/trust.py [--draws 1000]

``--draws`` are the simulated samples behind every number of the table of coverages. Beside the counts lie ``about.md``,
which the page begins with, and ``before.csv``: simulated runs under the rules before the present ones.
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from selfimp_bench.manifest.model import Cell
from selfimp_bench.manifest.priors import Prior, Priors
from selfimp_bench.measurement import Split
from selfimp_bench.runs.calibrate import HONEST, Rate, misses
from selfimp_bench.verdict.contrast import Contrasts, contrast
from selfimp_bench.verdict.evidence import CellValues, Evidence, Key, ProblemSet

Values = NDArray[np.float64]
FOLDER = Path(__file__).resolve().parent.parent / "trust"
PAGE = FOLDER.parent / "TRUST.md"
STUDIES = {
    "gsm8k-iter-sft": "2407.05013, one experiment: gsm8k-iter-sft",
    "progress-or-regress": "2407.05013, claims across its experiments",
    "gsm8k-gv-gap": "2412.02674, one experiment: gsm8k-gv-gap",
    "mind-the-gap": "2412.02674, claims across its experiments",
}
BIASES = ("1", "2", "3", "5", "10")
WORLDS = ("frozen", "flat", "no gap", "another model", "reversed", "shuffled", "zero", "one", "percent")
BEFORE, ABOUT = "before.csv", "about.md"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Findings of some claims in one column: how many, and how many of each verdict."""

    findings: int
    reproduced: int
    inconclusive: int
    against: int


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    before = _rows(FOLDER / BEFORE)
    lines = [(FOLDER / ABOUT).read_text(encoding="utf-8").rstrip()]
    for study, title in STUDIES.items():
        path = FOLDER / f"{study}.csv"
        if path.is_file():
            rows = _rows(path)
            lines += _study(title, rows, [row for row in before if row["study"] == study])
    lines += _coverage(draws)
    PAGE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _rate(row: dict[str, str]) -> Rate:
    return Rate(
        claim=row["claim"],
        kind=row["kind"],
        column=row["column"],
        replicates=int(row["replicates"]),
        truth={"True": True, "False": False}.get(row["truth"]),
        reproduced=int(row["reproduced"]),
        inconclusive=int(row["inconclusive"]),
        not_reproduced=int(row["not_reproduced"]),
        not_measured=int(row["not_measured"]),
    )


# ---- one study ----


def _study(title: str, rows: Sequence[dict[str, str]], before: Sequence[dict[str, str]]) -> Iterator[str]:
    rates = [_rate(row) for row in rows]
    then = before[0]["draws"] if before else "0"
    yield f"\n## {title}\n\n{rows[0]['draws']} simulated runs of every world (before: {then}).\n"
    yield from _by_kind(rates, before)
    yield from _biased(rates, before)
    yield from _missed(rates)
    yield from _by_claim(rates)


def _by_kind(rates: Sequence[Rate], before: Sequence[dict[str, str]]) -> Iterator[str]:
    yield "Honest runs (% REPRODUCED / INCONCLUSIVE / NOT_REPRODUCED), and % REPRODUCED of the findings that are false"
    yield "in a world: *before* → **now**; `·` where none is.\n"
    worlds = [world for world in WORLDS if any(rate.column == world for rate in rates)]
    yield f"| kind | K | honest, before | honest, now | {' | '.join(worlds)} |"
    yield f"|{'---|' * (len(worlds) + 4)}"
    for kind, count in sorted({(rate.kind, rate.replicates) for rate in rates}):
        own = [rate for rate in rates if (rate.kind, rate.replicates) == (kind, count)]
        old = [row for row in before if (row["kind"], int(row["replicates"])) == (kind, count)]
        cells = [_three(_then(old, HONEST)), _three(_now(own, HONEST, truth=True))]
        cells += [_change(own, old, world) for world in worlds]
        yield f"| {kind} | {count} | {' | '.join(cells)} |"


def _change(own: Sequence[Rate], old: Sequence[dict[str, str]], world: str) -> str:
    now = _now(own, world, truth=False)
    if not now.findings:
        return "·"
    false = {rate.claim for rate in own if rate.column == world and rate.truth is False}
    mixed = {rate.claim for rate in own if rate.column == world and rate.truth is not False}
    then = _then([row for row in old if row["claim"] in false - mixed], world)
    was = f"*{_percent(then.reproduced, then.findings)}* → " if then.findings else ""
    return f"{was}**{_percent(now.reproduced, now.findings)}**"


def _biased(rates: Sequence[Rate], before: Sequence[dict[str, str]]) -> Iterator[str]:
    """A bias moves no comparison of a run with itself, so only claims about published numbers are here."""
    kinds = [kind for kind in ("value", "equals") if any(rate.kind == kind for rate in rates)]
    if not kinds:
        return
    yield "\nPublished numbers, so many points off at every cell: % REPRODUCED / NOT_REPRODUCED, *before* → **now**.\n"
    yield f"| kind | K | {' | '.join(f'{points} points' for points in BIASES)} |"
    yield f"|{'---|' * (len(BIASES) + 2)}"
    for kind in kinds:
        for count in sorted({rate.replicates for rate in rates}):
            own = [rate for rate in rates if (rate.kind, rate.replicates) == (kind, count)]
            old = [row for row in before if (row["kind"], int(row["replicates"])) == (kind, count)]
            cells = [f"*{_two(_then(old, each))}* → **{_two(_now(own, each))}**" for each in BIASES]
            yield f"| {kind} | {count} | {' | '.join(cells)} |"


def _missed(rates: Sequence[Rate]) -> Iterator[str]:
    found = list(misses(rates))
    yield "\n**Claims that miss a bar** (by more than chance explains, p < 0.001): " + ("none." if not found else "\n")
    for miss in found:
        yield (
            f"- `{miss.claim}`, {miss.column}, K = {miss.replicates}: {miss.verdict} in {miss.count} of {miss.findings}"
            f" ({_percent(miss.count, miss.findings)} %, {100 * miss.allowed:g} allowed)"
        )


def _by_claim(rates: Sequence[Rate]) -> Iterator[str]:
    counts = sorted({rate.replicates for rate in rates})
    yield "\n<details><summary>Every claim: honest runs (% REPRODUCED / INCONCLUSIVE / NOT_REPRODUCED) by K, and the"
    yield "world that is REPRODUCED most often of those in which it is false</summary>\n"
    yield f"| claim | kind | {' | '.join(f'honest, K = {count}' for count in counts)} | where false |"
    yield f"|{'---|' * (len(counts) + 3)}"
    for claim in dict.fromkeys(rate.claim for rate in rates):
        own = [rate for rate in rates if rate.claim == claim]
        cells = [_three(_now([rate for rate in own if rate.replicates == count], HONEST)) for count in counts]
        worst = max((rate for rate in own if rate.truth is False), key=_share, default=None)
        false = "nowhere" if worst is None else f"{worst.column}, K = {worst.replicates}: {100 * _share(worst):.1f}"
        yield f"| `{claim}` | {own[0].kind} | {' | '.join(cells)} | {false} |"
    yield "\n</details>"


def _share(rate: Rate) -> float:
    return rate.reproduced / rate.findings


def _now(rates: Iterable[Rate], column: str, truth: bool | None = None) -> Counts:
    """Of the findings that were measured; with ``truth`` of those alone."""
    own = [rate for rate in rates if rate.column == column and truth in (None, rate.truth)]
    return Counts(
        findings=sum(rate.findings - rate.not_measured for rate in own),
        reproduced=sum(rate.reproduced for rate in own),
        inconclusive=sum(rate.inconclusive for rate in own),
        against=sum(rate.not_reproduced for rate in own),
    )


def _then(rows: Iterable[dict[str, str]], column: str) -> Counts:
    own = [row for row in rows if row["column"] == column]
    reproduced, inconclusive, against = (
        sum(int(row[name]) for row in own) for name in ("reproduced", "inconclusive", "not_reproduced")
    )
    return Counts(
        findings=reproduced + inconclusive + against, reproduced=reproduced, inconclusive=inconclusive, against=against
    )


def _percent(count: int, every: int) -> str:
    return f"{100 * count / every:.1f}" if every else "·"


def _three(found: Counts) -> str:
    if not found.findings:
        return "·"
    return " / ".join(f"{100 * each / found.findings:.0f}" for each in (found.reproduced, found.inconclusive)) + (
        f" / {100 * found.against / found.findings:.1f}"
    )


def _two(found: Counts) -> str:
    if not found.findings:
        return "·"
    return f"{100 * found.reproduced / found.findings:.0f} / {100 * found.against / found.findings:.0f}"


# ---- coverage ----

SIZES = (20, 50, 200, 1319)
SHARES = (0.03, 0.1, 0.5, 0.9, 0.97)
_ONE, _OTHER = (("e", "m", Cell(metric=name, split=Split.TEST, iteration=1)) for name in ("one", "other"))


@dataclass(frozen=True, kw_only=True)
class Form:
    """A kind of contrast, with the truth at its bound: how values of share p are drawn, and what is asked of them."""

    name: str
    graded: bool
    paired: bool
    times: float


FORMS = (
    Form(name="a share against a bound", graded=False, paired=False, times=0.0),
    Form(name="difference of two shares, paired", graded=False, paired=True, times=1.0),
    Form(name="mean of graded values (c of 8)", graded=True, paired=False, times=0.0),
    Form(name="difference of graded values, paired", graded=True, paired=True, times=1.0),
    Form(name="ratio of two shares, paired (p against half of it)", graded=False, paired=True, times=0.5),
)


def _coverage(draws: int) -> Iterator[str]:
    yield f"""
## Coverage of the intervals

The truth lies at the bound: how often is it left out by the one-sided test at 0.01 (REPRODUCED) and at 0.05
(NOT_REPRODUCED), in percent? At most 1 and 5 are promised. {draws} samples a cell, one replicate, the error of
problems alone; a number of 5 is known to within {200 * np.sqrt(0.05 * 0.95 / draws):.1f}. Each cell: above at 0.01,
below at 0.05. Of a pair, a problem's values in the two cells go together. Beyond what is promised are graded means near
the end of their range (p = 0.9 and more at 1,319 problems: 1.9 of 100 by 4,000 samples), whose distribution is skewed:
Student's t corrects for the spread and not for that.

| | n | {" | ".join(f"p = {share}" for share in SHARES)} |
|{"---|" * (len(SHARES) + 2)}"""
    for form in FORMS:
        for size in SIZES:
            cells = [_size(form, size, share, draws) for share in SHARES]
            yield f"| {form.name} | {size} | {' | '.join(cells)} |"


def _size(form: Form, size: int, share: float, draws: int) -> str:
    random = np.random.default_rng([size, int(1000 * share), FORMS.index(form)])
    problems = ProblemSet(data_set="d", ids=tuple(f"{number:05d}" for number in range(size)))
    means = (share, share) if form.times in (0.0, 1.0) else (share * form.times, share)
    drawn = _Graded(share) if form.graded else None
    bound = 0.0 if form.times else share if drawn is None else drawn.mean
    above = below = 0
    for _ in range(draws):
        one, other = _values(means, size, drawn, random)
        asked = contrast("", [(_ONE, 1.0), (_OTHER, -form.times)], bound)
        tested = Contrasts(_evidence(problems, one, other), _KNOWN).test(asked)
        above += tested.above <= 0.01
        below += tested.below <= 0.05
    return f"{100 * above / draws:.1f}, {100 * below / draws:.1f}"


class _Graded:
    """The chance of a right answer, of a Beta distribution whose parameters sum to 1, by rank; ``mean`` is exact."""

    def __init__(self, share: float) -> None:
        from scipy.special import betaincinv

        self._ranks = (np.arange(1000) + 0.5) / 1000
        self._chances = np.asarray(betaincinv(share, 1 - share, self._ranks))
        inner = float(np.sum((self._chances[1:] + self._chances[:-1]) / 2)) / 1000
        self.mean = inner + float(self._chances[0] + self._chances[-1]) / 2000

    def of(self, ranks: Values, random: np.random.Generator) -> Values:
        """Right answers of eight, as a share."""
        return np.asarray(random.binomial(8, np.interp(ranks, self._ranks, self._chances)) / 8)


def _values(
    means: tuple[float, float], size: int, graded: _Graded | None, random: np.random.Generator
) -> tuple[Values, Values]:
    """The values of two cells of these means, on the same problems."""
    from scipy.special import ndtr

    hard = random.standard_normal(size)
    first, second = (ndtr(np.sqrt(0.85) * hard + np.sqrt(0.15) * random.standard_normal(size)) for _ in means)
    if graded is not None:
        return graded.of(first, random), graded.of(second, random)
    return (first > 1 - means[0]).astype(np.float64), (second > 1 - means[1]).astype(np.float64)


def _evidence(problems: ProblemSet, one: Values, other: Values) -> Evidence:
    cells: dict[Key, CellValues] = {
        key: CellValues(problems=problems, replicates=(0,), values=values[None, :])
        for key, values in ((_ONE, one), (_OTHER, other))
    }
    return Evidence(values=cells, measurements={}, digests={})


_KNOWN = Priors(
    setting="none",
    rows=tuple(
        Prior(
            setting="none",
            metric=name,
            split=None,
            trained=None,
            sd=1e-9,
            unit="share",
            df=1e9,
            kind="assumed",
            source="no seed noise",
            locator="",
            reason="the problems' error alone is looked at",
        )
        for name in ("one", "other")
    ),
)


if __name__ == "__main__":
    sys.exit(main())
