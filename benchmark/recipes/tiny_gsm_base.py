"""Makes the tiny-gsm base model: tokenizer, Llama weights and model card.

Run from the repository root, with the package importable:

    PYTHONPATH=benchmark python benchmark/recipes/tiny_gsm_base.py \
        --out benchmark/selfimp_bench/assets/tiny-gsm-base

Fixed seeds, no downloads.  The same machine and library versions give the
same bytes; others give an equivalent model.

Why the data is flawed on purpose: a base trained on sound solutions alone
errs only by slips of arithmetic, and self-training cannot repair those.  Here
each phrasing of a step is read wrongly at its own rate, so that the right
reading is within reach of sampling without always being the first choice.
"""

import argparse
import hashlib
import logging
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from selfimp_bench.tasks.tiny_gsm import (
    FAMILIES,
    MAX_LEVEL,
    Family,
    Operation,
    Pool,
    Step,
    Story,
    apply_step,
    draw_story,
    is_applicable,
    pool_of,
    seeded_random,
    write_question,
    write_solution,
)

BOS: Final = "<bos>"
EOS: Final = "<eos>"
PAD: Final = "<pad>"

# A digit, an operator with its spaces, a word with its space, the answer mark:
# one token each.  Whatever is left falls to single pieces of bytes.
TOKEN_PATTERN: Final = (
    r"\n#### (?=[0-9])|[0-9]| [-+*/=] (?=[0-9])| ?\p{L}+|"
    r" ?[^\s\p{L}0-9]+|\s"
)

OTHER_OPERATION: Final = {
    Operation.ADD: Operation.SUBTRACT,
    Operation.SUBTRACT: Operation.ADD,
    Operation.MULTIPLY: Operation.ADD,
    Operation.DIVIDE: Operation.SUBTRACT,
}

# Flawed solutions may run above the largest value of a sound one.
LARGEST_FLAWED_VALUE: Final = 199


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Every number of the recipe."""

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
    held_out_share: float
    tricky_share: float
    tricky_sound: tuple[float, float]
    plain_sound: tuple[float, float]
    held_out_sound: tuple[float, float]


RECIPE: Final = Recipe(
    seed=20260101,
    vocab_size=640,
    tokenizer_rows=4000,
    hidden_size=128,
    intermediate_size=352,
    layers=3,
    heads=4,
    positions=512,
    steps=1800,
    batch_size=96,
    learning_rate=3e-3,
    warmup_steps=100,
    weight_decay=0.05,
    threads=2,
    held_out_share=0.12,
    tricky_share=0.4,
    tricky_sound=(0.2, 0.4),
    plain_sound=(0.75, 0.9),
    held_out_sound=(0.4, 0.7),
)


def sound_rate(family: Family, operation: Operation, cue: int, recipe: Recipe) -> float:
    """The share of solutions that read this phrasing rightly."""
    rng = seeded_random("tiny-gsm-flaw-rate", family.name, operation, str(cue))
    if family.held_out:
        return rng.uniform(*recipe.held_out_sound)
    is_tricky = rng.random() < recipe.tricky_share
    return rng.uniform(*(recipe.tricky_sound if is_tricky else recipe.plain_sound))


def flawed_reading(family: Family, step: Step) -> Step | None:
    """The one wrong reading of this phrasing; None leaves the step out."""
    rng = seeded_random("tiny-gsm-flaw-kind", family.name, step.operation, str(step.cue))
    kind = rng.choice(("other operation", "other operation", "misread", "dropped"))
    if kind == "dropped":
        return None
    if kind == "misread":
        return Step(operation=step.operation, operand=step.operand + 1, cue=step.cue)
    other = OTHER_OPERATION[step.operation]
    return Step(operation=other, operand=step.operand, cue=step.cue)


def read_steps(story: Story, recipe: Recipe, rng: random.Random) -> tuple[Step, ...]:
    """The steps that one writer of the mixture takes, sound or not."""
    value = story.start
    steps = []
    for step in story.steps:
        rate = sound_rate(story.family, step.operation, step.cue, recipe)
        reading = step if rng.random() < rate else flawed_reading(story.family, step)
        if reading and is_applicable(value, reading, largest=LARGEST_FLAWED_VALUE):
            value = apply_step(value, reading)
            steps.append(reading)
    return tuple(steps)


def draw_text(recipe: Recipe, rng: random.Random) -> str:
    """One row of the mixture; its question is never one of train, test or ood."""
    is_held_out = rng.random() < recipe.held_out_share
    family = rng.choice([f for f in FAMILIES if f.held_out == is_held_out])
    level = rng.randint(1, MAX_LEVEL)
    while True:
        story = draw_story(family, level, rng)
        question = write_question(story)
        if pool_of(question) is Pool.PRETRAINING:
            solution = write_solution(story, read_steps(story, recipe, rng), rng)
            return f"Question: {question}\nAnswer: {solution}"


def make_tokenizer(recipe: Recipe) -> PreTrainedTokenizerFast:
    """Byte-level BPE: lossless on any UTF-8 text; adds no special token by itself."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(TOKEN_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocab_size,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    rng = seeded_random("tiny-gsm-tokenizer", str(recipe.seed))
    texts = [draw_text(recipe, rng) for _ in range(recipe.tokenizer_rows)]
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=recipe.positions,
        clean_up_tokenization_spaces=False,
    )


