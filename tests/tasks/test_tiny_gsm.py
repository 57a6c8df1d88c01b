"""The tiny-gsm generator and the base model shipped with it."""

import hashlib
import math
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from tokenizers import Tokenizer

from selfimp_bench.measurement import Split
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.tiny_gsm import (
    FAMILIES,
    LARGEST_VALUE,
    MAX_LEVEL,
    draw_story,
    generate,
    pool_of,
    seeded_random,
    write_solution,
)

ASSET = Path(__file__).parents[2] / "benchmark/selfimp_bench/assets/tiny-gsm-base"
EQUATION = re.compile(r"(\d+(?: [-+*/] \d+)+) = (\d+)")


def solution(problem: Problem) -> str:
    assert problem.answer is not None
    return problem.answer


@cache
def rows(split: Split) -> tuple[Problem, ...]:
    return generate(split, count=300, seed=7)


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(ASSET / "tokenizer.json"))


def value_of(expression: str) -> int:
    """Left to right; sound because the generator merges sums and differences only."""
    first, *rest = expression.split(" ")
    value = int(first)
    for sign, operand in zip(rest[::2], rest[1::2], strict=True):
        match sign:
            case "+":
                value += int(operand)
            case "-":
                value -= int(operand)
            case "*":
                value *= int(operand)
            case _:
                assert value % int(operand) == 0
                value //= int(operand)
    return value


@pytest.mark.parametrize("split", list(Split))
def test_the_same_seed_gives_the_same_rows(split: Split) -> None:
    assert generate(split, count=40, seed=3) == generate(split, count=40, seed=3)


@pytest.mark.parametrize("split", list(Split))
def test_another_seed_gives_other_rows(split: Split) -> None:
    mine = {p.question for p in generate(split, count=40, seed=3)}
    others = {p.question for p in generate(split, count=40, seed=4)}
    assert mine != others


@given(small=st.integers(0, 60), extra=st.integers(0, 60), seed=st.integers(0, 5))
def test_a_larger_count_extends_the_list(small: int, extra: int, seed: int) -> None:
    shorter = generate(Split.TEST, count=small, seed=seed)
    longer = generate(Split.TEST, count=small + extra, seed=seed)
    assert longer[:small] == shorter
    assert len(longer) == small + extra


def test_the_rows_of_seed_one_are_pinned() -> None:
    digest = hashlib.sha256()
    for split in Split:
        for problem in generate(split, count=50, seed=1):
            digest.update(f"{problem.question}\n{solution(problem)}\n".encode())
    assert digest.hexdigest() == PINNED


PINNED = "3560c3c5dc7856d57524aa2e62ea6704b87adeae813d2901c42504028d7ac1f6"


def test_splits_never_share_a_question() -> None:
    counted = Counter(p.question for split in Split for p in rows(split))
    assert set(counted.values()) == {1}


def test_train_and_test_stay_apart_across_seeds() -> None:
    train = {pool_of(p.question) for p in generate(Split.TRAIN, count=50, seed=11)}
    test = {pool_of(p.question) for p in generate(Split.TEST, count=50, seed=12)}
    assert not train & test


