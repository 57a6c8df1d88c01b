"""What generating completions asks of GPUs."""

from dataclasses import dataclass

from selfimp_bench.forecast import BYTES_PER_SAMPLED_TOKEN
from selfimp_bench.hardware.cost import Range, Setting, StepCost, sources
from selfimp_bench.hardware.fit import too_large
from selfimp_bench.hardware.footprint import Footprint, sampling_footprint
from selfimp_bench.hardware.lengths import Lengths, lengths_of
from selfimp_bench.hardware.sizes import architecture_of
from selfimp_bench.hardware.workload import Decode, decode_seconds, forward_seconds
from selfimp_bench.manifest.model import Architecture
from selfimp_bench.plan import ModelBlock, ProblemsBlock, SampleBlock, Stage, Step

BYTES_OF_PRECISION = {"bfloat16": 2, "float32": 4}


@dataclass(frozen=True, kw_only=True)
class _Generation:
    """A sampling step with what it samples from: so many rows, at most ``in_flight`` at a time, on one device."""

    block: SampleBlock
    sizes: Architecture
    lengths: Lengths
    rows: int
    in_flight: int
    setting: Setting

    @property
    def weight_bytes(self) -> int:
        return BYTES_OF_PRECISION[self.block.settings.precision]

    def footprint(self, in_flight: int) -> Footprint:
        return sampling_footprint(
            self.sizes,
            rows=in_flight,
            tokens=self.lengths.prompt_longest + self.block.decoding.max_tokens,
            weight_bytes=self.weight_bytes,
            tensor_parallel=1,
        )

    def gpu_hours(self, completion: float) -> float:
        """Reading every prompt once, and then so many tokens a completion."""
        device, rates = self.setting.hardware.device, self.setting.rates
        decode = Decode(
            rows=self.rows,
            in_flight=self.in_flight,
            prompt=self.lengths.prompt,
            completion=completion,
            weight_bytes=self.weight_bytes,
        )
        prompts = self.rows // self.block.samples_per_problem * self.lengths.prompt
        reading = forward_seconds(self.sizes.parameters, prompts, device=device, share=rates.training.value)
        return (reading + decode_seconds(self.sizes, decode, device=device, share=rates.decoding.value)) / 3600


def sample_cost(step: Step, setting: Setting) -> StepCost | None:
    """See ``StepCost``. None on a CPU, and for the fake engine. Raises InputError for a model of unknown sizes."""
    block = step.block
    assert isinstance(block, SampleBlock)
    if block.settings.device == "cpu" or block.engine == "fake":
        return None
    (model,) = (source.block for source in sources(step, Stage.MODEL, setting.steps))
    problems = setting.steps[step.inputs["problems"]].block
    assert isinstance(model, ModelBlock) and isinstance(problems, ProblemsBlock)
    lengths, limit = lengths_of(problems.dataset), block.decoding.max_tokens
    rows = min(block.settings.max_batch_rows, step.rows_at_most)
    work = _Generation(
        block=block,
        sizes=architecture_of(model.model),
        lengths=lengths,
        rows=step.rows_at_most,
        in_flight=rows,
        setting=setting,
    )
    completion = Range(expected=lengths.completion(limit), at_most=float(limit))
    tokens = completion * step.rows_at_most
    fewer = range(rows - 1, 0, -1)
    return StepCost(
        step=step.id,
        model=model.model.id,
        kind=f"sample {block.role}",
        devices=1,
        per_device=rows,
        accumulation=None,
        footprint=work.footprint(rows),
        tokens=tokens,
        gpu_hours=Range(expected=work.gpu_hours(completion.expected), at_most=work.gpu_hours(completion.at_most)),
        disk_bytes=tokens * BYTES_PER_SAMPLED_TOKEN,
        misfits=tuple(too_large(work.footprint, rows, fewer, "engines.max_batch_rows", setting.hardware)),
    )
