"""How a plan's outlook on given hardware looks in a terminal."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType

from selfimp_bench.cli.console import Column, Table, table
from selfimp_bench.plural import plural
from selfimp_bench.runs.cluster.simulate import Simulation
from selfimp_bench.runs.hardware.cost import Range, StepCost, total
from selfimp_bench.runs.hardware.fit import gigabytes
from selfimp_bench.runs.hardware.footprint import USABLE
from selfimp_bench.runs.hardware.lengths import CHARACTERS_PER_TOKEN
from selfimp_bench.runs.hardware.outlook import Outlook, StudyOutlook
from selfimp_bench.runs.hardware.savings import Savings, computing
from selfimp_bench.runs.hardware.training import CORRECT_SHARE
from selfimp_bench.runs.hardware.waiting import DISK
from selfimp_bench.runs.study import Study

_COLUMNS = (
    *(Column(name=name, room="whole") for name in ("model", "step")),
    *(Column(name=name, room="whole", right=True) for name in ("peak GB", "fits", "GPU hours")),
    Column(name="M tokens", room="cut", right=True),
    *(Column(name=name, room="cut", at_least=4, right=True) for name in ("steps", "GPUs", "rows", "accumulation")),
)


_SHOWN = 8
"""Tasks named of a simulated order; `--json` has them all."""


def simulation_lines(found: Simulation) -> Iterator[str]:
    """A cluster's hours in a few lines."""
    yield (
        f"\nOn {found.nodes}, {plural(found.tasks, 'task')} on GPUs: {spread(found.makespan)} hours from the first "
        f"step to the last, {spread(found.idle_gpu_hours)} GPU hours idle; the longest chain of steps takes "
        f"{spread(found.chain)} hours"
    )
    yield (
        f"that is with the longest way to the end first, as the scheduler goes; in the plan's order: "
        f"{spread(found.in_plan_order)} hours"
    )
    if found.order:
        rest = f", and {len(found.order) - _SHOWN} more" if len(found.order) > _SHOWN else ""
        yield f"it begins with {', '.join(found.order[:_SHOWN])}{rest}"
    if found.left_out:
        left = plural(found.left_out, "step")
        yield f"left out: {left} that one such machine cannot do, or that read theirs (see --hardware)"


def outlook_tables(found: Outlook) -> Iterator[RenderableType]:
    """A row for every model and kind of step, what its columns are, the sums, what was assumed, what cannot run."""
    if not found.costs:
        yield f"\n{found.hardware}: no step of this plan uses a GPU"
        return
    groups: dict[tuple[str, str], list[StepCost]] = {}
    for cost in found.costs:
        groups.setdefault((cost.model, cost.kind), []).append(cost)
    rows = [_row(model, kind, costs) for (model, kind), costs in groups.items()]
    yield Table(f"\nOn {found.hardware}", _COLUMNS, rows)
    yield (
        "\nrows: in training, of a pass on each GPU (accumulation: passes to an optimiser step); in sampling, what an "
        "engine has at a time if all are the longest, on its GPUs together. The other GPUs have engines of their own. "
        "fits: its memory; of prompts that do not fit a model the lines above speak."
    )
    yield from _closing(found)


def _row(model: str, kind: str, costs: Sequence[StepCost]) -> tuple[str, ...]:
    """``rows`` and ``accumulation`` are of the step that fills a device most."""
    fullest = max(costs, key=lambda cost: cost.footprint.total)
    tokens, hours, _ = _amounts(costs)
    return (
        model,
        kind,
        f"{fullest.footprint.total / 1e9:,.1f}",
        "no" if any(cost.misfits for cost in costs) else "yes",
        hours,
        tokens,
        str(len(costs)),
        str(fullest.devices),
        str(fullest.per_device),
        str(fullest.accumulation or ""),
    )


def _amounts(costs: Sequence[StepCost]) -> tuple[str, str, str]:
    """Millions of tokens, GPU hours, of the steps that can run, and GB on disk."""
    able = [cost for cost in costs if not cost.misfits]
    return (
        spread(total(cost.tokens for cost in costs) * 1e-6),
        spread(total(cost.gpu_hours for cost in able)) if able else "",
        spread(total(cost.disk_bytes for cost in costs) * 1e-9),
    )


