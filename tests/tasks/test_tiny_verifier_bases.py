"""The base models of the miniature of "Mind the Gap", and the texts that their recipe draws."""

import hashlib
import importlib
import math
import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from support import ROOT

from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.places import ASSETS
from selfimp_bench.protocols.verification.judgement import parse_correctness, parse_preference, parse_score
from selfimp_bench.protocols.verification.manifest import Labels
from selfimp_bench.protocols.verification.verify import fill, label_ids
from selfimp_bench.tasks.grading.gsm8k import grade_gsm8k
from selfimp_bench.tasks.grading.outcome import Outcome
from selfimp_bench.tasks.tiny_gsm import Pool, Story, pool_of, seeded_random, write_solution

PROMPTS = ROOT / "manifests" / "tiny" / "prompts"
SIZES = ("xs", "s", "m", "l")
DRAWN = 200
LONGEST_ROW = 256
LARGEST_WEIGHTS = 4_000_000

every_size = pytest.mark.parametrize("size", SIZES)


@pytest.fixture(scope="module")
def recipe() -> Any:
    """The recipe's module, found as the interpreter finds it when the recipe is run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmark" / "recipes"))
        return importlib.import_module("tiny_verifier_bases")


def asset(size: str) -> Path:
    return ASSETS / f"tiny-verifier-{size}"


@cache
def prompt(name: str) -> str:
    return (PROMPTS / name).read_text(encoding="utf-8").removesuffix("\n")


def is_right(answer: str, gold: str) -> bool:
    return grade_gsm8k(answer, gold, extraction="strict", truncated=False).outcome is Outcome.CORRECT


def gold_of(story: Story) -> str:
    return write_solution(story, story.steps, random.Random(1)).rpartition("#### ")[2]


def judged(recipe: Any, draw: str) -> list[tuple[str, str, str]]:
    """Answer, judgement and gold number of what a draw of single answers makes."""
    found = []
    for number in range(DRAWN):
        story = recipe.draw_pretraining_story(recipe.FLAWS, random.Random(number))  # the draw's first story
        text = getattr(recipe, draw)(random.Random(number))
        found.append((text.learned, text.then.learned, gold_of(story)))
    return found


def test_a_multiple_choice_names_the_label_that_grading_gives(recipe: Any) -> None:
    rows = judged(recipe, "draw_multiple_choice")
    assert {verdict for _, verdict, _ in rows} == {" Correct", " Incorrect"}
    assert all((verdict == " Correct") == is_right(answer, gold) for answer, verdict, gold in rows)


def test_a_binary_judgement_reads_as_grading_has_it(recipe: Any) -> None:
    for answer, judgement, gold in judged(recipe, "draw_binary"):
        assert parse_correctness(judgement, truncated=False).value == is_right(answer, gold)


def test_the_highest_score_is_for_right_answers_and_no_other(recipe: Any) -> None:
    values = set()
    for answer, judgement, gold in judged(recipe, "draw_score"):
        value = parse_score(judgement, truncated=False).value
        assert value is not None and (value == 10) == is_right(answer, gold)
        values.add(value)
    assert len(values) > 5


@pytest.mark.parametrize("draw", ["draw_binary", "draw_score"])
def test_a_working_ends_in_the_gold_number(recipe: Any, draw: str) -> None:
    for _, judgement, gold in judged(recipe, draw):
        working, _, _ = judgement.rpartition("\n")
        assert is_right(f"#### {working.rpartition('= ')[2]}", gold)


def test_of_two_answers_the_right_one_is_preferred(recipe: Any) -> None:
    preferred = []
    for number in range(DRAWN):
        story = recipe.draw_pretraining_story(recipe.FLAWS, random.Random(number))
        gold = gold_of(story)
        text = recipe.draw_tournament(random.Random(number))
        answers = re.fullmatch(r"(?s).*\nAnswer A: (.*)\nAnswer B: (.*)\nCompare:", text.given)
        assert answers is not None
        right = {label for label, answer in zip("AB", answers.groups(), strict=True) if is_right(answer, gold)}
        preference = parse_preference(text.learned, truncated=False).value
        assert preference in (right or {"A", "B"})
        preferred.append(preference)
    assert set(preferred) == {"A", "B"}


def test_a_slip_is_one_wrong_result_that_the_answer_goes_on_from(recipe: Any) -> None:
    equation = re.compile(r"(\d+(?: [-+*/] \d+)+) = (\d+)")
    wrong = []
    for number in range(DRAWN):
        rng = seeded_random("slips of a test", str(number))
        story = recipe.draw_pretraining_story(recipe.FLAWS, rng)
        answer = recipe.draw_answer(story, rng)
        *lines, last = answer.text.split("\n")
        values = [int(found[2]) for line in lines if (found := equation.search(line))]
        assert last == f"#### {answer.value}" and answer.value == (values or [story.start])[-1]
        wrong.append(sum(left_to_right(found[1]) != int(found[2]) for found in equation.finditer(answer.text)))
    assert set(wrong) == {0, 1}


def left_to_right(expression: str) -> int:
    first, *rest = expression.split(" ")
    apply: dict[str, Callable[[int, int], int]] = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: a // b,
    }
    value = int(first)
    for sign, operand in zip(rest[::2], rest[1::2], strict=True):
        value = apply[sign](value, int(operand))
    return value


def test_no_question_of_train_test_or_ood_is_drawn(recipe: Any) -> None:
    rng = seeded_random("questions of a test")
    for draw in recipe.DRAWS:
        for _ in range(DRAWN):
            question = draw(rng).given.removeprefix("Question: ").partition("\nAnswer")[0]
            assert pool_of(question) is Pool.PRETRAINING


def test_what_is_drawn_has_the_form_of_the_miniature_s_prompts(recipe: Any) -> None:
    for draw, name in (
        ("draw_multiple_choice", "mc.txt"),
        ("draw_binary", "cot-binary.txt"),
        ("draw_score", "cot-score.txt"),
    ):
        text = getattr(recipe, draw)(random.Random(1))
        question = text.given.removeprefix("Question: ").removesuffix("\nAnswer:")
        assert text.given == fill(prompt("generate.txt"), {"question": question})
        asked = fill(prompt(name), {"question": question, "response": text.learned.strip()})
        assert text.given + text.learned + text.then.given == asked


def test_a_drawn_tournament_has_the_form_of_the_miniature_s_prompt(recipe: Any) -> None:
    given = recipe.draw_tournament(random.Random(1)).given
    found = re.fullmatch(r"(?s)Question: (.*)\nAnswer A: (.*)\nAnswer B: (.*)\nCompare:", given)
    assert found is not None
    fields = dict(zip(("question", "response_a", "response_b"), found.groups(), strict=True))
    assert given == fill(prompt("tournament.txt"), fields)


def test_rows_are_short_and_their_pieces_meet_at_token_boundaries(recipe: Any) -> None:
    codec, rng = load_codec(asset("m")), seeded_random("rows of a test")
    for _ in range(DRAWN):
        text = recipe.draw_text(rng)
        apart = [codec.encode(part.text.removesuffix("<eos>")) for part in text.parts()]
        assert codec.encode(text.whole) == sum(apart, ())
        assert sum(map(len, apart)) < LONGEST_ROW


def test_labels_differ_from_their_first_token_on() -> None:
    codec = load_codec(asset("m"))
    labels = Labels(correct=" Correct", incorrect=" Incorrect")
    assert [codec.decode([each]) for each in label_ids(labels, codec)] == [" Correct", " Incorrect"]


def test_all_sizes_have_one_tokenizer() -> None:
    assert len({(asset(size) / "tokenizer.json").read_bytes() for size in SIZES}) == 1


@every_size
def test_the_weights_match_the_model_card(size: str) -> None:
    weights = (asset(size) / "model.safetensors").read_bytes()
    card = (asset(size) / "README.md").read_text(encoding="utf-8")
    assert f"sha256 `{hashlib.sha256(weights).hexdigest()}`" in card
    assert len(weights) < LARGEST_WEIGHTS


@every_size
def test_compute_is_six_times_parameters_times_tokens(size: str) -> None:
    card = (asset(size) / "README.md").read_text(encoding="utf-8")
    found = re.search(r"6 N D = (\S+): N = ([\d,]+) parameters .* D = ([\d,]+) tokens", card)
    assert found is not None
    with safe_open(asset(size) / "model.safetensors", framework="pt") as weights:
        parameters = sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    assert int(found[2].replace(",", "")) == parameters
    assert float(found[1]) == pytest.approx(6 * parameters * int(found[3].replace(",", "")), rel=1e-3)
