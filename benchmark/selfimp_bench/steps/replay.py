"""Doing a step again from what its engine said, which the step recorded: no engine runs, all else is the step's own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from selfimp_bench.engines.base import (
    Completion,
    Decoding,
    FinishReason,
    LabelPrompt,
    LabelScores,
    Prompt,
    Sampler,
    SamplerSettings,
)
from selfimp_bench.engines.tokens import TokenCodec
from selfimp_bench.steps.inputs import StepInputs
from selfimp_bench.steps.work import Work

_SHIFT: Final = -1
"""Token ids below 0 stand for whole texts: -1 for the first of them, -2 for the second."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What an engine answered one request: its token ids or, where only that was kept, its text."""

    answer: tuple[int, ...] | str
    finish_reason: FinishReason


def replaying(
    work: Work,
    said: Callable[[Prompt, int], Said | None],
    weighed: Mapping[tuple[int, ...], tuple[float, ...]] | None = None,
) -> Work:
    """The work with a sampler that says again what was recorded, and nothing of what was not.

    said: what was answered to a prompt's seed of this index. weighed: labels' log-probabilities by prompt.
    """
    texts: list[str] = []
    inputs = _Inputs(**_parts(work.inputs), texts=texts)
    sampler = _Recorded(said=said, weighed=weighed or {}, texts=texts)
    return _Work(**_parts(work) | {"inputs": inputs}, recorded=sampler)


def _parts(whole: Any) -> dict[str, Any]:
    return {each.name: getattr(whole, each.name) for each in fields(whole)}


@dataclass(frozen=True, kw_only=True)
class _Recorded:
    """See ``Sampler``: one that has all its answers already."""

    said: Callable[[Prompt, int], Said | None]
    weighed: Mapping[tuple[int, ...], tuple[float, ...]]
    texts: list[str]

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:  # noqa: ARG002
        for prompt in prompts:
            for index in range(len(prompt.seeds)):
                answered = self.said(prompt, index)
                if answered is not None:
                    yield Completion(
                        problem_id=prompt.problem_id,
                        sample_index=index,
                        token_ids=self._ids(answered.answer),
                        finish_reason=answered.finish_reason,
                    )

    def _ids(self, answer: tuple[int, ...] | str) -> tuple[int, ...]:
        if not isinstance(answer, str):
            return answer
        self.texts.append(answer)
        return (_SHIFT - (len(self.texts) - 1),)

    def label_logprobs(
        self,
        checkpoint: Path,  # noqa: ARG002
        prompts: Sequence[LabelPrompt],
        label_ids: Sequence[int],  # noqa: ARG002
    ) -> Iterator[LabelScores]:
        for prompt in prompts:
            if prompt.token_ids in self.weighed:
                yield LabelScores(prompt_id=prompt.prompt_id, logprobs=self.weighed[prompt.token_ids])

    def close(self) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class _Codec(TokenCodec):
    texts: Sequence[str] = field(repr=False)

    def decode(self, token_ids: Sequence[int]) -> str:
        if len(token_ids) == 1 and token_ids[0] < 0:
            return self.texts[_SHIFT - token_ids[0]]
        return super().decode(token_ids)


@dataclass(frozen=True, kw_only=True)
class _Inputs(StepInputs):
    texts: Sequence[str] = field(repr=False)

    def codec(self, name: str) -> TokenCodec:
        return _Codec(**_parts(super().codec(name)), texts=self.texts)


@dataclass(frozen=True, kw_only=True)
class _Work(Work):
    recorded: Sampler

    def resuming(self, engine: str, settings: SamplerSettings) -> Sampler:  # noqa: ARG002
        return self.recorded
