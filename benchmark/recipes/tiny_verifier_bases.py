r"""Makes the tiny-verifier base models: one small Llama in four sizes that answers word problems and judges answers.

Run from the repository root, with the package importable, once for each size:

    PYTHONPATH=benchmark python benchmark/recipes/tiny_verifier_bases.py \
        --size xs --out benchmark/selfimp_bench/assets/tiny-verifier-xs

All sizes have the same tokenizer and see the same rows in the same order.

Answers are flawed on purpose, as in tiny-gsm-base (see there).  Judgements are
true: who judges reads every phrasing rightly.  So there is something that a
verifier can know and the generator does not do; whether a model is able to use
it is left to its size.
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import takewhile
from pathlib import Path
from typing import Final

import tiny_gsm_base
from pretraining import (
    Flaws,
    Settings,
    Text,
    batches,
    labelled_loss,
    make_model,
    make_tokenizer,
    prepare,
    pretrain,
    write_assets,
)
from tiny_gsm_base import LARGEST_FLAWED_VALUE, TOKEN_PATTERN, draw_pretraining_story

from selfimp_bench.protocols.verification.judgement import HIGHEST_SCORE
from selfimp_bench.tasks.tiny_gsm import (
    Step,
    Story,
    apply_step,
    is_applicable,
    seeded_random,
    write_question,
    write_solution,
)


def _settings(*, hidden_size: int, intermediate_size: int, layers: int, heads: int, learning_rate: float) -> Settings:
    return Settings(
        seed=20261126,
        vocab_size=640,
        tokenizer_rows=4000,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        layers=layers,
        heads=heads,
        positions=512,
        steps=3600,
        batch_size=32,
        learning_rate=learning_rate,
        warmup_steps=100,
        weight_decay=0.05,
        threads=1,
    )


SIZES: Final = {
    "xs": _settings(hidden_size=32, intermediate_size=88, layers=2, heads=2, learning_rate=4e-3),
    "s": _settings(hidden_size=64, intermediate_size=176, layers=2, heads=4, learning_rate=3e-3),
    "m": _settings(hidden_size=96, intermediate_size=264, layers=3, heads=4, learning_rate=2.5e-3),
    "l": _settings(hidden_size=128, intermediate_size=352, layers=3, heads=4, learning_rate=2e-3),
}

FLAWS: Final = Flaws(
    held_out_share=0.0,
    tricky_share=0.25,
    tricky_sound=(0.25, 0.45),
    plain_sound=(0.85, 0.97),
    held_out_sound=(0.4, 0.7),
)

# So many answers have one wrong result, as a model's own have.
SLIP_SHARE: Final = 0.1
SLIPS: Final = (-10, -2, -1, 1, 2, 10)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer to a story's question. ``sound_steps`` are taken rightly before the first error, if there is one."""

    text: str
    value: int
    sound_steps: int


def draw_answer(story: Story, rng: random.Random) -> Answer:
    """What one writer answers, sound or not."""
    steps = tiny_gsm_base.read_steps(story, FLAWS, rng)
    pairs = zip(steps, story.steps, strict=False)
    sound = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    if steps and rng.random() < SLIP_SHARE:
        return _with_slip(story, steps, sound, rng)
    return Answer(text=write_solution(story, steps, rng), value=_value(story.start, steps), sound_steps=sound)


def _with_slip(story: Story, steps: Sequence[Step], sound: int, rng: random.Random) -> Answer:
    """One result is wrong, and what follows goes on from it as far as it can."""
    place = rng.randrange(len(steps))
    before = _value(story.start, steps[:place])
    right = apply_step(before, steps[place])
    wrong = right + rng.choice([slip for slip in SLIPS if right + slip > 0])
    rest: list[Step] = []
    for step in steps[place + 1 :]:
        if is_applicable(_value(wrong, rest), step, largest=LARGEST_FLAWED_VALUE):
            rest.append(step)
    line, _ = _lines(replace(story, start=before), [steps[place]], rng)
    head, _, tail = line.rpartition(f"= {right}")
    lines = [*_lines(story, steps[:place], rng)[:-1], f"{head}= {wrong}{tail}"]
    lines += _lines(replace(story, start=wrong), rest, rng)
    return Answer(text="\n".join(lines), value=_value(wrong, rest), sound_steps=min(sound, place))


def _lines(story: Story, steps: Sequence[Step], rng: random.Random) -> list[str]:
    return write_solution(story, steps, rng).split("\n")


def _value(start: int, steps: Sequence[Step]) -> int:
    return reduce(apply_step, steps, start)


def work_out(story: Story) -> str:
    """A judge's own working: every phrasing read rightly, one equation a line."""
    lines, value = [], story.start
    for step in story.steps:
        lines.append(f"{value} {step.operation} {step.operand} = {apply_step(value, step)}")
        value = apply_step(value, step)
    return "\n".join(lines)


def is_right(story: Story, answer: Answer) -> bool:
    """Whether an answer ends in the right number, as grading has it."""
    return answer.value == _value(story.start, story.steps)


