"""A plan's outlook on given hardware: every step's cost, the sums, what cannot run there, what sharing steps saves."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

from selfimp_bench.errors import InputError
from selfimp_bench.manifest.catalog import find_table
from selfimp_bench.manifest.reference_table import Reference, read_table
from selfimp_bench.protocols.post_training.embed import vector_bytes
from selfimp_bench.protocols.post_training.weigh import WeighBlock
from selfimp_bench.protocols.verification.tournament import TournamentBlock
from selfimp_bench.protocols.verification.verify import VerifyBlock
from selfimp_bench.runs.hardware.calibration import Rates, read_rates
from selfimp_bench.runs.hardware.cost import Range, Setting, StepCost, total
from selfimp_bench.runs.hardware.device import Hardware
from selfimp_bench.runs.hardware.sampling import FOLLOW_UPS, sample_cost, verify_cost, weigh_cost
from selfimp_bench.runs.hardware.training import train_cost
from selfimp_bench.runs.hardware.waiting import Resume, Wait, resume, waits
from selfimp_bench.runs.study import Experiment, Study
from selfimp_bench.steps.plan import Plan, Step, plan_keys
from selfimp_bench.steps.sample import SampleBlock
from selfimp_bench.steps.train import TrainBlock

COSTS: Mapping[type, Callable[[Step, Setting], StepCost | None]] = {
    SampleBlock: sample_cost,
    **dict.fromkeys(FOLLOW_UPS, sample_cost),
    WeighBlock: weigh_cost,
    VerifyBlock: verify_cost,
    TournamentBlock: verify_cost,
    TrainBlock: train_cost,
}
"""Blocks whose steps use a GPU for long. An encoder has a hundredth of the models' size, and the probe is short."""


