"""What training a checkpoint asks of GPUs."""

from dataclasses import dataclass

from selfimp_bench.engines.trl.training_set import BatchShare, share_batch
from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import Architecture, Lora, Method, Optimisation
from selfimp_bench.protocols.post_training.choose import ChosenSampleBlock
from selfimp_bench.protocols.post_training.unlabelled import RewardSelectBlock, VoteSelectBlock
from selfimp_bench.protocols.verification.keep import KeepBlock
from selfimp_bench.runs.hardware.cost import Range, Setting, StepCost, sources
from selfimp_bench.runs.hardware.fit import too_large, usable_bytes
from selfimp_bench.runs.hardware.footprint import (
    AUTOCAST_BYTES,
    FOUR_BIT_BYTES,
    FOUR_BIT_BYTES_SINGLE,
    RESUME_BYTES,
    Footprint,
    Sharding,
    adapter_parameters,
    adapter_states,
    full_states,
    training_footprint,
)
from selfimp_bench.runs.hardware.lengths import Lengths, lengths_of
from selfimp_bench.runs.hardware.sizes import architecture_of
from selfimp_bench.runs.hardware.workload import forward_seconds, training_seconds
from selfimp_bench.steps.dataset import ProblemsBlock
from selfimp_bench.steps.model import ModelBlock
from selfimp_bench.steps.plan import Step
from selfimp_bench.steps.sample import SampleBlock
from selfimp_bench.steps.select import SelectBlock
from selfimp_bench.steps.train import TrainBlock

CORRECT_SHARE = 0.5
"""Assumed share of samples that are correct and distinct: what SFT on own samples trains on."""

STORED_BYTES = 2
"""Of a weight on disk: published models are stored in 16 bits, and a checkpoint is stored like its start."""


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """A training set: its rows, the tokens of one row (a pair is two sequences), and its longest sequence."""

    rows: Range
    tokens: Range
    longest: int

    def once(self) -> Range:
        """Tokens of one pass over all."""
        return self._tokens(self.rows)

    def trained(self, optimisation: Optimisation) -> Range:
        """Tokens of the whole training run."""
        if optimisation.steps is not None:
            seen = float(optimisation.steps * optimisation.batch_size)
            return self._tokens(Range(expected=seen, at_most=seen))
        return self._tokens(self.rows * (optimisation.epochs or 0))

    def _tokens(self, rows: Range) -> Range:
        return Range(expected=rows.expected * self.tokens.expected, at_most=rows.at_most * self.tokens.at_most)


@dataclass(frozen=True, kw_only=True)
class _Training:
    """A training step with what it trains: on one device, or on all where it is ``distributed``."""

    block: TrainBlock
    sizes: Architecture
    rows: _Rows
    setting: Setting

    @property
    def sharding(self) -> Sharding:
        return Sharding(self.block.distributed or Sharding.NONE)

    @property
    def devices(self) -> int:
        return 1 if self.sharding is Sharding.NONE else self.setting.hardware.count

    def footprint(self, rows: int, devices: int | None = None) -> Footprint:
        """Of a pass over so many rows, a pair being two sequences; on as many devices as there are, or on others."""
        return training_footprint(
            self.sizes,
            states=self._states(self.devices if devices is None else devices),
            tokens=rows * _sequences(self.block) * self.rows.longest,
            checkpointing=self.block.gradient_checkpointing,
        )

    @property
    def trained_weights(self) -> int:
        """All weights, or those of the adapters."""
        lora = self.block.lora
        if lora is None:
            return self.sizes.parameters
        return adapter_parameters(self.sizes, rank=lora.rank, modules=lora.target_modules)

    def _states(self, devices: int) -> int:
        lora = self.block.lora
        if lora is None:
            return full_states(self.sizes, sharding=self.sharding, devices=devices)
        adapters = self.trained_weights
        return adapter_states(self.sizes, adapters=adapters, linear_bytes=_linear_bytes(lora), sharding=self.sharding)

    def misfits(self, share: BatchShare) -> tuple[str, ...]:
        """Why a pass does not fit a device, with what would."""
        allowed, needed = usable_bytes(self.setting.hardware), self.footprint(share.rows_per_pass)
        if needed.total <= allowed:
            return ()
        own = share.rows_per_pass * share.passes
        smaller = [rows for rows in range(share.rows_per_pass - 1, 0, -1) if own % rows == 0]
        fitting = next((rows for rows in smaller if self.footprint(rows).total <= allowed), None)
        advice = f"engines.micro_batch_size {fitting} (now {self.block.micro_batch_size}) would fit"
        return (too_large(needed, allowed, self._larger(allowed) if fitting is None else advice),)

    def _larger(self, allowed: int) -> str:
        """What it takes when not one row fits a device. Frozen weights lie whole on every device, others need not."""
        advice, batch = "not one row would: it takes larger devices", self.block.optimisation.batch_size
        if self.block.lora is not None:
            return advice
        if self.sharding is not Sharding.ZERO_3:
            return f"{advice}, or engines.distributed: deepspeed-zero3 on several"
        able = (count for count in range(self.devices + 1, batch + 1) if batch % count == 0)
        enough = next((count for count in able if self.footprint(1, count).total <= allowed), None)
        return (
            advice if enough is None else f"{advice}, or {enough} of these (on several machines: --machines-per-step)"
        )

    def gpu_hours(self) -> Range:
        trained, once = self.rows.trained(self.block.optimisation), self.rows.once()
        return Range(
            expected=self._hours(trained.expected, once.expected), at_most=self._hours(trained.at_most, once.at_most)
        )

    def _hours(self, trained: float, once: float) -> float:
        """Training, and for DPO the reference's log-probabilities, once a pair."""
        device, share = self.setting.hardware.device, self.setting.rates.training.value
        seconds = training_seconds(
            self.sizes.parameters,
            trained,
            frozen=self.block.lora is not None,
            checkpointing=self.block.gradient_checkpointing,
            device=device,
            share=share,
        )
        if self.block.method is Method.DPO:
            seconds += forward_seconds(self.sizes.parameters, once, device=device, share=share)
        return seconds / 3600


