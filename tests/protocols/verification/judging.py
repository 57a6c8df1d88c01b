"""A verifier whose answers a test writes, for the stages that ask one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selfimp_bench.engines.base import (
    Completion,
    Decoding,
    FinishReason,
    LabelPrompt,
    LabelScores,
    Prompt,
)
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.manifest.model import TooLong
from selfimp_bench.places import ASSETS
from selfimp_bench.protocols.verification.verify import Verifier, Writing
from selfimp_bench.steps.room import Room
from selfimp_bench.steps.rows import Role, SampleRow
from selfimp_bench.tasks.problem import Problem

CODEC = load_codec(ASSETS / "tiny-gsm-base")
PROBLEMS = {name: Problem(problem_id=name, question=f"What is {name}?") for name in ("p", "q")}
WRITING = Writing(
    decoding=Decoding(temperature=0.7, top_p=1.0, top_k=-1, max_tokens=64, stop=("Problem:",)),
    repeats=1,
    seed=3,
    role=Role.SAMPLE,
    iteration=0,
)


@dataclass(kw_only=True)
class Scripted:
    """Answers every prompt's text and seed by a function; remembers what it was asked."""

    answer: Callable[[str, int], str] = lambda _text, _seed: ""
    weigh: Callable[[str], tuple[float, float]] = lambda _text: (-1.0, -1.0)
    asked: list[Prompt] = field(default_factory=list)
    weighed: list[LabelPrompt] = field(default_factory=list)

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:
        """See ``Sampler.sample``; the last prompt comes first."""
        assert checkpoint == CODEC.folder
        self.asked.extend(prompts)
        for prompt in reversed(prompts):
            for index, seed in enumerate(prompt.seeds):
                token_ids = CODEC.encode(self.answer(CODEC.decode(prompt.token_ids), seed))
                cut = len(token_ids) > decoding.max_tokens
                yield Completion(
                    problem_id=prompt.problem_id,
                    sample_index=index,
                    token_ids=token_ids[: decoding.max_tokens],
                    finish_reason=FinishReason.LENGTH if cut else FinishReason.STOP,
                )

    def label_logprobs(
        self, checkpoint: Path, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]
    ) -> Iterator[LabelScores]:
        """See ``Sampler.label_logprobs``."""
        assert checkpoint == CODEC.folder
        assert len(label_ids) == 2
        self.weighed.extend(prompts)
        for prompt in reversed(prompts):
            yield LabelScores(prompt_id=prompt.prompt_id, logprobs=self.weigh(CODEC.decode(prompt.token_ids)))

    def close(self) -> None:
        """Nothing is open."""

    def verifier(self, room: Room = Room(limit=None, rule=TooLong.COUNTED_WRONG)) -> Verifier:  # noqa: B008 - frozen
        """This, as a stage takes it."""
        return Verifier(codec=CODEC, sampler=self, checkpoint=CODEC.folder, room=room)


def sample_row(problem: str, index: int, text: str, *, iteration: int = 0, ended: bool = True) -> SampleRow:
    """A response."""
    return SampleRow(
        problem_id=problem,
        sample_index=index,
        completion=text,
        iteration=iteration,
        role=Role.SAMPLE,
        finish_reason=FinishReason.STOP if ended else FinishReason.LENGTH,
        seed="1",
        prompt_sha256="0" * 64,
        token_ids=CODEC.encode(text),
    )
