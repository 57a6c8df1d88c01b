"""The seams: a Sampler turns prompts into completions, a Trainer a training set into a checkpoint, an Embedder texts
into vectors.

The value types have no defaults: every number an engine sees was written in a manifest or derived from one, and an
adapter adds, drops or renames none.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol

from selfimp_bench.engines.trl.machines import Machines
from selfimp_bench.manifest.model import Engines, Lora, ModelRef, Optimisation, PreferenceOptimisation, VllmSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class FinishReason(StrEnum):
    """Why a completion ended: the model said EOS or wrote a stop text, or ``max_tokens`` were reached.

    The other two are of completions that no engine was asked for, because prompt and completion do not fit the model:
    the empty one counts as a wrong answer, or is left out (``TooLong`` of the manifest).
    """

    STOP = "stop"
    LENGTH = "length"
    TOO_LONG = "too long"
    DROPPED = "dropped"


NOT_ASKED: Final = frozenset({FinishReason.TOO_LONG, FinishReason.DROPPED})
"""Of completions that no engine was asked for."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One problem as token ids, and one seed (0 .. 2**63 - 1) for each completion wanted of it."""

    problem_id: str
    token_ids: tuple[int, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How tokens are chosen. Temperature 0 is greedy (seeds are then unused); top_k -1 and top_p 1 filter nothing.

    stop: texts that end a completion's use. The caller cuts before the first of them, so an engine may stop anywhere
    behind it, or not at all; what it returns holds that text whole.
    """

    temperature: float
    top_p: float
    top_k: int
    max_tokens: int
    stop: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Completion:
    """Generated token ids without the final EOS. ``sample_index`` is the place of its seed in the prompt's seeds."""

    problem_id: str
    sample_index: int
    token_ids: tuple[int, ...]
    finish_reason: FinishReason


@dataclass(frozen=True, kw_only=True)
class LabelPrompt:
    """One prompt as token ids whose next token is to be weighed; ``prompt_id`` is unique in its request."""

    prompt_id: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class LabelScores:
    """ln p(next token = label) of every label, in the labels' order; each is at most 0 and finite."""

    prompt_id: str
    logprobs: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class SamplerSettings:
    """What a sampler is opened with (see ``Engines`` in the manifest)."""

    device: Literal["cpu", "cuda"]
    precision: Literal["float32", "bfloat16"]
    max_batch_rows: int
    threads: int
    vllm: VllmSettings | None


def sampler_settings(engines: Engines, model: ModelRef) -> SamplerSettings:
    """What a manifest's sampler is opened with for a model."""
    vllm = engines.vllm
    if vllm is not None and model.tensor_parallel is not None:
        vllm = replace(vllm, tensor_parallel=model.tensor_parallel)
    return SamplerSettings(
        device=engines.device,
        precision=engines.sampler_precision,
        max_batch_rows=engines.max_batch_rows,
        threads=engines.threads,
        vllm=vllm,
    )


class Sampler(Protocol):
    """Generates and weighs. One sampler serves many checkpoints, one after the other."""

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:
        """Yield one completion per seed of every prompt, in any order.

        A completion depends on checkpoint, token ids, seed and decoding; order and batch decide nothing but speed
        (and, in floating point, the last bits of a logit).
        Raises StepFailed when the engine's process dies, InputError when the checkpoint cannot be loaded.
        """
        ...

    def label_logprobs(
        self, checkpoint: Path, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]
    ) -> Iterator[LabelScores]:
        """Yield the scores of every prompt, in any order: ln p(next token = label) for each of ``label_ids``.

        The probabilities are those of the whole softmax at temperature 1, nothing filtered, so that those of all
        tokens together sum to 1. Labels are single token ids (at least one); the caller chooses them.
        Raises StepFailed when the engine's process dies, InputError when the checkpoint cannot be loaded, or a prompt
        or a label does not fit the model.
        """
        ...

    def close(self) -> None:
        """End the engine's process and return its memory. The next call opens it again."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """One training run, whole.

    training_set: Parquet with list<int> columns: for ``sft`` prompt_ids, completion_ids; for ``dpo`` prompt_ids,
        chosen_ids, rejected_ids. Completions end with EOS. Loss falls on the completion only.
    reference: the frozen policy of DPO; None for SFT.
    preference: None for SFT.
    lora: adapters to train instead of the weights; None trains the weights.
    seed: 0 .. 2**32 - 1, the range that numpy's and so every trainer's seed has.
    micro_batch_size: the most rows per device and pass; a divisor of batch_size.
    distributed: how training is spread over the devices there are; None is one process on one device.
    """

    method: Literal["sft", "dpo"]
    start: Path
    reference: Path | None
    training_set: Path
    optimisation: Optimisation
    preference: PreferenceOptimisation | None
    lora: Lora | None
    seed: int
    device: Literal["cpu", "cuda"]
    micro_batch_size: int
    gradient_checkpointing: bool
    distributed: Literal["ddp", "deepspeed-zero3"] | None
    threads: int


Tracker = Literal["tensorboard", "wandb"]


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a run trains where that changes no result beyond the last bits of a number.

    save_minutes: minutes between checkpoints to resume from; 0 is one after every optimizer step.
    log_to: what to write losses for too, besides our own log.
    processes: on how many devices of a machine a distributed job runs; None is every GPU that is visible, and one on a
        CPU.
    machines: those that a distributed job spans; None is this one.
    """

    save_minutes: float
    log_to: Tracker | None
    processes: int | None
    machines: Machines | None