def train_cost(step: Step, setting: Setting) -> StepCost | None:
    """See ``StepCost``. None on a CPU, and for the fake engine. Raises InputError for a model of unknown sizes."""
    block = step.block
    assert isinstance(block, TrainBlock)
    if block.device == "cpu" or block.engine == "fake":
        return None
    model = sources(step, ModelBlock, setting.steps)[0].block  # the nearest; a verifier's lies behind what it judged
    assert isinstance(model, ModelBlock)
    sizes = architecture_of(model.model)
    work = _Training(block=block, sizes=sizes, rows=_training_rows(step, block, setting), setting=setting)
    share, uneven = _shared(block, work.devices)
    stored = float(STORED_BYTES * sizes.parameters)
    return StepCost(
        step=step.id,
        model=model.model.id,
        kind=f"train {block.method}",
        devices=work.devices,
        per_device=share.rows_per_pass,
        accumulation=None if uneven else share.passes,
        footprint=work.footprint(share.rows_per_pass),
        tokens=work.rows.trained(block.optimisation),
        gpu_hours=work.gpu_hours(),
        disk_bytes=Range(expected=stored, at_most=stored),
        read_bytes=stored,
        resume_bytes=float(RESUME_BYTES * work.trained_weights),
        misfits=(*uneven, *work.misfits(share)),
    )


def _shared(block: TrainBlock, devices: int) -> tuple[BatchShare, tuple[str, ...]]:
    """The batch as the trainer shares it out, and why it cannot be; then passes of ``micro_batch_size`` rows."""
    micro = block.micro_batch_size
    try:
        return share_batch(block.optimisation.batch_size, rows_per_pass_at_most=micro, devices=devices), ()
    except InputError as error:
        return BatchShare(rows_per_pass=micro, passes=1), (str(error),)


def _linear_bytes(lora: Lora) -> float:
    """Of a frozen weight: 4 bits, or float32 with autocast's 16-bit copy."""
    if lora.quantisation is None:
        return 4 + AUTOCAST_BYTES
    return FOUR_BIT_BYTES if lora.quantisation.double_quant else FOUR_BIT_BYTES_SINGLE


def _sequences(block: TrainBlock) -> int:
    return 2 if block.method is Method.DPO else 1


def _training_rows(step: Step, block: TrainBlock, setting: Setting) -> _Rows:
    select = setting.steps[step.inputs["training_set"]]
    problems = setting.steps[select.inputs["problems"]].block
    assert isinstance(problems, ProblemsBlock)
    assert isinstance(select.block, SelectBlock | KeepBlock | VoteSelectBlock | RewardSelectBlock)
    lengths, bound = lengths_of(problems.dataset).behind(select.block.prompt_template), block.optimisation.max_length
    if block.method is Method.SFT_GOLD:
        return _gold(step.rows_at_most, lengths, bound)
    drawn = (setting.steps[source].block for source in select.inputs.values())
    asked = (one.sample if isinstance(one, ChosenSampleBlock) else one for one in drawn)
    limit = max(one.decoding.max_tokens for one in asked if isinstance(one, SampleBlock))
    return _own(step.rows_at_most, block, lengths, limit)


def _gold(rows: int, lengths: Lengths, bound: int) -> _Rows:
    answer = bound if lengths.answer is None else lengths.answer
    longest = bound if lengths.answer_longest is None else lengths.prompt_longest + lengths.answer_longest
    tokens = min(lengths.prompt + answer, float(bound))
    return _Rows(
        rows=Range(expected=rows, at_most=rows),
        tokens=Range(expected=tokens, at_most=tokens),
        longest=min(longest, bound),
    )


def _own(rows: int, block: TrainBlock, lengths: Lengths, limit: int) -> _Rows:
    """Own samples of at most ``limit`` tokens. Rows above ``max_length`` are refused, so no sequence is longer."""
    bound = float(block.optimisation.max_length)
    share = CORRECT_SHARE if block.method is Method.SFT else 1.0
    tokens = Range(
        expected=min(lengths.prompt + lengths.completion(limit), bound), at_most=min(lengths.prompt + limit, bound)
    )
    return _Rows(
        rows=Range(expected=rows * share, at_most=rows),
        tokens=tokens * _sequences(block),
        longest=min(lengths.prompt_longest + limit, block.optimisation.max_length),
    )
