"""The base model of smoke runs."""

import hashlib
import math
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from tokenizers import Tokenizer

from selfimp_bench.measurement import Split
from selfimp_bench.steps.sample import render_prompt
from selfimp_bench.tasks import tiny_gsm, toy_csqa, toy_math, toy_mbpp
from selfimp_bench.tasks.problem import Problem

ASSET = Path(__file__).parents[2] / "benchmark/selfimp_bench/assets/tiny-smoke-base"
LONGEST_ROW = 128


@cache
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(ASSET / "tokenizer.json"))


def prompt(problem: Problem) -> str:
    """As the manifests of smoke runs have it."""
    fields = ["{question}", *(["{choices}"] if problem.choices else []), *(["{tests}"] if problem.tests else [])]
    return render_prompt(f"Question: {chr(10).join(fields)}\nAnswer:", problem)


def completion(problem: Problem) -> str:
    return f"{chr(10) if problem.tests else ' '}{problem.answer}"


def problems(split: Split) -> list[Problem]:
    return [p for task in (tiny_gsm, toy_csqa, toy_math, toy_mbpp) for p in task.generate(split, count=75, seed=7)]


@given(st.text())
def test_the_tokenizer_gives_back_any_text(text: str) -> None:
    assert tokenizer().decode(tokenizer().encode(text).ids, skip_special_tokens=False) == text


@given(st.integers(0, 10**6))
def test_each_digit_is_one_token(number: int) -> None:
    assert tokenizer().encode(str(number)).tokens == list(str(number))


@pytest.mark.parametrize("split", list(Split))
def test_the_prompt_and_the_completion_meet_at_a_token_boundary(split: Split) -> None:
    for problem in problems(split):
        apart = tokenizer().encode(prompt(problem)).ids + tokenizer().encode(completion(problem)).ids
        assert tokenizer().encode(prompt(problem) + completion(problem)).ids == apart


@pytest.mark.parametrize("split", list(Split))
def test_rows_are_short(split: Split) -> None:
    lengths = [len(tokenizer().encode(prompt(p) + completion(p)).ids) for p in problems(split)]
    assert max(lengths) < LONGEST_ROW


def test_the_tokenizer_adds_no_special_token() -> None:
    special = {tokenizer().token_to_id(token) for token in ("<bos>", "<eos>", "<pad>")}
    assert None not in special
    assert not special & set(tokenizer().encode("Question: 1").ids)


def test_the_weights_match_the_model_card() -> None:
    weights = (ASSET / "model.safetensors").read_bytes()
    card = (ASSET / "README.md").read_text(encoding="utf-8")
    assert f"sha256 `{hashlib.sha256(weights).hexdigest()}`" in card


def test_the_asset_is_small() -> None:
    assert sum(path.stat().st_size for path in ASSET.iterdir()) <= 4_000_000


def test_the_model_has_at_most_a_million_parameters() -> None:
    with safe_open(ASSET / "model.safetensors", framework="pt") as weights:
        shapes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118
    assert sum(math.prod(shape) for shape in shapes) <= 1_000_000
