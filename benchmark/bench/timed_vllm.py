"""The vllm sampler's worker that writes down how long the engine itself worked, and then serves the requests to it raw.

Started in the worker's place by ``sampling.vllm_engine``. A line of JSON a call goes to the file TIMED_VLLM names.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vllm import TokensPrompt
from vllm.v1.engine.llm_engine import LLMEngine

from selfimp_bench.engines.base import Completion, Decoding, Prompt
from selfimp_bench.engines.tokens import needed_stop_ids
from selfimp_bench.engines.vllm.model import VllmModel, sampling_params
from selfimp_bench.engines.worker.serve import claim_stdout, serve


@dataclass
class Work:
    """What an engine did: seconds inside its calls, steps, and tokens that finished; ``wall`` is of the whole pass."""

    seconds: float = 0.0
    steps: int = 0
    tokens: int = 0
    wall: float = 0.0


class Meter:
    """An engine whose work is counted."""

    def __init__(self, engine: LLMEngine) -> None:
        self.work = Work()
        self._engine = engine

    def add_request(self, *arguments: Any) -> None:
        """The engine's own."""
        began = time.perf_counter()
        self._engine.add_request(*arguments)
        self.work.seconds += time.perf_counter() - began

    def step(self) -> Any:
        """The engine's own."""
        began = time.perf_counter()
        outputs: Any = self._engine.step()
        self.work.seconds += time.perf_counter() - began
        self.work.steps += 1
        self.work.tokens += sum(len(each.outputs[0].token_ids) for each in outputs if each.finished)
        return outputs


class TimedModel(VllmModel):
    """Answers as ever, then once more without anything of ours."""

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Completion]]:
        """See ``VllmModel``; the raw engine's turn comes when all is answered."""
        engine: Any = self._engine
        engine.reset_prefix_cache()
        ours: Any = Meter(engine)
        self._engine = ours
        yield from super().generate(prompts, decoding)
        self._engine = engine
        engine.reset_prefix_cache()
        raw = Meter(engine)
        began = time.perf_counter()
        assert self._checkpoint is not None
        stops = needed_stop_ids(self._checkpoint)
        for prompt in prompts:
            for place, seed in enumerate(prompt.seeds):
                token_ids = TokensPrompt(prompt_token_ids=list(prompt.token_ids))
                raw.add_request(f"{prompt.problem_id}.{place}", token_ids, sampling_params(decoding, seed, stops))
        while engine.has_unfinished_requests():
            raw.step()
        raw.work.wall = time.perf_counter() - began
        with Path(os.environ["TIMED_VLLM"]).open("a") as file:
            file.write(json.dumps({"ours": asdict(ours.work), "raw": asdict(raw.work)}) + "\n")


if __name__ == "__main__":
    serve(sys.stdin.buffer, claim_stdout(), TimedModel)
