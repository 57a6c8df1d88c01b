"""Scoring: judgements become numbers, or outcomes that say why not."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from selfimp_bench.engines.base import NOT_ASKED, FinishReason
from selfimp_bench.protocols.verification.judgement import ScoreJudgement, parse_correctness, parse_score
from selfimp_bench.protocols.verification.manifest import VerifierKind
from selfimp_bench.protocols.verification.verify import JUDGEMENTS, JudgementRow
from selfimp_bench.steps.plan import Counts, Stage
from selfimp_bench.steps.work import Work

SCORES: Final = "scores.parquet"

WEIGHED = "weighed"
"""The outcome of a judgement by label probabilities; written ones have those of ``JudgementOutcome``."""

UNASKED = "did not fit"
"""The outcome of a judgement that was not asked for: its prompt, or that of the response, does not fit the model."""


@dataclass(frozen=True, kw_only=True)
class ScoreBlock:
    """Read judgements as scores. Inputs: judgements."""

    kind: VerifierKind


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """A judgement read. ``outcome`` is ``weighed``, ``did not fit`` or one of ``JudgementOutcome``.

    score: None unless usable.
    label_mass: the probability of both labels together, where labels were weighed.
    """

    problem_id: str
    sample_index: int
    repeat: int
    outcome: str
    score: float | None
    label_mass: float | None


SCORE_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample_index", pa.int32()),
        ("repeat", pa.int32()),
        ("outcome", pa.string()),
        ("score", pa.float64()),
        ("label_mass", pa.float64()),
    ]
)


def score(kind: VerifierKind, judgements: Sequence[JudgementRow]) -> tuple[ScoreRow, ...]:
    """Every judgement read, in order; those that were not asked for are unusable."""
    if kind is VerifierKind.MULTIPLE_CHOICE:
        return tuple(_weighed(row) for row in judgements)
    return tuple(_read(row, PARSERS[kind]) for row in judgements)


def _unasked(row: JudgementRow) -> ScoreRow:
    return ScoreRow(
        problem_id=row.problem_id,
        sample_index=row.sample_index,
        repeat=row.repeat,
        outcome=UNASKED,
        score=None,
        label_mass=None,
    )


PARSERS: Mapping[VerifierKind, Callable[..., ScoreJudgement]] = {
    VerifierKind.COT_BINARY: parse_correctness,
    VerifierKind.COT_SCORE: parse_score,
}


def _read(row: JudgementRow, parse: Callable[..., ScoreJudgement]) -> ScoreRow:
    if row.finish_reason in NOT_ASKED:
        return _unasked(row)
    read = parse(row.text or "", truncated=row.finish_reason is FinishReason.LENGTH)
    return ScoreRow(
        problem_id=row.problem_id,
        sample_index=row.sample_index,
        repeat=row.repeat,
        outcome=read.outcome.value,
        score=read.value,
        label_mass=None,
    )


def _weighed(row: JudgementRow) -> ScoreRow:
    """p(Correct) / (p(Correct) + p(Incorrect)), from the difference of the logarithms, which cannot underflow."""
    if row.finish_reason in NOT_ASKED:
        return _unasked(row)
    if row.logprob_correct is None or row.logprob_incorrect is None:
        raise ValueError(f"sample {row.sample_index} of problem {row.problem_id} was not weighed")
    return ScoreRow(
        problem_id=row.problem_id,
        sample_index=row.sample_index,
        repeat=row.repeat,
        outcome=WEIGHED,
        score=_sigmoid(row.logprob_correct - row.logprob_incorrect),
        label_mass=math.exp(row.logprob_correct) + math.exp(row.logprob_incorrect),
    )


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def _do(block: ScoreBlock, work: Work) -> Counts:
    scored = score(block.kind, work.inputs.rows("judgements", JUDGEMENTS, JudgementRow))
    work.folder.write_table(SCORES, scored, SCORE_SCHEMA)
    return Counter(row.outcome for row in scored)


STAGE: Final = Stage(name="score", block=ScoreBlock, do=_do)
