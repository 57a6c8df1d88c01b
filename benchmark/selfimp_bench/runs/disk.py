"""Room on the disk that a run still needs: one number, which `plan` and `doctor` say alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.model import ModelRef
from selfimp_bench.protocols.post_training.embed import vector_bytes
from selfimp_bench.runs.forecast import BYTES_PER_SAMPLED_TOKEN, records_of
from selfimp_bench.runs.hardware.cost import sources
from selfimp_bench.runs.hardware.footprint import RESUME_BYTES, adapter_parameters
from selfimp_bench.runs.hardware.sizes import architecture_of
from selfimp_bench.runs.hardware.training import STORED_BYTES
from selfimp_bench.runs.hub_needs import Shortfall
from selfimp_bench.runs.study import Experiment
from selfimp_bench.steps.model import ModelBlock
from selfimp_bench.steps.plan import Plan, Step, plan_keys
from selfimp_bench.steps.store import Store
from selfimp_bench.steps.train import TrainBlock

_AT_A_TIME = 2
"""Checkpoints to resume from: the next is there whole before the one before it goes."""


@dataclass(frozen=True, kw_only=True)
class DiskUse:
    """Bytes at most, each piece of work once, of steps that are not done yet.

    samples: completions and judgements. vectors: of their texts. checkpoints: one of every training step. resuming:
    what the largest training goes on from after a kill, gone when it ends. fetched: models that are still to come.
    unknown: what counts as nothing, for its size is not known: ``model ID``, and what else is still to come.
    """

    samples: int
    vectors: int
    checkpoints: int
    resuming: int
    fetched: int
    unknown: tuple[str, ...]

    @property
    def total(self) -> int:
        """All of it at a time."""
        return self.samples + self.vectors + self.checkpoints + self.resuming + self.fetched

    @property
    def besides(self) -> str:
        """What to say after the total: of how much the size is not known."""
        what = "model or data set" if len(self.unknown) == 1 else "models or data sets"
        return f", and {len(self.unknown)} {what} of unknown size" if self.unknown else ""


def in_bytes(count: int) -> str:
    """Bytes in units of 10^6 or 10^9, as datasheets count."""
    return f"{count / 1e9:,.0f} GB" if count >= 10**10 else f"{count / 1e6:,.0f} MB"


def disk_use(experiments: Sequence[Experiment], missing: Sequence[Shortfall], home: Path) -> DiskUse:
    """What these experiments still write under a home, and what is still ``missing`` there from the hub."""
    store = Store(home / "store")
    work: dict[str, tuple[Step, Plan]] = {}
    for experiment in experiments:
        plan = experiment.plan()
        keys, done = plan_keys(plan), records_of(plan, store)
        work |= {keys[step.id]: (step, plan) for step in plan.steps if step.id not in done}
    tokens = sum(step.tokens_at_most for step, plan in work.values() if plan.stage(step).tokens == "generated")
    trained = [(step.block, _base(step, plan)) for step, plan in work.values() if isinstance(step.block, TrainBlock)]
    models = [short.need.ref for short in missing if isinstance(short.need.ref, ModelRef)]
    unknown = [f"model {model.id}" for model in (*(base for _, base in trained), *models) if not parameters_of(model)]
    others = [short.need.pinned for short in missing if not isinstance(short.need.ref, ModelRef)]
    return DiskUse(
        samples=tokens * BYTES_PER_SAMPLED_TOKEN,
        vectors=vector_bytes(step for step, _ in work.values()),
        checkpoints=sum(STORED_BYTES * parameters_of(base) for _, base in trained),
        resuming=_AT_A_TIME * max((_resuming(block, base) for block, base in trained), default=0),
        fetched=sum(STORED_BYTES * parameters_of(model) for model in models),
        unknown=tuple(dict.fromkeys([*unknown, *(f"{each.kind} {each.id}" for each in others)])),
    )


def parameters_of(model: ModelRef) -> int:
    """A base model's size, 0 where it is not known."""
    try:
        return architecture_of(model).parameters
    except InputError:
        return 0


def _base(step: Step, plan: Plan) -> ModelRef:
    block = sources(step, ModelBlock, plan.by_id())[0].block
    assert isinstance(block, ModelBlock)
    return block.model


def _resuming(block: TrainBlock, base: ModelRef) -> int:
    if block.lora is None or not parameters_of(base):
        return RESUME_BYTES * parameters_of(base)
    sizes = architecture_of(base)
    return RESUME_BYTES * adapter_parameters(sizes, rank=block.lora.rank, modules=block.lora.target_modules)
