"""Many comparisons at once, and many claims: the same tails and verdicts as one at a time."""

from collections.abc import Sequence

import numpy as np
import pytest
from verdict_support import cell, priors

from selfimp_bench.manifest.model import Cell, Profile
from selfimp_bench.runs.calibrate import Simulated, simulated
from selfimp_bench.runs.study import open_study
from selfimp_bench.verdict.at_once import AtOnce, side_by_side
from selfimp_bench.verdict.batch import Batch
from selfimp_bench.verdict.bench import Bench
from selfimp_bench.verdict.contrast import Contrast, Contrasts, Tails, contrast
from selfimp_bench.verdict.evidence import CellValues, Evidence, Key, ProblemSet
from selfimp_bench.verdict.logic import judge
from selfimp_bench.verdict.simulated import Design, Spread, first_replicates, simulate

COUNTS = (1, 2, 3)
EASY = ProblemSet(data_set="easy", ids=tuple(f"{number:03d}" for number in range(120)))
PART = ProblemSet(data_set="easy", ids=EASY.ids[30:100])
FEW = ProblemSet(data_set="few", ids=EASY.ids[:15])
HARD = ProblemSet(data_set="hard", ids=EASY.ids[:90])


def key(metric: str, experiment: str = "e", iteration: int = 1) -> Key:
    return (experiment, "m", cell(metric=metric, iteration=iteration))


def made(random: np.random.Generator) -> Evidence:
    """Cells of every form: 0s and 1s, graded, beyond a whole, all equal, undefined somewhere, on a part of all."""
    binary = lambda problems, share: (random.random((3, len(problems.ids))) < share).astype(float)  # noqa: E731
    graded = random.integers(0, 9, (3, len(EASY.ids))) / 8
    undefined = random.random((3, len(EASY.ids)))
    undefined[:, random.permutation(len(EASY.ids))[:40]] = np.nan
    cells = {
        key("right"): (EASY, binary(EASY, 0.6)),
        key("right", iteration=2): (EASY, binary(EASY, 0.7)),
        key("right", "f"): (EASY, binary(EASY, 0.5)),
        key("graded"): (EASY, graded),
        key("graded", iteration=2): (EASY, np.where(random.random(graded.shape) < 0.9, graded, 0.5)),
        key("nearly"): (EASY, np.where(np.arange(len(EASY.ids)) < 4, 0.5, np.ones(graded.shape))),
        key("defined"): (EASY, undefined),
        key("none"): (EASY, np.zeros(graded.shape)),
        key("all"): (EASY, np.ones(graded.shape)),
        key("tenth"): (EASY, np.full(graded.shape, 0.1)),
        key("nowhere"): (EASY, np.full(graded.shape, np.nan)),
        key("ratio"): (EASY, random.normal(0.4, 1.5, graded.shape)),
        key("part"): (PART, random.random((3, len(PART.ids)))),
        key("few"): (FEW, binary(FEW, 0.5)),
        key("right", "g"): (HARD, binary(HARD, 0.3)),
        key("none", "g"): (HARD, np.zeros((3, len(HARD.ids)))),
    }
    values = {
        each: CellValues(problems=problems, replicates=(0, 1, 2), values=table)
        for each, (problems, table) in cells.items()
    }
    return Evidence(values=values, measurements={}, digests={})


def every(found: Evidence, random: np.random.Generator) -> list[Contrast]:
    """Cells against bounds, all pairs, some sums of four, what cancels, and what was not measured."""
    keys = list(found.values)
    terms = [[(each, 1.0)] for each in keys] + [[(each, -1.0)] for each in keys]
    terms += [[(one, 1.0), (other, -1.0)] for one in keys for other in keys if one != other]
    terms += [[(one, 1.0), (other, -0.5)] for one in keys for other in keys[:3] if one != other]
    for _ in range(60):
        four = [keys[index] for index in random.permutation(len(keys))[:4]]
        terms.append(list(zip(four, (1.0, -1.0, -1.0, 1.0), strict=True)))
    terms += [[(keys[0], 1.0), (keys[0], -1.0)], [(key("absent"), 1.0), (keys[0], -1.0)]]
    return [contrast("", each, bound) for each in terms for bound in (0.0, 0.05, 0.65, -1.0)]


