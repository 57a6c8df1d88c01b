"""Loading a checkpoint and decoding from it, in the sampler's child process.

``generate`` of transformers expands a prompt to its N samples before the prefill; here each prompt is prefilled once
and its cache expanded, each row draws from its own random stream, and finished rows leave the batch.
"""

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils import deterministic
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.cache_utils import DynamicCache, DynamicLayer
from transformers.generation.logits_process import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper
from transformers.utils import logging as transformers_logging

from selfimp_bench.engines.base import (
    Completion,
    Decoding,
    FinishReason,
    LabelPrompt,
    LabelScores,
    Prompt,
    SamplerSettings,
)
from selfimp_bench.engines.limits import Limits, check_files, check_labels, check_prompt
from selfimp_bench.engines.tokens import TokenCodec, load_codec, needed_stop_ids
from selfimp_bench.errors import InputError, StepFailed

# Room for this many tokens is added to a cache at a time, so that a step writes in place instead of copying it.
CACHE_GROWTH: Final = 32

# Stop texts are looked for after so many tokens each; to look after every one would cost more than it saves.
STOP_TEXT_EVERY: Final = 16

# Finished rows leave the batch when they are this share of it: moving the cache costs about one step of attention.
COMPACT_SHARE: Final = 1 / 8


class GrowingLayer(DynamicLayer):  # type: ignore[misc]  # transformers is untyped to mypy
    """A DynamicLayer that keeps spare room behind its keys and values; what it returns is the same."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: Tensor | None = None
        self.values: Tensor | None = None
        self._room: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> tuple[Tensor, Tensor]:
        """Append the new states; returns all keys and all values, each (rows, heads, length, head size)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if self._room is None or end > self._room[0].shape[-2]:
            rows, heads, _, _ = key_states.shape
            self._room = (
                key_states.new_empty(rows, heads, end + CACHE_GROWTH, key_states.shape[-1]),
                value_states.new_empty(rows, heads, end + CACHE_GROWTH, value_states.shape[-1]),
            )
            if start and self.keys is not None and self.values is not None:
                self._room[0][:, :, :start] = self.keys
                self._room[1][:, :, :start] = self.values
        self._room[0][:, :, start:end] = key_states
        self._room[1][:, :, start:end] = value_states
        self.keys, self.values = self._room[0][:, :, :end], self._room[1][:, :, :end]
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows, in this order; a row may be named several times."""
        self._room = None
        super().batch_select_indices(indices)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One completion to be generated: a place in the request."""

    prompt: Prompt
    sample_index: int


class HfModel:
    """At most one loaded checkpoint, and decoding from it."""

    def __init__(self, settings: SamplerSettings) -> None:
        self._settings = settings
        self._checkpoint: Path | None = None
        self._model: PreTrainedModel | None = None
        transformers_logging.disable_progress_bar()
        torch.set_num_threads(settings.threads)
        torch.backends.cuda.matmul.allow_tf32 = False
        # On CUDA a few kernels (cumsum) have no deterministic form; their noise is in the last bits.
        torch.use_deterministic_algorithms(True, warn_only=settings.device == "cuda")
        # A debugging aid that costs 8 % of the time.
        deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]

    def load(self, checkpoint: Path) -> None:
        """Load a checkpoint folder and free the one before. Raises InputError when it cannot be loaded."""
        if self._settings.device == "cuda" and not torch.cuda.is_available():
            raise InputError(
                "engines.device is cuda, but torch finds no CUDA device here; run on a machine with one (nvidia-smi "
                "shows it) or set engines.device to cpu"
            )
        if checkpoint == self._checkpoint:
            return
        self._model, self._checkpoint = None, None
        gc.collect()
        torch.cuda.empty_cache()
        self._model = load_model(checkpoint, getattr(torch, self._settings.precision)).to(self._settings.device)
        self._checkpoint = checkpoint

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Completion]]:
        """The completions of every row, batch by batch. Raises InputError for prompts that the model cannot take."""
        assert self._model is not None and self._checkpoint is not None
        limits = limits_of(self._model)
        for prompt in prompts:
            name = f"problem {prompt.problem_id}"
            check_prompt(limits, name, prompt.token_ids, new_tokens=decoding.max_tokens, checkpoint=self._checkpoint)
        stops = torch.tensor(sorted(needed_stop_ids(self._checkpoint)), device=self._model.device)
        codec = load_codec(self._checkpoint) if decoding.stop else None
        for rows in batches(prompts, self._settings.max_batch_rows):
            try:
                yield decode_batch(self._model, rows, decoding, stops, codec)
            except torch.OutOfMemoryError as error:
                raise self._out_of_memory(len(rows), error) from error

    def label_logprobs(self, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]) -> Iterator[list[LabelScores]]:
        """The label scores of every prompt, batch by batch. Raises InputError for what the model cannot take."""
        assert self._model is not None and self._checkpoint is not None
        limits = limits_of(self._model)
        check_labels(limits, label_ids, self._checkpoint)
        for prompt in prompts:
            name = f"verification prompt {prompt.prompt_id}"
            check_prompt(limits, name, prompt.token_ids, new_tokens=0, checkpoint=self._checkpoint)
        by_length = sorted(prompts, key=lambda prompt: len(prompt.token_ids))
        size = self._settings.max_batch_rows
        for batch in (by_length[start : start + size] for start in range(0, len(by_length), size)):
            try:
                yield weigh_batch(self._model, batch, label_ids)
            except torch.OutOfMemoryError as error:
                raise self._out_of_memory(len(batch), error) from error

    def _out_of_memory(self, rows: int, error: Exception) -> StepFailed:
        return StepFailed(
            f"the hf sampler ran out of GPU memory with {rows} rows in flight; lower "
            f"engines.max_batch_rows (now {self._settings.max_batch_rows}). torch said: {error}"
        )


