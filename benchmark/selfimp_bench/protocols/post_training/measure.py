"""Measuring: graded samples of every iteration become values per problem and their means.

Most metrics look at what one M_t generated in one role. Four need more: pass@N on the improvement sets and diversity of
equal numbers of outputs compare iterations, group disparity groups problems by level, and Sentence-BERT diversity needs
embeddings. Greedy accuracy is measured by both rules of extraction: what lies between them is open to the choice of a
grader.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Final

from selfimp_bench.manifest.model import Balance, Majority, Measure, Metric
from selfimp_bench.measurement import Estimate, Measurement, ProblemValue, Split, mean_over_problems, pass_at_k
from selfimp_bench.protocols.post_training.cells import (
    CALIBRATIONS,
    DISTINCT,
    DIVERSITIES,
    EASIEST_LEVEL,
    HARDEST_LEVEL,
    OF_CHOICES,
    SIDES,
    by_other_rule,
    of_equal,
    of_level,
)
from selfimp_bench.protocols.post_training.choose import chosen
from selfimp_bench.protocols.post_training.embed import EMBEDDINGS, SideValue
from selfimp_bench.protocols.post_training.metrics.balance import ENOUGH, balance_score, distinct, is_whole, rewarded
from selfimp_bench.protocols.post_training.metrics.calibration import (
    Confident,
    agreement,
    ece_values,
    overconfidence_values,
)
from selfimp_bench.protocols.post_training.metrics.coverage import coverage
from selfimp_bench.protocols.post_training.metrics.distinct_equations import distinct_equations_so_far
from selfimp_bench.protocols.post_training.metrics.distinct_n import distinct_n_so_far
from selfimp_bench.protocols.post_training.metrics.equal_numbers import SoFar, of_equal_numbers
from selfimp_bench.protocols.post_training.metrics.group_disparity import (
    LevelValue,
    disparity_pseudo_values,
    group_disparity,
)
from selfimp_bench.protocols.post_training.metrics.improvement_set import (
    Estimator,
    Reading,
    improvement_set,
    pass_at_n,
    pass_at_n_values,
)
from selfimp_bench.protocols.post_training.metrics.tail_share import tail_share, tail_values
from selfimp_bench.protocols.post_training.unlabelled import agreeing
from selfimp_bench.protocols.post_training.weigh import CHOICES, WeighedChoice
from selfimp_bench.steps.inputs import StepInputs
from selfimp_bench.steps.measured import Measured, write_measured
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.rows import SPLIT_OF_ROLE, JudgedAnswer, Role, by_problem
from selfimp_bench.steps.store import read_table
from selfimp_bench.steps.training_rows import TRAINING_SET
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.grading.outcome import UNJUDGED, UNWRITTEN, Outcome

UNIT = "share"
"""Every metric so far is a share between 0 and 1."""


@dataclass(frozen=True, kw_only=True)
class MeasureBlock:
    """Compute every metric of one model and replicate.

    Inputs: ``samples.<role>.<t>`` and ``grades.<role>.<t>``; ``embeddings.<t>`` and ``problems`` (ood) where a metric
    needs them; ``training_set.<t>`` and ``train`` (problems) for tail-share; ``choice.<t>`` where temperatures are
    chosen. ``extraction``, ``ood_extraction``: the rules that decide on the test and the ood problems.
    outputs_alike: whether the model is trained to give bare labels: how its outputs differ then says nothing.
    """

    model: str
    replicate: int
    iterations: int
    extraction: str
    ood_extraction: str
    outputs_alike: bool
    measure: Measure
    balance: Balance | None = None
    majority: Majority | None = None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Everything one model and replicate generated and what belongs to it.

    sets: looked at once, one after the other, so that they need not lie in memory together.
    embeddings: by iteration, for sbert-diversity. levels: by problem id of the ood problems, for group-disparity.
    rows: training rows by problem id by iteration, and train_levels: by problem id, for tail-share. thresholds: of the
    reward, by iteration, where they are chosen. choices: by iteration and problem id, where labels are weighed.
    """

    sets: Iterable["JudgedSet"]
    embeddings: Mapping[int, Sequence[SideValue]]
    levels: Mapping[str, int | None]
    rows: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    train_levels: Mapping[str, int | None] = field(default_factory=dict)
    thresholds: Mapping[int, float] = field(default_factory=dict)
    choices: Mapping[int, Mapping[str, Confident | None]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class JudgedSet:
    """Everything one M_t generated in one role."""

    role: Role
    iteration: int
    samples: Sequence[JudgedAnswer]


@dataclass(frozen=True, kw_only=True)
class _Cell:
    """One measurement in the making: its place, its values by problem, and the estimate where it is no plain mean."""

    metric: str
    split: Split
    iteration: int
    values: Mapping[str, float | None]
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class _Looked:
    """What is kept of a set of samples: its own cells, and what the metrics of several sets, and of training, look at.

    outcomes: by problem, in the order of sampling. agreed, balance: by problem, where they are asked for. distinct: by
    measurement and problem, of the first output to all.
    """

    role: Role
    iteration: int
    cells: Sequence[_Cell]
    outcomes: Mapping[str, Sequence[Outcome]]
    agreed: Mapping[str, Confident | None]
    balance: Mapping[str, float | None]
    distinct: Mapping[str, Mapping[str, SoFar]]


def measure(block: MeasureBlock, evidence: Evidence) -> Measured:
    """Every metric the manifest asks for, wherever the role of the samples defines it."""
    sets = [_look(block, judged, evidence.thresholds.get(judged.iteration)) for judged in evidence.sets]
    cells = [
        *(cell for looked in sets for cell in looked.cells),
        *_across(block.measure, evidence, sets),
        *_of_training(block, evidence, sets),
    ]
    if block.outputs_alike:
        cells = [_without_value(cell, _ALIKE) if cell.metric in _DIVERSITY_NAMES else cell for cell in cells]
    return Measured(
        measurements=tuple(_measurement(block, cell) for cell in cells),
        problem_values=tuple(
            ProblemValue(
                model=block.model,
                metric=cell.metric,
                split=cell.split,
                iteration=cell.iteration,
                replicate=block.replicate,
                problem_id=problem_id,
                value=value,
            )
            for cell in cells
            for problem_id, value in cell.values.items()
        ),
    )


def _without_value(cell: _Cell, reason: str) -> _Cell:
    nothing = Estimate(value=None, n=0, undefined=len(cell.values), standard_error=None, reason=reason)
    return replace(cell, values={}, estimate=nothing)


_ALIKE: Final = (
    "the training targets are bare labels, so the correct outputs of a problem are one text, and how much outputs "
    "differ says nothing: nothing measured (`rationales` in the manifest gives the task longer ones)"
)
_DIVERSITY_NAMES: Final = frozenset(f"{each}.{side}" for each in DIVERSITIES for side in SIDES).union(
    of_equal(f"{each}.{side}") for each in DISTINCT for side in SIDES
)


def _measurement(block: MeasureBlock, cell: _Cell) -> Measurement:
    return Measurement(
        model=block.model,
        metric=cell.metric,
        split=cell.split,
        iteration=cell.iteration,
        replicate=block.replicate,
        value=cell.estimate.value,
        unit=UNIT,
        n=cell.estimate.n,
        undefined=cell.estimate.undefined,
        standard_error=cell.estimate.standard_error,
        reason=cell.estimate.reason,
    )


def _look(block: MeasureBlock, judged: JudgedSet, threshold: float | None) -> _Looked:
    groups, asked = by_problem(judged.samples), block.measure.metrics
    several = judged.role in (Role.GREEDY, Role.OOD) or (judged.role, judged.iteration) == (Role.SAMPLE, 1)
    agrees = judged.role is Role.SAMPLE and Metric.CALIBRATION in asked
    balances = judged.role is Role.TRAIN and Metric.BALANCE in asked
    distinct = _distinct(groups, block.measure) if judged.role is Role.SAMPLE else {}
    return _Looked(
        role=judged.role,
        iteration=judged.iteration,
        cells=(*_of_set(block, judged, groups), *_of_all_outputs(distinct, judged.iteration)),
        outcomes={name: [each.outcome for each in own] for name, own in groups.items()} if several else {},
        agreed={name: agreement(own) for name, own in groups.items()} if agrees else {},
        balance=_balance(block, groups, threshold) if balances else {},
        distinct=distinct,
    )


Groups = Mapping[str, Sequence[JudgedAnswer]]
"""Samples by problem."""


def _of_set(block: MeasureBlock, judged: JudgedSet, groups: Groups) -> Iterator[_Cell]:
    """The metrics of one M_t in one role: means over problems."""
    split = SPLIT_OF_ROLE[judged.role]
    for metric, values in _values(judged.role, groups, block.measure).items():
        yield _mean(metric, split, judged.iteration, values)
    if Metric.PASS_AT_1 in block.measure.metrics and judged.role in _ROLES[Metric.PASS_AT_1]:
        decides = block.ood_extraction if split is Split.OOD else block.extraction
        yield _mean(by_other_rule(Metric.PASS_AT_1, decides), split, judged.iteration, _other_pass_at_1(judged))


def _other_pass_at_1(judged: JudgedSet) -> dict[str, float | None]:
    """Greedy accuracy by problem, by the rule that does not decide; None where that one has no judgement."""
    others = {each.sample.problem_id: each.other_outcome for each in judged.samples}
    return {
        problem_id: None if other is None or other in UNJUDGED else float(other is Outcome.CORRECT)
        for problem_id, other in others.items()
    }


def _mean(metric: str, split: Split, iteration: int, values: Mapping[str, float | None]) -> _Cell:
    estimate = mean_over_problems(tuple(values.values()))
    return _Cell(metric=metric, split=split, iteration=iteration, values=values, estimate=estimate)


def _across(spec: Measure, evidence: Evidence, sets: Sequence[_Looked]) -> Iterator[_Cell]:
    """The metrics that need more than one set of samples."""
    yield from _of_equal_numbers([each for each in sets if each.role is Role.SAMPLE])
    if Metric.SBERT_DIVERSITY in spec.metrics:
        yield from _sbert_diversity(evidence.embeddings)
    if Metric.CALIBRATION in spec.metrics and spec.ece_bins is not None:
        yield from _calibration(spec.ece_bins, sets)
        for iteration, found in evidence.choices.items():
            yield from _calibrated(OF_CHOICES, iteration, found, spec.ece_bins)
    if Metric.IMPROVEMENT_SET in spec.metrics:
        yield from _improvement(spec.improvement_n or (), sets)
    if Metric.GROUP_DISPARITY in spec.metrics:
        yield from _group_disparity(evidence.levels, sets)


def _of_equal_numbers(sampled: Sequence[_Looked]) -> Iterator[_Cell]:
    for name in dict.fromkeys(name for looked in sampled for name in looked.distinct):
        found = of_equal_numbers([looked.distinct[name] for looked in sampled])
        for looked, values in zip(sampled, found, strict=True):
            yield _mean(of_equal(name), Split.TEST, looked.iteration, values)


def _sbert_diversity(embeddings: Mapping[int, Sequence[SideValue]]) -> Iterator[_Cell]:
    for iteration, values in embeddings.items():
        for side in SIDES:
            of_side = {value.problem_id: value.value for value in values if value.side == side}
            yield _mean(f"{Metric.SBERT_DIVERSITY}.{side}", Split.TEST, iteration, of_side)


def _calibration(bins: int, sets: Iterable[_Looked]) -> Iterator[_Cell]:
    for looked in sets:
        if looked.role is Role.SAMPLE:
            yield from _calibrated(CALIBRATIONS, looked.iteration, looked.agreed, bins)


def _calibrated(
    names: Sequence[str], iteration: int, found: Mapping[str, Confident | None], bins: int
) -> Iterator[_Cell]:
    """The values by problem have the measurement as their mean; undefined where there is no answer."""
    known = {name: each for name, each in found.items() if each is not None}
    answers = list(known.values())
    for name, values in zip(names, (ece_values(answers, bins=bins), overconfidence_values(answers)), strict=True):
        of_known = dict(zip(known, values, strict=True))
        yield _mean(name, Split.TEST, iteration, {each: of_known.get(each) for each in found})


def _of_training(block: MeasureBlock, evidence: Evidence, sets: Iterable[_Looked]) -> Iterator[_Cell]:
    """The metrics of what a model is trained on."""
    spec = block.measure
    if Metric.BALANCE in spec.metrics:
        for looked in sets:
            if looked.role is Role.TRAIN:
                yield _mean(Metric.BALANCE, Split.TRAIN, looked.iteration, looked.balance)
    if spec.tail_from is not None:
        for iteration, rows in evidence.rows.items():
            found = tail_values(rows, evidence.train_levels, tail_from=spec.tail_from)
            yield _Cell(
                metric=Metric.TAIL_SHARE,
                split=Split.TRAIN,
                iteration=iteration,
                values=found,
                estimate=tail_share(found),
            )


def _balance(block: MeasureBlock, groups: Groups, threshold: float | None) -> dict[str, float | None]:
    enough, values = ENOUGH if block.balance is None else block.balance.enough, dict[str, float | None]()
    for name, samples in groups.items():
        taken = _taken(block, samples, threshold)
        values[name] = balance_score(_correct(taken), len(taken), enough=enough)
    return values


def _taken(block: MeasureBlock, samples: Sequence[JudgedAnswer], threshold: float | None) -> Sequence[JudgedAnswer]:
    """The distinct samples of a problem that training may imitate, before any cap."""
    if block.balance is not None and threshold is not None:
        return rewarded(samples, block.balance.reward, threshold)
    if block.majority is not None:
        return distinct(agreeing(block.majority, samples))
    return distinct([each for each in samples if each.outcome is Outcome.CORRECT and is_whole(each)])


def _improvement(sizes: Sequence[int], sets: Sequence[_Looked]) -> Iterator[_Cell]:
    """M_1's pass@N on IS(t), in both readings and by both estimators; at t = 1 there is no IS, so it is undefined."""
    greedy = {each.iteration: each.outcomes for each in sets if each.role is Role.GREEDY}
    first = {iteration: {name: found[0] for name, found in by_id.items()} for iteration, by_id in greedy.items()}
    sampled = next(each.outcomes for each in sets if each.role is Role.SAMPLE and each.iteration == 1)
    for iteration in sorted(first):
        for size, reading, estimator in product(sizes, Reading, Estimator):
            name = f"is-pass@{size}.{reading}" + (".plain" if estimator is Estimator.PLAIN else "")
            values: Mapping[str, float | None] = {}
            if iteration == 1:
                nothing = Estimate(value=None, n=0, undefined=0, standard_error=None, reason=_NO_EARLIER_MODEL)
                estimate = nothing
            else:
                improved = improvement_set(first, iteration=iteration, reading=reading)
                values = pass_at_n_values(improved, sampled, n=size, estimator=estimator)
                estimate = pass_at_n(improved, sampled, n=size, estimator=estimator)
            yield _Cell(metric=name, split=Split.TEST, iteration=iteration, values=values, estimate=estimate)


_NO_EARLIER_MODEL = "IS(1) does not exist: no model is earlier than M_1"


def _group_disparity(levels: Mapping[str, int | None], sets: Iterable[_Looked]) -> Iterator[_Cell]:
    """Eq. 3 on the ood problems, and the two accuracies that it compares.

    Its values by problem are pseudo-values: they have its mean and its error.
    """
    for looked in sets:
        if looked.role is Role.OOD:
            solved = {
                problem_id: LevelValue(level=levels.get(problem_id), value=_share_solved(found))
                for problem_id, found in looked.outcomes.items()
            }
            yield _Cell(
                metric=Metric.GROUP_DISPARITY.value,
                split=Split.OOD,
                iteration=looked.iteration,
                values=disparity_pseudo_values(solved, best=EASIEST_LEVEL, worst=HARDEST_LEVEL),
                estimate=group_disparity(solved.values(), best=EASIEST_LEVEL, worst=HARDEST_LEVEL),
            )
            for level in (EASIEST_LEVEL, HARDEST_LEVEL):
                of_this = {problem_id: each.value for problem_id, each in solved.items() if each.level == level}
                yield _mean(of_level(level), Split.OOD, looked.iteration, of_this)


def _share_solved(outcomes: Sequence[Outcome]) -> float | None:
    """Of the outcomes of a problem that were judged; None where none was."""
    judged = [each is Outcome.CORRECT for each in outcomes if each not in UNJUDGED]
    return pass_at_k(n=len(judged), c=sum(judged), k=1)


def _values(role: Role, groups: Groups, spec: Measure) -> dict[str, dict[str, float | None]]:
    """Metric name to problem id to value. Samples that were not judged are left out, as if never drawn."""
    values: dict[str, dict[str, float | None]] = defaultdict(dict)
    for metric in spec.metrics:
        if role in _ROLES.get(metric, ()):
            for problem_id, samples in groups.items():
                looked_at = [s for s in samples if s.outcome not in UNJUDGED]
                for name, value in _METRICS[metric](looked_at, spec):
                    values[name][problem_id] = value
    return dict(values)


Named = Iterator[tuple[str, float | None]]


def _greedy_pass_at_1(samples: Sequence[JudgedAnswer], _: Measure) -> Named:
    yield "pass@1", pass_at_k(n=len(samples), c=_correct(samples), k=1)


def _pass_at_k(samples: Sequence[JudgedAnswer], spec: Measure) -> Named:
    for k in spec.k:
        yield f"pass@{k}", pass_at_k(n=len(samples), c=_correct(samples), k=k)


def _coverage(samples: Sequence[JudgedAnswer], _: Measure) -> Named:
    yield "coverage", coverage(correct=_correct(samples), sampled=len(samples))


def _distinct(groups: Groups, spec: Measure) -> dict[str, dict[str, SoFar]]:
    """By measurement and problem how varied the first output is, the first two, and so on to all that are looked at."""
    found: dict[str, dict[str, SoFar]] = defaultdict(dict)
    for metric in spec.metrics:
        if metric in DISTINCT:
            for problem_id, samples in groups.items():
                looked_at = [s for s in samples if s.outcome not in UNJUDGED][: spec.diversity_samples]
                for side, texts in _texts_by_outcome(looked_at):
                    found[f"{metric}.{side}"][problem_id] = _DISTINCT[metric](texts, spec)
    return dict(found)


def _of_all_outputs(distinct: Mapping[str, Mapping[str, SoFar]], iteration: int) -> Iterator[_Cell]:
    for name, by_id in distinct.items():
        values = {problem_id: so_far[-1] if so_far else None for problem_id, so_far in by_id.items()}
        yield _mean(name, Split.TEST, iteration, values)


def _texts_by_outcome(samples: Sequence[JudgedAnswer]) -> Iterator[tuple[str, list[str]]]:
    """Correct and incorrect outputs apart (Section 5.2); what no model wrote is no output."""
    yield "correct", [s.sample.completion for s in samples if s.outcome is Outcome.CORRECT]
    yield (
        "incorrect",
        [s.sample.completion for s in samples if s.outcome not in {Outcome.CORRECT, *UNWRITTEN}],
    )


def _correct(samples: Sequence[JudgedAnswer]) -> int:
    return sum(sample.outcome is Outcome.CORRECT for sample in samples)


_METRICS: Mapping[Metric, Callable[[Sequence[JudgedAnswer], Measure], Named]] = {
    Metric.PASS_AT_1: _greedy_pass_at_1,
    Metric.PASS_AT_K: _pass_at_k,
    Metric.COVERAGE: _coverage,
}
_DISTINCT: Mapping[Metric, Callable[[Sequence[str], Measure], SoFar]] = {
    Metric.DISTINCT_N: lambda texts, spec: distinct_n_so_far(texts, ngram_max=spec.ngram_max),
    Metric.DISTINCT_EQUATIONS: lambda texts, _: distinct_equations_so_far(texts),
}
_ROLES: Mapping[Metric, tuple[Role, ...]] = {
    Metric.PASS_AT_1: (Role.GREEDY, Role.OOD),
    Metric.PASS_AT_K: (Role.SAMPLE, Role.TRAIN),
    Metric.COVERAGE: (Role.SAMPLE, Role.TRAIN),
}


def _do(block: MeasureBlock, work: Work) -> Counts:
    inputs = work.inputs
    embeddings = {
        int(name.removeprefix("embeddings.")): inputs.rows(name, EMBEDDINGS, SideValue)
        for name in inputs.named("embeddings.")
    }
    grouped = inputs.problems() if inputs.has("problems") else ()
    evidence = Evidence(
        sets=_sets(inputs),
        embeddings=embeddings,
        levels={problem.problem_id: problem.level for problem in grouped},
        rows={int(name.removeprefix("training_set.")): _rows(inputs, name) for name in inputs.named("training_set.")},
        train_levels={each.problem_id: each.level for each in inputs.problems_of("train")}
        if inputs.has("train")
        else {},
        thresholds={
            int(name.removeprefix("choice.")): chosen(inputs, name).threshold for name in inputs.named("choice.")
        },
        choices={
            int(name.removeprefix("choices.")): {
                row.problem_id: None
                if row.confidence is None or row.correct is None
                else Confident(confidence=row.confidence, correct=row.correct)
                for row in inputs.rows(name, CHOICES, WeighedChoice)
            }
            for name in inputs.named("choices.")
        },
    )
    return write_measured(work.folder, measure(block, evidence))


def _sets(inputs: StepInputs) -> Iterator[JudgedSet]:
    """Read one after the other."""
    for name in inputs.named("samples."):
        _, role, iteration = name.split(".")
        judged = tuple(inputs.judged_answers(name, f"grades.{role}.{iteration}"))
        yield JudgedSet(role=Role(role), iteration=int(iteration), samples=judged)


def _rows(inputs: StepInputs, name: str) -> Counter[str]:
    """How many rows of a training set each problem has."""
    return Counter(row["problem_id"] for row in read_table(inputs.artifact(name, TRAINING_SET), ["problem_id"]))


STAGE: Final = Stage(name="measure", block=MeasureBlock, do=_do)
