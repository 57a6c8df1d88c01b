"""The manifest of the verification protocol: the shape of ``schema/verification.v1.json``, field by field.

How much better do a model's responses become when a model's own verification filters them (2412.02674)? Blocks that
have the same meaning in both protocols are those of ``model.py``.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from selfimp_bench.manifest.model import (
    Assumed,
    Canary,
    Claim,
    DatasetRef,
    Engines,
    Grading,
    Lora,
    ModelRef,
    Optimisation,
    Paper,
    PaperFigure,
    PreferenceOptimisation,
    Sampling,
)

SELF: Final = "self"
"""The verifier that is the generator itself."""


class VerifierKind(StrEnum):
    """How a model judges: by the probability of a label, a written judgement, a written score, or pair by pair."""

    MULTIPLE_CHOICE = "multiple-choice"
    COT_BINARY = "cot-binary"
    COT_SCORE = "cot-score"
    TOURNAMENT = "tournament"


class VerificationMetric(StrEnum):
    """The metrics a manifest can ask for; ``verification_measured.py`` has the names of their measurements."""

    ACCURACY = "accuracy"
    PASS_AT_K = "pass@k"
    FILTERED_ACCURACY = "filtered-accuracy"
    GAP = "gap"
    RELATIVE_GAP = "relative-gap"
    AGGREGATE_RELATIVE_GAP = "aggregate-relative-gap"
    KEPT_SHARE = "kept-share"
    GAP_SPREAD = "gap-sd"
    GAP_POSITIVE = "gap-positive"
    LABEL_MASS = "label-mass"
    SCORED_SHARE = "scored-share"
    SCORE_SHARES = "score-share"
    JUDGEMENT_VARIANCE = "judgement-variance"
    TOURNAMENT_STEPS = "step-gap"
    FIRST_PREFERRED = "first-preferred"
    SCORE_CORRELATION = "score-correlation"
    GAP_CORRELATION = "gap-correlation"
    GAP_ACCURACY_CORRELATION = "gap-accuracy-correlation"


@dataclass(frozen=True, kw_only=True)
class PromptFile:
    """A prompt's text: a file beside the manifest, UTF-8, its last newline not counted; ``sha256`` of its bytes."""

    path: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class GenerationPrompt:
    """How a problem becomes token ids. The file has the field ``{question}`` once; other braces are text.

    ``add_bos`` prepends the model's BOS id once, also to the prompts of the verifiers.
    """

    file: PromptFile
    add_bos: bool
    canaries: tuple[Canary, ...]
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Random sampling, and the texts at the first of which a completion ends (they are no part of it)."""

    samples_per_problem: int
    temperature: float
    top_p: float
    top_k: int
    max_tokens: int
    stop: tuple[str, ...]
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The two labels of a multiple choice as they follow the prompt, with the space where there is one.

    The first token of each is weighed; labels that begin with the same token are refused when the model is read.
    """

    correct: str
    incorrect: str


@dataclass(frozen=True, kw_only=True)
class Judging:
    """How a written judgement is sampled, and how many of each response (or pair); their mean is the score.

    unparsed: a response whose judgements are all unusable has no score and no filter keeps it (``no-score``); in a
        tournament a seeded ``coin`` decides.
    """

    repeats: int
    temperature: float
    top_p: float
    top_k: int
    max_tokens: int
    stop: tuple[str, ...]
    unparsed: Literal["no-score", "coin"]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which responses are kept, or how they weigh: exactly one of the three.

    quantile: at least this quantile of the scores of the same problem (0.8 keeps the best fifth and ties).
    threshold: at least this score, for all problems.
    reweight: none is dropped; each weighs exp(score / reweight).
    """

    quantile: float | None = None
    threshold: float | None = None
    reweight: float | None = None


@dataclass(frozen=True, kw_only=True)
class VerifierMethod:
    """One way to verify. Its ``file`` has ``{question}`` and ``{response}``, or ``{response_a}`` and ``{response_b}``.

    labels: multiple-choice only. judging: all others (``protocols/verification/judgement.py`` reads what they write).
    rounds: tournament only: the responses of a problem meet in batches of 2^rounds, in sample order.
    selections: all but the tournament.
    """

    id: str
    kind: VerifierKind
    file: PromptFile
    labels: Labels | None = None
    judging: Judging | None = None
    rounds: int | None = None
    selections: tuple[Selection, ...] | None = None
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """A verifier method by its id, with a selection of its own (a tournament has none: its last round counts)."""

    verifier: str
    selection: Selection | None = None


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Responses that every one of these filters keeps (no tournament, no reweighting)."""

    members: tuple[Filtered, ...]
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingFilter:
    """Who keeps a response for training.

    verifier: the id of a method (no tournament). model: who judges: ``self`` (the newest, f_{t-1}), or a model of
    ``models`` or ``verifier_models``, the same in all iterations.
    """

    verifier: str
    model: str
    selection: Selection