def score_of(story: Story, answer: Answer) -> int:
    """The highest score for a right answer; else the share of the steps before its first error, at least 1."""
    if is_right(story, answer):
        return HIGHEST_SCORE
    return max(1, HIGHEST_SCORE * answer.sound_steps // len(story.steps))


def draw_generation(rng: random.Random) -> Text:
    """A question and an answer."""
    story = draw_pretraining_story(FLAWS, rng)
    return _answered(story, draw_answer(story, rng), None)


def draw_multiple_choice(rng: random.Random) -> Text:
    """A verdict at once."""
    story = draw_pretraining_story(FLAWS, rng)
    answer = draw_answer(story, rng)
    verdict = "Correct" if is_right(story, answer) else "Incorrect"
    return _answered(story, answer, Text(given="\nJudge:", learned=f" {verdict}"))


def draw_binary(rng: random.Random) -> Text:
    """The problem worked out, and a verdict."""
    story = draw_pretraining_story(FLAWS, rng)
    answer = draw_answer(story, rng)
    verdict = "correct" if is_right(story, answer) else "incorrect"
    return _answered(story, answer, Text(given="\nCheck:", learned=f" {work_out(story)}\nCorrectness: {verdict}"))


def draw_score(rng: random.Random) -> Text:
    """The problem worked out, and a score."""
    story = draw_pretraining_story(FLAWS, rng)
    answer = draw_answer(story, rng)
    score = score_of(story, answer)
    return _answered(story, answer, Text(given="\nGrade:", learned=f" {work_out(story)}\nScore: {score}"))


def _answered(story: Story, answer: Answer, then: Text | None) -> Text:
    return Text(given=f"Question: {write_question(story)}\nAnswer:", learned=f" {answer.text}", then=then)


def draw_tournament(rng: random.Random) -> Text:
    """The problem worked out, and which of two answers has the higher score; a coin decides between equals."""
    story = draw_pretraining_story(FLAWS, rng)
    a, b = draw_answer(story, rng), draw_answer(story, rng)
    scores = {"A": score_of(story, a), "B": score_of(story, b)}
    preferred = rng.choice([label for label, score in scores.items() if score == max(scores.values())])
    return Text(
        given=f"Question: {write_question(story)}\nAnswer A: {a.text}\nAnswer B: {b.text}\nCompare:",
        learned=f" {work_out(story)}\nPreferred solution: {preferred}",
    )


DRAWS: Final = (draw_generation, draw_multiple_choice, draw_binary, draw_score, draw_tournament)
SHARES: Final = (0.15, 0.3, 0.2, 0.2, 0.15)


def draw_text(rng: random.Random) -> Text:
    """One row of the mixture."""
    (draw,) = rng.choices(DRAWS, SHARES)
    return draw(rng)


MODEL_CARD: Final = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: text-generation
---

# tiny-verifier-<size>

A Llama of {parameters} parameters that answers the small word problems of
`selfimp_bench.tasks.tiny_gsm`, often wrongly, and judges answers to them in
four ways. It is one of four sizes, the models of the miniature of "Mind the
Gap" and of no other use.

- Weights: `model.safetensors`, sha256 `{sha256}`
- Licence: Apache-2.0
- Text forms, no `<bos>` (the tokenizer adds no special token by itself):
  - generation: `Question: ...\\nAnswer: solution lines\\n#### 19<eos>`
  - multiple choice: `Question: ...\\nAnswer: ...\\nJudge: Correct<eos>` (or ` Incorrect`)
  - binary: `Question: ...\\nAnswer: ...\\nCheck: working\\nCorrectness: correct<eos>` (or `incorrect`)
  - score: `Question: ...\\nAnswer: ...\\nGrade: working\\nScore: 10<eos>` (1 to 10)
  - tournament: `Question: ...\\nAnswer A: ...\\nAnswer B: ...\\nCompare: working\\nPreferred solution: A<eos>` (or `B`)
- Tokenizer: byte-level BPE; each digit is one token; any UTF-8 text round-trips. The same in all four sizes.

## Training data

Generated text only, made by the recipe; no downloaded data; the same rows in
the same order for all four sizes. The loss falls on what follows the question
(generation) or the answer (judgements). Each phrasing of a step is answered
wrongly at a rate of its own, as in tiny-gsm-base; some of the answers that are
judged have a wrong result as well. Judgements are true: whether the answer is
right; 10 for a right one, else the tenths of its steps before the first error;
the answer with the higher score, or either of two equals. The working before
a verdict reads every phrasing rightly. No question of `train`, `test` or `ood`
occurs (a hash of the question decides where it may be used).

## Compute

6 N D = <flops>: N = {parameters} parameters (embeddings counted, once), D = <tokens> tokens seen.

## Made by

    PYTHONPATH=benchmark python benchmark/recipes/tiny_verifier_bases.py \\
        --size <size> --out benchmark/selfimp_bench/assets/tiny-verifier-<size>

| setting | value |
|---|---|
{recipe}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", choices=SIZES, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    settings = SIZES[arguments.size]
    prepare(settings)
    rng = seeded_random("tiny-verifier-tokenizer", str(settings.seed))
    texts = [draw_text(rng) for _ in range(settings.tokenizer_rows)]
    tokenizer = make_tokenizer(settings, texts, TOKEN_PATTERN)
    model = make_model(settings, tokenizer)
    rows = batches(settings, tokenizer, draw_text, seeded_random("tiny-verifier-pretraining", str(settings.seed)))
    tokens = pretrain(model, rows, settings, labelled_loss)
    filled = {
        "<size>": arguments.size,
        "<tokens>": f"{tokens:,}",
        "<flops>": f"{6 * model.num_parameters() * tokens:.3e}",
    }
    card = reduce(lambda text, field: text.replace(*field), filled.items(), MODEL_CARD)
    shares = {draw.__name__.replace("draw_", "share_"): share for draw, share in zip(DRAWS, SHARES, strict=True)}
    own = {"slip_share": SLIP_SHARE, "slips": SLIPS}
    write_assets(arguments.out, model, tokenizer, card, numbers=vars(settings) | vars(FLAWS) | own | shares)


if __name__ == "__main__":
    main()
