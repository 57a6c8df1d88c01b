"""``vllm_worker.py`` that writes down how long the engine itself worked, and then serves the requests to it raw.

Run by the test of the adapter's speed in the worker's place. A line of JSON a call goes to the file TIMED_VLLM names.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vllm import TokensPrompt
from vllm.v1.engine.llm_engine import LLMEngine

from selfimp_bench.engines.base import Completion, Decoding, Prompt
from selfimp_bench.engines.tokens import needed_stop_ids
from selfimp_bench.engines.vllm.model import VllmModel, sampling_params
from selfimp_bench.engines.worker.serve import claim_stdout, serve


class Meter:
    """Seconds inside the engine's calls, steps, and tokens that finished."""

    def __init__(self, engine: LLMEngine) -> None:
        self.seconds, self.steps, self.tokens = 0.0, 0, 0
        self._engine = engine

    def add_request(self, *arguments: Any) -> None:
        began = time.perf_counter()
        self._engine.add_request(*arguments)
        self.seconds += time.perf_counter() - began

    def step(self) -> Any:
        began = time.perf_counter()
        outputs = self._engine.step()
        self.seconds += time.perf_counter() - began
        self.steps += 1
        self.tokens += sum(len(each.outputs[0].token_ids) for each in outputs if each.finished)
        return outputs


class TimedModel(VllmModel):
    """Answers as ever, then once more without anything of ours."""

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Completion]]:
        engine: Any = self._engine
        engine.reset_prefix_cache()
        self._engine = ours = Meter(engine)
        yield from super().generate(prompts, decoding)
        self._engine = engine
        engine.reset_prefix_cache()
        raw = Meter(engine)
        stops = needed_stop_ids(self._checkpoint)
        for prompt in prompts:
            for place, seed in enumerate(prompt.seeds):
                token_ids = TokensPrompt(prompt_token_ids=list(prompt.token_ids))
                raw.add_request(f"{prompt.problem_id}.{place}", token_ids, sampling_params(decoding, seed, stops))
        while engine.has_unfinished_requests():
            raw.step()
        line = {"ours": _numbers(ours), "raw": _numbers(raw)}
        with Path(os.environ["TIMED_VLLM"]).open("a") as file:
            file.write(json.dumps(line) + "\n")


def _numbers(meter: Meter) -> dict[str, float]:
    return {"seconds": meter.seconds, "steps": meter.steps, "tokens": meter.tokens}


if __name__ == "__main__":
    serve(sys.stdin.buffer, claim_stdout(), TimedModel)
