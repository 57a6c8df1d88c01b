"""The manifest of the verification protocol: the shape of ``schema/verification.v1.json``, field by field.

How much better do a model's responses become when a model's own verification filters them (2412.02674)? Blocks that
have the same meaning in both protocols are those of ``model.py``.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal

from selfimp_bench.manifest.kinds import (
    FILLED,
    SOME,
    TWO,
    UNIQUE,
    Assumed,
    Count,
    Fraction,
    FromZero,
    Name,
    PathBelow,
    Positive,
    PriorSetting,
    Rounds,
    Several,
    Sha256,
    Share,
    Source,
    Text,
    TopK,
    UndottedName,
)
from selfimp_bench.manifest.model import (
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
    Sensitivity,
    TooLong,
    Variation,
)
from selfimp_bench.measurement import Split

SELF: Final = "self"
"""The verifier that is the generator itself."""


class VerifierKind(StrEnum):
    """How a model judges: by the probability of a label, a written judgement, a written score, or pair by pair."""

    MULTIPLE_CHOICE = "multiple-choice"
    COT_BINARY = "cot-binary"
    COT_SCORE = "cot-score"
    TOURNAMENT = "tournament"


class VerificationMetric(StrEnum):
    """The metrics a manifest can ask for; ``cells.py`` has the names of their measurements."""

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
    EXTREME_SHARE = "extreme-share"
    WRONG_MAJORITY = "wrong-majority"
    ANSWER_ENTROPY = "answer-entropy"
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

    path: PathBelow
    """Relative to the manifest, without '..'."""
    sha256: Sha256
    """sha256 of the file's bytes."""


@dataclass(frozen=True, kw_only=True)
class GenerationPrompt:
    """How a problem becomes token ids. The file has the field ``{question}`` once; other braces are text.

    ``add_bos`` prepends the model's BOS id once, also to the prompts of the verifiers.
    """

    file: PromptFile
    """The prompt with the field {question}, once."""
    add_bos: bool
    """Prepend the model's BOS id once, also to the verifiers' prompts."""
    canaries: tuple[Canary, ...]
    """Questions whose prompts must become exactly these token ids."""
    too_long: TooLong = TooLong.COUNTED_WRONG
    """What becomes of a prompt that does not fit with the longest completion: its responses are counted wrong (where
    nothing is said) or shortened, or the problem is dropped. A judgement that does not fit is shortened, or else not
    asked for: it is unusable."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Generation:
    """Random sampling, and the texts at the first of which a completion ends (they are no part of it)."""

    samples_per_problem: Count
    """Responses per problem."""
    temperature: Positive
    """Divides the logits; greedy decoding has its own block."""
    top_p: Share
    """Nucleus of this probability; 1 switches the filter off."""
    top_k: TopK
    """The k most likely tokens; -1 switches the filter off."""
    max_tokens: Count
    """Longest completion, in tokens."""
    stop: Annotated[tuple[Text, ...], UNIQUE]
    """A completion ends before the first of these; [] for none."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The two labels of a multiple choice as they follow the prompt, with the space where there is one.

    The first token of each is weighed; labels that begin with the same token are refused when the model is read.
    """

    correct: Text
    """For example ' Correct'; its first token is weighed."""
    incorrect: Text
    """For example ' Incorrect'."""


@dataclass(frozen=True, kw_only=True)
class Judging:
    """How a written judgement is sampled, and how many of each response (or pair); their mean is the score.

    unparsed: a response whose judgements are all unusable has no score and no filter keeps it (``no-score``); in a
        tournament a seeded ``coin`` decides.
    unusable_at_most: above this share of responses (of a tournament: matches) without a usable judgement the verifier
        has not followed the format, and what rests on it is not measured; ``scored-share`` is the rest of them. Absent:
        whatever the share.
    """

    repeats: Count
    """Judgements of each response or pair; their mean is the score."""
    temperature: Positive
    """Divides the logits; greedy decoding has its own block."""
    top_p: Share
    """Nucleus of this probability; 1 switches the filter off."""
    top_k: TopK
    """The k most likely tokens; -1 switches the filter off."""
    max_tokens: Count
    """Longest completion, in tokens."""
    stop: Annotated[tuple[Text, ...], UNIQUE]
    """A completion ends before the first of these; [] for none."""
    unparsed: Literal["no-score", "coin"]
    """What becomes of a response (pair) whose judgement cannot be read: no-score, or in a tournament a seeded coin."""
    unusable_at_most: Share | None = None
    """Above this share of responses (matches) without a usable judgement nothing that rests on it is measured."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which responses are kept, or how they weigh: exactly one of the three.

    quantile: at least this quantile of the scores of the same problem (0.8 keeps the best fifth and ties).
    threshold: at least this score, for all problems.
    reweight: none is dropped; each weighs exp(score / reweight).
    """

    quantile: Fraction | None = None
    """Keep what is at least this quantile of the problem's scores; 0.8 keeps the best fifth."""
    threshold: float | None = None
    """Keep what is at least this score, for all problems."""
    reweight: Positive | None = None
    """Keep all; each weighs exp(score / this)."""


