"""Loading a checkpoint into vLLM and generating from it, in the sampler's child process.

One request a completion, each with its own seed: vLLM draws the noise of a request from its seed alone, so that a
SamplingParams shared by a batch would give every prompt the same noise (vllm issue 50440).
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import torch
from vllm import SamplingParams, TokensPrompt
from vllm.config import AttentionConfig
from vllm.engine.arg_utils import EngineArgs
from vllm.outputs import RequestOutput
from vllm.sampling_params import RequestOutputKind
from vllm.v1.attention.backends.registry import AttentionBackendEnum
from vllm.v1.engine.llm_engine import LLMEngine

from selfimp_bench.engines.base import (
    Completion,
    Decoding,
    FinishReason,
    LabelPrompt,
    LabelScores,
    Prompt,
    SamplerSettings,
)
from selfimp_bench.engines.limits import Limits, check_files, check_labels, check_prompt
from selfimp_bench.engines.tokens import needed_stop_ids, read_json
from selfimp_bench.errors import InputError, StepFailed
from selfimp_bench.manifest.model import VllmSettings

# Requests inside the engine beyond those that run: enough that it never waits for the next, few enough for memory.
QUEUED_PER_ROW: Final = 2


class VllmModel:
    """One engine with one checkpoint; another is loaded in its place (the client starts anew where that cannot be).

    group: () for an engine of this machine, else where it lies on Ray (``vllm.ray_group``).
    """

    def __init__(self, settings: SamplerSettings, group: tuple[str, ...] = ()) -> None:
        assert settings.vllm is not None
        self._settings = settings
        self._group = group
        self._vllm: VllmSettings = settings.vllm
        self._checkpoint: Path | None = None
        self._engine: LLMEngine | None = None

    def load(self, checkpoint: Path) -> None:
        """Swap the weights in, or start the engine. Raises InputError when the checkpoint cannot be loaded."""
        if self._settings.device == "cuda" and not torch.cuda.is_available():
            raise InputError(
                "engines.device is cuda, but torch finds no CUDA device here; run on a machine with one (nvidia-smi "
                "shows it) or set engines.device to cpu"
            )
        if checkpoint == self._checkpoint:
            return
        check_files(checkpoint)
        self._checkpoint = None
        try:
            if self._engine is None:
                self._engine = start(engine_args(checkpoint, self._settings, self._vllm), self._group)
                check_runner(self._engine, self._vllm)
            else:
                swap(self._engine, checkpoint)
        except (torch.OutOfMemoryError, StepFailed):
            raise
        except Exception as error:  # vLLM raises what its loaders and config checks raise
            raise InputError(
                f"{checkpoint}: vLLM cannot load the checkpoint ({type(error).__name__}: {error}); fetch or train it "
                "again, or correct engines.vllm"
            ) from error
        self._checkpoint = checkpoint

    def generate(self, prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Completion]]:
        """Completions as they end. Raises InputError for prompts that the model or ``max_model_len`` cannot take."""
        assert self._checkpoint is not None
        limits = self._limits(self._checkpoint)
        for prompt in prompts:
            name = f"problem {prompt.problem_id}"
            check_prompt(limits, name, prompt.token_ids, new_tokens=decoding.max_tokens, checkpoint=self._checkpoint)
        stops = needed_stop_ids(self._checkpoint)
        requests = (
            (prompt.problem_id, index, prompt.token_ids, sampling_params(decoding, seed, stops))
            for prompt in prompts
            for index, seed in enumerate(prompt.seeds)
        )
        names: dict[str, tuple[str, int]] = {}

        def numbered() -> Iterator[tuple[str, tuple[int, ...], SamplingParams]]:
            for number, (problem_id, index, token_ids, params) in enumerate(requests):
                names[str(number)] = problem_id, index
                yield str(number), token_ids, params

        for outputs in self._outputs(numbered()):
            yield [_completion(*names.pop(output.request_id), output, stops) for output in outputs]

    def label_logprobs(self, prompts: Sequence[LabelPrompt], label_ids: Sequence[int]) -> Iterator[list[LabelScores]]:
        """Label scores as they are ready. Raises InputError for what the model cannot take."""
        assert self._checkpoint is not None
        limits = self._limits(self._checkpoint)
        check_labels(limits, label_ids, self._checkpoint)
        for prompt in prompts:
            name = f"verification prompt {prompt.prompt_id}"
            check_prompt(limits, name, prompt.token_ids, new_tokens=1, checkpoint=self._checkpoint)
        params = label_params(label_ids)
        for outputs in self._outputs((prompt.prompt_id, prompt.token_ids, params) for prompt in prompts):
            yield [_label_scores(output, label_ids) for output in outputs]

    def _limits(self, checkpoint: Path) -> Limits:
        config = read_json(checkpoint / "config.json")
        own = config.get("max_position_embeddings") or self._vllm.max_model_len
        return Limits(vocabulary=config["vocab_size"], positions=min(own, self._vllm.max_model_len))

    def _outputs(
        self, requests: Iterator[tuple[str, tuple[int, ...], SamplingParams]]
    ) -> Iterator[list[RequestOutput]]:
        """Keep the engine fed; yield the finished outputs of every step that finished any."""
        engine = self._engine
        assert engine is not None
        room = QUEUED_PER_ROW * self._settings.max_batch_rows
        inside = 0
        while True:
            for request_id, token_ids, params in islice(requests, room - inside):
                engine.add_request(request_id, TokensPrompt(prompt_token_ids=list(token_ids)), params)
                inside += 1
            if not inside:
                return
            finished = [output for output in engine.step() if isinstance(output, RequestOutput) and output.finished]
            inside -= len(finished)
            if finished:
                yield finished


def start(args: EngineArgs, group: tuple[str, ...]) -> LLMEngine:
    """An engine on this machine, or through vLLM's own Ray backend on the GPUs of a placement group."""
    if not group:
        return LLMEngine.from_engine_args(args)
    import ray
    from ray.util.placement_group import PlacementGroup

    address, group_id = group
    ray.init(address=address, log_to_driver=False)
    args.distributed_executor_backend = "ray"
    config = args.create_engine_config()
    config.parallel_config.placement_group = PlacementGroup(ray.PlacementGroupID.from_hex(group_id))
    return LLMEngine.from_vllm_config(config)


