"""The manifest as frozen dataclasses: the shape of ``schema/manifest.v1.json``, field by field.

Every number that changes a result is required here, so nothing downstream has a default of its own.
A block says where its values come from: ``source`` (a place in the paper) and, for what the paper does not
give, ``assumed``: one reason for the whole block, or a reason per field.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from selfimp_bench.measurement import Split

Assumed = str | dict[str, str]


class Profile(StrEnum):
    """How much of an experiment a run does."""

    PAPER = "paper"
    SUBSET = "subset"
    SMOKE = "smoke"


class Method(StrEnum):
    """What one iteration trains on: gold solutions, own correct samples, or (correct, wrong) pairs of own samples."""

    SFT_GOLD = "sft-gold"
    SFT = "sft"
    DPO = "dpo"


class Metric(StrEnum):
    """The metrics a manifest can ask for, and claims can name (see ``metrics/``)."""

    PASS_AT_1 = "pass@1"
    PASS_AT_K = "pass@k"
    COVERAGE = "coverage"
    DISTINCT_N = "distinct-n"
    DISTINCT_EQUATIONS = "distinct-equations"
    SBERT_DIVERSITY = "sbert-diversity"
    IMPROVEMENT_SET = "is-pass@n"
    GROUP_DISPARITY = "group-disparity"


@dataclass(frozen=True, kw_only=True)
class Paper:
    """What the experiment comes from. ``section`` names the place inside it."""

    id: str
    title: str
    url: str | None = None
    section: str


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Sizes of a decoder-only transformer with gated MLPs, for what a plan forecasts; they change no result.

    ``intermediate_size`` is the MLP's width, ``heads`` and ``kv_heads`` those of queries and of keys and values, of
    ``head_dim`` each.
    """

    parameters: int
    layers: int
    hidden_size: int
    intermediate_size: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab_size: int
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class ModelRef:
    """Weights and tokenizer: exactly one of a hub ``repo`` (with 40-hex ``revision``), a shipped ``asset``, a ``path``.

    ``weights_sha256`` is the digest of model.safetensors; required for assets and paths.
    ``sft_learning_rate`` and ``dpo_learning_rate`` take the place of the blocks' for this model, where the source
    gives models rates of their own; ``tensor_parallel`` that of ``engines.vllm``, for models of several sizes fit no
    one number of GPUs. ``architecture`` lets a plan forecast a hub model whose files are not at hand.
    """

    id: str
    repo: str | None = None
    revision: str | None = None
    asset: str | None = None
    path: str | None = None
    weights_sha256: str | None = None
    sft_learning_rate: float | None = None
    dpo_learning_rate: float | None = None
    tensor_parallel: int | None = None
    architecture: Architecture | None = None
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Generator:
    """A seeded generator of problems that the package ships (``GENERATORS`` in ``tasks/tables.py``)."""

    task: str
    split: Split
    count: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Characters:
    """How long a data set's rows are, in characters, for what a plan forecasts; they change no result.

    ``prompt`` is the question, with its choices and tests where it has them; ``answer`` is the gold solution.
    """

    prompt_mean: float
    prompt_longest: int
    answer_mean: float
    answer_longest: int
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetRef:
    """Problems: exactly one of a hub ``repo`` (``revision``, ``split``), a ``path`` or a ``generator``.

    ``configs`` are the hub configurations whose rows are joined, in this order, where the repository has several.
    ``rows`` and ``digest`` (sha256 over the canonical JSON of the rows, in order) pin the content whatever the origin;
    ``digest`` is null where the rows of a hub data set were not at hand, and only its revision pins it.
    """

    id: str
    repo: str | None = None
    revision: str | None = None
    configs: tuple[str, ...] | None = None
    split: str | None = None
    path: str | None = None
    generator: Generator | None = None
    rows: int
    digest: str | None
    characters: Characters | None = None
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Datasets:
    """The data sets by the part they play; ``ood`` may be absent."""

    train: DatasetRef
    test: DatasetRef
    ood: DatasetRef | None = None


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A question whose rendered prompt must become exactly these token ids with this model's tokenizer.

    ``choices`` and ``tests`` are there where the template has a field for them.
    """

    model: str
    question: str
    choices: tuple[str, ...] | None = None
    tests: tuple[str, ...] | None = None
    token_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """How a problem becomes token ids. ``template`` has the field ``{question}``, once.

    It may also have ``{choices}`` (a line each, ``A. text``) and ``{tests}`` (a line each); other braces are text.
    ``completion_prefix`` stands between the prompt and a gold solution when a model is trained on it.
    ``add_bos`` prepends the model's BOS id once; a prompt that already begins with it is refused.
    """

    template: str
    completion_prefix: str
    add_bos: bool
    canaries: tuple[Canary, ...]
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Grading:
    """Which task's grader (``GRADERS`` in ``grading/graders.py``) judges, and which of its two rules decides.

    The judgement of the other rule is recorded beside it.
    """

    task: str
    extraction: Literal["strict", "flexible"]
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Random sampling. ``top_k`` -1 and ``top_p`` 1.0 switch that filter off; ``max_tokens`` counts new tokens."""

    samples_per_problem: int
    temperature: float
    top_p: float
    top_k: int
    max_tokens: int
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Greedy:
    """Greedy decoding: the most likely token, one completion per problem."""

    max_tokens: int
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What is generated from every M_t to be measured: greedy on test and ood, samples on test."""

    greedy: Greedy
    sampled: Sampling


@dataclass(frozen=True, kw_only=True)
class PostTraining:
    """The four facts that papers leave out, and the rest of the procedure (Algorithm 1 of 2407.05013).

    schedule: the method of every iteration t = 1..T; the first is always ``sft-gold``.
    start_from: the checkpoint training starts from: ``previous`` is M_{t-1}, ``base`` is M_0.
    dpo_reference: the frozen reference policy of DPO: the checkpoint training ``start``s from, M_1 (``first``) or M_0.
    pooling: train on the samples of M_{t-1} only (``current``) or on those of M_1 .. M_{t-1} together (``all``).
    deduplicate: keep every correct sample, or one per distinct text of a problem (``exact``).
    max_correct_per_problem: cap on SFT samples per problem after de-duplication; null is no cap.
    pairing: ``random`` draws ``pairs_per_problem`` (correct, wrong) pairs without replacement from their product;
        ``all`` takes the whole product and wants ``pairs_per_problem: null``.
    without_correct: an SFT problem with no correct sample is dropped, or trained on its gold solution.
    without_pair: a DPO problem without a correct or without a wrong sample is dropped, or the run stops.
    empty_training_set: M_t is M_{t-1} unchanged (``keep-previous``), or the run stops.
    """

    schedule: tuple[Method, ...]
    start_from: Literal["previous", "base"]
    dpo_reference: Literal["start", "first", "base"]
    pooling: Literal["current", "all"]
    deduplicate: Literal["none", "exact"]
    max_correct_per_problem: int | None
    pairing: Literal["random", "all"]
    pairs_per_problem: int | None
    without_correct: Literal["drop", "gold"]
    without_pair: Literal["drop", "stop"]
    empty_training_set: Literal["keep-previous", "stop"]
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """One training run. ``batch_size`` is the global batch in rows (DPO: pairs); ``max_length`` is in tokens.

    Its length is exactly one of ``epochs`` (passes over the training set) and ``steps`` (optimiser steps, over as many
    passes as they take).
    """

    optimizer: Literal["adamw"]
    learning_rate: float
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float
    weight_decay: float
    max_grad_norm: float
    scheduler: Literal["cosine", "linear", "constant"]
    warmup_ratio: float
    batch_size: int
    epochs: int | None = None
    steps: int | None = None
    max_length: int
    precision: Literal["float32", "bfloat16"]
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class PreferenceOptimisation:
    """DPO on top of its optimisation: ``beta`` weighs the KL term, ``label_smoothing`` is 0 for plain DPO.

    ``sft_coefficient`` weighs the SFT loss on the chosen completions that is added (RPO); without it there is none.
    """

    beta: float
    loss: Literal["sigmoid"]
    label_smoothing: float
    sft_coefficient: float | None = None
    optimisation: Optimisation
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class VllmSettings:
    """Settings of vLLM that can change a number or decide what fits; names are vLLM's own.

    max_model_len: tokens of prompt and completion together. max_num_batched_tokens: per scheduler step.
    chunked_prefill: whether a prompt may be split over steps (not on a CPU, where vLLM 0.32 then loses the seeds).
    attention_backend: a name of vLLM's registry, such as ``FLASH_ATTN`` or ``CPU_ATTN``.
    batch_invariant: kernels whose results do not depend on the batch (GPUs only; slower).
    tensor_parallel: GPUs one engine spans. gpu_memory_utilization (GPUs): the share of memory it may take;
    kv_cache_gib (CPU): the size of its key-value cache.
    """

    max_model_len: int
    max_num_batched_tokens: int
    chunked_prefill: bool
    prefix_caching: bool
    enforce_eager: bool
    attention_backend: str
    batch_invariant: bool
    tensor_parallel: int
    gpu_memory_utilization: float | None
    kv_cache_gib: int | None
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """How the frozen weights under adapters are stored in training: 4-bit NormalFloat (QLoRA, 2305.14314).

    ``double_quant`` quantises the quantisation constants too; ``compute_dtype`` is what 4-bit weights become in a
    matrix product.
    """

    format: Literal["nf4-4bit"]
    double_quant: bool
    compute_dtype: Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Every training run trains low-rank adapters on frozen weights (2106.09685) instead of the weights.

    W' = W + (alpha / rank) B A for the linear layers named in ``target_modules``. ``dropout`` is on the adapters' input
    in SFT; DPO has none. Without ``quantisation`` the frozen weights are float32.
    evaluation: ``merged`` adds the adapters to the start's own, unquantised weights, in the precision these are stored
        in: M_t is a whole checkpoint.
    """

    rank: int
    alpha: int
    dropout: float
    target_modules: tuple[str, ...]
    quantisation: Quantisation | None = None
    evaluation: Literal["merged"]
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """``prompts`` test problems x ``samples`` are replayed in other batches and orders before anything long is sampled.

    It changes no completion; what comes out otherwise is recorded, and the checker allows for it.
    """

    prompts: int
    samples: int
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Engines:
    """Which engines run, and their settings that can change numbers.

    ``max_batch_rows`` is the sampler's rows in flight; ``micro_batch_size`` the most rows that the trainer takes per
    device and pass (what it takes, and the accumulation, follow from the global batch and the number of devices);
    ``threads`` are CPU threads per process. ``distributed`` says how training is spread over the devices that a machine
    has, be it one; without it one process trains on one device.
    ``vllm`` is there exactly when it is the sampler. Without ``probe`` nothing is replayed.
    """

    sampler: Literal["hf", "vllm", "fake"]
    trainer: Literal["trl", "fake"]
    device: Literal["cpu", "cuda"]
    sampler_precision: Literal["float32", "bfloat16"]
    max_batch_rows: int
    micro_batch_size: int
    gradient_checkpointing: bool
    distributed: Literal["ddp", "deepspeed-zero3"] | None = None
    threads: int
    vllm: VllmSettings | None = None
    probe: Probe | None = None
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A sentence encoder: a hub ``repo`` (with ``revision``) or a Python ``package`` that carries it.

    ``weights_sha256`` is the digest of its model.safetensors, required for a package. ``max_batch_rows`` are the texts
    in flight.
    """

    id: str
    repo: str | None = None
    revision: str | None = None
    package: str | None = None
    weights_sha256: str | None = None
    max_batch_rows: int
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is measured of every iteration. ``k`` lists the pass@k; distinct-n averages n = 1..``ngram_max``.

    ``improvement_n`` lists the N of M_1's pass@N on the improvement sets (is-pass@n), ``encoder`` embeds outputs for
    sbert-diversity; each is there exactly when its metric is. What to measure needs no source; ``assumed`` says what a
    paper leaves out of how.
    """

    metrics: tuple[Metric, ...]
    k: tuple[int, ...]
    ngram_max: int
    improvement_n: tuple[int, ...] | None = None
    encoder: Encoder | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measured number: a measurement's name (``pass@1``, ``distinct-n.correct`` ...), split and iteration."""

    metric: str
    split: Split
    iteration: int