@dataclass(frozen=True, kw_only=True)
class VerifierMethod:
    """One way to verify. Its ``file`` has ``{question}`` and ``{response}``, or ``{response_a}`` and ``{response_b}``.

    labels: multiple-choice only. judging: all others (``protocols/verification/judgement.py`` reads what they write).
    rounds: tournament only: the responses of a problem meet in batches of 2^rounds, in sample order.
    selections: all but the tournament.
    """

    id: UndottedName
    """What measurements call it."""
    kind: VerifierKind
    """How it judges."""
    file: PromptFile
    """Its prompt, with {question} and {response}, or {response_a} and {response_b}."""
    labels: Labels | None = None
    """Of a multiple choice."""
    judging: Judging | None = None
    """Of every other kind."""
    rounds: Rounds | None = None
    """Of a tournament, in batches of 2^rounds responses."""
    selections: Annotated[tuple[Selection, ...], SOME, UNIQUE] | None = None
    """The filters to measure; not of a tournament."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """A verifier method by its id, with a selection of its own (a tournament has none: its last round counts)."""

    verifier: str
    """The id of a method."""
    selection: Selection | None = None
    """Absent for a tournament: its last round counts."""


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Responses that every one of these filters keeps (no tournament, no reweighting)."""

    members: Annotated[tuple[Filtered, ...], TWO, UNIQUE]
    """The filters; at least two."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingFilter:
    """Who keeps a response for training.

    verifier: the id of a method (no tournament). model: who judges: ``self`` (the newest, f_{t-1}), or a model of
    ``models`` or ``verifier_models``, the same in all iterations.
    """

    verifier: str
    """The id of a method; no tournament."""
    model: str
    """self (the newest model), or the id of a model."""
    selection: Selection
    """What it keeps."""


@dataclass(frozen=True, kw_only=True)
class PairRules:
    """Which (kept, dropped) pairs RPO trains on. Pairing and its number as in post-training.

    A response whose judgements are all unusable is in no pair. reference: the frozen policy is where training
    ``start``s, or f_0 (``base``).
    """

    pairing: Literal["random", "all"]
    """Draw pairs at random, or take all."""
    pairs_per_problem: Count | None
    """Drawn without replacement; null with pairing all."""
    reference: Literal["start", "base"]
    """The frozen policy: where training starts, or the base model."""


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

    iterations: Count
    """T: how often the model is trained."""
    split: Literal["train", "test"]
    """Whose problems are sampled for training."""
    sampling: Sampling
    """How training responses are drawn (the stop texts are those of generation)."""
    utility: Literal["verifier", "gold"]
    """What keeps a response: a verifier, or the gold grade."""
    kept_by: TrainingFilter | None = None
    """Which verifier; with utility verifier only."""
    method: Literal["rejection", "rpo"]
    """rejection: SFT on what is kept. rpo: DPO with an SFT term on pairs of kept and dropped."""
    file: PromptFile
    """The prompt that training sees, with the field {question}."""
    start_from: Literal["previous", "base"]
    """The checkpoint that training starts from."""
    pooling: Literal["current", "all"]
    """Train on the responses of the newest model, or of all models so far."""
    deduplicate: Literal["none", "exact"]
    """Keep every response, or one per distinct text of a problem."""
    max_kept_per_problem: Count | None
    """Most responses per problem after de-duplication; null is no cap."""
    pairs: PairRules | None = None
    """Which pairs rpo trains on; with rpo only."""
    empty_training_set: Literal["keep-previous", "stop"]
    """Keep the model of the iteration before, or stop."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class VerificationMeasure:
    """What is measured of every generator and iteration. ``k`` lists the pass@k.

    empty_filter: what a problem counts for whose filter keeps nothing: gap 0 (``zero``) or ``left-out`` of the mean;
        the other convention is measured too, under a name of its own.
    correlate: the verifications that the three correlations compare; there exactly when one of those is asked for.
    """

    metrics: Annotated[tuple[VerificationMetric, ...], SOME, UNIQUE]
    """Which metrics."""
    k: Annotated[tuple[Several, ...], UNIQUE]
    """The k of pass@k; accuracy is pass@1."""
    empty_filter: Literal["zero", "left-out"]
    """What a problem counts for whose filter keeps nothing: gap 0, or left out."""
    correlate: Annotated[tuple[Filtered, ...], TWO, UNIQUE] | None = None
    """The verifications that the correlations compare; at least two."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class VerificationDatasets:
    """The data sets by the part they play; ``train`` is there exactly when a self-improvement trains on it."""

    test: DatasetRef
    """The problems that everything is measured on."""
    train: DatasetRef | None = None
    """The problems that a self-improvement trains on; only with one that does."""

    def by_split(self) -> dict[Split, DatasetRef]:
        """The data sets by the part they play; the parts that there are not are left out."""
        train = {} if self.train is None else {Split.TRAIN: self.train}
        return {**train, Split.TEST: self.test}


@dataclass(frozen=True, kw_only=True)
class VerificationProfileBlocks:
    """What another profile replaces: whole blocks, never parts of one. An absent block stays as it is."""

    models: Annotated[tuple[ModelRef, ...], SOME] | None = None
    """The generators."""
    verifiers: Annotated[tuple[str, ...], SOME, UNIQUE] | None = None
    """Who judges every generator's responses: self, or models by their ids."""
    verifier_models: Annotated[tuple[ModelRef, ...], SOME] | None = None
    """Models that only verify."""
    datasets: VerificationDatasets | None = None
    """The problems, by the part they play."""
    prompt: GenerationPrompt | None = None
    """How a problem becomes token ids."""
    grading: Grading | None = None
    """How an answer is judged against the gold one."""
    generation: Generation | None = None
    """How responses are drawn."""
    temperatures: Annotated[tuple[Positive, ...], SOME, UNIQUE] | None = None
    """Do everything once at each of these, in the place of every other temperature."""
    verification: Annotated[tuple[VerifierMethod, ...], SOME] | None = None
    """The ways to verify."""
    ensembles: Annotated[tuple[Ensemble, ...], SOME] | None = None
    """Filters that are joined by AND."""
    self_improvement: SelfImprovement | None = None
    """Train on what verification keeps, again and again."""
    sft: Optimisation | None = None
    """How rejection trains."""
    dpo: PreferenceOptimisation | None = None
    """How rpo trains."""
    lora: Lora | None = None
    """Adapters that every training run trains instead of the weights; absent: the weights are trained."""
    engines: Engines | None = None
    """Which engines run."""
    measure: VerificationMeasure | None = None
    """What is measured."""


