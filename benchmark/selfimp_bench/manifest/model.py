"""The manifest as frozen dataclasses: the shape of ``schema/manifest.v1.json``, field by field.

Every number that changes a result is required here, so nothing downstream has a default of its own.
A block says where its values come from: ``source`` (a place in the paper) and, for what the paper does not
give, ``assumed``: one reason for the whole block, or a reason per field.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from selfimp_bench.installed import Brought
from selfimp_bench.manifest.kinds import (
    FILLED,
    SOME,
    TWO,
    UNIQUE,
    Address,
    Assumed,
    BelowHalf,
    BelowOne,
    Capitals,
    Commit,
    Count,
    EncoderPackage,
    Fraction,
    FromHalf,
    FromZero,
    GeneratorName,
    GraderName,
    Name,
    NotNegative,
    Package,
    PathInside,
    Positive,
    PriorSetting,
    Repository,
    RowsOfSplit,
    Scalar,
    Several,
    Sha256,
    Share,
    Source,
    Text,
    Texts,
    TopK,
    Version,
    means,
)
from selfimp_bench.measurement import Split
from selfimp_bench.methods import Kind


class Profile(StrEnum):
    """How much of an experiment a run does."""

    PAPER = "paper"
    SMOKE = "smoke"


class Method(StrEnum):
    """What one iteration trains on: gold solutions, own correct samples, or (correct, wrong) pairs of own samples."""

    SFT_GOLD = "sft-gold"
    SFT = "sft"
    DPO = "dpo"


class TooLong(StrEnum):
    """What becomes of a prompt that does not fit: with the longest completion allowed it is longer than the model, or
    the engine, takes.

    counted-wrong: no completion is asked for, and each counts as a wrong answer. shortened: its completions end where
    the room does, at that length; one without room for a single token is counted wrong. dropped: the problem is left
    out of every mean, as one that cannot be judged, and counted.
    """

    COUNTED_WRONG = "counted-wrong"
    SHORTENED = "shortened"
    DROPPED = "dropped"


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
    CALIBRATION = "ece"
    BALANCE = "balance"
    TAIL_SHARE = "tail-share"


@dataclass(frozen=True, kw_only=True)
class Paper:
    """What the experiment comes from. ``section`` names the place inside it."""

    id: Name
    """Short name of the paper, for example its arXiv number."""
    title: Text
    """Title of the paper."""
    url: Address | None = None
    """Where to read it."""
    section: Text
    """The place inside the paper, for example "Section 5, Figure 3"."""

    @property
    def numbers(self) -> str:
        """Whose the reference numbers are, in words: what can be read nowhere is no paper, and they are our runs."""
        return "our own reference runs" if self.url is None else "the paper's own numbers"

    @property
    def published(self) -> str:
        """What one of those numbers is called beside a measured one: that of our own runs was published by nobody."""
        return "reference runs" if self.url is None else "published"


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Sizes of a decoder-only transformer with gated MLPs, for what a plan forecasts; they change no result.

    ``intermediate_size`` is the MLP's width, ``heads`` and ``kv_heads`` those of queries and of keys and values, of
    ``head_dim`` each.
    """

    parameters: Count
    """Number of weights."""
    layers: Count
    """Transformer layers."""
    hidden_size: Count
    """Width of the residual stream."""
    intermediate_size: Count
    """Width of the MLP."""
    heads: Count
    """Query heads of a layer."""
    kv_heads: Count
    """Heads of keys and of values of a layer."""
    head_dim: Count
    """Width of a head."""
    vocab_size: Count
    """Rows of the embedding table."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class ModelRef:
    """Weights and tokenizer: exactly one of a hub ``repo`` (with 40-hex ``revision``), a shipped ``asset``, a ``path``.

    ``weights_sha256`` is the digest of model.safetensors, or of a model in shards that of their digests by file name
    (canonical JSON); required for assets and paths.
    ``sft_learning_rate`` and ``dpo_learning_rate`` take the place of the blocks' for this model, where the source
    gives models rates of their own; ``tensor_parallel`` that of ``engines.vllm``, for models of several sizes fit no
    one number of GPUs. ``architecture`` lets a plan forecast a hub model whose files are not at hand.
    """

    id: Name
    """The model's name in this manifest, its tables and its reports."""
    repo: Repository | None = None
    """Hub repository; needs a revision."""
    revision: Commit | None = None
    """The commit of the hub repository."""
    asset: Name | None = None
    """Name of a model that the package ships; needs weights_sha256."""
    path: PathInside | None = None
    """A folder with a model; needs weights_sha256."""
    weights_sha256: Sha256 | None = None
    """sha256 of model.safetensors (of shards: of their digests by file name); required for an asset or a path."""
    sft_learning_rate: Positive | None = None
    """Takes the place of the sft block's peak learning rate for this model."""
    dpo_learning_rate: Positive | None = None
    """Takes the place of the dpo block's peak learning rate for this model."""
    tensor_parallel: Count | None = None
    """Takes the place of engines.vllm.tensor_parallel for this model: GPUs one engine spans."""
    architecture: Architecture | None = None
    """Lets a plan forecast a hub model whose files are not at hand."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Generator:
    """A seeded generator of problems that the package ships (``GENERATORS`` in ``tasks/tables.py``)."""

    task: GeneratorName
    """Whose problems it makes."""
    split: Split
    """Which part it makes; equals the part that the data set plays."""
    count: Count
    """Number of problems; equals rows."""
    seed: FromZero
    """Seed of the generator."""


@dataclass(frozen=True, kw_only=True)
class Characters:
    """How long a data set's rows are, in characters, for what a plan forecasts; they change no result.

    ``prompt`` is the question, with its choices and tests where it has them; ``answer`` is the gold solution.
    """

    prompt_mean: Positive
    """Question, with choices and tests where it has them."""
    prompt_longest: Count
    """The longest of them."""
    answer_mean: Positive
    """The gold solution."""
    answer_longest: Count
    """The longest of them."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class CountedPrompt:
    """One prompt of a data set, and how long it is."""

    problem_id: Text
    """The problem."""
    tokens: Count
    """Of its prompt, BOS included where it is added."""


