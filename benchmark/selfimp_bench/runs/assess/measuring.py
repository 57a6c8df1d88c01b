"""Everything that checkpoints' samples allow, by the functions that measure runs (``protocols``), and what is missing.

Of a run of post-training it is what the run measured of its test and out-of-distribution problems, so that its report
and ``assess`` say the same.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from selfimp_bench.engines.base import Embedder
from selfimp_bench.manifest.model import Measure, Metric
from selfimp_bench.measurement import Estimate, Split, mean_over_problems, pass_at_k
from selfimp_bench.protocols.post_training.embed import SideValue, first_judged, sbert_values
from selfimp_bench.protocols.post_training.measure import Evidence, JudgedSet, MeasureBlock, measure
from selfimp_bench.protocols.post_training.metrics.group_disparity import (
    LevelValue,
    disparity_pseudo_values,
    group_disparity,
)
from selfimp_bench.protocols.verification.metrics.gap import EmptyFilter, gap_of, relative_gap_of, reweigh_all
from selfimp_bench.protocols.verification.metrics.scored import Responses
from selfimp_bench.protocols.verification.metrics.selection import Filter, Quantile, Threshold
from selfimp_bench.runs.assess.collect import AS_SCORED, Answers, AsRun
from selfimp_bench.steps.rows import JudgedSample, Role, by_problem
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome
from selfimp_bench.tasks.recognise import ANSWERED, CALCULATED

NGRAM_MAX: Final = 5
ECE_BINS: Final = 10
TOP: Final = 0.8
"""The quantile of a problem's own scores from which on its samples are kept (2412.02674, Table 3)."""
UNIT: Final = "share"

Values = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A metric of a checkpoint: its values by problem, and its estimate."""

    metric: str
    split: Split
    checkpoint: int
    values: Values
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class Material:
    """Checkpoints in order, each with the samples that count.

    extraction, ood_extraction: the rules that decide. levels: by problem, of the test's and of the ood problems.
    encoder: opens an embedder, or why there is none. as_run: how a run measured them, where it was one.
    """

    task: str
    extraction: str
    ood_extraction: str
    test: Sequence[Answers]
    ood: Sequence[Sequence[JudgedSample]]
    levels: Mapping[Split, Mapping[str, int | None]]
    encoder: Callable[[], Embedder] | str
    as_run: AsRun | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was measured, and what was not and why."""

    cells: tuple[Cell, ...]
    missing: tuple[str, ...]


def measured(material: Material) -> Found:
    """Every metric that is defined of this material; of a run what it measured of an accuracy and the rest."""
    if material.as_run is not None and _ACCURACIES & set(material.as_run.block.measure.metrics):
        return Found(cells=tuple(_again(material, material.as_run)), missing=())
    missing: list[str] = []
    drawn = _fewest([each.judged.get(Role.SAMPLE, ()) for each in material.test])
    spec = _spec(material, drawn, missing)
    block = MeasureBlock(
        model=MODEL,
        replicate=0,
        iterations=len(material.test),
        extraction=material.extraction,
        ood_extraction=material.ood_extraction,
        outputs_alike=False,
        measure=spec,
    )
    cells = list(_of_runs(material, block, _embeddings(material, spec)))
    if not material.ood:
        missing.append("no out-of-distribution files (--ood): nothing on problems of another kind")
    cells += _by_level(material, missing)
    cells += _gaps(material, missing)
    return Found(cells=tuple(cells), missing=tuple(missing))


_ACCURACIES: Final = frozenset({Metric.PASS_AT_1, Metric.COVERAGE})
"""A run that asks for neither has no headline of its own."""


def _again(material: Material, run: AsRun) -> Iterator[Cell]:
    """What the run measured, of what is here; with an encoder that was asked for its Sentence-BERT diversities."""
    block, embeddings = run.block, run.embeddings
    if not isinstance(material.encoder, str):
        own = tuple(each for each in block.measure.metrics if each is not Metric.SBERT_DIVERSITY)
        block = replace(block, measure=replace(block.measure, metrics=(*own, Metric.SBERT_DIVERSITY)))
        embeddings = _embeddings(material, block.measure)
    yield from _of_runs(material, block, embeddings)


