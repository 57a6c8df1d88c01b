"""What the recipes of the tiny base models share: tokenizer, Llama weights, training from scratch.

Fixed seeds, no downloads.  The same machine and library versions give the
same bytes; others give an equivalent model.
"""

import hashlib
import logging
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final, cast

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

BOS: Final = "<bos>"
EOS: Final = "<eos>"
PAD: Final = "<pad>"

IGNORED: Final = -100
BATCHES_PER_CHUNK: Final = 16


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every number of tokenizer, model and training."""

    seed: int
    vocab_size: int
    tokenizer_rows: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    positions: int
    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    threads: int


@dataclass(frozen=True, kw_only=True)
class Flaws:
    """How often the writers of a mixture are right.

    Each phrasing has a rate of its own: a ``tricky_share`` of phrasings is right at a rate within ``tricky_sound``,
    the others within ``plain_sound``, those of the ood split within ``held_out_sound``. ``held_out_share`` is the
    share of rows that have a phrasing of the ood split.
    """

    held_out_share: float
    tricky_share: float
    tricky_sound: tuple[float, float]
    plain_sound: tuple[float, float]
    held_out_sound: tuple[float, float]

    def sound_rate(self, rng: random.Random, *, held_out: bool) -> float:
        """The share of right solutions of the phrasing that rng stands for."""
        if held_out:
            return rng.uniform(*self.held_out_sound)
        is_tricky = rng.random() < self.tricky_share
        return rng.uniform(*(self.tricky_sound if is_tricky else self.plain_sound))


@dataclass(frozen=True, kw_only=True)
class Part:
    """A piece of a row."""

    text: str
    is_learned: bool


@dataclass(frozen=True, kw_only=True)
class Text:
    """One row of a mixture; the loss falls on ``learned`` only, and on the end of the row.

    then: how the row goes on; None ends it.
    """

    given: str
    learned: str
    then: "Text | None" = None

    def parts(self) -> Iterator[Part]:
        """The row's pieces in order, the last with the end-of-text token."""
        yield Part(text=self.given, is_learned=False)
        if self.then is None:
            yield Part(text=self.learned + EOS, is_learned=True)
        else:
            yield Part(text=self.learned, is_learned=True)
            yield from self.then.parts()

    @property
    def whole(self) -> str:
        """The row as it reads."""
        return self.given + self.learned + (self.then.whole if self.then else "")


Draw = Callable[[random.Random], Text]


def make_tokenizer(settings: Settings, texts: Iterable[Text], token_pattern: str) -> PreTrainedTokenizerFast:
    """Byte-level BPE: lossless on any UTF-8 text; adds no special token by itself."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(token_pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator((text.whole for text in texts), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=settings.positions,
        clean_up_tokenization_spaces=False,
    )


def make_model(settings: Settings, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """An untrained Llama; its weights follow from torch's seed."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=settings.positions,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


@dataclass(frozen=True, kw_only=True)
class Example:
    """Token ids, and as many labels: the ids themselves where the loss falls, else IGNORED."""

    ids: list[int]
    labels: list[int]


def batches(
    settings: Settings, tokenizer: PreTrainedTokenizerFast, draw: Draw, rng: random.Random
) -> Iterator[list[Example]]:
    """Endless batches, rows of like length together (less padding)."""
    while True:
        texts = [draw(rng) for _ in range(settings.batch_size * BATCHES_PER_CHUNK)]
        examples = _encode(texts, tokenizer)
        examples.sort(key=lambda example: len(example.ids))
        starts = list(range(0, len(examples), settings.batch_size))
        rng.shuffle(starts)
        for start in starts:
            yield examples[start : start + settings.batch_size]


def _encode(texts: list[Text], tokenizer: PreTrainedTokenizerFast) -> list[Example]:
    parts = [list(text.parts()) for text in texts]
    encoded = iter(cast(list[list[int]], tokenizer([part.text for row in parts for part in row])["input_ids"]))
    return [_example(row, [next(encoded) for _ in row]) for row in parts]


def _example(parts: list[Part], ids: list[list[int]]) -> Example:
    labels = [each if part.is_learned else [IGNORED] * len(each) for part, each in zip(parts, ids, strict=True)]
    return Example(ids=list(chain.from_iterable(ids)), labels=list(chain.from_iterable(labels)))


def learning_rate_at(step: int, settings: Settings) -> float:
    """Linear warm-up, then a cosine to zero."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / (settings.steps - settings.warmup_steps)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def batch_loss(model: LlamaForCausalLM, rows: list[Example]) -> torch.Tensor:
    """The mean loss of a batch's labels."""
    ids, labels = _padded(model, rows)
    # Padding is on the right, so the causal mask alone keeps it out.
    output: Any = model(input_ids=ids, labels=labels)
    return cast(torch.Tensor, output.loss)


def labelled_loss(model: LlamaForCausalLM, rows: list[Example]) -> torch.Tensor:
    """The same, with logits for no token but the labelled: faster by a third where these are few and a model small."""
    ids, labels = _padded(model, rows)
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    following = labels[:, 1:]
    labelled = following != IGNORED
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[labelled]), following[labelled])


def _padded(model: LlamaForCausalLM, rows: list[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and labels of all rows; both (rows, longest row)."""
    pad_id = cast(int, model.config.pad_token_id)
    width = max(len(row.ids) for row in rows)
    ids = torch.tensor([row.ids + [pad_id] * (width - len(row.ids)) for row in rows])
    labels = torch.tensor([row.labels + [IGNORED] * (width - len(row.ids)) for row in rows])
    return ids, labels


Loss = Callable[[LlamaForCausalLM, list[Example]], torch.Tensor]


def pretrain(
    model: LlamaForCausalLM, rows: Iterator[list[Example]], settings: Settings, loss_of: Loss = batch_loss
) -> int:
    """Trains the model in place, logging the loss now and then; returns how many tokens it saw."""
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=settings.weight_decay)
    tokens = 0
    model.train()
    for step, batch in zip(range(settings.steps), rows, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings)
        loss = loss_of(model, batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        tokens += sum(len(row.ids) for row in batch)
        if step % 100 == 0 or step == settings.steps - 1:
            logging.info("step %5d  loss %.4f", step, loss.item())
    return tokens


def prepare(settings: Settings) -> None:
    """Seeds torch and makes it deterministic, before the model is made."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(True)


def write_assets(
    out: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, card: str, *, numbers: dict[str, object]
) -> None:
    """Writes weights, tokenizer and model card; ``card`` holds {parameters}, {sha256} and {recipe}."""
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    weights = (out / "model.safetensors").read_bytes()
    text = card.format(
        parameters=f"{model.num_parameters():,}",
        sha256=hashlib.sha256(weights).hexdigest(),
        recipe="\n".join(f"| {key} | {value} |" for key, value in numbers.items()),
    )
    (out / "README.md").write_text(text, encoding="utf-8")