def load_model(checkpoint: Path, dtype: torch.dtype) -> PreTrainedModel:
    """The model of a local folder, from safetensors only and complete; InputError otherwise."""
    check_files(checkpoint)
    try:
        model, info = AutoModelForCausalLM.from_pretrained(
            checkpoint,
            dtype=dtype,
            attn_implementation="sdpa",
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # OSError, SafetensorError, ValueError, RuntimeError: all mean "these files"
        raise InputError(
            f"{checkpoint}: the checkpoint cannot be loaded ({type(error).__name__}: {error}); fetch or train it again"
        ) from error
    # transformers would go on with random weights in the place of missing ones.
    wrong = {name: sorted(map(str, info[name])) for name in ("missing_keys", "mismatched_keys") if info.get(name)}
    if wrong:
        raise InputError(f"{checkpoint}: the weights do not fit config.json: {wrong}; fetch or train it again")
    return model.eval()


def limits_of(model: PreTrainedModel) -> Limits:
    """What the model can be given."""
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return Limits(vocabulary=model.get_input_embeddings().weight.shape[0], positions=positions)


def batches(prompts: Sequence[Prompt], max_rows: int) -> Iterator[list[Row]]:
    """All rows in batches, prompts of like length together; the samples of one prompt stay side by side."""
    by_length = sorted(prompts, key=lambda prompt: len(prompt.token_ids))
    rows = [Row(prompt=prompt, sample_index=index) for prompt in by_length for index in range(len(prompt.seeds))]
    for start in range(0, len(rows), max_rows):
        yield rows[start : start + max_rows]


@torch.inference_mode()
def weigh_batch(model: PreTrainedModel, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]) -> list[LabelScores]:
    """The label scores of one batch, from one pass over the prompts."""
    token_ids, mask = padded([prompt.token_ids for prompt in prompts])
    token_ids, mask = token_ids.to(model.device), mask.to(model.device)
    output = model(
        input_ids=token_ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0),
        use_cache=False,
        logits_to_keep=1,
    )
    logprobs = output.logits[:, -1].double().log_softmax(dim=-1)[:, list(label_ids)].tolist()
    return [
        LabelScores(prompt_id=prompt.prompt_id, logprobs=tuple(line))
        for prompt, line in zip(prompts, logprobs, strict=True)
    ]


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Token ids of all rows, padded on the left, and the attention mask; both (rows, longest row)."""
    width = max(len(row) for row in rows)
    token_ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for index, row in enumerate(rows):
        token_ids[index, width - len(row) :] = torch.tensor(row)
        mask[index, width - len(row) :] = 1
    return token_ids, mask


@torch.inference_mode()
def decode_batch(
    model: PreTrainedModel, rows: Sequence[Row], decoding: Decoding, stops: Tensor, codec: TokenCodec | None
) -> list[Completion]:
    """Generate the completions of one batch; ``codec`` is needed where there are stop texts."""
    uniforms = torch.from_numpy(row_uniforms(rows, decoding)).to(model.device)
    logits, cache, mask = prefill(model, rows, extra=decoding.max_tokens)
    tokens = torch.zeros(len(rows), decoding.max_tokens, dtype=torch.long, device=model.device)
    lengths = torch.full((len(rows),), decoding.max_tokens, device=model.device)  # stays so for rows without EOS
    alive = torch.arange(len(rows), device=model.device)  # the row of each line of the running batch
    running = torch.ones(len(rows), dtype=torch.bool, device=model.device)  # whether that row still generates
    width = mask.shape[1] - decoding.max_tokens
    for step in range(decoding.max_tokens):
        chosen = choose(logits, uniforms[alive, step], decoding)
        tokens[alive, step] = chosen
        ended = running & torch.isin(chosen, stops)
        lengths[alive[ended]] = step
        running &= ~ended
        if codec is not None and (step + 1) % STOP_TEXT_EVERY == 0:
            said = running & wrote_stop_text(tokens[alive, : step + 1], decoding.stop, codec)
            lengths[alive[said]] = step + 1
            running &= ~said
        left = int(running.sum())
        if left == 0 or step + 1 == decoding.max_tokens:
            break
        if len(running) - left >= COMPACT_SHARE * len(running):
            kept = running.nonzero().flatten()
            cache.batch_select_indices(kept)
            alive, chosen, mask, running = alive[kept], chosen[kept], mask[kept], running[kept]
        seen = mask[:, : width + step + 1]
        logits = forward(model, chosen[:, None], seen, cache, positions=seen.sum(dim=1, keepdim=True) - 1)
    return collect(rows, tokens.cpu().numpy(), lengths.cpu().numpy(), decoding)


def wrote_stop_text(tokens: Tensor, stop: Sequence[str], codec: TokenCodec) -> Tensor:
    """Which lines of tokens (lines, length) hold a stop text; what stands in a line after its end does no harm."""
    texts = (codec.decode(line) for line in tokens.tolist())
    return torch.tensor([any(each in text for each in stop) for text in texts], device=tokens.device)


def prefill(model: PreTrainedModel, rows: Sequence[Row], *, extra: int) -> tuple[Tensor, DynamicCache, Tensor]:
    """Run each distinct prompt once, padded on the left.

    Returns the next-token logits (rows, vocabulary), the cache of every row, and the attention mask (rows, width +
    extra), whose last ``extra`` columns are the tokens to come.
    """
    prompts = list({id(row.prompt): row.prompt for row in rows}.values())
    place = {id(prompt): index for index, prompt in enumerate(prompts)}
    token_ids, seen = padded([prompt.token_ids for prompt in prompts])
    token_ids, seen = token_ids.to(model.device), seen.to(model.device)
    mask = torch.cat([seen, seen.new_ones(len(prompts), extra)], dim=1)
    cache = DynamicCache(config=model.config)
    # Only plain layers: those of sliding windows and the like keep their own rules.
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    logits = forward(model, token_ids, seen, cache, positions=(seen.cumsum(dim=1) - 1).clamp(min=0))
    expand = torch.tensor([place[id(row.prompt)] for row in rows], device=model.device)
    cache.batch_select_indices(expand)
    return logits[expand], cache, mask[expand]


def forward(model: PreTrainedModel, token_ids: Tensor, mask: Tensor, cache: DynamicCache, positions: Tensor) -> Tensor:
    """Next-token logits (lines, vocabulary) in float32 after these tokens, which go into the cache."""
    output = model(
        input_ids=token_ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: Tensor = output.logits[:, -1].float()
    return logits


def row_uniforms(rows: Sequence[Row], decoding: Decoding) -> NDArray[np.float64]:
    """One number in [0, 1) per row and token position, from a counter-based stream keyed by the row's seed alone."""
    if decoding.temperature == 0:
        return np.zeros((len(rows), decoding.max_tokens))
    streams = (np.random.Philox(key=row.prompt.seeds[row.sample_index]) for row in rows)
    return np.stack([np.random.Generator(stream).random(decoding.max_tokens) for stream in streams])


