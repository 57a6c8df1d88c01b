"""Several samplers that share the prompts of a call: each takes its next part when it has answered the one before."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Final, Generic, TypeVar

from selfimp_bench.engines.base import Completion, Decoding, LabelPrompt, LabelScores, Prompt, Sampler

_Prompt = TypeVar("_Prompt", Prompt, LabelPrompt)
_Answer = TypeVar("_Answer", Completion, LabelScores)

PATIENCE: Final = 0.1
"""Seconds until a replica that has not ended yet is closed once more: it may have been about to ask."""


class Deck(Generic[_Prompt]):
    """Prompts that several hands take from, in their order.

    A part is half of an equal share of what is left, so that all hands end about together whatever their speed, but
    at least ``least`` prompts, for an engine works well only while it is full.
    """

    def __init__(self, prompts: Sequence[_Prompt], *, hands: int, least: int) -> None:
        self._prompts: Sequence[_Prompt] = prompts
        self._hands = hands
        self._least = least
        self._taken = 0
        self._lock = Lock()

    def take(self) -> Sequence[_Prompt]:
        """The next part; empty when all is taken."""
        with self._lock:
            left = len(self._prompts) - self._taken
            start, count = self._taken, min(left, max(self._least, ceil(left / (2 * self._hands))))
            self._taken += count
            return self._prompts[start : start + count]

    def stop(self) -> None:
        """Nothing is left to take."""
        with self._lock:
            self._taken = len(self._prompts)


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """A replica has given all its answers, or an error."""

    error: Exception | None


class DealtSampler:
    """Several samplers that share the prompts of a call; which one answers changes no request.

    least_rows: completions that a part has at least, as many as an engine has in flight.
    """

    def __init__(self, replicas: Sequence[Sampler], *, least_rows: int) -> None:
        self._replicas = list(replicas)
        self._least_rows = least_rows

    def sample(self, checkpoint: Path, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[Completion]:
        """See ``Sampler.sample``."""
        each = max((len(prompt.seeds) for prompt in prompts), default=1)
        deck = self._deck(prompts, each)
        yield from self._merged(deck, lambda replica, part: replica.sample(checkpoint, part, decoding))

    def label_logprobs(
        self, checkpoint: Path, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]
    ) -> Iterator[LabelScores]:
        """See ``Sampler.label_logprobs``."""
        deck = self._deck(prompts, 1)
        yield from self._merged(deck, lambda replica, part: replica.label_logprobs(checkpoint, part, label_ids))

    def close(self) -> None:
        """End every engine."""
        for replica in self._replicas:
            replica.close()

    def _deck(self, prompts: Sequence[_Prompt], rows: int) -> Deck[_Prompt]:
        """``rows``: of a prompt. Where there are few, every replica has an equal share at once."""
        share = ceil(len(prompts) / len(self._replicas))
        return Deck(prompts, hands=len(self._replicas), least=max(1, min(share, ceil(self._least_rows / max(1, rows)))))

    def _merged(
        self, deck: Deck[_Prompt], ask: Callable[[Sampler, Sequence[_Prompt]], Iterator[_Answer]]
    ) -> Iterator[_Answer]:
        """The answers of all replicas as they come. The first error of one ends the others, and is raised here."""
        answers: SimpleQueue[_Answer | _Ended] = SimpleQueue()

        def listen(replica: Sampler) -> None:
            error = None
            try:
                while part := deck.take():
                    for answer in ask(replica, part):
                        answers.put(answer)
            except Exception as raised:
                error = raised
            answers.put(_Ended(error=error))

        count, finished = len(self._replicas), 0
        with ThreadPoolExecutor(max_workers=count) as threads:
            listening = [threads.submit(listen, replica) for replica in self._replicas]
            try:
                while finished < count:
                    answer = answers.get()
                    if not isinstance(answer, _Ended):
                        yield answer
                    elif answer.error is not None:
                        raise answer.error
                    else:
                        finished += 1
            finally:
                if finished < count:
                    deck.stop()
                    self.close()
                    while wait(listening, timeout=PATIENCE).not_done:
                        self.close()