@pytest.mark.parametrize("seed", [1, 2])
def test_tails_are_those_of_one_comparison_at_a_time(seed: int) -> None:
    random = np.random.default_rng(seed)
    run, known = made(random), priors(sd=0.02, df=6.0)
    asked = every(run, random)
    found = Batch(asked, run, known).tails(run, COUNTS)
    for column, count in enumerate(COUNTS):
        one = Contrasts(first_replicates(run, count), known)
        tails: list[Tails] = [one.test(each) for each in asked]
        assert found.above[:, column] == pytest.approx([each.above for each in tails], abs=1e-12)
        assert found.below[:, column] == pytest.approx([each.below for each in tails], abs=1e-12)
        assert found.missing.tolist() == [each.missing is not None for each in tails]
    kinds = {each.summary.kind for each in tails if each.summary is not None}
    assert len(kinds) == 3  # of three replicates none is a difference of 0s and 1s


@pytest.mark.parametrize("terms", [[], [(key("nowhere"), 1.0)], [(key("absent"), 1.0)]])
def test_comparisons_without_any_sum_are_answered_too(terms: Sequence[tuple[Key, float]]) -> None:
    run, asked = made(np.random.default_rng(1)), contrast("", terms, 0.5)
    found, one = Batch([asked], run, priors()).tails(run, COUNTS), Contrasts(run, priors()).test(asked)
    assert (found.above == one.above).all() and (found.below == one.below).all()
    assert found.missing.tolist() == [one.missing is not None] == [bool(terms)]


def test_contrasts_made_ready_serve_another_run_of_the_same_cells() -> None:
    first, second = (made(np.random.default_rng(seed)) for seed in (1, 2))
    asked = [contrast("", [(key("right"), 1.0), (key("graded"), -1.0)])]
    found = Batch(asked, first, priors()).tails(second, COUNTS)
    assert found.above[0, 2] == pytest.approx(Contrasts(second, priors()).test(asked[0]).above, abs=1e-12)
    with pytest.raises(ValueError, match="undefined on other problems"):
        Batch([contrast("", [(key("defined"), 1.0)])], first, priors()).tails(second, COUNTS)


def test_replicates_that_are_undefined_on_different_problems_are_refused() -> None:
    run = made(np.random.default_rng(1))
    run.values[key("defined")].values[0, :80] = np.nan
    with pytest.raises(ValueError, match="different problems"):
        Batch([contrast("", [(key("defined"), 1.0)])], run, priors())


def study(name: str, only: str | None = None) -> Simulated:
    return simulated(open_study(name, profile=Profile.PAPER, only=only, replicates=1))


@pytest.mark.parametrize(
    ("name", "only", "columns"),
    [
        ("gsm8k-iter-sft", "model=mistral-7b-v0.1", ["honest", "flat", "percent"]),
        ("tiny", None, ["honest", "reversed"]),
    ],
)
def test_verdicts_are_those_of_the_judge_of_real_runs(name: str, only: str | None, columns: Sequence[str]) -> None:
    ready = study(name, only)
    claims = [each.node for each in ready.claims]

    def spread(experiment: str, one: Cell) -> Spread:
        prior = ready.priors[experiment].of(one.metric, one.split, one.iteration)
        return Spread(sd=prior.sd, df=prior.df)

    design = Design(problems=ready.problems, spread=spread, replicates=3, published=ready.published)
    found = set()
    for column in columns:
        runs = [simulate(ready.columns[column][0], design, seed) for seed in (1, 2)]
        at_once = AtOnce(claims, runs[0], ready.judged_by)
        verdicts = at_once.verdicts(side_by_side([at_once.ask(run, (1, 3)) for run in runs], axis=1))
        benches = [Bench(first_replicates(run, count), ready.judged_by) for run in runs for count in (1, 3)]
        for claim, own in zip(claims, verdicts, strict=True):
            assert own == [judge(claim, bench.ask).verdict for bench in benches]
            found |= set(own)
    assert len(found) >= 3