def choose(logits: Tensor, uniforms: Tensor, decoding: Decoding) -> Tensor:
    """The next token of every line: the most likely one at temperature 0, else by inverse CDF.

    logits (lines, vocabulary), uniforms (lines,). The filters are transformers' own, in the order of its ``generate``:
    temperature, top-k, top-p.
    """
    if decoding.temperature == 0:
        return logits.argmax(dim=-1)
    scores: Any = logits
    unused: Any = None  # the warpers do not look at the tokens so far
    if decoding.temperature != 1:
        scores = TemperatureLogitsWarper(decoding.temperature)(unused, scores)
    if decoding.top_k != -1:
        scores = TopKLogitsWarper(top_k=decoding.top_k)(unused, scores)
    if decoding.top_p < 1:
        scores = TopPLogitsWarper(top_p=decoding.top_p)(unused, scores)
    cumulative = scores.double().softmax(dim=-1).cumsum(dim=-1)
    total = cumulative[:, -1]
    # Strictly below the total, or rounding could choose a token behind the last possible one.
    target = torch.minimum(uniforms * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, target[:, None], right=True)[:, 0]


def collect(
    rows: Sequence[Row], tokens: NDArray[np.int64], lengths: NDArray[np.int64], decoding: Decoding
) -> list[Completion]:
    """Rows, their tokens (rows, max_tokens) and lengths (rows,) as completions."""
    return [
        Completion(
            problem_id=row.prompt.problem_id,
            sample_index=row.sample_index,
            token_ids=tuple(line[:length].tolist()),
            finish_reason=FinishReason.STOP if length < decoding.max_tokens else FinishReason.LENGTH,
        )
        for row, line, length in zip(rows, tokens, lengths, strict=True)
    ]
