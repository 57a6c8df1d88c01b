"""Tokens per second through our vLLM adapter and from the raw engine, on the same requests, in turns, in one run.

    python benchmark/recipes/adapter_speed.py [--problems 200] [--samples 16] [--rounds 5]

The raw engine gets the same EngineArgs and the same SamplingParams, all requests at once, and nothing reads its
results but a token counter: the most that vLLM gives here. Prints one JSON document.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from statistics import median

from selfimp_bench.engines.base import Decoding, Prompt, SamplerSettings
from selfimp_bench.engines.tokens import load_codec, needed_stop_ids
from selfimp_bench.engines.vllm.sampler import vllm_environment, vllm_sampler
from selfimp_bench.manifest.model import VllmSettings
from selfimp_bench.measurement import Split
from selfimp_bench.places import ASSETS
from selfimp_bench.tasks.tiny_gsm import generate

BASE = ASSETS / "tiny-gsm-base"
DECODING = Decoding(temperature=0.75, top_p=0.95, top_k=50, max_tokens=64, stop=())
VLLM = VllmSettings(
    max_model_len=192,
    max_num_batched_tokens=2048,
    chunked_prefill=False,
    prefix_caching=True,
    enforce_eager=True,
    attention_backend="CPU_ATTN",
    model_runner="v1",
    batch_invariant=False,
    tensor_parallel=1,
    gpu_memory_utilization=None,
    kv_cache_gib=1,
)
SETTINGS = SamplerSettings(device="cpu", precision="float32", max_batch_rows=256, threads=1, vllm=VLLM)


def requests(problems: int, samples: int) -> list[Prompt]:
    """Generated word problems, each with its seeds."""
    codec = load_codec(BASE)
    return [
        Prompt(
            problem_id=problem.problem_id,
            token_ids=codec.encode_prompt(f"Question: {problem.question}\nAnswer:", add_bos=False),
            seeds=tuple(range(place * samples, (place + 1) * samples)),
        )
        for place, problem in enumerate(generate(Split.TEST, count=problems, seed=5))
    ]


def raw_engine(prompts: Sequence[Prompt], line: Connection) -> None:
    """In a process of its own: (tokens, seconds) for every word on the line."""
    os.environ.update(vllm_environment(VLLM), OMP_NUM_THREADS="1")
    os.dup2(2, 1)
    from vllm import TokensPrompt
    from vllm.v1.engine.llm_engine import LLMEngine

    from selfimp_bench.engines.vllm.model import engine_args, sampling_params

    engine = LLMEngine.from_engine_args(engine_args(BASE, SETTINGS, VLLM))
    stops = needed_stop_ids(BASE)
    line.send("ready")
    while line.recv() == "go":
        began, tokens = time.perf_counter(), 0
        for prompt in prompts:
            for place, seed in enumerate(prompt.seeds):
                params = sampling_params(DECODING, seed, stops)
                token_ids = TokensPrompt(prompt_token_ids=list(prompt.token_ids))
                engine.add_request(f"{prompt.problem_id}.{place}", token_ids, params)
        while engine.has_unfinished_requests():
            tokens += sum(len(done.outputs[0].token_ids) for done in engine.step() if done.finished)
        line.send((tokens, time.perf_counter() - began))


def main() -> None:
    """Take turns; the first round of each is not counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    prompts = requests(arguments.problems, arguments.samples)
    here, there = multiprocessing.get_context("spawn").Pipe()
    raw = multiprocessing.get_context("spawn").Process(target=raw_engine, args=(prompts, there))
    raw.start()
    assert here.recv() == "ready"
    sampler = vllm_sampler(SETTINGS)
    rates: dict[str, list[float]] = {"adapter": [], "raw": []}
    for _ in range(arguments.rounds + 1):
        began = time.perf_counter()
        # A completion holds no stop token, the raw count does: one more for those that stopped.
        tokens = sum(
            len(each.token_ids) + (each.finish_reason == "stop") for each in sampler.sample(BASE, prompts, DECODING)
        )
        rates["adapter"].append(tokens / (time.perf_counter() - began))
        here.send("go")
        raw_tokens, seconds = here.recv()
        assert raw_tokens == tokens, f"the raw engine made {raw_tokens} tokens, the adapter {tokens}"
        rates["raw"].append(raw_tokens / seconds)
    here.send("stop")
    sampler.close()
    raw.join()
    pairs = list(zip(rates["adapter"][1:], rates["raw"][1:], strict=True))
    found = {
        "adapter_tokens_per_second": round(median(own for own, _ in pairs)),
        "raw_tokens_per_second": round(median(other for _, other in pairs)),
        "ratio_median": round(median(own / other for own, other in pairs), 4),
        "ratios": [round(own / other, 4) for own, other in pairs],
        "tokens_a_round": tokens,
    }
    json.dump(found, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
