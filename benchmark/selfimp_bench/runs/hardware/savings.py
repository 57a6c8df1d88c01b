"""Where a plan's GPU hours go, what it saves, and what would save more: outlooks of the same plan, changed.

Nothing here runs or changes a plan: every number is the difference of two outlooks, with the same assumptions.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from selfimp_bench.protocols.post_training.weigh import WeighBlock
from selfimp_bench.protocols.verification.tournament import TournamentBlock
from selfimp_bench.protocols.verification.verify import VerifyBlock
from selfimp_bench.runs.hardware.calibration import Rate
from selfimp_bench.runs.hardware.cost import Range, Setting, StepCost, total
from selfimp_bench.runs.hardware.device import Hardware
from selfimp_bench.runs.hardware.outlook import Outlook, StudyOutlook, outlook
from selfimp_bench.runs.hardware.sampling import FOLLOW_UPS
from selfimp_bench.runs.hardware.training import train_cost
from selfimp_bench.runs.hardware.waiting import EMBEDDING, GRADING, SAVING, STARTS, saving_wait, starts_apart
from selfimp_bench.runs.study import Study
from selfimp_bench.steps.plan import Plan, Step
from selfimp_bench.steps.sample import SampleBlock
from selfimp_bench.steps.train import TrainBlock

SELDOM_MINUTES: Final = 120.0
"""Between checkpoints to resume from, where a kill may cost two hours."""

SHARES: Final = (0.45, 0.50, 0.54)
"""Of the peak in training, what if it were reached: up to what Korthikanti et al. (2205.05198, Abstract) report of
A100s, without recomputation, of a far larger model."""

_KINDS: Final = {"sample": "sampling", "weigh": "sampling", "verify": "judging", "tournament": "judging"}
"""Of what a step's ``kind`` begins with; else it is training."""

_NONE: Final = Range(expected=0.0, at_most=0.0)


@dataclass(frozen=True, kw_only=True)
class Saving:
    """GPU hours, waiting included, that something saves; how: by what."""

    what: str
    gpu_hours: Range
    how: str


@dataclass(frozen=True, kw_only=True)
class AtShare:
    """GPU hours with every saving, waiting included, if training reaches that share of the device's peak (above 0, at
    most 1)."""

    share: float
    gpu_hours: Range


@dataclass(frozen=True, kw_only=True)
class Savings:
    """made: what the plan saves as it is. possible: what else would, each alone.

    trained: hours in training with all of those. rest: all hours then, at the plan's share of the peak in training and
    at those of ``SHARES`` above it.
    """

    made: tuple[Saving, ...]
    possible: tuple[Saving, ...]
    trained: Range
    rest: tuple[AtShare, ...]


def computing(found: Outlook) -> dict[str, Range]:
    """GPU hours in which something is computed, by what; of the steps that can run."""
    hours: dict[str, Range] = {}
    for cost in found.costs:
        if not cost.misfits:
            kind = _KINDS.get(cost.kind.split()[0], "training")
            hours[kind] = hours.get(kind, _NONE) + cost.gpu_hours
    return hours


def savings(study: Study, hardware: Hardware, found: StudyOutlook) -> Savings:
    """``found``: the study's outlook on that hardware."""
    plan, whole = study.plan().plan, found.whole
    kept, drawn = _recomputing_nothing(plan, whole, hardware), _changed(plan, _drawing_together)
    both = _changed(kept, _drawing_together)
    reached = whole.rates.training.value
    shares = (reached, *(share for share in SHARES if share > reached))
    least = {share: _asked(both, hardware, whole, share) for share in shares}
    waited, seldom = _waits(whole), saving_wait(_trained(plan, whole), hardware, SELDOM_MINUTES).gpu_hours
    return Savings(
        made=_made(plan, hardware, found),
        possible=(
            Saving(
                what="activations kept, not recomputed",
                gpu_hours=whole.all_hours - _asked(kept, hardware, whole).all_hours,
                how="gradient_checkpointing: false where it fits, maybe with fewer rows a pass",
            ),
            Saving(
                what="noise of all rows drawn at once",
                gpu_hours=whole.all_hours - _asked(drawn, hardware, whole).all_hours,
                how="vllm.model_runner: v2",
            ),
            Saving(
                what="seldom a checkpoint to resume from",
                gpu_hours=waited[SAVING] - seldom,
                how=f"run --save-every {SELDOM_MINUTES:.0f}",
            ),
            Saving(what="grading beside other steps", gpu_hours=waited[GRADING], how="a run on more than one core"),
            Saving(
                what="embedding on one GPU each",
                gpu_hours=waited[EMBEDDING] * (1 - 1 / hardware.count),
                how="--executor ray or slurm: others beside it",
            ),
        ),
        trained=computing(least[reached]).get("training", _NONE),
        rest=tuple(AtShare(share=share, gpu_hours=_least(both, left, hardware)) for share, left in least.items()),
    )


