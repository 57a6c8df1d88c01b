"""A plan: a manifest resolved for one profile into an ordered graph of steps, each with a fingerprint.

A step is its ``block`` (everything of the manifest that it depends on, and nothing else), its inputs (other steps) and
the version of what does it. Two steps with equal blocks, versions and inputs are one piece of work, whichever
manifests they come from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import msgspec

from selfimp_bench.canonical import digest
from selfimp_bench.engines.base import Decoding, SamplerSettings
from selfimp_bench.manifest.model import (
    Canary,
    DatasetRef,
    Encoder,
    Grading,
    Lora,
    Measure,
    Method,
    ModelRef,
    Optimisation,
    PreferenceOptimisation,
)
from selfimp_bench.measurement import Split
from selfimp_bench.protocols.verification.manifest import (
    Ensemble,
    Labels,
    Selection,
    VerificationMeasure,
    VerifierKind,
    VerifierMethod,
)


class Stage(StrEnum):
    """What a step does."""

    PROBLEMS = "problems"
    MODEL = "model"
    PROBE = "probe"
    SAMPLE = "sample"
    GRADE = "grade"
    EMBED = "embed"
    VERIFY = "verify"
    SCORE = "score"
    TOURNAMENT = "tournament"
    SELECT = "select"
    TRAIN = "train"
    MEASURE = "measure"


class Role(StrEnum):
    """What completions are for (the ``role`` of the samples format)."""

    GREEDY = "greedy"
    SAMPLE = "sample"
    TRAIN = "train"
    OOD = "ood"


SPLIT_OF_ROLE: Mapping[Role, Split] = {
    Role.GREEDY: Split.TEST,
    Role.SAMPLE: Split.TEST,
    Role.TRAIN: Split.TRAIN,
    Role.OOD: Split.OOD,
}


@dataclass(frozen=True, kw_only=True)
class ProblemsBlock:
    """Load a data set and prove that it is the pinned one. ``task`` tells how rows of a hub are laid out."""

    dataset: DatasetRef
    task: str


@dataclass(frozen=True, kw_only=True)
class ModelBlock:
    """Find the base model M_0, prove that its weights are the pinned ones, and try its canary prompts."""

    model: ModelRef
    prompt_template: str
    add_bos: bool
    canaries: tuple[Canary, ...]


@dataclass(frozen=True, kw_only=True)
class SampleBlock:
    """Generate ``samples_per_problem`` completions of every problem. Inputs: model, checkpoint, problems."""

    engine: str
    settings: SamplerSettings
    role: Role
    iteration: int
    seed: int
    samples_per_problem: int
    decoding: Decoding
    prompt_template: str
    add_bos: bool


@dataclass(frozen=True, kw_only=True)
class ProbeBlock:
    """Sample ``prompts`` of the problems, spread evenly, in several batches and orders, and compare.

    Inputs: model, problems. ``sample`` is what would be asked of all problems; its iteration is 0, the base model.
    """

    sample: SampleBlock
    prompts: int


@dataclass(frozen=True, kw_only=True)
class GradeBlock:
    """Judge completions. Inputs: samples, problems."""

    grading: Grading


@dataclass(frozen=True, kw_only=True)
class CorrectSelection:
    """Which correct samples SFT trains on (the fields of ``PostTraining`` of the same names)."""

    deduplicate: str
    max_correct_per_problem: int | None
    without_correct: str


@dataclass(frozen=True, kw_only=True)
class PairSelection:
    """Which (correct, wrong) pairs DPO trains on (the fields of ``PostTraining`` of the same names)."""

    deduplicate: str
    pairing: str
    pairs_per_problem: int | None
    without_pair: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class SelectBlock:
    """Build the training set of one iteration.

    Inputs: model (its tokenizer), problems, and for every pooled iteration i ``samples.i`` and ``grades.i``.
    Gold solutions (``correct`` and ``pairs`` both None), own correct samples, or pairs.
    """

    prompt_template: str
    add_bos: bool
    completion_prefix: str
    correct: CorrectSelection | None
    pairs: PairSelection | None


@dataclass(frozen=True, kw_only=True)
class TrainBlock:
    """Train M_t. Inputs: start, training_set, and for DPO reference."""

    engine: str
    method: Method
    optimisation: Optimisation
    preference: PreferenceOptimisation | None
    lora: Lora | None
    empty_training_set: str
    seed: int
    device: Literal["cpu", "cuda"]
    micro_batch_size: int
    gradient_checkpointing: bool
    distributed: Literal["ddp", "deepspeed-zero3"] | None
    threads: int


@dataclass(frozen=True, kw_only=True)
class EmbedBlock:
    """Embed outputs, and from them their Sentence-BERT diversity by problem. Inputs: samples, grades."""

    engine: str
    encoder: Encoder
    device: Literal["cpu", "cuda"]
    threads: int


@dataclass(frozen=True, kw_only=True)
class MeasureBlock:
    """Compute every metric of one model and replicate.

    Inputs: ``samples.<role>.<t>`` and ``grades.<role>.<t>``; ``embeddings.<t>`` and ``problems`` (ood) where a metric
    needs them. ``extraction``, ``ood_extraction``: the rules that decide on the test and the ood problems.
    """

    model: str
    replicate: int
    iterations: int
    extraction: str
    ood_extraction: str
    measure: Measure


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How judgements are written: decoding, how many of each response or pair, and what their seeds follow from."""

    decoding: Decoding
    repeats: int
    seed: int
    role: Role
    iteration: int


