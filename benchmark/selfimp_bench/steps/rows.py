"""The rows of artifacts, and their Parquet schemas."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from selfimp_bench.engines.base import FinishReason
from selfimp_bench.protocols.verification.metrics.tournament import Side
from selfimp_bench.steps.plan import Role
from selfimp_bench.tasks.grading.outcome import Outcome


@dataclass(frozen=True, kw_only=True)
class SampleRow:
    """A completion (samples format). ``seed`` is a decimal string, because JSON readers lose digits above 2**53."""

    problem_id: str
    sample_index: int
    completion: str
    iteration: int
    role: Role
    finish_reason: FinishReason
    seed: str
    prompt_sha256: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class GradeRow:
    """A judged completion (grades format), with the judgement of the extraction rule that does not decide beside it."""

    problem_id: str
    sample_index: int
    iteration: int | None
    role: str | None
    outcome: Outcome
    extracted: str | None
    detail: str | None
    other_outcome: Outcome | None
    other_extracted: str | None


@dataclass(frozen=True, kw_only=True)
class SftRow:
    """One SFT example. ``sample_index`` is None for a gold solution; ``iteration`` is the i of the M_i sampled."""

    problem_id: str
    iteration: int | None
    sample_index: int | None
    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class PairRow:
    """One DPO pair, both completions from the same M_i."""

    problem_id: str
    iteration: int
    chosen_index: int
    rejected_index: int
    prompt_ids: tuple[int, ...]
    chosen_ids: tuple[int, ...]
    rejected_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class SideValue:
    """The Sentence-BERT diversity of one problem's correct or incorrect outputs; None where it is undefined."""

    problem_id: str
    side: Literal["correct", "incorrect"]
    value: float | None


@dataclass(frozen=True, kw_only=True)
class JudgementRow:
    """A verifier's judgement of one response: the labels' log-probabilities, or a written text; the others are None."""

    problem_id: str
    sample_index: int
    repeat: int
    logprob_correct: float | None
    logprob_incorrect: float | None
    text: str | None
    finish_reason: FinishReason | None
    seed: str | None


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """A judgement read. ``outcome`` is ``weighed`` or one of ``JudgementOutcome``; score is None unless usable.

    label_mass: the probability of both labels together, where labels were weighed.
    """

    problem_id: str
    sample_index: int
    repeat: int
    outcome: str
    score: float | None
    label_mass: float | None


@dataclass(frozen=True, kw_only=True)
class MatchRow:
    """A match of a tournament: responses ``a`` (shown first) and ``b`` and the winner, by sample index.

    judgement: None where the text was not usable (``outcome``), so that a coin decided.
    """

    problem_id: str
    round: int
    a: int
    b: int
    outcome: str
    judgement: Side | None
    winner: int
    text: str
    finish_reason: FinishReason
    seed: str


_IDS = pa.list_(pa.int32())

PROBLEM_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("choices", pa.list_(pa.string())),
        ("answers", pa.list_(pa.string())),
        ("tests", pa.list_(pa.string())),
        ("setup", pa.string()),
        ("entry_point", pa.string()),
        ("puzzle", pa.string()),
        ("level", pa.int64()),
        ("subject", pa.string()),
    ]
)
SAMPLE_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample_index", pa.int32()),
        ("completion", pa.string()),
        ("iteration", pa.int32()),
        ("role", pa.string()),
        ("finish_reason", pa.string()),
        ("seed", pa.string()),
        ("prompt_sha256", pa.string()),
        ("token_ids", _IDS),
    ]
)
GRADE_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample_index", pa.int32()),
        ("iteration", pa.int32()),
        ("role", pa.string()),
        ("outcome", pa.string()),
        ("extracted", pa.string()),
        ("detail", pa.string()),
        ("other_outcome", pa.string()),
        ("other_extracted", pa.string()),
    ]
)
SFT_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("iteration", pa.int32()),
        ("sample_index", pa.int32()),
        ("prompt_ids", _IDS),
        ("completion_ids", _IDS),
    ]
)
PAIR_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("iteration", pa.int32()),
        ("chosen_index", pa.int32()),
        ("rejected_index", pa.int32()),
        ("prompt_ids", _IDS),
        ("chosen_ids", _IDS),
        ("rejected_ids", _IDS),
    ]
)
JUDGEMENT_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("sample_index", pa.int32()),
        ("repeat", pa.int32()),
        ("logprob_correct", pa.float64()),
        ("logprob_incorrect", pa.float64()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("seed", pa.string()),
    ]
)
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
MATCH_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("round", pa.int32()),
        ("a", pa.int32()),
        ("b", pa.int32()),
        ("outcome", pa.string()),
        ("judgement", pa.string()),
        ("winner", pa.int32()),
        ("text", pa.string()),
        ("finish_reason", pa.string()),
        ("seed", pa.string()),
    ]
)
SIDE_VALUE_SCHEMA = pa.schema([("problem_id", pa.string()), ("side", pa.string()), ("value", pa.float64())])
_CELL = [
    ("model", pa.string()),
    ("metric", pa.string()),
    ("split", pa.string()),
    ("iteration", pa.int32()),
    ("replicate", pa.int32()),
]
PROBLEM_VALUE_SCHEMA = pa.schema([*_CELL, ("problem_id", pa.string()), ("value", pa.float64())])
MEASUREMENT_SCHEMA = pa.schema(
    [
        *_CELL,
        ("value", pa.float64()),
        ("unit", pa.string()),
        ("n", pa.int32()),
        ("undefined", pa.int32()),
        ("standard_error", pa.float64()),
        ("reason", pa.string()),
    ]
)
