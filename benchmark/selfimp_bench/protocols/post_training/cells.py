"""What a run of a post-training manifest measures: the one table of measurement names, splits and iterations.

Every M_t (t = 1 .. T) answers the test problems, greedily and sampled, and the ood problems greedily. The train
problems are sampled only to make the next training set, so only from M_1 .. M_{T-1}.

    metric               measurement names                      test   ood   train (t < T)
    pass@1               pass@1 (greedy), pass@1.flexible or    yes    yes   no
                         .strict: by the extraction that does
                         not decide there
    pass@k               pass@K for every K of measure.k        yes    no    yes, K <= sampling.samples_per_problem
    coverage             coverage                               yes    no    yes
    distinct-n           distinct-n.correct, .incorrect, and    yes    no    no
                         each with .equal
    distinct-equations   distinct-equations.correct,            yes    no    no
                         .incorrect, and each with .equal
    sbert-diversity      sbert-diversity.correct, .incorrect    yes    no    no
    is-pass@n            is-pass@N.first, is-pass@N.previous,   yes    no    no
                         and each with .plain, for every N of
                         measure.improvement_n
    group-disparity      group-disparity, and its two terms     no     yes   no
                         pass@1.level-1, pass@1.level-5
    ece                  ece.agreement, overconfidence.agreement  yes   no    no
                         and .choices of each with choice_lead
    balance              balance                                no     no    yes
    tail-share           tail-share, of the set that M_t was    no     no    yes, t <= T
                         trained on
"""

import math
from collections.abc import Iterator

from selfimp_bench.manifest.measured import SHARE_SCALE, MeasuredCell, Scale
from selfimp_bench.manifest.model import (
    Datasets,
    Evaluation,
    Grading,
    Manifest,
    Measure,
    Metric,
    PostTraining,
    Sampling,
)
from selfimp_bench.measurement import Split

EASIEST_LEVEL, HARDEST_LEVEL = 1, 5
"""The levels that group disparity compares (MATH has five)."""
CALIBRATIONS = ("ece.agreement", "overconfidence.agreement")
"""What is measured of calibration; confidence is the share of a problem's samples with the most frequent answer."""
OF_CHOICES = ("ece.choices", "overconfidence.choices")
"""The same with confidence from the labels of choices."""
OF_TRAINING = (Metric.BALANCE, Metric.TAIL_SHARE)
"""The metrics of what a model is trained on."""
DIVERSITIES = (Metric.DISTINCT_N, Metric.DISTINCT_EQUATIONS, Metric.SBERT_DIVERSITY)
"""The metrics that ``measure.diversity_samples`` is about."""
DISTINCT = (Metric.DISTINCT_N, Metric.DISTINCT_EQUATIONS)
"""Those that fall with the number of outputs, and so are measured of equal numbers, too."""
SIDES = ("correct", "incorrect")


def post_training_cells(manifest: Manifest) -> tuple[MeasuredCell, ...]:
    """Every (measurement, split) that a run of this manifest yields, in the order of the table above."""
    return cells_of(
        manifest.measure,
        manifest.datasets,
        manifest.sampling,
        manifest.post_training,
        manifest.grading,
        manifest.ood_grading,
    )


def cells_of(
    measure: Measure,
    datasets: Datasets,
    sampling: Sampling,
    post_training: PostTraining,
    grading: Grading,
    ood_grading: Grading | None,
) -> tuple[MeasuredCell, ...]:
    """``post_training_cells`` from the blocks that decide it."""
    total = len(post_training.schedule)
    cells = [MeasuredCell(metric=name, split=Split.TEST, iterations=total) for name in _on_test(measure, grading)]
    if datasets.ood is not None:
        names = _on_ood(measure, ood_grading or grading)
        cells += [MeasuredCell(metric=name, split=Split.OOD, iterations=total) for name in names]
    if total > 1:
        names = _on_train(measure, sampling.samples_per_problem)
        cells += [MeasuredCell(metric=name, split=Split.TRAIN, iterations=total - 1) for name in names]
    if Metric.TAIL_SHARE in measure.metrics:
        cells.append(MeasuredCell(metric=Metric.TAIL_SHARE, split=Split.TRAIN, iterations=total))
    return tuple(cells)