@dataclass(frozen=True, kw_only=True)
class VerifyBlock:
    """Judge every response once (by the labels' probabilities) or ``writing.repeats`` times (in writing).

    Inputs: samples, problems, and of the verifier model and checkpoint. ``task`` says what of a completion is shown.
    """

    engine: str
    settings: SamplerSettings
    task: str
    prompt_template: str
    add_bos: bool
    labels: Labels | None
    writing: Writing | None


@dataclass(frozen=True, kw_only=True)
class ScoreBlock:
    """Read judgements as scores. Inputs: judgements."""

    kind: VerifierKind


@dataclass(frozen=True, kw_only=True)
class TournamentBlock:
    """Play single elimination in batches of 2^rounds responses. Inputs as of ``VerifyBlock``."""

    engine: str
    settings: SamplerSettings
    task: str
    prompt_template: str
    add_bos: bool
    rounds: int
    writing: Writing


@dataclass(frozen=True, kw_only=True)
class KeepBlock:
    """Build the training set of one iteration of self-improvement.

    Inputs: model (its tokenizer), problems, and for every pooled iteration i ``samples.i``, ``grades.i`` and, unless
    the gold grade decides (``selection`` None), ``scores.i``. With ``pairs`` rows are (kept, dropped) pairs.
    """

    prompt_template: str
    add_bos: bool
    selection: Selection | None
    deduplicate: str
    max_kept_per_problem: int | None
    pairs: PairSelection | None


@dataclass(frozen=True, kw_only=True)
class MeasureGapBlock:
    """Compute every metric of one generator and replicate of the verification protocol.

    Inputs: ``grades.<t>.<k>``, and for every judge j (``judges_of``) ``scores.<j>.<t>.<k>`` or ``matches.<j>.<t>.<k>``;
    k numbers the temperatures, and is 0 where there is one only.
    """

    model: str
    replicate: int
    iterations: int
    temperatures: tuple[float, ...] | None
    extraction: str
    measure: VerificationMeasure
    verification: tuple[VerifierMethod, ...]
    verifiers: tuple[str, ...]
    ensembles: tuple[Ensemble, ...]


Block = (
    ProblemsBlock
    | ModelBlock
    | ProbeBlock
    | SampleBlock
    | GradeBlock
    | EmbedBlock
    | SelectBlock
    | TrainBlock
    | MeasureBlock
    | VerifyBlock
    | ScoreBlock
    | TournamentBlock
    | KeepBlock
    | MeasureGapBlock
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One piece of work. ``inputs`` maps what the stage calls an input to the id of the step that makes it.

    ``version`` names the engine or code that does it; ``rows_at_most`` and ``tokens_at_most`` bound what it handles.
    """

    id: str
    stage: Stage
    block: Block
    inputs: Mapping[str, str]
    version: str
    rows_at_most: int
    tokens_at_most: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Steps in an order in which every input comes before its use."""

    steps: tuple[Step, ...]

    def by_id(self) -> dict[str, Step]:
        """Steps by their ids."""
        return {step.id: step for step in self.steps}


def fingerprint(step: Step, input_digests: Mapping[str, str]) -> str:
    """The name of a step's result in the store: block, version and the contents of its inputs, nothing else."""
    return digest([step.stage, _identity(step.block), step.version, dict(input_digests)])


def plan_keys(plan: Plan) -> dict[str, str]:
    """For every step id a key that is equal where the work is the same, known before anything has run."""
    keys: dict[str, str] = {}
    for step in plan.steps:
        keys[step.id] = fingerprint(step, {name: keys[source] for name, source in step.inputs.items()})
    return keys


def training_tokens_at_most(optimisation: Optimisation, rows: int) -> int:
    """The most tokens that training on so many rows, each one sequence, passes through the model."""
    seen = (
        rows * (optimisation.epochs or 0)
        if optimisation.steps is None
        else optimisation.steps * optimisation.batch_size
    )
    return seen * optimisation.max_length


_NOT_IDENTITY = ("source", "assumed", "architecture", "characters")


def _identity(value: object) -> object:
    """A block as plain data without its provenance remarks and what only a forecast reads: they change no result."""
    return _without_remarks(msgspec.to_builtins(value, str_keys=True))


def _without_remarks(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_remarks(inner) for key, inner in value.items() if key not in _NOT_IDENTITY}
    if isinstance(value, list):
        return [_without_remarks(inner) for inner in value]
    return value