@dataclass(frozen=True, kw_only=True)
class PromptTokens:
    """The longest prompts of a data set with one model's tokenizer, as once counted; they change no result.

    A plan reads them where the files are not at hand. Every prompt that is not listed is at most as long as the last
    one that is.
    """

    model: Name
    """The id of the model whose tokenizer counted."""
    longest: Annotated[tuple[CountedPrompt, ...], SOME]
    """The longest first; every other prompt of the data set is at most as long as the last."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetRef:
    """Problems: exactly one of a hub ``repo`` (``revision``, ``split``), a ``path`` or a ``generator``.

    ``configs`` are the hub configurations whose rows are joined, in this order, where the repository has several.
    ``rows`` and ``digest`` (sha256 over the canonical JSON of the rows, in order) pin the content whatever the origin;
    ``digest`` is null where the rows of a hub data set were not at hand, and only its revision pins it.
    """

    id: Name
    """The data set's name in this manifest and its reports."""
    repo: Repository | None = None
    """Hub repository; needs a revision and a split."""
    revision: Commit | None = None
    """The commit of the hub repository."""
    configs: Texts | None = None
    """Configurations of the hub repository whose rows are joined, in this order, where it has several."""
    split: RowsOfSplit | None = None
    """Split of the hub repository, or consecutive rows of it: train[:200] are its first 200."""
    path: PathInside | None = None
    """A problems file (JSONL or Parquet), relative to the manifest."""
    generator: Generator | None = None
    """A seeded generator of problems that the package ships."""
    rows: Count
    """Number of problems."""
    digest: Sha256 | None
    """sha256 over the canonical JSON of the problems, in order; proves a mirror. Null only for a repo whose rows were
    not at hand."""
    characters: Characters | None = None
    """How long the rows are, for what a plan forecasts."""
    prompt_tokens: Annotated[tuple[PromptTokens, ...], SOME] | None = None
    """The longest prompts by model, for a plan where the files are not at hand."""
    source: Source | None = None
    assumed: Assumed | None = None

    def part_of_split(self) -> tuple[str | None, slice]:
        """The name of the split, and which of its rows these are: ("train", slice(0, 200)) for train[:200]."""
        name, _, rows = (self.split or "").rstrip("]").partition("[")
        first, _, end = rows.partition(":")
        return name or None, slice(int(first or 0), int(end) if end else None)


@dataclass(frozen=True, kw_only=True)
class Datasets:
    """The data sets by the part they play; ``ood`` may be absent."""

    train: DatasetRef
    """Problems with gold solutions to train on and to sample from."""
    test: DatasetRef
    """Problems that every M_t answers, greedily and sampled."""
    ood: DatasetRef | None = None
    """Problems of another kind that every M_t answers greedily; may be absent."""

    def by_split(self) -> dict[Split, DatasetRef]:
        """The data sets by the part they play; the parts that there are not are left out."""
        parts = {Split.TRAIN: self.train, Split.TEST: self.test, Split.OOD: self.ood}
        return {split: dataset for split, dataset in parts.items() if dataset is not None}


