"""What fits a checkpoint, what is asked of it, and what becomes of the rest."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from selfimp_bench.engines.base import Completion, Decoding, FinishReason, LabelPrompt, LabelScores, Prompt
from selfimp_bench.engines.limits import context_of
from selfimp_bench.manifest.model import TooLong
from selfimp_bench.places import ASSETS
from selfimp_bench.steps.room import Room, sampled

DECODING = Decoding(temperature=1.0, top_p=1.0, top_k=-1, max_tokens=10, stop=())


class Recording:
    """Answers nothing but lengths; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:
        """One token for every token that is allowed."""
        assert checkpoint == Path()
        for prompt in prompts:
            self.asked.append((prompt.problem_id, decoding.max_tokens))
            for index in range(len(prompt.seeds)):
                yield Completion(
                    problem_id=prompt.problem_id,
                    sample_index=index,
                    token_ids=(1,) * decoding.max_tokens,
                    finish_reason=FinishReason.LENGTH,
                )

    def label_logprobs(
        self, checkpoint: Path, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]
    ) -> Iterator[LabelScores]:
        """Not asked here."""
        raise NotImplementedError(checkpoint, prompts, label_ids)

    def close(self) -> None:
        """Nothing is open."""


def _prompt(name: str, tokens: int) -> Prompt:
    return Prompt(problem_id=name, token_ids=(5,) * tokens, seeds=(1, 2))


@pytest.mark.parametrize("rule", TooLong)
@pytest.mark.parametrize("tokens", [1, 90])
def test_a_prompt_that_fits_is_asked_whole_under_every_rule(rule: TooLong, tokens: int) -> None:
    assert Room(limit=100, rule=rule).new_tokens(tokens, 10) == 10
    assert Room(limit=None, rule=rule).new_tokens(10**6, 10) == 10


def test_one_token_more_than_fits_is_shortened_by_one_or_not_asked_for() -> None:
    assert [Room(limit=100, rule=rule).new_tokens(91, 10) for rule in TooLong] == [None, 9, None]


def test_a_prompt_that_leaves_no_token_is_not_asked_for_even_where_completions_are_shortened() -> None:
    room = Room(limit=100, rule=TooLong.SHORTENED)
    assert [room.new_tokens(tokens, 10) for tokens in (99, 100, 3745)] == [1, None, None]
    assert room.unasked is FinishReason.TOO_LONG


@pytest.mark.parametrize(
    ("rule", "reason"),
    [(TooLong.COUNTED_WRONG, FinishReason.TOO_LONG), (TooLong.DROPPED, FinishReason.DROPPED)],
)
def test_what_does_not_fit_is_never_asked_and_has_its_empty_completions(rule: TooLong, reason: FinishReason) -> None:
    sampler, prompts = Recording(), [_prompt("short", 90), _prompt("long", 91)]
    made = list(sampled(sampler, Path(), prompts, DECODING, Room(limit=100, rule=rule)))
    assert sampler.asked == [("short", 10)]
    long = [each for each in made if each.problem_id == "long"]
    assert [(each.sample_index, each.token_ids, each.finish_reason) for each in long] == [
        (0, (), reason),
        (1, (), reason),
    ]
    assert len(made) == 4


def test_shortened_completions_are_asked_for_with_the_room_that_they_have() -> None:
    sampler, prompts = Recording(), [_prompt("a", 95), _prompt("b", 10), _prompt("c", 95), _prompt("d", 100)]
    made = list(sampled(sampler, Path(), prompts, DECODING, Room(limit=100, rule=TooLong.SHORTENED)))
    assert sorted(sampler.asked) == [("a", 5), ("b", 10), ("c", 5)]
    assert {len(each.token_ids) for each in made if each.problem_id == "a"} == {5}
    assert {each.finish_reason for each in made if each.problem_id == "d"} == {FinishReason.TOO_LONG}


def test_the_smaller_of_the_models_and_the_engines_limit_counts() -> None:
    tiny = ASSETS / "tiny-gsm-base"
    assert [context_of(tiny, max_model_len=most) for most in (None, 300, 512, 4096)] == [512, 300, 512, 512]


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        ({"n_positions": 1024}, 1024),
        ({"text_config": {"max_position_embeddings": 64}, "max_position_embeddings": 128}, 64),
        ({}, None),
        ({"max_position_embeddings": None}, None),
    ],
)
def test_a_models_positions_are_found_by_every_name(tmp_path: Path, config: object, limit: int | None) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert context_of(tmp_path, max_model_len=None) == limit
    assert context_of(tmp_path, max_model_len=50) == 50