@dataclass(frozen=True, kw_only=True)
class ValuePoint:
    """A cell and the id of its row in a reference table."""

    metric: str
    split: Split
    iteration: int
    reference: str


@dataclass(frozen=True, kw_only=True)
class SingleRun:
    """What stands in for the spread that a number published from one run does not have.

    seed_sd: assumed standard deviation over training seeds, in the unit of the rows.
    problems: how many problems the published numbers are means over; null where the paper does not say, or where the
        number differs from point to point: then as many as this run has.
    """

    seed_sd: float
    problems: int | None
    source: str | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class ValueClaim:
    """Measured values are the published ones, within what ``rule`` allows.

    ``confidence`` is that of all points together (Bonferroni), q the quantile at 1 - (1 - confidence) / (2 m) for m
    points. With n reference runs of standard deviation s and K own runs, ``prediction-interval`` allows
    q s sqrt(1/K + 1/n) with Student's q. ``published-value`` is for numbers from one run: with ``single_run`` it allows
    the printed error + q sqrt(seed_sd^2 (1 + 1/K) + the sampling variance of both sides) with the normal q.
    """

    table: str
    points: tuple[ValuePoint, ...]
    rule: Literal["prediction-interval", "published-value"]
    confidence: float
    single_run: SingleRun | None = None


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """Paired bootstrap over problems: two-sided ``confidence``, number of ``resamples``, seed."""

    confidence: float
    resamples: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class OrderClaim:
    """One cell is greater than another, on the same problems."""

    greater: Cell
    lesser: Cell
    bootstrap: Bootstrap


