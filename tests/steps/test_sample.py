"""Prompts and seeds: what a request is made of, and what it does not depend on."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.canonical import derive_seed
from selfimp_bench.engines.base import Decoding, SamplerSettings
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import TooLong
from selfimp_bench.places import ASSETS
from selfimp_bench.steps.rows import Role
from selfimp_bench.steps.sample import SampleBlock, prompts_of, render_prompt, until_stop
from selfimp_bench.tasks.problem import Problem

CODEC = load_codec(ASSETS / "tiny-gsm-base")
BLOCK = SampleBlock(
    engine="fake",
    settings=SamplerSettings(device="cpu", precision="float32", max_batch_rows=8, threads=1, vllm=None),
    role=Role.TRAIN,
    iteration=1,
    seed=7,
    samples_per_problem=3,
    decoding=Decoding(temperature=1.0, top_p=1.0, top_k=-1, max_tokens=8, stop=()),
    prompt_template="Question: {question}\nAnswer:",
    add_bos=False,
    too_long=TooLong.COUNTED_WRONG,
)
PROBLEMS = tuple(Problem(problem_id=f"p{i}", question=f"What is {i}?") for i in range(4))


def test_choices_and_tests_fill_a_line_each() -> None:
    problem = Problem(problem_id="p", question="Which?", choices=("red", "blue"), tests=("assert a", "assert b"))
    assert render_prompt("{question}\n{choices}\n{tests}\n", problem) == "Which?\nA. red\nB. blue\nassert a\nassert b\n"


def test_a_question_that_looks_like_a_field_stays_text() -> None:
    problem = Problem(problem_id="p", question="{choices} {question}", choices=("{tests}", "b"))
    assert render_prompt("{question}|{choices}", problem) == "{choices} {question}|A. {tests}\nB. b"


def test_braces_that_are_no_field_stay_text() -> None:
    assert render_prompt(r"{question} \boxed{}", Problem(problem_id="p", question="1?")) == r"1? \boxed{}"


@pytest.mark.parametrize("field", ["choices", "tests"])
def test_a_problem_that_lacks_what_the_template_wants_is_named(field: str) -> None:
    with pytest.raises(InputError, match=f"problem p0 has no `{field}`"):
        render_prompt(f"{{question}}{{{field}}}", PROBLEMS[0])


def test_every_completion_has_a_seed_of_its_own() -> None:
    seeds = [seed for prompt in prompts_of(BLOCK, PROBLEMS, CODEC) for seed in prompt.seeds]
    assert len(set(seeds)) == len(seeds) == 12
    assert all(0 <= seed < 2**63 for seed in seeds)


@given(st.permutations(PROBLEMS), st.integers(1, 3))
def test_seeds_do_not_depend_on_the_order_or_the_number_of_problems_or_samples(
    order: list[Problem], samples: int
) -> None:
    whole = {prompt.problem_id: prompt for prompt in prompts_of(BLOCK, PROBLEMS, CODEC)}
    for prompt in prompts_of(replace(BLOCK, samples_per_problem=samples), order[:2], CODEC):
        assert prompt.seeds == whole[prompt.problem_id].seeds[:samples]
        assert prompt.token_ids == whole[prompt.problem_id].token_ids


@pytest.mark.parametrize("change", [{"role": Role.SAMPLE}, {"iteration": 2}, {"seed": 8}])
def test_another_role_iteration_or_seed_gives_other_seeds(change: dict[str, object]) -> None:
    own = {seed for prompt in prompts_of(BLOCK, PROBLEMS, CODEC) for seed in prompt.seeds}
    other = {seed for prompt in prompts_of(replace(BLOCK, **change), PROBLEMS, CODEC) for seed in prompt.seeds}
    assert not own & other


def test_a_derived_seed_is_the_same_on_every_machine() -> None:
    assert derive_seed(7, "train", 1, "p0", 0) == 8274072904794017156
    assert derive_seed("a", "b") != derive_seed("ab")


@pytest.mark.parametrize(
    ("text", "stop", "kept"),
    [
        ("The answer is 7.\n\nQ: What is 8?", ("Q:",), "The answer is 7.\n\n"),
        ("7\nProblem: 8\nQ: 9", ("Q:", "Problem:"), "7\n"),
        ("no end in sight", ("Q:",), "no end in sight"),
        ("Q: at once", ("Q:",), ""),
        ("4 \u20ac, then Q: 5 \u20ac", ("Q:",), "4 \u20ac, then "),
    ],
)
def test_a_completion_ends_before_the_first_stop_text(text: str, stop: tuple[str, ...], kept: str) -> None:
    token_ids = CODEC.encode(text)
    used = until_stop(token_ids, stop, CODEC)
    assert token_ids[: len(used)] == used
    # A token that holds the end of the answer and the beginning of the stop text goes as a whole.
    assert kept.startswith(CODEC.decode(used))
    assert len(kept) - len(CODEC.decode(used)) <= 2


@given(st.text(alphabet="aQ: \u20ac\n7", max_size=30))
def test_what_is_left_never_holds_a_stop_text(text: str) -> None:
    assert "Q:" not in CODEC.decode(until_stop(CODEC.encode(text), ("Q:",), CODEC))