def _made(plan: Plan, hardware: Hardware, found: StudyOutlook) -> tuple[Saving, ...]:
    whole = found.whole
    apart = total(each.all_hours for each in found.experiments)
    anew = _asked(_changed(plan, _one_sample), hardware, whole).gpu_hours
    uncached = _asked(_changed(plan, _uncached), hardware, whole).gpu_hours
    trained = {cost.step for cost in _trained(plan, whole)}
    served = [cost for cost in whole.costs if cost.step not in trained and not cost.misfits]
    return (
        Saving(what="equal steps once", gpu_hours=apart - whole.all_hours, how="experiments share them"),
        Saving(
            what="engines for all steps of a checkpoint",
            gpu_hours=starts_apart(served, hardware) - _waits(whole)[STARTS],
            how=f"else {len(served)} starts",
        ),
        Saving(what="a prompt read once", gpu_hours=anew - whole.gpu_hours, how="for all its completions"),
        Saving(what="beginnings read once", gpu_hours=uncached - anew, how="what all prompts of a step begin with"),
    )


def _asked(plan: Plan, hardware: Hardware, whole: Outlook, training: float | None = None) -> Outlook:
    """Of a changed plan, at the same rates, or with another share of the peak in training."""
    rates = whole.rates
    if training is not None:
        rates = replace(rates, training=Rate(value=training, source="what if"))
    return outlook(plan, hardware, done=frozenset(), rates=rates)


def _least(plan: Plan, found: Outlook, hardware: Hardware) -> Range:
    """All hours, of which all goes beside other steps that can."""
    waited = _waits(found) | {GRADING: _NONE}
    waited[EMBEDDING] *= 1 / hardware.count
    waited[SAVING] = saving_wait(_trained(plan, found), hardware, SELDOM_MINUTES).gpu_hours
    return found.gpu_hours + total(waited.values())


def _waits(found: Outlook) -> dict[str, Range]:
    return {wait.kind: wait.gpu_hours for wait in found.waits}


def _trained(plan: Plan, found: Outlook) -> list[StepCost]:
    able = {cost.step: cost for cost in found.costs if not cost.misfits}
    return [able[step.id] for step in plan.steps if isinstance(step.block, TrainBlock) and step.id in able]


def _changed(plan: Plan, change: Callable[[Any], Any]) -> Plan:
    """With every step's block changed."""
    return replace(plan, steps=tuple(replace(step, block=change(step.block)) for step in plan.steps))


def _recomputing_nothing(plan: Plan, found: Outlook, hardware: Hardware) -> Plan:
    """Where a pass of as many rows as now, or of a part of them, holds its activations, and could run before."""
    setting = Setting(steps=plan.by_id(), hardware=hardware, rates=found.rates)
    able = {cost.step for cost in _trained(plan, found)}
    steps = (_keeping(step, setting) if step.id in able else step for step in plan.steps)
    return replace(plan, steps=tuple(steps))


def _keeping(step: Step, setting: Setting) -> Step:
    block = step.block
    assert isinstance(block, TrainBlock)
    rows = block.micro_batch_size
    for fewer in (count for count in range(rows, 0, -1) if rows % count == 0):
        kept = replace(step, block=replace(block, gradient_checkpointing=False, micro_batch_size=fewer))
        cost = train_cost(kept, setting)
        if cost is not None and not cost.misfits:
            return kept
    return step


def _drawing_together(block: Any) -> Any:
    return _with_vllm(block, model_runner="v2")


def _uncached(block: Any) -> Any:
    return _with_vllm(block, prefix_caching=False)


def _with_vllm(block: Any, **settings: Any) -> Any:
    if isinstance(block, FOLLOW_UPS):
        return replace(block, sample=_with_vllm(block.sample, **settings))
    if not isinstance(block, SampleBlock | WeighBlock | VerifyBlock | TournamentBlock) or block.settings.vllm is None:
        return block
    return replace(block, settings=replace(block.settings, vllm=replace(block.settings.vllm, **settings)))


def _one_sample(block: Any) -> Any:
    """As many completions, but each of a prompt of its own."""
    if isinstance(block, FOLLOW_UPS):
        return replace(block, sample=_one_sample(block.sample))
    if isinstance(block, SampleBlock):
        return replace(block, samples_per_problem=1)
    if isinstance(block, VerifyBlock | TournamentBlock) and block.writing is not None:
        return replace(block, writing=replace(block.writing, repeats=1))
    return block