def test_ids_are_unique() -> None:
    ids = [p.problem_id for split in Split for p in rows(split)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("split", list(Split))
def test_the_five_levels_are_balanced(split: Split) -> None:
    counted = Counter(p.level for p in rows(split))
    assert counted == dict.fromkeys(range(1, MAX_LEVEL + 1), 60)


@pytest.mark.parametrize("split", list(Split))
def test_each_level_occurs_in_each_family(split: Split) -> None:
    cells = {(p.subject, p.level) for p in rows(split)}
    families = {p.subject for p in rows(split)}
    assert len(cells) == len(families) * MAX_LEVEL


def test_train_and_test_share_families_and_ood_has_others() -> None:
    train, test, ood = ({p.subject for p in rows(split)} for split in Split)
    assert train == test
    assert not train & ood
    assert train | ood == {family.name for family in FAMILIES}


@pytest.mark.parametrize("split", list(Split))
def test_every_equation_is_right_and_the_last_one_gives_the_answer(split: Split) -> None:
    for problem in rows(split):
        *lines, last = solution(problem).split("\n")
        results = []
        for line in lines:
            found = EQUATION.search(line)
            assert found, line
            assert value_of(found[1]) == int(found[2])
            results.append(int(found[2]))
        assert last == f"#### {results[-1]}"
        assert all(1 <= result <= LARGEST_VALUE for result in results)


@pytest.mark.parametrize("split", list(Split))
def test_the_level_is_the_number_of_operations(split: Split) -> None:
    for problem in rows(split):
        assert len(re.findall(r" [-+*/] ", solution(problem))) == problem.level


def test_every_number_of_a_solution_comes_from_the_question_or_an_earlier_line() -> None:
    for problem in rows(Split.TRAIN):
        known = set(re.findall(r"\d+", problem.question))
        for expression, result in EQUATION.findall(solution(problem)):
            assert set(re.findall(r"\d+", expression)) <= known
            known.add(result)


def test_one_story_has_several_styles_of_solution() -> None:
    story = draw_story(FAMILIES[0], 3, seeded_random("a story of a test"))
    rng = seeded_random("styles of a test")
    texts = {write_solution(story, story.steps, rng) for _ in range(100)}
    assert len(texts) > 20
    assert len({text.rsplit("#### ", 1)[1] for text in texts}) == 1


def test_solutions_merge_steps_and_swap_operands_sometimes() -> None:
    texts = [solution(p) for p in rows(Split.TRAIN)]
    assert any(re.search(r"\d [-+] \d+ [-+] \d", text) for text in texts)
    assert any(text.count("\n") == p.level for p, text in zip(rows(Split.TRAIN), texts, strict=True))


def test_each_operation_of_each_family_has_several_phrasings() -> None:
    for family in FAMILIES:
        assert all(len(set(cues)) >= 2 for cues in family.cues.values())


@given(st.text())
def test_the_tokenizer_gives_back_any_text(text: str) -> None:
    assert tokenizer().decode(tokenizer().encode(text).ids, skip_special_tokens=False) == text


@given(st.integers(0, 10**6))
def test_each_digit_is_one_token(number: int) -> None:
    assert tokenizer().encode(str(number)).tokens == list(str(number))


def test_the_prompt_and_the_completion_meet_at_a_token_boundary() -> None:
    for problem in (p for split in Split for p in rows(split)):
        prompt = f"Question: {problem.question}\nAnswer:"
        completion = f" {solution(problem)}"
        apart = tokenizer().encode(prompt).ids + tokenizer().encode(completion).ids
        assert tokenizer().encode(prompt + completion).ids == apart


def test_the_tokenizer_adds_no_special_token() -> None:
    special = {tokenizer().token_to_id(token) for token in ("<bos>", "<eos>", "<pad>")}
    assert None not in special
    assert not special & set(tokenizer().encode("Question: 1").ids)


def test_the_words_of_held_out_families_are_whole_tokens() -> None:
    for problem in rows(Split.OOD):
        words = re.findall(r"[A-Za-z]+", problem.question)
        assert all(len(tokenizer().encode(f" {word}").ids) == 1 for word in words)


def test_the_weights_match_the_model_card() -> None:
    weights = (ASSET / "model.safetensors").read_bytes()
    card = (ASSET / "README.md").read_text(encoding="utf-8")
    assert f"sha256 `{hashlib.sha256(weights).hexdigest()}`" in card


def test_the_asset_is_small() -> None:
    assert sum(path.stat().st_size for path in ASSET.iterdir()) <= 8_000_000


def test_the_model_has_at_most_four_million_parameters() -> None:
    with safe_open(ASSET / "model.safetensors", framework="pt") as weights:
        shapes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118
    assert sum(math.prod(shape) for shape in shapes) <= 4_000_000