def make_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.intermediate_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=recipe.positions,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def batches(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> Iterator[list[list[int]]]:
    """Endless batches of token ids, rows of like length together (less padding)."""
    rng = seeded_random("tiny-gsm-pretraining", str(recipe.seed))
    batches_per_chunk = 16
    while True:
        texts = [draw_text(recipe, rng) + EOS for _ in range(recipe.batch_size * batches_per_chunk)]
        encoded = cast(list[list[int]], tokenizer(texts)["input_ids"])
        encoded.sort(key=len)
        starts = list(range(0, len(encoded), recipe.batch_size))
        rng.shuffle(starts)
        for start in starts:
            yield encoded[start : start + recipe.batch_size]


def learning_rate_at(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine to zero."""
    if step < recipe.warmup_steps:
        return recipe.learning_rate * (step + 1) / recipe.warmup_steps
    done = (step - recipe.warmup_steps) / (recipe.steps - recipe.warmup_steps)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def batch_loss(model: LlamaForCausalLM, rows: list[list[int]], pad_id: int) -> torch.Tensor:
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [pad_id] * (width - len(row)) for row in rows])
    labels = ids.masked_fill(ids == pad_id, -100)
    # Padding is on the right, so the causal mask alone keeps it out.
    output: Any = model(input_ids=ids, labels=labels)
    return cast(torch.Tensor, output.loss)


def pretrain(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> None:
    """Trains the model in place, logging the loss now and then."""
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=recipe.weight_decay)
    pad_id = cast(int, tokenizer.pad_token_id)
    model.train()
    for step, rows in zip(range(recipe.steps), batches(recipe, tokenizer), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, recipe)
        loss = batch_loss(model, rows, pad_id)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 0 or step == recipe.steps - 1:
            logging.info("step %5d  loss %.4f", step, loss.item())


def write_assets(out: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Recipe) -> None:
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    weights = (out / "model.safetensors").read_bytes()
    card = MODEL_CARD.format(
        parameters=f"{model.num_parameters():,}",
        sha256=hashlib.sha256(weights).hexdigest(),
        recipe="\n".join(f"| {key} | {value} |" for key, value in vars(recipe).items()),
    )
    (out / "README.md").write_text(card, encoding="utf-8")


MODEL_CARD: Final = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---

# tiny-gsm-base

A Llama of {parameters} parameters that answers the small word problems of
`selfimp_bench.tasks.tiny_gsm`, often wrongly. It is the base model of the
miniature self-improvement experiments and of no other use.

- Weights: `model.safetensors`, sha256 `{sha256}`
- Licence: Apache-2.0
- Text form: `Question: ...\\nAnswer: solution lines\\n#### 19<eos>`, no `<bos>`
  (the tokenizer adds no special token by itself). A completion begins with a space.
- Tokenizer: byte-level BPE; each digit is one token; any UTF-8 text round-trips.

## Training data

Generated text only, made by the recipe; no downloaded data. Each row is a
question of the generator with one solution. Each phrasing of a step is read
wrongly (other operation, misread number, left-out step) at a rate of its own:
most phrasings are mostly read rightly, some mostly wrongly. The wording
families of the `ood` split are a small share. No question of `train`, `test`
or `ood` occurs (a hash of the question decides where it may be used).

## Made by

    PYTHONPATH=benchmark python benchmark/recipes/tiny_gsm_base.py \\
        --out benchmark/selfimp_bench/assets/tiny-gsm-base

| setting | value |
|---|---|
{recipe}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(RECIPE.seed)
    torch.set_num_threads(RECIPE.threads)
    torch.use_deterministic_algorithms(True)
    tokenizer = make_tokenizer(RECIPE)
    model = make_model(RECIPE, tokenizer)
    pretrain(model, tokenizer, RECIPE)
    write_assets(out, model, tokenizer, RECIPE)


if __name__ == "__main__":
    main()
