"""Room for a prompt and its completion: what a checkpoint and its engine take, and what becomes of what does not fit.

Whoever samples asks through ``sampled``, so that no engine is ever given a request that it must refuse.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from selfimp_bench.engines.base import Completion, Decoding, FinishReason, Prompt, Sampler, SamplerSettings
from selfimp_bench.engines.limits import context_of
from selfimp_bench.manifest.model import TooLong


@dataclass(frozen=True, kw_only=True)
class Room:
    """limit: tokens of prompt and completion together, None where there is none. rule: for what exceeds it."""

    limit: int | None
    rule: TooLong

    def new_tokens(self, prompt: int, max_tokens: int) -> int | None:
        """Tokens that the completion of a prompt of so many tokens may have; None where it is not asked for."""
        if self.limit is None or prompt + max_tokens <= self.limit:
            return max_tokens
        left = self.limit - prompt
        return left if self.rule is TooLong.SHORTENED and left > 0 else None

    @property
    def unasked(self) -> FinishReason:
        """Why a completion ended that nobody asked for."""
        return FinishReason.DROPPED if self.rule is TooLong.DROPPED else FinishReason.TOO_LONG


def room_of(checkpoint: Path, settings: SamplerSettings, rule: TooLong) -> Room:
    """The room in a checkpoint, asked by an engine with these settings."""
    own = None if settings.vllm is None else settings.vllm.max_model_len
    return Room(limit=context_of(checkpoint, max_model_len=own), rule=rule)


def sampled(
    sampler: Sampler, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding, room: Room
) -> Iterator[Completion]:
    """``Sampler.sample`` of what fits; of the rest shorter completions or empty ones, as the rule says.

    Prompts with room for equally long completions are one request.
    """
    groups: dict[int, list[Prompt]] = defaultdict(list)
    for prompt in prompts:
        new_tokens = room.new_tokens(len(prompt.token_ids), decoding.max_tokens)
        if new_tokens is None:
            yield from unasked(prompt, room)
        else:
            groups[new_tokens].append(prompt)
    for new_tokens, group in groups.items():
        yield from sampler.sample(checkpoint, group, replace(decoding, max_tokens=new_tokens))


def unasked(prompt: Prompt, room: Room) -> Iterator[Completion]:
    """Empty completions of a prompt that does not fit, one for each that was wanted."""
    for index in range(len(prompt.seeds)):
        yield Completion(problem_id=prompt.problem_id, sample_index=index, token_ids=(), finish_reason=room.unasked)
