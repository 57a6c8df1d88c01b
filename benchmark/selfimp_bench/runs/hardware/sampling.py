"""What generating completions asks of GPUs."""

from dataclasses import dataclass, replace
from math import ceil

from selfimp_bench.engines.base import SamplerSettings
from selfimp_bench.manifest.model import Architecture, ModelRef
from selfimp_bench.plural import plural
from selfimp_bench.protocols.post_training.choose import ChooseBlock, ChosenSampleBlock
from selfimp_bench.protocols.post_training.more import MoreBlock
from selfimp_bench.protocols.post_training.weigh import WeighBlock
from selfimp_bench.protocols.verification.tournament import TournamentBlock
from selfimp_bench.protocols.verification.verify import VerifyBlock
from selfimp_bench.runs.forecast import BYTES_PER_SAMPLED_TOKEN
from selfimp_bench.runs.hardware.cost import Range, Setting, StepCost
from selfimp_bench.runs.hardware.fit import most_that_fits, too_large, usable_bytes
from selfimp_bench.runs.hardware.footprint import USABLE, Footprint, sampling_footprint
from selfimp_bench.runs.hardware.lengths import Lengths, lengths_of, recorded_longest
from selfimp_bench.runs.hardware.sizes import architecture_of
from selfimp_bench.runs.hardware.workload import Decode, decode_seconds, forward_seconds
from selfimp_bench.steps.dataset import ProblemsBlock
from selfimp_bench.steps.model import ModelBlock
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.sample import SampleBlock

FOLLOW_UPS = (ChooseBlock, ChosenSampleBlock, MoreBlock)
"""Blocks that ask as their ``sample`` does, of other problems or at other temperatures."""

BYTES_OF_PRECISION = {"bfloat16": 2, "float32": 4}


@dataclass(frozen=True, kw_only=True)
class _Generation:
    """A step of ``rows`` completions of at most ``max_tokens``, ``per_prompt`` of each prompt, and their model.

    An engine with ``vllm`` settings takes as many rows at a time as its share of the memory holds, and spans
    ``tensor_parallel`` devices; any other has ``max_batch_rows`` in flight, on one.
    """

    settings: SamplerSettings
    max_tokens: int
    per_prompt: int
    sizes: Architecture
    lengths: Lengths
    rows: int
    setting: Setting

    @property
    def weight_bytes(self) -> int:
        return BYTES_OF_PRECISION[self.settings.precision]

    @property
    def span(self) -> int:
        vllm = self.settings.vllm
        return 1 if vllm is None else vllm.tensor_parallel

    @property
    def wanted(self) -> int:
        return min(self.settings.max_batch_rows, self.rows)

    @property
    def allowed(self) -> int:
        vllm = self.settings.vllm
        share = USABLE if vllm is None else vllm.gpu_memory_utilization
        return usable_bytes(self.setting.hardware, USABLE if share is None else share)

    @property
    def longest(self) -> int:
        """Tokens of the longest row: prompt and answer. What is longer than the engine takes is not asked for, or is
        shortened to that (``prompt.too_long``)."""
        vllm, tokens = self.settings.vllm, self.lengths.prompt_longest + self.max_tokens
        return tokens if vllm is None else min(tokens, vllm.max_model_len)

    def in_flight(self, tokens: int) -> int:
        """Rows of so many tokens at a time; at least one, also where not even that fits."""
        return self.wanted if self.settings.vllm is None else max(1, self._fitting(tokens, self.span))

    def footprint(self, *, rows: int, tokens: int, span: int) -> Footprint:
        return sampling_footprint(
            self.sizes, rows=rows, tokens=tokens, weight_bytes=self.weight_bytes, tensor_parallel=span
        )

    def peak(self) -> Footprint:
        """With only longest rows in flight."""
        return self.footprint(rows=self.in_flight(self.longest), tokens=self.longest, span=self.span)

    def _fitting(self, tokens: int, span: int) -> int:
        return most_that_fits(
            lambda rows: self.footprint(rows=rows, tokens=tokens, span=span), self.wanted, self.allowed
        )

    def misfits(self) -> tuple[str, ...]:
        """Why it cannot run, with what would."""
        count, needed = self.setting.hardware.count, self.peak()
        if self.span > count:
            return (
                f"its tensor_parallel takes {self.span} devices, more than {count}; use as many (on several machines: "
                "--executor ray), or leave the model out (--only)",
            )
        if self.sizes.heads % self.span:
            heads = f"{self.sizes.heads} attention heads cannot be split evenly over {self.span} devices"
            return (f"its {heads}, as vLLM does; give the model a tensor_parallel that divides them",)
        if needed.total <= self.allowed:
            return ()
        if self.settings.vllm is None and (rows := self._fitting(self.longest, 1)):
            return (too_large(needed, self.allowed, f"engines.max_batch_rows {rows} (now {self.wanted}) would fit"),)
        spans = [2**power for power in range(1, count.bit_length()) if self._fitting(self.longest, 2**power)]
        advice = "not one row would: it takes larger devices, or an engine that spans several"
        if spans:
            rows = self._fitting(self.longest, spans[0])
            advice = f"engines.vllm with tensor_parallel {spans[0]} would fit, {plural(rows, 'row')} at a time"
        return (too_large(needed, self.allowed, advice),)

    def gpu_hours(self, completion: float) -> float:
        """Reading the prompts, and then so many tokens a completion.

        Where the cache of prompts is kept each is read once, and what all begin with once in all.
        """
        device, rates, vllm = self.setting.hardware.device, self.setting.rates, self.settings.vllm
        decode = Decode(
            rows=self.rows,
            in_flight=self.in_flight(ceil(self.lengths.prompt + completion)),
            prompt=self.lengths.prompt,
            completion=completion,
            weight_bytes=self.weight_bytes,
            seeding=rates.seeding.value if vllm is not None and vllm.model_runner == "v1" else 0.0,
        )
        kept = vllm is None or vllm.prefix_caching
        prompts = self.rows // (self.per_prompt if kept else 1)
        again = self.lengths.shared if vllm is not None and kept else 0.0
        read = prompts * (self.lengths.prompt - again) + again
        reading = forward_seconds(self.sizes.parameters, read, device=device, share=rates.training.value)
        return (reading + decode_seconds(self.sizes, decode, device=device, share=rates.decoding.value)) / 3600


