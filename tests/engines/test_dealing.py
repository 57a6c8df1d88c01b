"""Prompts dealt to several replicas: by their speed, each once, and to an end whatever happens."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimp_bench.engines.base import Completion, Decoding, FinishReason, LabelPrompt, LabelScores, Prompt
from selfimp_bench.engines.vllm.dealing import DealtSampler, Deck
from selfimp_bench.errors import StepFailed

GREEDY = Decoding(temperature=0.0, top_p=1.0, top_k=-1, max_tokens=4, stop=())


class Replica:
    """Answers with its own name, in so many seconds a prompt, or dies on the prompt it is told to."""

    def __init__(self, number: int, *, seconds: float = 0.0, dies_on: str | None = None) -> None:
        self.number = number
        self.seconds = seconds
        self.dies_on = dies_on
        self.closed = Event()
        self.parts: list[int] = []

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:
        self.parts.append(len(prompts))
        for prompt in prompts:
            if self.closed.wait(self.seconds):
                raise StepFailed(f"replica {self.number} was closed")
            if prompt.problem_id == self.dies_on:
                raise StepFailed(f"replica {self.number} died")
            for index in range(len(prompt.seeds)):
                yield Completion(
                    problem_id=prompt.problem_id,
                    sample_index=index,
                    token_ids=(self.number,),
                    finish_reason=FinishReason.STOP,
                )

    def label_logprobs(
        self, checkpoint: Path, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]
    ) -> Iterator[LabelScores]:
        yield from (LabelScores(prompt_id=prompt.prompt_id, logprobs=(0.0,)) for prompt in prompts)

    def close(self) -> None:
        self.closed.set()


def prompts_of(count: int) -> list[Prompt]:
    return [Prompt(problem_id=str(number), token_ids=(1,), seeds=(0, 1)) for number in range(count)]


@given(count=st.integers(0, 300), hands=st.integers(1, 9), least=st.integers(1, 40))
def test_every_prompt_is_dealt_once_in_order_and_parts_never_grow(count: int, hands: int, least: int) -> None:
    prompts = prompts_of(count)
    deck = Deck(prompts, hands=hands, least=least)
    parts = list(iter(deck.take, []))
    assert [prompt for part in parts for prompt in part] == prompts
    sizes = [len(part) for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert all(size >= least for size in sizes[:-1])


def test_a_part_is_half_of_an_equal_share_of_what_is_left() -> None:
    deck = Deck(prompts_of(80), hands=4, least=3)
    assert [len(deck.take()) for _ in range(4)] == [10, 9, 8, 7]


def test_prompts_are_dealt_and_every_answer_comes_back_once(tmp_path: Path) -> None:
    sampler = DealtSampler([Replica(0), Replica(1), Replica(2)], least_rows=2)
    made = list(sampler.sample(tmp_path, prompts_of(50), GREEDY))
    assert sorted((int(each.problem_id), each.sample_index) for each in made) == [
        (problem, index) for problem in range(50) for index in (0, 1)
    ]
    assert list(sampler.sample(tmp_path, [], GREEDY)) == []
    labels = [LabelPrompt(prompt_id=str(number), token_ids=(1,)) for number in range(7)]
    assert sorted(each.prompt_id for each in sampler.label_logprobs(tmp_path, labels, (1,))) == [*"0123456"]


def test_a_slow_replica_answers_fewer_prompts(tmp_path: Path) -> None:
    slow, fast = Replica(0, seconds=0.02), Replica(1, seconds=0.001)
    made = DealtSampler([slow, fast], least_rows=2).sample(tmp_path, prompts_of(60), GREEDY)
    answered = Counter(each.token_ids[0] for each in made)
    assert answered[0] < 60 < answered[1]  # of 120: dealt out before, both would have 60


def test_few_prompts_are_shared_equally_at_once(tmp_path: Path) -> None:
    replicas = [Replica(number, seconds=0.01) for number in range(3)]
    list(DealtSampler(replicas, least_rows=512).sample(tmp_path, prompts_of(8), GREEDY))
    assert sorted(part for replica in replicas for part in replica.parts) == [2, 3, 3]


def test_the_death_of_one_replica_is_raised_and_ends_the_others(tmp_path: Path) -> None:
    replicas = [Replica(0, seconds=30.0), Replica(1, dies_on="7")]
    began = time.monotonic()
    with pytest.raises(StepFailed, match="replica 1 died"):
        list(DealtSampler(replicas, least_rows=8).sample(tmp_path, prompts_of(8), GREEDY))
    assert all(replica.closed.is_set() for replica in replicas)
    assert time.monotonic() - began < 10


def test_leaving_early_ends_all(tmp_path: Path) -> None:
    replicas = [Replica(0, seconds=0.01), Replica(1, seconds=30.0)]
    answers = DealtSampler(replicas, least_rows=1).sample(tmp_path, prompts_of(40), GREEDY)
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert all(replica.closed.is_set() for replica in replicas)