@dataclass(frozen=True, kw_only=True)
class Rationales:
    """Why the answers of the training problems are right, for a task whose data set gives answers alone.

    A row of ``data`` is one rationale: the id of its problem and a text; a problem may have several. ``sft-gold``
    trains on ``template`` filled with each of them in place of the bare answer. A problem without one is left out of
    it, and sampled later as all others.
    """

    data: DatasetRef
    """One rationale a row, by the id of its problem."""
    template: Text
    """The gold solution; {rationale} and {answer} stand in it exactly once each, other braces are text."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A question whose rendered prompt must become exactly these token ids with this model's tokenizer.

    ``choices`` and ``tests`` are there where the template has a field for them.
    """

    model: Text
    """Id of one of the models."""
    question: Text
    """The question that takes the place of {question}."""
    choices: Annotated[tuple[Text, ...], SOME] | None = None
    """The choices that take the place of {choices}, where the template has that field."""
    tests: Annotated[tuple[Text, ...], SOME] | None = None
    """The tests that take the place of {tests}, where the template has that field."""
    token_ids: Annotated[tuple[FromZero, ...], SOME]
    """The whole prompt as token ids, BOS included where it is added."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """How a problem becomes token ids. ``template`` has the field ``{question}``, once.

    It may also have ``{choices}`` (a line each, ``A. text``) and ``{tests}`` (a line each); other braces are text.
    ``completion_prefix`` stands between the prompt and a gold solution when a model is trained on it.
    ``add_bos`` prepends the model's BOS id once; a prompt that already begins with it is refused.
    """

    template: Text
    """The prompt; {question} stands in it exactly once, {choices} and {tests} at most once; LaTeX braces are text."""
    completion_prefix: str
    """What stands between the prompt and a gold solution in training; may be empty."""
    add_bos: bool
    """Put the model's BOS id in front, once."""
    canaries: tuple[Canary, ...]
    """Prompts with their token ids, at least one for every model that is an asset or a path."""
    too_long: TooLong = TooLong.COUNTED_WRONG
    """What becomes of a prompt that does not fit with the longest completion: it is counted wrong (where nothing is
    said), its completions are shortened, or the problem is dropped; each is counted and reported."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Grading:
    """Which task's grader (``GRADERS`` in ``grading/graders.py``) judges, and which of its two rules decides.

    The judgement of the other rule is recorded beside it.
    """

    task: GraderName
    """Whose answers are judged."""
    extraction: Literal["strict", "flexible"]
    """The rule that decides; the other one is recorded beside it."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Random sampling. ``top_k`` -1 and ``top_p`` 1.0 switch that filter off; ``max_tokens`` counts new tokens."""

    samples_per_problem: Count
    """Completions drawn for every problem."""
    temperature: Positive
    """Divides the logits; greedy decoding has its own block."""
    top_p: Share
    """Nucleus of this probability; 1 switches the filter off."""
    top_k: TopK
    """The k most likely tokens; -1 switches the filter off."""
    max_tokens: Count
    """Longest completion, in tokens."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Greedy:
    """Greedy decoding: the most likely token, one completion per problem."""

    max_tokens: Count
    """Longest completion, in tokens."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What is generated from every M_t to be measured: greedy on test and ood, samples on test."""

    greedy: Greedy
    """One completion per problem, on test and ood."""
    sampled: Sampling
    """Several completions per problem, on test."""


@dataclass(frozen=True, kw_only=True)
class OwnCode:
    """A function that another installed package brings, by an entry point (``selfimp_bench.methods`` has its form).

    ``package`` is the distribution, ``version`` the one that must be installed, ``name`` the entry point. The group of
    the entry point follows from where it is named. Its code, and the versions of what the package requires, are a part
    of the steps' fingerprints.
    """

    package: Package
    """The distribution that brings it, as pip knows it."""
    version: Version
    """The version of the distribution that must be installed."""
    name: Name
    """The entry point's name."""
    options: dict[str, Scalar] | None = None
    """Further keyword arguments of the function; absent: none."""
    source: Source | None = None
    assumed: Assumed | None = None

    def brought(self, kind: Kind) -> Brought:
        """What is to be looked for among the installed packages."""
        options = tuple(sorted((self.options or {}).items()))
        return Brought(kind=kind, package=self.package, version=self.version, name=self.name, options=options)