def sample_cost(step: Step, setting: Setting) -> StepCost | None:
    """See ``StepCost``. None on a CPU, and for the fake engine. Raises InputError for a model of unknown sizes."""
    block = step.block.sample if isinstance(step.block, FOLLOW_UPS) else step.block
    assert isinstance(block, SampleBlock)
    dataset, vllm = _problems(step, setting).dataset, block.settings.vllm
    lengths = lengths_of(dataset).behind(block.prompt_template)
    if vllm is not None:
        room = vllm.max_model_len - block.decoding.max_tokens
        longest = recorded_longest(dataset, _model(step, setting).id, room)
        lengths = lengths if longest is None else replace(lengths, prompt_longest=longest)
    asked = _Asked(
        engine=block.engine,
        settings=block.settings,
        max_tokens=block.decoding.max_tokens,
        per_prompt=block.samples_per_problem,
        lengths=lengths,
        kind=f"sample {block.role}",
    )
    return _cost(step, asked, setting)


def weigh_cost(step: Step, setting: Setting) -> StepCost | None:
    """The same of weighing the labels of choices: every prompt is read once, for the token behind it."""
    block = step.block
    assert isinstance(block, WeighBlock)
    asked = _Asked(
        engine=block.engine,
        settings=block.settings,
        max_tokens=1,
        per_prompt=1,
        lengths=lengths_of(_problems(step, setting).dataset).behind(block.prompt_template + block.lead),
        kind="weigh choices",
    )
    return _cost(step, asked, setting)


def verify_cost(step: Step, setting: Setting) -> StepCost | None:
    """The same of judging. Judgements in writing are taken for as long as is allowed, weighed ones for one token."""
    block = step.block
    assert isinstance(block, VerifyBlock | TournamentBlock)
    writing, pair = block.writing, isinstance(block, TournamentBlock)
    asked = _Asked(
        engine=block.engine,
        settings=block.settings,
        max_tokens=1 if writing is None else writing.decoding.max_tokens,
        per_prompt=1 if writing is None else writing.repeats,
        lengths=_judged_lengths(step, block.prompt_template, responses=2 if pair else 1, setting=setting),
        kind="tournament" if pair else "verify",
    )
    return _cost(step, asked, setting)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a step asks of its engine; ``kind`` says it in a word or two."""

    engine: str
    settings: SamplerSettings
    max_tokens: int
    per_prompt: int
    lengths: Lengths
    kind: str


def _problems(step: Step, setting: Setting) -> ProblemsBlock:
    problems = setting.steps[step.inputs["problems"]].block
    assert isinstance(problems, ProblemsBlock)
    return problems


def _model(step: Step, setting: Setting) -> ModelRef:
    block = setting.steps[step.inputs["model"]].block
    assert isinstance(block, ModelBlock)
    return block.model


def _judged_lengths(step: Step, template: str, *, responses: int, setting: Setting) -> Lengths:
    """A verifier reads its template, the question and the responses, which end where they are made to at the latest."""
    of_problems = lengths_of(_problems(step, setting).dataset)
    sampled = setting.steps[step.inputs["samples"]].block
    assert isinstance(sampled, SampleBlock)
    limit = sampled.decoding.max_tokens
    read = Lengths(
        prompt=of_problems.prompt + responses * of_problems.completion(limit),
        prompt_longest=of_problems.prompt_longest + responses * limit,
        answer=None,
        answer_longest=None,
    )
    return read.behind(template)


def _cost(step: Step, asked: _Asked, setting: Setting) -> StepCost | None:
    if asked.settings.device == "cpu" or asked.engine == "fake":
        return None
    model, limit = _model(step, setting), asked.max_tokens
    work = _Generation(
        settings=asked.settings,
        max_tokens=limit,
        per_prompt=asked.per_prompt,
        sizes=architecture_of(model),
        lengths=asked.lengths,
        rows=step.rows_at_most,
        setting=setting,
    )
    completion = Range(expected=asked.lengths.completion(limit), at_most=float(limit))
    tokens = completion * step.rows_at_most
    return StepCost(
        step=step.id,
        model=model.id,
        kind=asked.kind,
        devices=work.span,
        per_device=work.in_flight(work.longest),
        accumulation=None,
        footprint=work.peak(),
        tokens=tokens,
        gpu_hours=Range(expected=work.gpu_hours(completion.expected), at_most=work.gpu_hours(completion.at_most)),
        disk_bytes=tokens * BYTES_PER_SAMPLED_TOKEN,
        read_bytes=float(work.weight_bytes * work.sizes.parameters),
        resume_bytes=0.0,
        misfits=work.misfits(),
    )