@dataclass(frozen=True, kw_only=True)
class TrendClaim:
    """A metric goes up or down over these iterations: the sign of its least-squares slope."""

    metric: str
    split: Split
    iterations: tuple[int, ...]
    direction: Literal["up", "down"]
    bootstrap: Bootstrap


@dataclass(frozen=True, kw_only=True)
class ClaimReading:
    """One way to read a claim, ``name``d in words, as exactly one of a value, an order or a trend."""

    name: str
    value: ValueClaim | None = None
    order: OrderClaim | None = None
    trend: TrendClaim | None = None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One assertion, in words and as exactly one of a value, an order or a trend.

    ``any_of`` stands for the form where the words have several readings: the claim holds if one of them does.
    """

    id: str
    statement: str
    source: str
    value: ValueClaim | None = None
    order: OrderClaim | None = None
    trend: TrendClaim | None = None
    any_of: tuple[ClaimReading, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class FigurePanel:
    """One pair of axes, or one table: these measurements, a line (or column) each.

    In a figure by number the names have ``*`` for every number: ``is-pass@*.first``, ``gap.mc.q*``; ``x`` says what
    the numbers are.
    title, labels: words for the panel and for each measurement, where their names do not do.
    models: drawn together in one pair of axes. Without it every model has axes of its own; a figure by compute and a
        table have all.
    level: a horizontal line that the paper draws.
    """

    metrics: tuple[str, ...]
    split: Split
    title: str | None = None
    labels: tuple[str, ...] | None = None
    x: str | None = None
    models: tuple[str, ...] | None = None
    level: float | None = None


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The published rows of a reference table with this ``dataset`` and ``method`` (or no method), of every model."""

    table: str
    dataset: str
    method: str


