"""Sampling after a kill: only what is missing is asked for again, and the requests are the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from selfimp_bench.engines.base import Completion, Decoding, FinishReason, LabelPrompt, LabelScores, Prompt
from selfimp_bench.steps import resume
from selfimp_bench.steps.resume import ResumingSampler
from selfimp_bench.steps.store import Chunks

DECODING = Decoding(temperature=0.7, top_p=0.9, top_k=-1, max_tokens=4, stop=())
PROMPTS = tuple(
    Prompt(problem_id=f"p{number}", token_ids=(number, 7), seeds=tuple(range(10 * number, 10 * number + 5)))
    for number in range(6)
)


class Killed(Exception):
    """Stands for the end of the process."""


@dataclass(kw_only=True)
class Echo:
    """Answers every request with its own tokens and seed, backwards, and dies after ``dies_after`` of them."""

    dies_after: int | None = None
    seen: list[tuple[str, int]] = field(default_factory=list)

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:
        for prompt in reversed(prompts):
            for index, seed in reversed(list(enumerate(prompt.seeds))):
                if len(self.seen) == self.dies_after:
                    raise Killed
                self.seen.append((prompt.problem_id, seed))
                yield Completion(
                    problem_id=prompt.problem_id,
                    sample_index=index,
                    token_ids=(*prompt.token_ids, seed),
                    finish_reason=FinishReason.STOP,
                )

    def label_logprobs(
        self, checkpoint: Path, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]
    ) -> Iterator[LabelScores]:
        yield from ()

    def close(self) -> None:
        pass


def sampled(engine: Echo, folder: Path, prompts: Sequence[Prompt] = PROMPTS) -> dict[tuple[str, int], Completion]:
    completions = ResumingSampler(engine, Chunks(folder)).sample(folder, prompts, DECODING)
    return {(completion.problem_id, completion.sample_index): completion for completion in completions}


def test_after_a_kill_only_the_last_chunk_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "CHUNK", 4)
    whole = Echo()
    undisturbed = sampled(whole, tmp_path / "undisturbed")
    assert len(undisturbed) == 30
    killed = Echo(dies_after=18)
    with pytest.raises(Killed):
        sampled(killed, tmp_path / "killed")
    resumed = Echo()
    assert sampled(resumed, tmp_path / "killed") == undisturbed
    assert len(resumed.seen) == 30 - 16
    assert sorted(killed.seen[:16] + resumed.seen) == sorted(whole.seen)


def test_a_finished_step_asks_for_nothing_but_its_last_partial_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "CHUNK", 10)
    first = sampled(Echo(), tmp_path)
    again = Echo()
    assert sampled(again, tmp_path) == first
    assert again.seen == []


def test_a_request_with_another_seed_or_prompt_is_another_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "CHUNK", 1)
    sampled(Echo(), tmp_path)
    changed = (replace(PROMPTS[0], seeds=(0, 1, 2, 3, 99)), replace(PROMPTS[1], token_ids=(8,)), *PROMPTS[2:])
    again = Echo()
    made = sampled(again, tmp_path, changed)
    assert sorted(again.seen) == [("p0", 99), *(("p1", seed) for seed in range(10, 15))]
    assert made["p0", 4].token_ids == (0, 7, 99)
    assert made["p1", 0].token_ids == (8, 10)


def test_a_chunk_that_cannot_be_read_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "CHUNK", 10)
    first = sampled(Echo(), tmp_path)
    broken = sorted(tmp_path.glob("*.msgpack"))[0]
    broken.write_bytes(broken.read_bytes()[:-5])
    again = Echo()
    assert sampled(again, tmp_path) == first
    assert len(again.seen) == 10
