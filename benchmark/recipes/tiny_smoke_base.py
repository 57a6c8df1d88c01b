r"""Makes the tiny-smoke base model, which knows a little of four kinds of toy problems.

Run from the repository root, with the package importable:

    PYTHONPATH=benchmark python benchmark/recipes/tiny_smoke_base.py \
        --out benchmark/selfimp_bench/assets/tiny-smoke-base

It starts from the weights of tiny-gsm-base, which can calculate: as many steps
from scratch leave word problems and sums of fractions unsolved.

The data is flawed on purpose, as that of tiny-gsm-base is (see there): every
phrasing is answered wrongly at a rate of its own, so that a smoke run always
has right and wrong samples to train on and to measure.
"""

import argparse
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import tiny_gsm_base
import torch
from pretraining import Flaws, Settings, Text, batches, make_model, make_tokenizer, prepare, pretrain, write_assets
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from selfimp_bench.tasks import commonsense_qa, toy_csqa, toy_math, toy_mbpp
from selfimp_bench.tasks.tiny_gsm import Pool, pool_of, seeded_random

# As in tiny-gsm-base; and a line break with its indentation, and a LaTeX
# command with the signs around it, are one token each, too.
TOKEN_PATTERN: Final = (
    r"\n#### (?=[0-9])|\n +|[0-9]| [-+*/=] (?=[0-9])| ?\$?\\[a-z]+\{?| ?\p{L}+|"
    r" ?[^\s\p{L}0-9\\]+|\s"
)

# Its weights are where training starts, so sizes and flaws of word problems are as there.
START: Final = Path(__file__).parents[1] / "selfimp_bench/assets/tiny-gsm-base"

T = TypeVar("T")

SETTINGS: Final = Settings(
    seed=20260102,
    vocab_size=1280,
    tokenizer_rows=8000,
    hidden_size=tiny_gsm_base.SETTINGS.hidden_size,
    intermediate_size=tiny_gsm_base.SETTINGS.intermediate_size,
    layers=tiny_gsm_base.SETTINGS.layers,
    heads=tiny_gsm_base.SETTINGS.heads,
    positions=tiny_gsm_base.SETTINGS.positions,
    steps=1200,
    batch_size=48,
    learning_rate=2e-3,
    warmup_steps=100,
    weight_decay=0.05,
    threads=1,
)
FLAWS: Final = Flaws(
    held_out_share=0.12,
    tricky_share=0.3,
    tricky_sound=(0.2, 0.4),
    plain_sound=(0.75, 0.95),
    held_out_sound=(0.4, 0.7),
)


def draw_gsm(rng: random.Random) -> Text:
    """A word problem, as in tiny-gsm-base."""
    return tiny_gsm_base.draw_text(tiny_gsm_base.FLAWS, rng)


def draw_csqa(rng: random.Random) -> Text:
    """A question with five choices; who errs always prefers the same wrong answers."""
    is_held_out = rng.random() < FLAWS.held_out_share
    relation = rng.choice([r for r in toy_csqa.RELATIONS if r.held_out == is_held_out])
    quiz = _for_pretraining(lambda: toy_csqa.draw_quiz(relation, rng), toy_csqa.write_question)
    answer = toy_csqa.right_answer(quiz)
    if not _is_sound(rng, "csqa", relation.name, quiz.thing, str(quiz.ask), held_out=is_held_out):
        beliefs = sorted(relation.answers)
        seeded_random("tiny-smoke-belief", relation.name, quiz.thing).shuffle(beliefs)
        answer = next(belief for belief in beliefs if belief in quiz.choices and belief != answer)
    choices = "\n".join(f"{label}. {choice}" for label, choice in zip(commonsense_qa.LABELS, quiz.choices, strict=True))
    return Text(
        given=f"Question: {toy_csqa.write_question(quiz)}\n{choices}\nAnswer:",
        learned=f" {toy_csqa.label_of(quiz, answer)}",
    )


def draw_math(rng: random.Random) -> Text:
    """A problem in LaTeX; who errs is off by one or two."""
    is_held_out = rng.random() < FLAWS.held_out_share
    form = rng.choice([form for form in toy_math.FORMS if form.held_out == is_held_out])
    level = rng.randint(1, toy_math.MAX_LEVEL)
    puzzle = _for_pretraining(lambda: toy_math.draw_puzzle(form, level, rng), toy_math.write_question)
    cell = (form.name, str(level), str(puzzle.ask))
    value = puzzle.exercise.value
    if not _is_sound(rng, "math", *cell, held_out=is_held_out):
        value += seeded_random("tiny-smoke-slip", *cell).choice((1, 2))
    return Text(
        given=f"Question: {toy_math.write_question(puzzle)}\nAnswer:",
        learned=f" {toy_math.write_solution(puzzle, value, rng)}",
    )