def measurement_names(metric: Metric, measure: Measure, extraction: str) -> tuple[str, ...]:
    """The measurements of a metric (see above); ``extraction`` is the rule that decides."""
    if metric is Metric.PASS_AT_1:
        return (metric.value, by_other_rule(metric, extraction))
    if metric is Metric.GROUP_DISPARITY:
        return (metric.value, of_level(EASIEST_LEVEL), of_level(HARDEST_LEVEL))
    if metric is Metric.PASS_AT_K:
        return tuple(f"pass@{size}" for size in measure.k)
    if metric in DIVERSITIES:
        sides = tuple(f"{metric}.{side}" for side in SIDES)
        return (*sides, *map(of_equal, sides)) if metric in DISTINCT else sides
    if metric is Metric.CALIBRATION:
        return CALIBRATIONS if measure.choice_lead is None else (*CALIBRATIONS, *OF_CHOICES)
    if metric is Metric.IMPROVEMENT_SET:
        endings = ("first", "first.plain", "previous", "previous.plain")
        return tuple(f"is-pass@{size}.{ending}" for size in measure.improvement_n or () for ending in endings)
    return (metric.value,)


def scale_of(metric: str) -> Scale:
    """What a measurement can be: 1 - cosine goes to 2, and a disparity has no least value where hard is easier."""
    family, _, ending = metric.partition(".")
    if family == Metric.SBERT_DIVERSITY:
        return Scale(high=2.0)
    if family == Metric.GROUP_DISPARITY:
        return Scale(low=-math.inf, everywhere=False)
    if family == "overconfidence":
        return Scale(low=-1.0)
    some = family.startswith("is-pass@") or ending.startswith("level-")
    return Scale(everywhere=False) if some else SHARE_SCALE


def by_other_rule(metric: str, extraction: str) -> str:
    """The measurement of the same answers by the extraction that does not decide: ``pass@1.flexible``."""
    return f"{metric}.{'flexible' if extraction == 'strict' else 'strict'}"


def of_equal(metric: str) -> str:
    """A diversity, of as many outputs of every model: ``distinct-n.correct.equal``."""
    return f"{metric}.equal"


def of_level(level: int) -> str:
    """Greedy accuracy on the problems of one level: ``pass@1.level-5``."""
    return f"{Metric.PASS_AT_1}.level-{level}"


def completions_behind(metric: str, split: Split, evaluation: Evaluation, sampling: Sampling, measure: Measure) -> int:
    """How many completions the value of one problem rests on: one where it is greedy, else the samples looked at."""
    if split is Split.TRAIN:
        return sampling.samples_per_problem
    name = metric.partition(".")[0]
    if name in (Metric.PASS_AT_1, Metric.GROUP_DISPARITY):
        return 1
    samples = evaluation.sampled.samples_per_problem
    return measure.diversity_samples or samples if name in DIVERSITIES else samples


def _on_test(measure: Measure, grading: Grading) -> Iterator[str]:
    for metric in measure.metrics:
        if metric not in (Metric.GROUP_DISPARITY, *OF_TRAINING):
            yield from measurement_names(metric, measure, grading.extraction)


def _on_ood(measure: Measure, grading: Grading) -> Iterator[str]:
    for metric in (Metric.PASS_AT_1, Metric.GROUP_DISPARITY):
        if metric in measure.metrics:
            yield from measurement_names(metric, measure, grading.extraction)


def _on_train(measure: Measure, samples_per_problem: int) -> Iterator[str]:
    if Metric.PASS_AT_K in measure.metrics:
        yield from (f"pass@{k}" for k in measure.k if k <= samples_per_problem)
    if Metric.COVERAGE in measure.metrics:
        yield Metric.COVERAGE.value
    if Metric.BALANCE in measure.metrics:
        yield Metric.BALANCE.value