def check_runner(engine: LLMEngine, vllm: VllmSettings) -> None:
    """Stop when the other model runner runs than the one that was asked for: some features force one of them."""
    runs = "v2" if engine.vllm_config.use_v2_model_runner else "v1"
    if runs != vllm.model_runner:
        raise StepFailed(
            f"vLLM runs its model runner {runs}, and engines.vllm.model_runner is {vllm.model_runner}; this checkpoint "
            f"needs {runs}, so say that in the manifest"
        )


def swap(engine: LLMEngine, checkpoint: Path) -> None:
    """Load a checkpoint's weights over those of the engine (``vllm.can_follow`` says which may)."""
    engine.collective_rpc("reload_weights", kwargs={"weights_path": str(checkpoint)})
    if not engine.reset_prefix_cache():  # its keys and values are the old weights'
        raise RuntimeError("the prefix cache could not be reset")


def engine_args(checkpoint: Path, settings: SamplerSettings, vllm: VllmSettings) -> EngineArgs:
    """Every setting that can change a number, from the manifest; nothing from the checkpoint's own defaults."""
    memory: dict[str, Any] = {}
    if vllm.gpu_memory_utilization is not None:
        memory["gpu_memory_utilization"] = vllm.gpu_memory_utilization
    return EngineArgs(
        model=str(checkpoint),
        tokenizer=str(checkpoint),  # only looks for stop texts; prompts come as token ids
        trust_remote_code=False,
        load_format="safetensors",
        dtype=settings.precision,
        kv_cache_dtype="auto",
        generation_config="vllm",
        logprobs_mode="raw_logprobs",
        seed=0,
        max_num_seqs=settings.max_batch_rows,
        max_model_len=vllm.max_model_len,
        max_num_batched_tokens=vllm.max_num_batched_tokens,
        enable_chunked_prefill=vllm.chunked_prefill,
        enable_prefix_caching=vllm.prefix_caching,
        enforce_eager=vllm.enforce_eager,
        tensor_parallel_size=vllm.tensor_parallel,
        attention_config=AttentionConfig(backend=AttentionBackendEnum[vllm.attention_backend]),
        async_scheduling=False,
        disable_log_stats=True,
        **memory,
    )


def sampling_params(decoding: Decoding, seed: int, stops: frozenset[int]) -> SamplingParams:
    """The request of one completion: every filter as the manifest says, and its own seed."""
    return SamplingParams(
        n=1,
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        top_k=decoding.top_k,
        max_tokens=decoding.max_tokens,
        seed=None if decoding.temperature == 0 else seed,
        stop_token_ids=sorted(stops),
        ignore_eos=True,  # the stops above are all of them
        stop=list(decoding.stop),
        include_stop_str_in_output=True,
        detokenize=bool(decoding.stop),
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def label_params(label_ids: Sequence[int]) -> SamplingParams:
    """One token, and the log-probabilities of the labels in the unfiltered softmax at temperature 1."""
    return SamplingParams(
        temperature=0.0,
        max_tokens=1,
        logprob_token_ids=list(label_ids),
        logprobs=len(label_ids),
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _completion(problem_id: str, index: int, output: RequestOutput, stops: frozenset[int]) -> Completion:
    """vLLM keeps the token it stopped at; a completion does not."""
    made = output.outputs[0]
    token_ids = tuple(made.token_ids)
    if made.finish_reason not in ("stop", "length"):
        raise RuntimeError(f"vLLM ended a request with {made.finish_reason!r}; expected stop or length")
    stopped = made.finish_reason == "stop"
    if stopped and token_ids[-1] in stops:
        token_ids = token_ids[:-1]
    return Completion(
        problem_id=problem_id,
        sample_index=index,
        token_ids=token_ids,
        finish_reason=FinishReason.STOP if stopped else FinishReason.LENGTH,
    )


def _label_scores(output: RequestOutput, label_ids: Sequence[int]) -> LabelScores:
    logprobs = output.outputs[0].logprobs
    assert logprobs is not None
    return LabelScores(prompt_id=output.request_id, logprobs=tuple(logprobs[0][label].logprob for label in label_ids))