SAVE_MINUTES: Final = 30.0
"""Between checkpoints to resume from, unless a run says otherwise: what a kill costs at most."""

PLAIN_TRAINING: Final = TrainOptions(save_minutes=SAVE_MINUTES, log_to=None, processes=None, machines=None)


@dataclass(frozen=True, kw_only=True)
class TrainFolders:
    """Three folders that exist. ``out``, empty, receives the checkpoint.

    work: what a killed run of this very job left to resume from; its owner removes it when the job is done.
    log: receives ``train_speed.jsonl`` (time, tokens per second and peak memory by step) and what a tracker writes.
    """

    out: Path
    work: Path
    log: Path


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What training left: a folder with config, model.safetensors, tokenizer and train_log.jsonl (loss by step).

    The folder's bytes depend on the job alone (in floating point also on the number of processes); times are here and
    in the log folder, not there.
    """

    path: Path
    optimizer_steps: int
    rows: int
    tokens: int
    processes: int
    seconds: float


OnProgress = Callable[[int, int], None]


class Trainer(Protocol):
    """Trains one checkpoint into the next."""

    def train(self, job: TrainJob, folders: TrainFolders, on_progress: OnProgress) -> Checkpoint:
        """Run the job, or what a killed run of it left to do, and leave the checkpoint in ``folders.out``.

        ``on_progress`` is told the optimizer steps done and the steps in all.
        Raises StepFailed with the end of the child's log when it fails, InputError when the job cannot be run as
        it is (a batch that these devices cannot share, no such device).
        """
        ...


@dataclass(frozen=True, kw_only=True)
class EmbedderSettings:
    """What an embedder is opened with. ``max_batch_rows`` texts go through the model at a time."""

    device: Literal["cpu", "cuda"]
    max_batch_rows: int
    threads: int


class Embedder(Protocol):
    """Embeds texts, all with the same model."""

    def embed(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """One vector per text, shape (texts, dimensions), in the order of the texts; (0, dimensions) for none.

        Equal texts have equal vectors, and the same texts in any order have the same ones to the last bit. Which
        other texts there are decides only the last bits. A text longer than the model reads is cut at its end.
        Raises StepFailed when the engine's process dies, InputError when the model cannot be loaded.
        """
        ...

    def close(self) -> None:
        """End the engine's process and return its memory. The next ``embed`` opens it again."""
        ...
