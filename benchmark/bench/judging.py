"""How long judging a paper's claims takes, beside bootstraps of the same comparisons by scipy.

A simulated run of a study of the first paper, with as many problems as it has. What the claims come down to, weighted
sums of means over problems, are given to ``scipy.stats.bootstrap`` one by one: their standard errors are the same.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.row import Bar, Figure, Row, Setting
from bench.turns import figure, functions
from selfimp_bench.manifest.model import Cell, Profile
from selfimp_bench.manifest.priors import Priors
from selfimp_bench.runs.calibrate import HONEST, Simulated, simulated
from selfimp_bench.runs.study import open_study
from selfimp_bench.verdict.bench import Bench, Detail, Question
from selfimp_bench.verdict.contrast import Contrast, Summary
from selfimp_bench.verdict.evidence import Evidence
from selfimp_bench.verdict.logic import Answer, judge
from selfimp_bench.verdict.simulated import Design, Spread, simulate

RESAMPLES = 10_000
CLOSE = 0.04
"""Five times the Monte-Carlo error of a standard error from so many resamples, 1 / sqrt(2 x 10,000) of it."""


@dataclass(frozen=True, kw_only=True)
class _Asking:
    """A bench that remembers which weighted sums it was asked."""

    bench: Bench
    asked: dict[Contrast, None]

    def ask(self, question: Question) -> Answer[Detail]:
        if isinstance(question, Contrast):
            self.asked[question] = None
        return self.bench.ask(question)


def claims(setting: Setting) -> dict[str, Figure]:
    """All claims judged; and the weighted sums that they come down to, bootstrapped."""
    study = open_study("gsm8k-iter-sft" if setting.quick else "progress-or-regress", profile=Profile.PAPER, only=None,
                       replicates=1)  # fmt: skip
    ready = simulated(study)
    world = ready.columns[HONEST][0]
    evidence = simulate(world, design(ready), seed=1)
    contrasts = tuple(judged(ready, evidence))
    values = [found for each in contrasts if (found := _values(evidence, each)) is not None]
    some = values[:: max(1, len(values) // (6 if setting.quick else 40))]
    errors: list[float] = []
    spent = functions(
        {
            "ours": partial(judged, ready, evidence),
            "theirs": partial(_bootstrapped, [each for _, each in some], errors),
        },
        turns=1 if setting.quick else 3,
    )
    bench = Bench(evidence, ready.judged_by)
    for (contrast, _), error in zip(some, errors, strict=False):
        own = bench.tester.summary(contrast)
        assert isinstance(own, Summary)
        assert math.isclose(math.sqrt(own.problem.value), error, rel_tol=CLOSE, abs_tol=1e-9), (contrast.name, error)
    share = len(some) / len(values)
    pairs = zip(spent["ours"], spent["theirs"], strict=True)
    return {
        "time": figure([theirs / (ours * share) for ours, theirs in pairs]),
        "comparisons": figure([float(len(contrasts))]),
    }


def design(ready: Simulated) -> Design:
    def spread(experiment: str, cell: Cell) -> Spread:
        priors: Priors = ready.priors[experiment]
        prior = priors.of(cell.metric, cell.split, cell.iteration)
        return Spread(sd=prior.sd, df=prior.df)

    return Design(problems=ready.problems, spread=spread, replicates=1, published=ready.published)


def judged(ready: Simulated, evidence: Evidence) -> dict[Contrast, None]:
    """Every claim judged by a bench of its own; the weighted sums that this took."""
    asking = _Asking(bench=Bench(evidence, ready.judged_by), asked={})
    for each in ready.claims:
        judge(each.node, asking.ask)
    return asking.asked


def _values(evidence: Evidence, asked: Contrast) -> tuple[Contrast, NDArray[np.float64]] | None:
    """The weighted sum by problem; None where cells are of several data sets, or undefined on some problem."""
    cells = [(evidence.values.get(key), weight) for key, weight in asked.weights]
    known = [(cell, weight) for cell, weight in cells if cell is not None]
    if len(known) < len(cells) or not known:
        return None
    first = known[0][0].problems
    if any(cell.problems is not first or np.isnan(cell.values).any() for cell, _ in known):
        return None
    total = np.asarray(sum(weight * cell.values.mean(axis=0) for cell, weight in known))
    return (asked, total) if np.ptp(total) > 0 else None


def _bootstrapped(values: list[NDArray[np.float64]], errors: list[float]) -> None:
    """The bootstrap's standard error of the mean of each, into ``errors``."""
    from scipy import stats

    errors[:] = [
        float(
            stats.bootstrap(
                (each,), np.mean, n_resamples=RESAMPLES, batch=250, method="percentile", rng=np.random.default_rng(1)
            ).standard_error
        )
        for each in values
    ]


ROWS = (
    Row(
        name="claims",
        what="judging a paper's claims",
        against="scipy.stats.bootstrap of the same comparisons, 10,000 resamples",
        bars={"time": Bar(unit="x", at_least=5), "comparisons": Bar(unit="in all")},
        measure=claims,
    ),
)