def _fewest(sampled: Sequence[Sequence[JudgedSample]]) -> int:
    """The fewest judged samples of any problem in any checkpoint."""
    counts = [
        sum(each.outcome not in UNJUDGED for each in samples)
        for found in sampled
        for samples in by_problem(found).values()
    ]
    positive = [count for count in counts if count]
    return min(positive, default=0)


def _spec(material: Material, drawn: int, missing: list[str]) -> Measure:
    """What a run's measuring is asked for."""
    greedy = Role.GREEDY in material.test[0].judged
    metrics: list[Metric] = [Metric.PASS_AT_1] if greedy or material.ood else []
    if not greedy:
        missing.append("no single (greedy) answers: accuracy is that of the samples, and no improvement sets")
    if Role.SAMPLE in material.test[0].judged:
        metrics.append(Metric.COVERAGE)
    if drawn < 2:
        few = "one sample" if drawn or greedy else "no judged sample"
        missing.append(f"{few} of a problem: no pass@k, diversity, improvement sets or calibration")
        return Measure(metrics=tuple(metrics), k=(), ngram_max=NGRAM_MAX)
    metrics += [Metric.PASS_AT_K, Metric.DISTINCT_N]
    if material.task in CALCULATED:
        metrics.append(Metric.DISTINCT_EQUATIONS)
    else:
        missing.append(f"distinct equations: solutions of {material.task} are no calculations")
    if material.task in ANSWERED:
        metrics.append(Metric.CALIBRATION)
    else:
        missing.append(f"calibration: completions of {material.task} give no answer on which samples could agree")
    if isinstance(material.encoder, str):
        missing.append(f"Sentence-BERT diversity: {material.encoder}")
    else:
        metrics.append(Metric.SBERT_DIVERSITY)
    ks = tuple(sorted({2**power for power in range(1, drawn.bit_length()) if 2**power <= drawn} | {drawn}))
    improvement = ks if greedy and len(material.test) > 1 else None
    if improvement is not None:
        metrics.append(Metric.IMPROVEMENT_SET)
    return Measure(
        metrics=tuple(metrics),
        k=ks,
        ngram_max=NGRAM_MAX,
        diversity_samples=drawn,
        improvement_n=improvement,
        ece_bins=ECE_BINS if Metric.CALIBRATION in metrics else None,
    )


def _of_runs(material: Material, block: MeasureBlock, embeddings: Mapping[int, Sequence[SideValue]]) -> Iterator[Cell]:
    """What a run's own stage measures, of the same samples."""
    sets = [
        JudgedSet(role=role, iteration=t, samples=each.judged[role])
        for t, each in enumerate(material.test, start=1)
        for role in (Role.GREEDY, Role.SAMPLE)
        if role in each.judged
    ]
    sets += [JudgedSet(role=Role.OOD, iteration=t, samples=each) for t, each in enumerate(material.ood, start=1)]
    found = measure(block, Evidence(sets=sets, embeddings=embeddings, levels=material.levels[Split.OOD]))
    values: dict[tuple[str, Split, int], dict[str, float | None]] = {}
    for each in found.problem_values:
        values.setdefault((each.metric, each.split, each.iteration), {})[each.problem_id] = each.value
    for one in found.measurements:
        if one.metric.startswith("pass@1.") and material.task == AS_SCORED:
            continue
        yield Cell(
            metric=one.metric,
            split=one.split,
            checkpoint=one.iteration,
            values=values.get((one.metric, one.split, one.iteration), {}),
            estimate=Estimate(
                value=one.value,
                n=one.n,
                undefined=one.undefined,
                standard_error=one.standard_error,
                reason=one.reason,
            ),
        )


MODEL: Final = "checkpoints"
"""What stands for a run's model."""


