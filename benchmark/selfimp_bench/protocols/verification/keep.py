"""Keeping: from responses and what verified them to a training set of self-improvement.

What is left out is counted, never silent: ``counts`` goes into the step record.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Final

import numpy as np

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.engines.tokens import TokenCodec
from selfimp_bench.errors import StepFailed
from selfimp_bench.protocols.verification.filters import selection_of
from selfimp_bench.protocols.verification.judged import SCORE_COLUMNS, mean_scores, scored
from selfimp_bench.protocols.verification.manifest import Selection
from selfimp_bench.protocols.verification.metrics.scored import Responses
from selfimp_bench.protocols.verification.metrics.selection import weights
from selfimp_bench.protocols.verification.score import SCORES
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.rows import JudgedSample, SampleRow, by_problem
from selfimp_bench.steps.store import arrow_table
from selfimp_bench.steps.training_rows import (
    PairRow,
    PairSelection,
    RowMaker,
    SftRow,
    TrainingSet,
    deduplicated,
    draw_pairs,
    without_long_rows,
    write_training_set,
)
from selfimp_bench.steps.work import Work
from selfimp_bench.tasks.grading.outcome import UNJUDGED, Outcome
from selfimp_bench.tasks.problem import Problem

Scores = Mapping[tuple[str, int], float | None]


@dataclass(frozen=True, kw_only=True)
class KeepBlock:
    """Build the training set of one iteration of self-improvement.

    Inputs: model (its tokenizer), problems, and for every pooled iteration i ``samples.i``, ``grades.i`` and, unless
    the gold grade decides (``selection`` None), ``scores.i``. With ``pairs`` rows are (kept, dropped) pairs. Rows
    of more tokens than ``max_length``, which training takes, are left out.
    """

    prompt_template: str
    add_bos: bool
    selection: Selection | None
    deduplicate: str
    max_kept_per_problem: int | None
    pairs: PairSelection | None
    max_length: int


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The graded samples of one M_i, and their scores by problem id and sample index (None: gold grades decide)."""

    samples: Sequence[JudgedSample]
    scores: Scores | None


@dataclass(frozen=True, kw_only=True)
class _Sides:
    """One problem's samples: kept, dropped, and without a judgement."""

    kept: list[JudgedSample]
    dropped: list[JudgedSample]
    unjudged: list[JudgedSample]


def keep(block: KeepBlock, problems: Sequence[Problem], pools: Sequence[Pool], codec: TokenCodec) -> TrainingSet:
    """The training set: kept samples, or pairs of a kept and a dropped one of the same M_i."""
    maker = RowMaker(prompt_template=block.prompt_template, add_bos=block.add_bos, codec=codec)
    sides = _sides(block, pools)
    counts: Counter[str] = Counter(problems=len(problems))
    rows: list[SftRow] = []
    pairs: list[PairRow] = []
    for problem in problems:
        own = sides.get(problem.problem_id, _Sides(kept=[], dropped=[], unjudged=[]))
        counts.update(_counted(own))
        ended = [judged.sample for judged in own.kept if _is_whole(judged.sample)]
        kept = deduplicated(ended, block.deduplicate, by_model=block.pairs is not None)[: block.max_kept_per_problem]
        counts["kept samples left out as unfinished, duplicates or over the cap"] += len(own.kept) - len(kept)
        if not kept:
            counts["problems dropped: nothing kept"] += 1
        if block.pairs is None:
            rows += [maker.sample_row(problem, sample) for sample in kept]
        else:
            drawn = _pairs(block.pairs, problem, kept, own)
            counts["problems without a pair"] += not drawn
            pairs += [maker.pair_row(problem, chosen, rejected) for chosen, rejected in drawn]
    made = rows if block.pairs is None else pairs
    chosen = TrainingSet(rows=tuple(made), counts=dict(counts) | {"rows": len(made)})  # type: ignore[arg-type]
    return without_long_rows(chosen, block.max_length)


def _pairs(
    rules: PairSelection, problem: Problem, kept: Sequence[SampleRow], own: _Sides
) -> list[tuple[SampleRow, SampleRow]]:
    dropped = [judged.sample for judged in own.dropped if judged.sample.token_ids]
    drawn = draw_pairs(rules, problem, kept, dropped)
    if not drawn and rules.without_pair == "stop":
        raise StepFailed(f"problem {problem.problem_id} has no pair of a kept and a dropped sample")
    return drawn


def _is_whole(sample: SampleRow) -> bool:
    """Ended by itself: training on a cut one would teach the model not to stop."""
    return sample.finish_reason is FinishReason.STOP and len(sample.token_ids) > 0


def _counted(own: _Sides) -> dict[str, int]:
    judged = [*own.kept, *own.dropped, *own.unjudged]
    return {
        "samples": len(judged),
        "samples without a judgement": len(own.unjudged),
        "correct samples": sum(each.outcome is Outcome.CORRECT for each in judged),
        "kept samples": len(own.kept),
        "kept samples that are correct": sum(each.outcome is Outcome.CORRECT for each in own.kept),
    }


def _sides(block: KeepBlock, pools: Sequence[Pool]) -> Mapping[str, _Sides]:
    """By problem id, pool after pool: a quantile is one of the scores that one model's responses have."""
    sides: dict[str, _Sides] = defaultdict(lambda: _Sides(kept=[], dropped=[], unjudged=[]))
    for pool in pools:
        for name, own in by_problem(pool.samples).items():
            for judged, side in zip(own, _decided(block, own, pool.scores), strict=True):
                {True: sides[name].kept, False: sides[name].dropped, None: sides[name].unjudged}[side].append(judged)
    return sides


def _decided(block: KeepBlock, own: Sequence[JudgedSample], scores: Scores | None) -> list[bool | None]:
    """Of every sample of one problem and model whether it is kept; None where nothing judged it."""
    if block.selection is None or scores is None:
        return [None if judged.outcome in UNJUDGED else judged.outcome is Outcome.CORRECT for judged in own]
    given = [scores[judged.sample.problem_id, judged.sample.sample_index] for judged in own]
    responses = Responses(
        samples=np.array([judged.sample.sample_index for judged in own], dtype=np.int64),
        correct=np.array([judged.outcome is Outcome.CORRECT for judged in own], dtype=np.bool_),
        scores=np.array(given, dtype=np.float64),
    )
    weighed = weights(responses, selection_of(block.selection)).tolist()
    return [None if score is None else bool(weight) for score, weight in zip(given, weighed, strict=True)]


def _do(block: KeepBlock, work: Work) -> Counts:
    inputs, pools = work.inputs, []
    for name in inputs.named("samples."):
        number = name.removeprefix("samples.")
        scores = None if block.selection is None else _scores(inputs.artifact(f"scores.{number}", SCORES))
        pools.append(Pool(samples=inputs.judged(name, f"grades.{number}"), scores=scores))
    chosen = keep(block, inputs.problems(), pools, inputs.codec("model"))
    return write_training_set(work.folder, chosen, pairs=block.pairs is not None)


def _scores(path: Path) -> Scores:
    return {
        (name, sample): None if isnan(mean) else mean
        for name, own in scored(arrow_table(path, SCORE_COLUMNS)).items()
        for sample, mean in mean_scores(own).items()
    }


STAGE: Final = Stage(name="select", block=KeepBlock, do=_do, rated_by_rows=True)
