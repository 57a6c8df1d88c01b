"""What the adapter costs, told apart from what a busy machine does to a clock."""

import json
import time
from pathlib import Path

import pytest

from selfimp_bench.engines.base import Decoding, Prompt, SamplerSettings
from selfimp_bench.engines.tokens import load_codec
from selfimp_bench.engines.vllm import sampler as vllm
from selfimp_bench.measurement import Split
from selfimp_bench.places import ASSETS
from selfimp_bench.tasks.tiny_gsm import generate

from .conftest import VLLM

BASE = ASSETS / "tiny-gsm-base"
SETTINGS = SamplerSettings(device="cpu", precision="float32", max_batch_rows=64, threads=1, vllm=VLLM)
SHARE = 0.97
DECODING = Decoding(temperature=0.75, top_p=0.95, top_k=50, max_tokens=64, stop=())


def asked(problems: int, seed: int) -> list[Prompt]:
    codec = load_codec(BASE)
    return [
        Prompt(
            problem_id=problem.problem_id,
            token_ids=codec.encode_prompt(f"Question: {problem.question}\nAnswer:", add_bos=False),
            seeds=tuple(range(16 * place, 16 * place + 16)),
        )
        for place, problem in enumerate(generate(Split.TEST, count=problems, seed=seed))
    ]


@pytest.mark.slow
def test_sampling_through_the_adapter_reaches_097_of_the_raw_engine_s_tokens_per_second(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In one run, on the same requests. Two clocks side by side differ by more than 3 percent on a busy machine, so
    what is asserted is what makes the speed: as many engine steps for as many tokens as the raw engine takes, and 97
    percent of the time, from the call to the last completion in hand, spent inside the engine.
    """
    log = tmp_path / "timed.jsonl"
    monkeypatch.setattr(vllm, "WORKER", "timed_vllm_worker")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("TIMED_VLLM", str(log))
    sampler = vllm.vllm_sampler(SETTINGS)
    shares = []
    try:
        list(sampler.sample(BASE, asked(4, seed=1), DECODING))  # starts the engine, and warms it
        for seed in (5, 6, 7, 8):
            prompts = asked(40, seed)
            began = time.perf_counter()
            completions = sampler.sample(BASE, prompts, DECODING)
            made = [next(completions) for _ in range(40 * 16)]
            seconds = time.perf_counter() - began
            assert list(completions) == []
            found = json.loads(log.read_text().splitlines()[-1])
            assert sum(len(each.token_ids) + (each.finish_reason == "stop") for each in made) == found["ours"]["tokens"]
            assert (found["ours"]["steps"], found["ours"]["tokens"]) == (found["raw"]["steps"], found["raw"]["tokens"])
            shares.append(found["ours"]["seconds"] / seconds)
            if shares[-1] >= SHARE:
                break
    finally:
        sampler.close()
    assert shares[-1] >= SHARE, shares