def _closing(found: Outlook) -> Iterator[RenderableType]:
    """The sums, what was assumed, and what cannot run."""
    rates = found.rates
    yield (
        f"\n{spread(found.gpu_hours)} GPU hours{' of what can run' if found.misfits else ''}, "
        f"{spread(found.gpu_hours_to_do)} of them to do; peak {gigabytes(found.peak_bytes)} on a device"
    )
    yield (
        f"\nThe first number expects answers as long as gold ones, {CHARACTERS_PER_TOKEN} characters a token, and "
        f"{CORRECT_SHARE:.0%} of samples trained on; the second has every answer at its limit and every sample "
        f"trained on. Training reaches {rates.training.value:.0%} of the peak ({rates.training.source}), decoding "
        f"{rates.decoding.value:.0%} of its roofline ({rates.decoding.source}); rows with a seed, to which vLLM's "
        f"model runner v1 gives noise one by one, add {rates.seeding.value * 1e6:.0f} microseconds each to a step "
        f"({rates.seeding.source}); {USABLE:.0%} of a device's memory may "
        "be filled. Probing is not counted."
    )
    yield from _waiting(found)
    if found.misfits:
        rows = [(one.model, ", ".join(one.kinds), one.reason) for one in found.misfits]
        yield table(f"\nCannot run on {found.hardware}", ("model", "step", "why"), rows)


def _waiting(found: Outlook) -> Iterator[RenderableType]:
    """What the hours go to, each with its share of all: computing, and what all GPUs wait for; and the sum."""
    rows = [(kind, spread(hours), _share(hours, found), "") for kind, hours in computing(found).items()]
    rows += [(wait.kind, spread(wait.gpu_hours), _share(wait.gpu_hours, found), wait.counted) for wait in found.waits]
    columns = ("for", "GPU hours", "share", "counted")
    title = f"\nWhere the hours go: computing, then what all GPUs of {found.hardware} wait for (assumed speeds)"
    yield table(title, columns, rows)
    saved = found.resume
    yield (
        f"\n{spread(found.all_hours)} GPU hours with waiting; {spread(saved.written)} checkpoints to resume from are "
        f"written, {spread(saved.written_bytes * 1e-12)} TB in {spread(saved.written_bytes * (1 / DISK / 60))} minutes"
    )


def savings_tables(found: Savings) -> Iterator[RenderableType]:
    """What the plan saves, what else would, and what is left with all of it."""
    titles = (
        ("What this plan saves, waiting included", found.made),
        ("What would save more, each alone", found.possible),
    )
    for title, group in titles:
        rows = [(each.what, spread(each.gpu_hours), each.how) for each in group]
        columns = (Column(name="saving", room="whole"), Column(name="GPU hours", room="whole"), Column(name="how"))
        yield Table(f"\n{title}", columns, rows)
    left = [(f"{each.share:.0%} of the peak in training", spread(each.gpu_hours)) for each in found.rest]
    yield table(f"\nWith all of these, {spread(found.trained)} of the hours in training", ("at", "GPU hours"), left)


def _share(part: Range, found: Outlook) -> str:
    """Of all hours, both expected."""
    return f"{part.expected / found.all_hours.expected:.1%}" if found.all_hours.expected else ""


def spread(amount: Range, unit: str = "") -> str:
    """``120 to 510``, or one number where both ends are the same."""
    low, high = _short(amount.expected), _short(amount.at_most)
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"


def _short(number: float) -> str:
    """Two digits below ten, none after the point above it: an estimate has no more."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def study_outlook_tables(study: Study, found: StudyOutlook) -> Iterator[RenderableType]:
    """Of one experiment its own outlook; of several what each asks and what sharing saves."""
    yield from outlook_tables(found.whole) if study.across is None else _shared_outlook(found)


def _shared_outlook(found: StudyOutlook) -> Iterator[RenderableType]:
    """What each experiment asks by itself, the sums with equal steps done once, what that saves, and each model's."""
    rows = [
        (
            each.experiment,
            f"{each.peak_bytes / 1e9:,.1f}",
            "yes" if each.fits else "no",
            spread(each.gpu_hours),
            spread(each.own_gpu_hours),
            str(each.runs),
            spread(each.tokens * 1e-6),
            spread(each.disk_bytes * 1e-9),
        )
        for each in found.experiments
    ]
    columns = (
        Column(name="experiment", room="whole"),
        *(
            Column(name=name, room="whole", right=True)
            for name in ("peak GB", "fits", "GPU hours", "after those above")
        ),
        *(Column(name=name, room="cut", at_least=4, right=True) for name in ("runs", "M tokens", "GB on disk")),
    )
    yield Table(f"\nOn {found.whole.hardware}, each experiment by itself", columns, rows)
    by_model: dict[str, list[StepCost]] = {}
    for cost in found.whole.costs:
        by_model.setdefault(cost.model, []).append(cost)
    models = [(model, str(max(cost.devices for cost in costs)), *_amounts(costs)) for model, costs in by_model.items()]
    yield table(
        "\nEach model in all of them, equal steps once",
        ("model", "GPUs", "M tokens", "GPU hours", "GB on disk"),
        models,
    )
    runs = sum(each.runs for each in found.experiments)
    yield (
        f"\n{plural(runs, 'run')}: {spread(found.alone)} GPU hours if each ran alone; sharing saves "
        f"{spread(found.saved)} of them"
    )
    yield from (f"published: {row.printed} {row.unit} ({row.source})" for row in found.published)
    yield from _closing(found.whole)