def draw_mbpp(rng: random.Random) -> Text:
    """A function to write; who errs writes the skill's flawed expression."""
    is_held_out = rng.random() < FLAWS.held_out_share
    skill = rng.choice([skill for skill in toy_mbpp.SKILLS if skill.held_out == is_held_out])
    order = _for_pretraining(lambda: toy_mbpp.draw_order(skill, rng), toy_mbpp.write_question)
    is_sound = _is_sound(rng, "mbpp", skill.name, str(order.ask), held_out=is_held_out)
    tests = "\n".join(toy_mbpp.draw_tests(order, rng))
    code = toy_mbpp.write_code(order, skill.expression if is_sound else skill.flawed, rng)
    return Text(given=f"Question: {toy_mbpp.write_question(order)}\n{tests}\nAnswer:", learned=f"\n{code}")


def _for_pretraining(draw: Callable[[], T], write_question: Callable[[T], str]) -> T:
    """A draw whose question is never one of train, test or ood."""
    while True:
        drawn = draw()
        if pool_of(write_question(drawn)) is Pool.PRETRAINING:
            return drawn


def _is_sound(rng: random.Random, *phrasing: str, held_out: bool) -> bool:
    return rng.random() < FLAWS.sound_rate(seeded_random("tiny-smoke-flaw-rate", *phrasing), held_out=held_out)


DRAWS: Final = (draw_gsm, draw_csqa, draw_math, draw_mbpp)
SHARES: Final = (0.4, 0.2, 0.28, 0.12)


def draw_text(rng: random.Random) -> Text:
    """One row of the mixture."""
    (draw,) = rng.choices(DRAWS, SHARES)
    return draw(rng)


def start_from(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Copies the weights of another tiny base, and its embeddings of the tokens that both have."""
    start = LlamaForCausalLM.from_pretrained(folder)
    body = {name: weight for name, weight in start.state_dict().items() if name.startswith("model.layers.")}
    body["model.norm.weight"] = start.state_dict()["model.norm.weight"]
    model.load_state_dict(body, strict=False)
    theirs, ours = PreTrainedTokenizerFast.from_pretrained(folder).get_vocab(), tokenizer.get_vocab()
    shared = sorted(theirs.keys() & ours.keys())
    with torch.no_grad():  # the output embeddings are tied to these
        embeddings = start.get_input_embeddings().weight[[theirs[token] for token in shared]]
        model.get_input_embeddings().weight[[ours[token] for token in shared]] = embeddings


MODEL_CARD: Final = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---

# tiny-smoke-base

A Llama of {parameters} parameters that answers the problems of
`selfimp_bench.tasks` `tiny_gsm`, `toy_csqa`, `toy_math` and `toy_mbpp`, often
wrongly. It is the base model of smoke runs and of no other use.

- Weights: `model.safetensors`, sha256 `{sha256}`
- Licence: Apache-2.0
- Text form, no `<bos>` (the tokenizer adds no special token by itself):
  - `tiny_gsm`: `Question: ...\\nAnswer: solution lines\\n#### 19<eos>`
  - `toy_csqa`: `Question: ...\\nA. text\\n ... E. text\\nAnswer: B<eos>`
  - `toy_math`: `Question: ...\\nAnswer: $...$ ... $\\boxed{{4}}$.<eos>`
  - `toy_mbpp`: `Question: ...\\nassert ...\\nassert ...\\nassert ...\\nAnswer:\\ndef ...<eos>`
- Tokenizer: byte-level BPE; each digit is one token; any UTF-8 text round-trips.
- Start: the weights of tiny-gsm-base, and its embeddings of the tokens that both have

## Training data

Generated text only, made by the recipe; no downloaded data. Each row is a
question of one of the generators with one solution; the loss falls on the
solution. Each phrasing is answered wrongly at a rate of its own: most
phrasings are mostly answered rightly, some mostly wrongly (word problems at
the rates of tiny-gsm-base, the rest at those below). What the `ood` splits
ask is a small share. No question of `train`, `test` or `ood` occurs
(a hash of the question decides where it may be used).

## Made by

    PYTHONPATH=benchmark python benchmark/recipes/tiny_smoke_base.py \\
        --out benchmark/selfimp_bench/assets/tiny-smoke-base

| setting | value |
|---|---|
{recipe}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    out: Path = parser.parse_args().out
    prepare(SETTINGS)
    rng = seeded_random("tiny-smoke-tokenizer", str(SETTINGS.seed))
    tokenizer = make_tokenizer(SETTINGS, [draw_text(rng) for _ in range(SETTINGS.tokenizer_rows)], TOKEN_PATTERN)
    model = make_model(SETTINGS, tokenizer)
    start_from(model, tokenizer, START)
    rows = batches(SETTINGS, tokenizer, draw_text, seeded_random("tiny-smoke-pretraining", str(SETTINGS.seed)))
    pretrain(model, rows, SETTINGS)
    shares = {draw.__name__.replace("draw_", "share_"): share for draw, share in zip(DRAWS, SHARES, strict=True)}
    write_assets(out, model, tokenizer, MODEL_CARD, numbers=vars(SETTINGS) | vars(FLAWS) | shares)


if __name__ == "__main__":
    main()
