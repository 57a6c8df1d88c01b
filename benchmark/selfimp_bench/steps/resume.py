"""Sampling that a kill cannot undo: completions are kept chunk by chunk, and a resume asks only for what is missing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, TypeVar

from selfimp_bench.canonical import digest
from selfimp_bench.engines.base import Completion, Decoding, LabelPrompt, LabelScores, Prompt, Sampler

CHUNK: Final = 1000
"""Completions a chunk: what a kill loses at most, beside those still being generated."""

_Row = TypeVar("_Row")


@dataclass(frozen=True, kw_only=True)
class KeptCompletion:
    """A completion, and the digest of the request that it answers."""

    request: str
    completion: Completion


class Kept(Protocol):
    """Where chunks lie (``store.Chunks``)."""

    def read(self, row: type[_Row]) -> list[_Row]:
        """Every row kept so far."""
        ...

    def add(self, rows: Sequence[KeptCompletion]) -> None:
        """Keep one chunk."""
        ...


class ResumingSampler:
    """The sampler of one step. A request that was answered before a kill is not made again; the others are the same."""

    def __init__(self, sampler: Sampler, kept: Kept) -> None:
        self._sampler = sampler
        self._kept = kept
        self._answered: dict[str, Completion] | None = None

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:
        """See ``Sampler.sample``. What was kept comes first."""
        if self._answered is None:
            self._answered = {kept.request: kept.completion for kept in self._kept.read(KeptCompletion)}
        missing: list[Prompt] = []
        places: dict[str, tuple[int, ...]] = {}
        for prompt in prompts:
            requests = [request_digest(prompt, index, decoding) for index in range(len(prompt.seeds))]
            yield from (self._answered[request] for request in requests if request in self._answered)
            left = tuple(index for index, request in enumerate(requests) if request not in self._answered)
            if left:
                places[prompt.problem_id] = left
                missing.append(replace(prompt, seeds=tuple(prompt.seeds[index] for index in left)))
        by_id = {prompt.problem_id: prompt for prompt in prompts}
        chunk: list[KeptCompletion] = []
        for made in self._sampler.sample(checkpoint, missing, decoding) if missing else ():
            index = places[made.problem_id][made.sample_index]
            completion = replace(made, sample_index=index)
            request = request_digest(by_id[made.problem_id], index, decoding)
            chunk.append(KeptCompletion(request=request, completion=completion))
            if len(chunk) == CHUNK:
                self._kept.add(chunk)
                chunk = []
            yield completion

    def label_logprobs(
        self, checkpoint: Path, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]
    ) -> Iterator[LabelScores]:
        """See ``Sampler.label_logprobs``; one token a prompt is not worth keeping."""
        return self._sampler.label_logprobs(checkpoint, prompts, label_ids)

    def close(self) -> None:
        """See ``Sampler.close``."""
        self._sampler.close()


def request_digest(prompt: Prompt, index: int, decoding: Decoding) -> str:
    """What makes a request the one it is: problem, place, token ids, seed, decoding. (The step is the folder's.)"""
    return digest([prompt.problem_id, index, prompt.token_ids, prompt.seeds[index], decoding])