@dataclass(frozen=True, kw_only=True)
class PaperFigure:
    """A figure or table of the paper, which the report draws from a run beside the paper's own numbers.

    form: ``by-iteration`` has t on its axis; ``by-number`` has a number of the measurements' names, and a line for
        every t; ``by-compute`` has the models' pre-training compute, and a line for every family; ``distribution`` is a
        histogram over problems; ``table`` has a row for every model; ``best`` is a table of M_1 and of the best
        iteration, where the published rows call the best of a metric ``best-`` and its name.
    beside: the paper's numbers; where none are published, ``unpublished`` says why, and the run's stand alone.
    compute: by-compute only: the reference table with every model's family, parameters and training tokens.
    bin_width: distribution only.
    """

    id: str
    title: str
    source: str
    form: Literal["by-iteration", "by-number", "by-compute", "distribution", "table", "best"]
    panels: tuple[FigurePanel, ...]
    beside: Beside | None = None
    unpublished: str | None = None
    compute: str | None = None
    bin_width: float | None = None


@dataclass(frozen=True, kw_only=True)
class ProfileBlocks:
    """What another profile replaces: whole blocks, never parts of one. An absent block stays as it is."""

    models: tuple[ModelRef, ...] | None = None
    datasets: Datasets | None = None
    prompt: Prompt | None = None
    ood_grading: Grading | None = None
    sampling: Sampling | None = None
    evaluation: Evaluation | None = None
    post_training: PostTraining | None = None
    sft: Optimisation | None = None
    dpo: PreferenceOptimisation | None = None
    lora: Lora | None = None
    engines: Engines | None = None
    measure: Measure | None = None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One pinned experiment, as its ``paper`` profile; ``profiles`` holds what ``subset`` and ``smoke`` replace.

    ``ood_grading`` judges the ood problems where they are another task's; without it ``grading`` does.
    ``figures`` are no part of the experiment: only the report reads them.
    """

    schema: Literal[1]
    name: str
    version: int
    title: str
    summary: str
    corrects: str | None = None
    paper: Paper
    protocol: Literal["iterative-post-training"]
    seed: int
    models: tuple[ModelRef, ...]
    datasets: Datasets
    prompt: Prompt
    grading: Grading
    ood_grading: Grading | None = None
    sampling: Sampling
    evaluation: Evaluation
    post_training: PostTraining
    sft: Optimisation
    dpo: PreferenceOptimisation | None = None
    lora: Lora | None = None
    engines: Engines
    measure: Measure
    claims: tuple[Claim, ...]
    figures: tuple[PaperFigure, ...] | None = None
    profiles: dict[Literal["subset", "smoke"], ProfileBlocks] | None = None