def _embeddings(material: Material, spec: Measure) -> dict[int, list[SideValue]]:
    if Metric.SBERT_DIVERSITY not in spec.metrics or isinstance(material.encoder, str):
        return {}
    embedder = material.encoder()
    found = {}
    for t, each in enumerate(material.test, start=1):
        values = sbert_values(first_judged(each.judged[Role.SAMPLE], spec.diversity_samples), embedder)
        found[t] = [SideValue(problem_id=name, side=side, value=value) for (name, side), value in values.items()]
    return found


def _mean(metric: str, split: Split, checkpoint: int, values: Values) -> Cell:
    estimate = mean_over_problems(tuple(values.values()))
    return Cell(metric=metric, split=split, checkpoint=checkpoint, values=values, estimate=estimate)


def _by_level(material: Material, missing: list[str]) -> Iterator[Cell]:
    """Accuracy by level, and how much is lost from the easiest to the hardest."""
    test = [each.judged.get(Role.GREEDY) or each.judged.get(Role.SAMPLE, ()) for each in material.test]
    for split, checkpoints in ((Split.TEST, test), (Split.OOD, material.ood)):
        levels = material.levels[split]
        known = sorted({level for level in levels.values() if level is not None})
        if checkpoints and len(known) < 2:
            missing.append(f"no levels of the {split} problems: no accuracy by level, no group disparity")
        if len(known) < 2:
            continue
        for t, samples in enumerate(checkpoints, start=1):
            solved = {
                name: LevelValue(level=levels.get(name), value=_share(found))
                for name, found in by_problem(samples).items()
            }
            yield Cell(
                metric=Metric.GROUP_DISPARITY,
                split=split,
                checkpoint=t,
                values=disparity_pseudo_values(solved, best=known[0], worst=known[-1]),
                estimate=group_disparity(solved.values(), best=known[0], worst=known[-1]),
            )
            for level in known:
                of_level = {name: each.value for name, each in solved.items() if each.level == level}
                yield _mean(f"pass@1.level-{level}", split, t, of_level)


def _share(samples: Sequence[JudgedSample]) -> float | None:
    judged = [each.outcome is Outcome.CORRECT for each in samples if each.outcome not in UNJUDGED]
    return pass_at_k(n=len(judged), c=sum(judged), k=1)


def _responses(judged: Sequence[JudgedSample], scores: Mapping[tuple[Role, str, int], float]) -> Responses:
    """Those to one problem, with the scores that were given."""
    places = [(Role.SAMPLE, each.sample.problem_id, each.sample.sample_index) for each in judged]
    return Responses(
        samples=np.array([index for _, _, index in places], dtype=np.int64),
        correct=np.array([each.outcome is Outcome.CORRECT for each in judged], dtype=np.bool_),
        scores=np.array([scores.get(place) for place in places], dtype=np.float64),
    )


def _gaps(material: Material, missing: list[str]) -> Iterator[Cell]:
    """Gap and relative gap of the samples that a verifier's scores keep; a problem of which none is kept counts 0."""
    scored = [{key: score for key, score in each.scores.items() if key[0] is Role.SAMPLE} for each in material.test]
    if not all(scored):
        missing.append("no verifier's scores of samples (field score): no gap")
        return
    every = {score for each in scored for score in each.values()}
    binary = every <= {0.0, 1.0}
    keeps: Filter = Threshold(tau=1.0) if binary else Quantile(q=TOP)
    name = "binary" if binary else f"quantile-{TOP}"
    for t, (answers, scores) in enumerate(zip(material.test, scored, strict=True), start=1):
        problems = {
            problem: _responses([each for each in found if each.outcome not in UNJUDGED], scores)
            for problem, found in by_problem(answers.judged[Role.SAMPLE]).items()
        }
        weighed = reweigh_all(problems, keeps)
        yield _mean(f"gap.{name}", Split.TEST, t, gap_of(weighed).values(EmptyFilter.ZERO))
        yield _mean(f"relative-gap.{name}", Split.TEST, t, relative_gap_of(weighed).values(EmptyFilter.ZERO))