Profiles = Annotated[dict[Literal["smoke"], Annotated[VerificationProfileBlocks, FILLED]], FILLED]


@dataclass(frozen=True, kw_only=True)
class VerificationManifest:
    """One pinned experiment, as its ``paper`` profile; ``profiles`` holds what ``smoke`` replaces.

    models: the generators. verifiers: who judges each generator's responses: ``self``, or models by their ids, of
        ``models`` or of ``verifier_models`` (which only verify).
    temperatures: where there, everything is done once at each, in the place of the temperatures of ``generation``
        and of the judgements.
    figures: no part of the experiment: only the report reads them.
    """

    schema: Literal[1]
    """Version of this format."""
    name: Name
    """The experiment's name; the file is called NAME.vVERSION.yaml."""
    version: Count
    """1, or more for a correction."""
    title: Text
    """One line."""
    summary: Text
    """What is done and what is claimed, in a few sentences."""
    corrects: Text | None = None
    """What this version corrects in the one before; present exactly from version 2 on."""
    paper: Paper
    """What the experiment comes from."""
    protocol: Literal["verification-gap"]
    """The procedure that the manifest follows."""
    seed: FromZero
    """Every other seed follows from it."""
    models: Annotated[tuple[ModelRef, ...], SOME]
    """The generators."""
    verifiers: Annotated[tuple[str, ...], SOME, UNIQUE]
    """Who judges every generator's responses: self, or models by their ids."""
    verifier_models: Annotated[tuple[ModelRef, ...], SOME] | None = None
    """Models that only verify."""
    datasets: VerificationDatasets
    """The problems, by the part they play."""
    prompt: GenerationPrompt
    """How a problem becomes token ids."""
    grading: Grading
    """How an answer is judged against the gold one."""
    generation: Generation
    """How responses are drawn."""
    temperatures: Annotated[tuple[Positive, ...], SOME, UNIQUE] | None = None
    """Do everything once at each of these, in the place of every other temperature."""
    verification: Annotated[tuple[VerifierMethod, ...], SOME]
    """The ways to verify."""
    ensembles: Annotated[tuple[Ensemble, ...], SOME] | None = None
    """Filters that are joined by AND."""
    self_improvement: SelfImprovement | None = None
    """Train on what verification keeps, again and again."""
    sft: Optimisation | None = None
    """How rejection trains."""
    dpo: PreferenceOptimisation | None = None
    """How rpo trains."""
    lora: Lora | None = None
    """Adapters that every training run trains instead of the weights; absent: the weights are trained."""
    engines: Engines
    """Which engines run."""
    measure: VerificationMeasure
    """What is measured."""
    claims: tuple[Claim, ...]
    """What the paper says."""
    priors: PriorSetting
    figures: Annotated[tuple[PaperFigure, ...], SOME] | None = None
    """The paper's figures, drawn from a run beside the paper's numbers."""
    sensitivity: Annotated[tuple[Sensitivity, ...], SOME] | None = None
    """Values that could as well be others: what `--vary` may name."""
    variant: Annotated[tuple[Variation, ...], SOME] | None = None
    """What is varied; absent: this is the experiment itself. Written by `--vary`; a variant is never judged."""
    profiles: Profiles | None = None
    """What the smaller profiles replace."""
