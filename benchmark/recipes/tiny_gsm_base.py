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
import random
from pathlib import Path
from typing import Final

from pretraining import Flaws, Settings, Text, batches, make_model, make_tokenizer, prepare, pretrain, write_assets

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

SETTINGS: Final = Settings(
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
)
FLAWS: Final = Flaws(
    held_out_share=0.12,
    tricky_share=0.4,
    tricky_sound=(0.2, 0.4),
    plain_sound=(0.75, 0.9),
    held_out_sound=(0.4, 0.7),
)


def sound_rate(family: Family, operation: Operation, cue: int, flaws: Flaws) -> float:
    """The share of solutions that read this phrasing rightly."""
    rng = seeded_random("tiny-gsm-flaw-rate", family.name, operation, str(cue))
    return flaws.sound_rate(rng, held_out=family.held_out)


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


def read_steps(story: Story, flaws: Flaws, rng: random.Random) -> tuple[Step, ...]:
    """The steps that one writer of the mixture takes, sound or not."""
    value = story.start
    steps = []
    for step in story.steps:
        rate = sound_rate(story.family, step.operation, step.cue, flaws)
        reading = step if rng.random() < rate else flawed_reading(story.family, step)
        if reading and is_applicable(value, reading, largest=LARGEST_FLAWED_VALUE):
            value = apply_step(value, reading)
            steps.append(reading)
    return tuple(steps)


def draw_pretraining_story(flaws: Flaws, rng: random.Random) -> Story:
    """A story whose question is never one of train, test or ood."""
    is_held_out = rng.random() < flaws.held_out_share
    family = rng.choice([f for f in FAMILIES if f.held_out == is_held_out])
    level = rng.randint(1, MAX_LEVEL)
    while True:
        story = draw_story(family, level, rng)
        if pool_of(write_question(story)) is Pool.PRETRAINING:
            return story


def draw_text(flaws: Flaws, rng: random.Random) -> Text:
    """One row of the mixture."""
    story = draw_pretraining_story(flaws, rng)
    solution = write_solution(story, read_steps(story, flaws, rng), rng)
    return Text(given=f"Question: {write_question(story)}\nAnswer:", learned=f" {solution}")


def draw_whole_text(rng: random.Random) -> Text:
    """A row whose question is learned, too."""
    text = draw_text(FLAWS, rng)
    return Text(given="", learned=text.given + text.learned)


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
    prepare(SETTINGS)
    rng = seeded_random("tiny-gsm-tokenizer", str(SETTINGS.seed))
    texts = [draw_whole_text(rng) for _ in range(SETTINGS.tokenizer_rows)]
    tokenizer = make_tokenizer(SETTINGS, texts, TOKEN_PATTERN)
    model = make_model(SETTINGS, tokenizer)
    rows = batches(SETTINGS, tokenizer, draw_whole_text, seeded_random("tiny-gsm-pretraining", str(SETTINGS.seed)))
    pretrain(model, rows, SETTINGS)
    write_assets(out, model, tokenizer, MODEL_CARD, numbers=vars(SETTINGS) | vars(FLAWS))


if __name__ == "__main__":
    main()