@dataclass(frozen=True, kw_only=True)
class Resample:
    """More samples where a model rarely succeeds: difficulty-aware sampling (2411.00750, without its guidance).

    A training problem of whose samples fewer than ``below`` are correct is sampled ``most`` times more.
    """

    below: Count
    """Correct samples that are enough."""
    most: Count
    """Further samples of a problem that has fewer."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Temperature and reward threshold of every iteration: those with the highest balance score (2412.17256).

    M_t answers ``problems`` of the training problems, spread evenly, at every temperature; the score is the mean over
    them of min(n'/``enough``, 1) n'/n, with n the distinct responses of a reward above the threshold and n' the correct
    ones among them. All training problems are then sampled at the best temperature, and SFT takes the responses above
    the best threshold, those of the highest reward first.
    """

    reward: Literal["agreement", "correct+agreement"]
    """The share of a problem's samples with the response's answer; or 1 where it is correct, and a fifth of that share
    more."""
    temperatures: Annotated[tuple[Positive, ...], SOME, UNIQUE]
    """The grid's temperatures; of equal scores the first wins."""
    thresholds: Annotated[tuple[NotNegative, ...], SOME, UNIQUE]
    """The grid's thresholds, which a reward must exceed; of equal scores the first wins."""
    enough: Count
    """Correct responses to a problem that are enough: n* of the paper."""
    problems: Count
    """Training problems that the grid is scored on."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Majority:
    """Training sets without gold labels: what a model's samples agree on counts as right (2407.13647, stage II).

    The answer of most samples of a problem is taken where the lower confidence bound of its share is at least
    ``share``; the other problems are left out. With ``level`` 0.5 the bound is the share itself.
    """

    share: Share
    """The least share of the samples that a majority is known to have."""
    level: FromHalf
    """One-sided confidence of the bound (Wilson's), from 0.5 (the share itself) to below 1."""
    source: Source | None = None
    assumed: Assumed | None = None


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
    resample, balance, majority: how a follow-up departs from the algorithm, at most one; absent: not at all.
    sample_rule, pair_rule: a function of another package that says which samples SFT, which pairs DPO trains on, in
        the place of the rules above; at most ``max_correct_per_problem`` and ``pairs_per_problem`` of a problem.
    """

    schedule: Annotated[tuple[Method, ...], SOME]
    """The method of every iteration t = 1..T; the first, and only the first, is sft-gold."""
    start_from: Literal["previous", "base"]
    """The checkpoint that training starts from: M_{t-1} (previous) or M_0 (base)."""
    dpo_reference: Literal["start", "first", "base"]
    """The frozen reference policy: where training starts (start), M_1 (first) or M_0 (base)."""
    pooling: Literal["current", "all"]
    """Train on the samples of M_{t-1} only (current), or of M_1 .. M_{t-1} together (all)."""
    deduplicate: Literal["none", "exact"]
    """Keep every correct sample, or one per distinct text of a problem."""
    max_correct_per_problem: Count | None
    """SFT samples per problem after de-duplication; null is no cap."""
    pairing: Literal["random", "all"]
    """Draw pairs_per_problem pairs at random without replacement, or take all."""
    pairs_per_problem: Count | None
    """DPO pairs per problem; null exactly when pairing is all."""
    without_correct: Literal["drop", "gold"]
    """An SFT problem without a correct sample is dropped, or trained on its gold solution."""
    without_pair: Literal["drop", "stop"]
    """A DPO problem without a correct or a wrong sample is dropped, or the run stops."""
    empty_training_set: Literal["keep-previous", "stop"]
    """M_t is M_{t-1} unchanged, or the run stops."""
    resample: Resample | None = None
    """More samples of training problems with few correct ones; absent: as many of each."""
    balance: Balance | None = None
    """Temperature and reward threshold chosen anew in every iteration; absent: those of sampling, and what is correct.
    """
    majority: Majority | None = None
    """A vote says which answers are right; absent: the gold answers do."""
    sample_rule: OwnCode | None = None
    """A function of another package chooses the samples that SFT trains on; absent: the correct ones, first come."""
    pair_rule: OwnCode | None = None
    """A function of another package chooses the pairs that DPO trains on; absent: as pairing says."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """One training run. ``batch_size`` is the global batch in rows (DPO: pairs); ``max_length`` is in tokens.

    Its length is exactly one of ``epochs`` (passes over the training set) and ``steps`` (optimiser steps, over as many
    passes as they take).
    """

    optimizer: Literal["adamw"]
    """AdamW, with decoupled weight decay."""
    learning_rate: Positive
    """Peak learning rate."""
    adam_beta1: BelowOne
    """Decay of the first moment."""
    adam_beta2: BelowOne
    """Decay of the second moment."""
    adam_epsilon: Positive
    """Added to the denominator."""
    weight_decay: NotNegative
    """0 switches it off."""
    max_grad_norm: Positive
    """Gradients are clipped to this norm."""
    scheduler: Literal["cosine", "linear", "constant"]
    """Learning rate after the warm-up."""
    warmup_ratio: Fraction
    """Part of all steps in which the learning rate rises."""
    batch_size: Count
    """Global batch in rows (DPO: pairs); a multiple of engines.micro_batch_size."""
    epochs: Count | None = None
    """Passes over the training set; exactly one of epochs and steps."""
    steps: Count | None = None
    """Optimiser steps, over as many passes as they take; exactly one of epochs and steps."""
    max_length: Count
    """In tokens, prompt and completion together; above sampling.max_tokens."""
    precision: Literal["float32", "bfloat16"]
    """Of weights and arithmetic in training."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class PreferenceOptimisation:
    """DPO on top of its optimisation: ``beta`` weighs the KL term, ``label_smoothing`` is 0 for plain DPO.

    ``sft_coefficient`` weighs the SFT loss on the chosen completions that is added (RPO), each completion's divided by
    its length in tokens; without it there is none.
    """

    beta: Positive
    """Weight of the KL term."""
    loss: Literal["sigmoid", "own"]
    """Form of the loss; own is that of pair_loss."""
    label_smoothing: BelowHalf
    """0 for plain DPO."""
    sft_coefficient: Positive | None = None
    """Weight of the SFT loss on the chosen completions that is added to DPO's (RPO), each completion's negative
    log-likelihood divided by its length in tokens (2404.19733); absent: no such term."""
    pair_loss: OwnCode | None = None
    """A function of another package that is the loss of a pair, given beta; exactly with loss own."""
    optimisation: Optimisation
    """The training run itself."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class VllmSettings:
    """Settings of vLLM that can change a number or decide what fits; names are vLLM's own.

    max_model_len: tokens of prompt and completion together. max_num_batched_tokens: per scheduler step.
    chunked_prefill: whether a prompt may be split over steps (not on a CPU, where vLLM 0.32 then loses the seeds).
    attention_backend: a name of vLLM's registry, such as ``FLASH_ATTN`` or ``CPU_ATTN``.
    model_runner: which of vLLM 0.32's two runs the model. They have other noise for a seed, another kernel for
        log-probabilities and another way to load weights; left to itself vLLM takes v2 wherever Triton is. On a CPU v1.
    batch_invariant: kernels whose results do not depend on the batch (GPUs only; slower).
    tensor_parallel: GPUs one engine spans. gpu_memory_utilization (GPUs): the share of memory it may take;
    kv_cache_gib (CPU): the size of its key-value cache.
    """

    max_model_len: Count
    """Tokens of prompt and completion together."""
    max_num_batched_tokens: Count
    """Tokens that one step of the scheduler may handle."""
    chunked_prefill: bool
    """Whether a prompt may be split over steps; not on a CPU."""
    prefix_caching: bool
    """Whether equal beginnings of prompts are computed once."""
    enforce_eager: bool
    """No compilation and no CUDA graphs."""
    attention_backend: Capitals
    """A name of vLLM's registry, for example FLASH_ATTN or CPU_ATTN."""
    model_runner: Literal["v1", "v2"]
    """Which of vLLM's two model runners; v1 on a CPU."""
    batch_invariant: bool
    """Kernels whose results do not depend on the batch; on GPUs only, with an attention backend that has them."""
    tensor_parallel: Count
    """GPUs that one engine spans."""
    gpu_memory_utilization: Share | None
    """Share of a GPU's memory that the engine takes; null on a CPU."""
    kv_cache_gib: Count | None
    """Its size in GiB on a CPU; null on GPUs."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """How the frozen weights under adapters are stored in training: 4-bit NormalFloat (QLoRA, 2305.14314).

    ``double_quant`` quantises the quantisation constants too; ``compute_dtype`` is what 4-bit weights become in a
    matrix product.
    """

    format: Literal["nf4-4bit"]
    """4-bit NormalFloat."""
    double_quant: bool
    """Quantise the quantisation constants too."""
    compute_dtype: Literal["float32", "bfloat16"]
    """What 4-bit weights become in a matrix product."""


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Every training run trains low-rank adapters on frozen weights (2106.09685) instead of the weights.

    W' = W + (alpha / rank) B A for the linear layers named in ``target_modules``. ``dropout`` is on the adapters' input
    in SFT; DPO has none. Without ``quantisation`` the frozen weights are float32.
    evaluation: ``merged`` adds the adapters to the start's own, unquantised weights, in the precision these are stored
        in: M_t is a whole checkpoint.
    """

    rank: Count
    """Of every adapter."""
    alpha: Count
    """Adapters count alpha / rank."""
    dropout: BelowOne
    """On the adapters' input, in SFT; DPO has none."""
    target_modules: Texts
    """Names of the linear layers that get an adapter, for example q_proj."""
    quantisation: Quantisation | None = None
    """How the frozen weights are stored in training; absent: float32."""
    evaluation: Literal["merged"]
    """Adapters are added to the start's own weights: M_t is a whole checkpoint."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Probe:
    """``prompts`` test problems x ``samples`` are replayed in other batches and orders before anything long is sampled.

    It changes no completion; what comes out otherwise is recorded, and the checker allows for it.
    """

    prompts: Several
    """How many test problems, spread evenly over the data set."""
    samples: Count
    """Completions of each, with the parameters of evaluation.sampled."""
    source: Source | None = None
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
    """Who generates."""
    trainer: Literal["trl", "fake"]
    """Who trains."""
    device: Literal["cpu", "cuda"]
    """Where both run."""
    sampler_precision: Literal["float32", "bfloat16"]
    """Of weights and arithmetic in sampling."""
    max_batch_rows: Count
    """Most rows that the sampler has in flight."""
    micro_batch_size: Count
    """Most rows per device and pass in training; divides batch_size."""
    gradient_checkpointing: bool
    """Compute activations again in the backward pass, to save memory."""
    distributed: Literal["ddp", "deepspeed-zero3"] | None = None
    """How training is spread over the machine's devices: whole copies (ddp), or shards of weights, gradients and
    optimiser state (deepspeed-zero3). Absent: one process on one device."""
    threads: Count
    """CPU threads per process."""
    vllm: VllmSettings | None = None
    """Its settings; present exactly when it is the sampler."""
    probe: Probe | None = None
    """What is replayed to see whether batches change completions. Absent: nothing."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """A sentence encoder: a hub ``repo`` (with ``revision``) or a Python ``package`` that carries it.

    ``weights_sha256`` is the digest of its model.safetensors, required for a package. ``max_batch_rows`` are the texts
    in flight.
    """

    id: Name
    """The model's name in this manifest, its tables and its reports."""
    repo: Repository | None = None
    """Hub repository; needs a revision."""
    revision: Commit | None = None
    """The commit of the hub repository."""
    package: EncoderPackage | None = None
    """Name of the Python package that carries it."""
    weights_sha256: Sha256 | None = None
    """sha256 of model.safetensors; required for an asset or a path."""
    max_batch_rows: Count
    """Texts in flight."""
    source: Source | None = None
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What is measured of every iteration. ``k`` lists the pass@k; distinct-n averages n = 1..``ngram_max``.

    ``diversity_samples`` is how many sampled outputs of a problem distinct-n, distinct-equations and sbert-diversity
    look at, the first ones, correct and incorrect together: diversity falls with their number. Absent: all.
    ``improvement_n`` lists the N of M_1's pass@N on the improvement sets (is-pass@n), ``encoder`` embeds outputs for
    sbert-diversity, ``ece_bins`` are the bins of ece, ``tail_from`` the least level of tail-share; each is there
    exactly when its metric is. ``choice_lead``, with ece, has the confidence of choices' labels, too. What to measure
    needs no source; ``assumed`` says what a paper leaves out of how.
    """

    metrics: Annotated[tuple[Metric, ...], SOME, UNIQUE]
    """Which metrics."""
    k: Annotated[tuple[Several, ...], UNIQUE]
    """The k of pass@k, each at most evaluation.sampled.samples_per_problem; empty without pass@k."""
    ngram_max: Count
    """distinct-n averages n = 1 .. ngram_max."""
    diversity_samples: Count | None = None
    """Sampled outputs of a problem that diversity is over, the first ones, at most
    evaluation.sampled.samples_per_problem; absent: all."""
    improvement_n: Annotated[tuple[Count, ...], SOME, UNIQUE] | None = None
    """The N of M_1's pass@N on the improvement sets; present exactly with is-pass@n."""
    encoder: Encoder | None = None
    """Embeds outputs; present exactly with sbert-diversity."""
    ece_bins: Count | None = None
    """Equal bins of confidence for ece; present exactly with ece."""
    choice_lead: Text | None = None
    """What stands between a prompt and the label of a choice (a space, too) where labels are weighed for ece; absent:
    they are not."""
    tail_from: Count | None = None
    """Level from which on a training problem is of the tail; present exactly with tail-share."""
    assumed: Assumed | None = None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measured number: a measurement's name (``pass@1``, ``distinct-n.correct`` ...), split and iteration."""

    metric: Text
    """Its name: pass@1, pass@K, coverage, distinct-n.correct, ..."""
    split: Split
    """On which part."""
    iteration: FromZero
    """1 is the model after the first training; verification counts from 0, the model as it is."""


@dataclass(frozen=True, kw_only=True)
class ValuePoint:
    """A cell and the id of its row in a reference table."""

    metric: Text
    """Its name: pass@1, pass@K, coverage, distinct-n.correct, ..."""
    split: Split
    """On which part."""
    iteration: FromZero
    """1 is the model after the first training; verification counts from 0, the model as it is."""
    reference: Text
    """Id of the row in the table."""


@dataclass(frozen=True, kw_only=True)
class Apart:
    """What would refute a number where nothing has no effect to be compared with: a run this far off."""

    apart: Positive
    """A run this far off, to either side, would refute it; in the unit of the rows."""


Against = Annotated[
    Literal["frozen", "none"] | Apart,
    means(
        "What a run must be told from: frozen (the model of the claim's first iteration), none (0), or {apart: X} (a "
        "run X off, in the rows' unit)."
    ),
]


@dataclass(frozen=True, kw_only=True)
class ValueClaim:
    """Measured values are the published ones, and are not what ``against`` says.

    How far apart is still equal follows from the rows, the run and the manifest's ``priors``
    (``verdict/value.py``); nothing here can widen it.
    """

    table: PathInside
    """The reference table: beside the manifest, or in reference_results/."""
    points: Annotated[tuple[ValuePoint, ...], SOME]
    """What is compared."""
    against: Against
    problems: Count | None = None
    """How many problems the published numbers are over, where no row says; null: nobody says."""


@dataclass(frozen=True, kw_only=True)
class OrderClaim:
    """One cell is greater than another, on the same problems; by more than ``bound`` where there is one.

    Without ``lesser`` it is greater than ``bound``.
    """

    greater: Cell
    """The cell that the paper finds greater."""
    lesser: Cell | None = None
    """The cell that the paper finds smaller."""
    times: Positive | None = None
    """Factor of lesser; 1 without it."""
    bound: float | None = None
    """What greater is above, or by how much it is above lesser, in the measurement's unit; 0 without it."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells that it is about."""
        return (self.greater,) if self.lesser is None else (self.greater, self.lesser)


@dataclass(frozen=True, kw_only=True)
class TrendClaim:
    """A metric goes up or down over these iterations: the sign of its least-squares slope."""

    metric: Text
    """Its name: pass@1, pass@K, coverage, distinct-n.correct, ..."""
    split: Split
    """On which part."""
    iterations: Annotated[tuple[FromZero, ...], TWO]
    """Two or more, strictly increasing."""
    direction: Literal["up", "down"]
    """Where the paper sees it go."""


@dataclass(frozen=True, kw_only=True)
class ClaimReading:
    """One way to read a claim, or one part of it, ``name``d in words: exactly one of a value, an order or a trend."""

    name: Text
    """The reading in words."""
    value: ValueClaim | None = None
    """Measured values equal published ones."""
    order: OrderClaim | None = None
    """One measured number is greater than another."""
    trend: TrendClaim | None = None
    """A metric goes up or down."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One assertion, in words and as exactly one of a value, an order or a trend.

    ``any_of`` stands for the form where the words have several readings: the claim holds if one of them does;
    ``all_of`` where they assert several things: it holds if all of them do.
    """

    id: Name
    """The claim's name in reports."""
    statement: Text
    """What the paper says, in one sentence."""
    source: Text
    """Where the paper says it."""
    value: ValueClaim | None = None
    """Measured values equal published ones."""
    order: OrderClaim | None = None
    """One measured number is greater than another."""
    trend: TrendClaim | None = None
    """A metric goes up or down."""
    any_of: Annotated[tuple[ClaimReading, ...], TWO] | None = None
    """Several readings of the words, each with its form; the claim holds if one does."""
    all_of: Annotated[tuple[ClaimReading, ...], TWO] | None = None
    """Several parts of the words, each with its form; the claim holds if all do."""

    @property
    def several(self) -> Literal["any_of", "all_of"] | None:
        """The key of its readings or of its parts; None where it has one form."""
        return "any_of" if self.any_of is not None else "all_of" if self.all_of is not None else None


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

    metrics: Texts
    """Their names, a line or column each; in form by-number with * for every number: is-pass@*.first."""
    split: Split
    """On which part."""
    title: Text | None = None
    """Words for the panel."""
    labels: Texts | None = None
    """Words for each measurement."""
    x: Text | None = None
    """Form by-number only: what the numbers are."""
    models: Texts | None = None
    """Drawn together; without it every model has axes of its own (by-compute and table: all together)."""
    level: float | None = None
    """A horizontal line that the paper draws, in the measurements' unit."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """The published rows of a reference table with this ``dataset`` and ``method`` (or no method), of every model."""

    table: PathInside
    """Under reference_results/."""
    dataset: Text
    """The rows' dataset."""
    method: Text
    """The rows' method; rows without one belong to every method."""


@dataclass(frozen=True, kw_only=True)
class PaperFigure:
    """A figure or table of the paper, which the report draws from a run beside the paper's own numbers.

    form: ``by-iteration`` has t on its axis; ``by-number`` has a number of the measurements' names, and a line for
        every t; ``by-compute`` has the models' pre-training compute, and a line for every family; ``distribution`` is a
        histogram over problems; ``table`` has a row for every model; ``best`` is a table of M_1 and of the best
        iteration, where the published rows call the best of a metric ``best-`` and its name.
    beside: the paper's numbers; where none are published, ``unpublished`` says why, and the run's stand alone.
    compute: by-compute only: the reference table with every model's family, parameters and training tokens.
    bin_width: distribution, and by-number where a number in a name is what at most a share of the responses has: the
        shares up to each number become those in bins of this width.
    """

    id: Name
    """Unique among the figures; names the file."""
    title: Text
    """What it shows."""
    source: Text
    """Where in the paper."""
    form: Literal["by-iteration", "by-number", "by-compute", "distribution", "table", "best"]
    """by-iteration: over t; by-number: over a number in the names; by-compute: over the models' pre-training compute;
    distribution: a histogram over problems; table: a row for every model; best: a table of M_1 and the best iteration.
    """
    panels: Annotated[tuple[FigurePanel, ...], SOME]
    """One after the other."""
    beside: Beside | None = None
    """The published rows; exactly one of this and unpublished."""
    unpublished: Text | None = None
    """Why no published numbers stand beside it."""
    compute: PathInside | None = None
    """Form by-compute only: the reference table of the models' families, parameters and training tokens."""
    bin_width: Positive | None = None
    """The width of a bin: of form distribution in the measurements' unit; of form by-number, where shares up to each
    number become shares in between, as the numbers."""


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """A value that could as well be another: what ``--vary`` may name."""

    field: Text
    """The value's place in the manifest, its keys joined by dots: post_training.pairs_per_problem."""
    values: Annotated[tuple[Scalar, ...], SOME]
    """Others that are plausible, the next to try first."""
    reason: Text
    """Why these, with the evidence."""


@dataclass(frozen=True, kw_only=True)
class Variation:
    """One value that a variant has in place of the experiment's own."""

    field: Text
    """Its place, as in `sensitivity`."""
    value: Scalar
    """What it is here."""
    instead_of: Scalar
    """What it is in the experiment."""


@dataclass(frozen=True, kw_only=True)
class ProfileBlocks:
    """What another profile replaces: whole blocks, never parts of one. An absent block stays as it is."""

    models: Annotated[tuple[ModelRef, ...], SOME] | None = None
    """The base models M_0."""
    datasets: Datasets | None = None
    """The problems, by the part they play."""
    rationales: Rationales | None = None
    """What is trained on first in place of bare answers."""
    prompt: Prompt | None = None
    """How a problem becomes token ids."""
    ood_grading: Grading | None = None
    """Replaces the ood_grading block."""
    sampling: Sampling | None = None
    """How training samples are drawn from M_{t-1}."""
    evaluation: Evaluation | None = None
    """What every M_t generates to be measured."""
    post_training: PostTraining | None = None
    """The procedure."""
    sft: Optimisation | None = None
    """Every supervised training run."""
    dpo: PreferenceOptimisation | None = None
    """Every DPO run; present exactly when the schedule has dpo."""
    lora: Lora | None = None
    """Adapters that every training run trains instead of the weights; absent: the weights are trained."""
    engines: Engines | None = None
    """Which engines run."""
    measure: Measure | None = None
    """What is measured."""


Profiles = Annotated[dict[Literal["smoke"], Annotated[ProfileBlocks, FILLED]], FILLED]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """One pinned experiment, as its ``paper`` profile; ``profiles`` holds what ``smoke`` replaces.

    ``ood_grading`` judges the ood problems where they are another task's; without it ``grading`` does.
    ``figures`` are no part of the experiment: only the report reads them.
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
    protocol: Literal["iterative-post-training"]
    """The procedure that the manifest follows."""
    seed: FromZero
    """Every other seed follows from it."""
    models: Annotated[tuple[ModelRef, ...], SOME]
    """The base models M_0."""
    datasets: Datasets
    """The problems, by the part they play."""
    rationales: Rationales | None = None
    """What is trained on first in place of bare answers; absent: the answers themselves."""
    prompt: Prompt
    """How a problem becomes token ids."""
    grading: Grading
    """How an answer is judged."""
    ood_grading: Grading | None = None
    """How an answer to an ood problem is judged, where those are another task's."""
    sampling: Sampling
    """How training samples are drawn from M_{t-1}."""
    evaluation: Evaluation
    """What every M_t generates to be measured."""
    post_training: PostTraining
    """The procedure."""
    sft: Optimisation
    """Every supervised training run."""
    dpo: PreferenceOptimisation | None = None
    """Every DPO run; present exactly when the schedule has dpo."""
    lora: Lora | None = None
    """Adapters that every training run trains instead of the weights; absent: the weights are trained."""
    engines: Engines
    """Which engines run."""
    measure: Measure
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