PUBLISHED_HOURS = "gpu-hours"
"""The metric of a reference row that says what the source's own runs took."""


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """Why a model's steps of these kinds cannot run, with what would."""

    model: str
    kinds: tuple[str, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """count: of the hardware's GPUs. costs: of the steps that use one. gpu_hours: of those that can run; to_do: without
    those that are done.

    waits: what all GPUs wait for, beside those hours. all_hours: both. disk_bytes: samples, the vectors of their texts,
    and a checkpoint of every training step; resume: what is there besides while training goes on. peak_bytes: of the
    step that fills a device most, 0 for none. misfits: of a model's steps of a kind, that of the largest; empty when
    all can run.
    """

    hardware: str
    count: int
    rates: Rates
    costs: tuple[StepCost, ...]
    gpu_hours: Range
    gpu_hours_to_do: Range
    waits: tuple[Wait, ...]
    disk_bytes: Range
    resume: Resume
    peak_bytes: int
    misfits: tuple[Misfit, ...]

    @property
    def all_hours(self) -> Range:
        """Computing and waiting."""
        return self.gpu_hours + total(wait.gpu_hours for wait in self.waits)


@dataclass(frozen=True, kw_only=True)
class ExperimentOutlook:
    """An experiment's part of a study: runs are its models times its replicates.

    tokens, disk_bytes, gpu_hours: by itself; all_hours: these with waiting. own_gpu_hours: of the steps that no
    experiment before it has, and that can run.
    """

    experiment: str
    runs: int
    peak_bytes: int
    fits: bool
    tokens: Range
    disk_bytes: Range
    gpu_hours: Range
    all_hours: Range
    own_gpu_hours: Range


@dataclass(frozen=True, kw_only=True)
class StudyOutlook:
    """whole: every piece of work once. alone: the sum over experiments that share nothing. saved: the difference.

    published: what the tables that the claims across experiments name say of GPU hours.
    """

    experiments: tuple[ExperimentOutlook, ...]
    whole: Outlook
    alone: Range
    saved: Range
    published: tuple[Reference, ...]


def outlook(plan: Plan, hardware: Hardware, *, done: Set[str], rates: Rates | None = None) -> Outlook:
    """What the steps of a plan ask, those ``done`` too (their ids); at the device's rates, or at others.

    Raises InputError for a model of unknown sizes.
    """
    setting = Setting(steps=plan.by_id(), hardware=hardware, rates=rates or read_rates(hardware.name))
    found = (COSTS[type(step.block)](step, setting) for step in plan.steps if type(step.block) in COSTS)
    costs = tuple(cost for cost in found if cost is not None)
    able = [cost for cost in costs if not cost.misfits]
    kept = vector_bytes(plan.steps)
    return Outlook(
        hardware=str(hardware),
        count=hardware.count,
        rates=setting.rates,
        costs=costs,
        gpu_hours=total(cost.gpu_hours for cost in able),
        gpu_hours_to_do=total(cost.gpu_hours for cost in able if cost.step not in done),
        waits=waits(plan, costs, hardware) if costs else (),
        disk_bytes=total(cost.disk_bytes for cost in costs) + Range(expected=kept, at_most=kept),
        resume=resume(cost for cost in able if cost.resume_bytes),
        peak_bytes=max((cost.footprint.total for cost in costs), default=0),
        misfits=_misfits(costs),
    )


def study_outlook(study: Study, hardware: Hardware, *, done: Set[str]) -> StudyOutlook:
    """The outlook of a study and its plan; ``done`` as for ``outlook``, which says what it raises."""
    found, seen = [], set[str]()
    for experiment in study.experiments:
        plan = experiment.plan()
        keys = plan_keys(plan)
        found.append(_experiment_outlook(experiment, outlook(plan, hardware, done=frozenset()), keys, seen))
        seen.update(keys.values())
    whole = outlook(study.plan().plan, hardware, done=done)
    alone = total(each.gpu_hours for each in found)
    return StudyOutlook(
        experiments=tuple(found),
        whole=whole,
        alone=alone,
        saved=alone - whole.gpu_hours,
        published=tuple(_published(study)),
    )


def _experiment_outlook(
    experiment: Experiment, found: Outlook, keys: Mapping[str, str], seen: Set[str]
) -> ExperimentOutlook:
    """``keys``: of the experiment's steps. ``seen``: those of the experiments before it."""
    own = [cost for cost in found.costs if not cost.misfits and keys[cost.step] not in seen]
    return ExperimentOutlook(
        experiment=experiment.manifest.name,
        runs=len(experiment.models) * experiment.replicates,
        peak_bytes=found.peak_bytes,
        fits=not found.misfits,
        tokens=total(cost.tokens for cost in found.costs),
        disk_bytes=found.disk_bytes,
        gpu_hours=found.gpu_hours,
        all_hours=found.all_hours,
        own_gpu_hours=total(cost.gpu_hours for cost in own),
    )


def _published(study: Study) -> Iterator[Reference]:
    for name in () if study.across is None else study.across.published.tables:
        table = read_table(find_table(name, study.path), name)
        yield from (row for row in table.rows if row.metric == PUBLISHED_HOURS)


def refuse_misfits(found: Outlook) -> None:
    """Raise InputError with every reason why the plan cannot run on its hardware; return when it can."""
    if found.misfits:
        reasons = (f"{one.model}, {', '.join(one.kinds)}: {one.reason}" for one in found.misfits)
        raise InputError("\n".join([f"cannot run on {found.hardware}:", *reasons]))


def _misfits(costs: Iterable[StepCost]) -> tuple[Misfit, ...]:
    """Kinds with the same reasons together."""
    largest: dict[tuple[str, str], StepCost] = {}
    for cost in costs:
        before = largest.get((cost.model, cost.kind))
        if cost.misfits and (before is None or cost.footprint.total > before.footprint.total):
            largest[cost.model, cost.kind] = cost
    kinds: dict[tuple[str, str], list[str]] = {}
    for (model, kind), cost in largest.items():
        for reason in cost.misfits:
            kinds.setdefault((model, reason), []).append(kind)
    return tuple(Misfit(model=model, kinds=tuple(found), reason=reason) for (model, reason), found in kinds.items())