@dataclass(frozen=True, kw_only=True)
class PairRules:
    """Which (kept, dropped) pairs RPO trains on. Pairing and its number as in post-training.

    A response whose judgements are all unusable is in no pair. reference: the frozen policy is where training
    ``start``s, or f_0 (``base``).
    """

    pairing: Literal["random", "all"]
    pairs_per_problem: int | None
    reference: Literal["start", "base"]


@dataclass(frozen=True, kw_only=True)
class SelfImprovement:
    """Iterative self-improvement (Algorithm 1 of 2412.02674).

    For t = 1 .. ``iterations``: sample f_{t-1} on ``split``, score, select, train f_t. Every f_t (t = 0 too) is then
    measured on the test problems with all verifiers.

    utility: what keeps a response: a ``verifier`` (then ``kept_by`` says which), or the ``gold`` grade.
    method: ``rejection`` trains on the kept responses (block ``sft``), ``rpo`` on ``pairs`` of a kept and a dropped
        response (block ``dpo``).
    file: the prompt that training sees; the response follows it token by token, so it must end as the one that the
        response was generated from does.
    start_from: training starts from f_{t-1} (``previous``) or f_0 (``base``); pooling: on the responses of f_{t-1}
        only (``current``) or of f_0 .. f_{t-1} (``all``).
    deduplicate: keep every kept response, or one per distinct text of a problem (``exact``).
    max_kept_per_problem: cap on the kept after de-duplication, in sample order; null is no cap.
    """

    iterations: int
    split: Literal["train", "test"]
    sampling: Sampling
    utility: Literal["verifier", "gold"]
    kept_by: TrainingFilter | None = None
    method: Literal["rejection", "rpo"]
    file: PromptFile
    start_from: Literal["previous", "base"]
    pooling: Literal["current", "all"]
    deduplicate: Literal["none", "exact"]
    max_kept_per_problem: int | None
    pairs: PairRules | None = None
    empty_training_set: Literal["keep-previous", "stop"]
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class VerificationMeasure:
    """What is measured of every generator and iteration. ``k`` lists the pass@k.

    empty_filter: what a problem counts for whose filter keeps nothing: gap 0 (``zero``) or ``left-out`` of the mean;
        the other convention is measured too, under a name of its own.
    correlate: the verifications that the three correlations compare; there exactly when one of those is asked for.
    """

    metrics: tuple[VerificationMetric, ...]
    k: tuple[int, ...]
    empty_filter: Literal["zero", "left-out"]
    correlate: tuple[Filtered, ...] | None = None
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class VerificationDatasets:
    """The data sets by the part they play; ``train`` is there exactly when a self-improvement trains on it."""

    test: DatasetRef
    train: DatasetRef | None = None


@dataclass(frozen=True, kw_only=True)
class VerificationProfileBlocks:
    """What another profile replaces: whole blocks, never parts of one. An absent block stays as it is."""

    models: tuple[ModelRef, ...] | None = None
    verifiers: tuple[str, ...] | None = None
    verifier_models: tuple[ModelRef, ...] | None = None
    datasets: VerificationDatasets | None = None
    prompt: GenerationPrompt | None = None
    grading: Grading | None = None
    generation: Generation | None = None
    temperatures: tuple[float, ...] | None = None
    verification: tuple[VerifierMethod, ...] | None = None
    ensembles: tuple[Ensemble, ...] | None = None
    self_improvement: SelfImprovement | None = None
    sft: Optimisation | None = None
    dpo: PreferenceOptimisation | None = None
    lora: Lora | None = None
    engines: Engines | None = None
    measure: VerificationMeasure | None = None


@dataclass(frozen=True, kw_only=True)
class VerificationManifest:
    """One pinned experiment, as its ``paper`` profile; ``profiles`` holds what ``subset`` and ``smoke`` replace.

    models: the generators. verifiers: who judges each generator's responses: ``self``, or models by their ids, of
        ``models`` or of ``verifier_models`` (which only verify).
    temperatures: where there, everything is done once at each, in the place of the temperatures of ``generation``
        and of the judgements.
    figures: no part of the experiment: only the report reads them.
    """

    schema: Literal[1]
    name: str
    version: int
    title: str
    summary: str
    corrects: str | None = None
    paper: Paper
    protocol: Literal["verification-gap"]
    seed: int
    models: tuple[ModelRef, ...]
    verifiers: tuple[str, ...]
    verifier_models: tuple[ModelRef, ...] | None = None
    datasets: VerificationDatasets
    prompt: GenerationPrompt
    grading: Grading
    generation: Generation
    temperatures: tuple[float, ...] | None = None
    verification: tuple[VerifierMethod, ...]
    ensembles: tuple[Ensemble, ...] | None = None
    self_improvement: SelfImprovement | None = None
    sft: Optimisation | None = None
    dpo: PreferenceOptimisation | None = None
    lora: Lora | None = None
    engines: Engines
    measure: VerificationMeasure
    claims: tuple[Claim, ...]
    figures: tuple[PaperFigure, ...] | None = None
    profiles: dict[Literal["subset", "smoke"], VerificationProfileBlocks] | None = None
